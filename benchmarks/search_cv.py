"""PackSweepSearchCV and GridSearchCV: the same search, the same results, including start-up.

Each search is a process of its own, which imports what it needs; both take one core. What is
compared is the processor's time of the two processes, because others may work on the machine.

    python benchmarks/search_cv.py
    python benchmarks/search_cv.py --short    one small search
"""

import argparse
import json
import resource
import subprocess
import sys

from harness import report

ONE = """
import sys, time, json
import numpy as np
from sklearn.datasets import load_digits

kind, which, short = sys.argv[1:]
X, y = load_digits(return_X_y=True)
ROUNDS = [10, 20, 30, 40, 50, 60, 70, 80]
RATES = [0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4]
def model_of(kind):
    if kind == "softmax":
        from search.estimators import SoftmaxClassifier
        return SoftmaxClassifier(random_state=0), "epochs", {
            "epochs": [5, 10, 15, 20, 25, 30, 35, 40],
            "learning_rate": np.geomspace(0.003, 0.1, 8).tolist(),
            "alpha": np.geomspace(1e-5, 1, 8).tolist(),
        }
    if kind == "mlp":
        from sklearn.neural_network import MLPClassifier
        from search.estimators import EpochTrained
        model = EpochTrained(MLPClassifier((50,)), random_state=0)
        return model, "epochs", {
            "epochs": ROUNDS, "estimator__alpha": np.geomspace(1e-6, 10, 8).tolist()
        }
    if kind == "histograms":
        from sklearn.ensemble import HistGradientBoostingClassifier
        model = HistGradientBoostingClassifier(random_state=0, early_stopping=False)
        return model, "max_iter", {
            "max_iter": [rounds // 2 for rounds in ROUNDS], "learning_rate": RATES
        }
    if kind == "xgboost":
        from xgboost import XGBClassifier
        return XGBClassifier(random_state=0, n_jobs=1), "n_estimators", {
            "n_estimators": ROUNDS, "learning_rate": RATES
        }
    from lightgbm import LGBMClassifier
    model = LGBMClassifier(random_state=0, n_jobs=1, verbose=-1)
    return model, "n_estimators", {
        "n_estimators": ROUNDS, "learning_rate": RATES
    }

model, resource, space = model_of(kind)
if short == "True":
    space = {name: values[:2] for name, values in space.items()}
if which == "ours":
    from search.estimators import PackSweepSearchCV
    search = PackSweepSearchCV(model, space, resource=resource, cv=5)
else:
    from sklearn.model_selection import GridSearchCV
    search = GridSearchCV(model, space, cv=5)
search.fit(X, y)
scores = search.cv_results_["mean_test_score"].tolist()
print(json.dumps({"scores": scores, "best": str(search.best_params_)}))
"""


KINDS = ["softmax", "mlp", "histograms", "xgboost", "lightgbm"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--only", choices=KINDS, help="one of the searches; nothing is kept")
    args = parser.parse_args()
    kinds = [args.only] if args.only else KINDS[:1] if args.short else KINDS
    figures: dict[str, float] = {}
    for kind in kinds:
        timed(kind, "ours", short=True)  # compiles, and warms the disk's cache
        theirs, grid_s = timed(kind, "theirs", short=args.short)
        ours, shared_s = timed(kind, "ours", short=args.short)
        assert ours["best"] == theirs["best"]
        pairs = zip(ours["scores"], theirs["scores"], strict=True)
        figures |= {
            f"{kind}_candidates": len(ours["scores"]),
            f"{kind}_grid_search_s": grid_s,
            f"{kind}_ours_s": shared_s,
            f"{kind}_times_faster": grid_s / shared_s,
            f"{kind}_largest_difference_of_a_score": max(abs(a - b) for a, b in pairs),
        }
    report("search_cv", figures, keep=not (args.short or args.only))


def timed(kind: str, which: str, *, short: bool) -> tuple[dict, float]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        ["taskset", "-c", "0", sys.executable, "-c", ONE, kind, which, str(short)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return json.loads(done.stdout.splitlines()[-1]), seconds


if __name__ == "__main__":
    main()
