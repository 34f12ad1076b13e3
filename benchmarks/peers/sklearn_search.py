"""scikit-learn: GridSearchCV over single points, with the one split and no refit."""

import time
import warnings
from typing import Any, Self

import numpy as np
from joblib.externals.loky import get_reusable_executor
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GridSearchCV, PredefinedSplit

from cluster.executor import one_blas_thread
from model.softmax import SoftmaxRegression
from peers.task import Outcome, Task
from search.config import AXES


class Textbook(ClassifierMixin, BaseEstimator):
    """The textbook trainer with scikit-learn's manners."""

    def __init__(self, batch_size=32, learning_rate=1e-6, epochs=5, alpha=0.0, seed=0):
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.alpha = alpha
        self.seed = seed

    def fit(self, X, y) -> Self:
        self.started_ = time.time()
        self.classes_ = np.unique(y)
        with one_blas_thread(), np.errstate(all="ignore"):
            self.model_ = SoftmaxRegression(**self.get_params()).fit(X, y, len(self.classes_))
        return self

    def predict_proba(self, X):
        return self.model_.predict_proba(X)

    def predict(self, X):
        return self.classes_[self.model_.predict(X)]


def negative_cost(estimator: Textbook, X: Any, y: Any) -> dict[str, float]:
    """Return the negative log loss, and the times beside it, which a search keeps for us.

    Not scoring="neg_log_loss", which clips probabilities to 1e-7 and so would
    give other costs than everybody else.
    """
    with one_blas_thread(), np.errstate(all="ignore"):
        cost = estimator.model_.cost(X, y)
    return {"negative_cost": -cost, "started": estimator.started_, "finished": time.time()}


def run(task: Task) -> list[Outcome]:
    """Search the trials with as many jobs as cores."""
    X, y, n = task.examples.X, task.examples.y, task.examples.n_train
    search = GridSearchCV(
        Textbook(seed=task.seed),
        [{name: [trial.params[name]] for name in AXES} for trial in task.trials],
        scoring=negative_cost,
        n_jobs=task.cores,
        cv=PredefinedSplit(np.where(np.arange(len(y)) < n, -1, 0)),
        refit=False,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "One or more of the test scores are non-finite")
        warnings.filterwarnings("error", category=FitFailedWarning)
        search.fit(X, y)
    # Or else its processes wait for more work, and this one for their end.
    get_reusable_executor().shutdown()
    names = ("negative_cost", "started", "finished")
    columns = zip(*(search.cv_results_[f"mean_test_{name}"] for name in names), strict=True)
    return [
        Outcome(trial.number, -float(score), float(started), float(finished))
        for trial, (score, started, finished) in zip(task.trials, columns, strict=True)
    ]
