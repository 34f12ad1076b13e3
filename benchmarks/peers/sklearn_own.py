"""scikit-learn's own models in its own search: what most people would really write.

They are other algorithms, so that their costs are not compared. SGDClassifier takes one image at a
time, a class against all others, and has no mini-batches: its grid has the learning rates, epochs
and alphas of ours, an eighth of the trials. LogisticRegression descends to the optimum by L-BFGS:
all that is left of the grid is alpha.
"""

import time
import warnings
from typing import Any

import numpy as np
from joblib.externals.loky import get_reusable_executor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV, PredefinedSplit

from peers.sample import SEED
from peers.task import Task


def search_sgd(task: Task) -> dict[str, Any]:
    """Search a sample: each number of epochs once, in pairs from both ends."""
    axes = task.space.axes
    columns = len(axes["learning_rate"]) * len(axes["alpha"])
    rng = np.random.default_rng(SEED)
    candidates = [
        {
            "max_iter": [epochs],
            "eta0": [float(rng.choice(axes["learning_rate"]))],
            "alpha": [float(rng.choice(axes["alpha"]))],
        }
        for epochs in sorted(axes["epochs"], reverse=True)
    ]
    model = SGDClassifier(loss="log_loss", learning_rate="constant", tol=None, random_state=SEED)
    row = _search(model, candidates, task)
    return row | {
        "grid_h": columns * row["measured_s"] / 3600,
        "grid_trials": columns * len(candidates),
    }


def search_logistic_regression(task: Task) -> dict[str, Any]:
    """Search all values of alpha; C is 1 / (images * alpha)."""
    n = task.examples.n_train
    candidates = [
        {"C": [1 / (n * alpha) if alpha else np.inf]} for alpha in task.space.axes["alpha"]
    ]
    row = _search(LogisticRegression(), candidates, task)
    return row | {"grid_h": row["measured_s"] / 3600, "grid_trials": len(candidates)}


def _search(model: Any, candidates: list[dict[str, list[Any]]], task: Task) -> dict[str, Any]:
    X, y, n = task.examples.X, task.examples.y, task.examples.n_train
    search = GridSearchCV(
        model,
        candidates,
        n_jobs=task.cores,
        cv=PredefinedSplit(np.where(np.arange(len(y)) < n, -1, 0)),
        refit=False,
    )
    start = time.monotonic()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=ConvergenceWarning)
        search.fit(X, y)
    seconds = time.monotonic() - start
    get_reusable_executor().shutdown()
    return {
        "check": "another algorithm",
        "trials_run": len(candidates),
        "measured_s": seconds,
        "val_accuracy": float(search.best_score_),
    }
