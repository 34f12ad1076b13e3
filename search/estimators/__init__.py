"""scikit-learn's way in: the project's trainer as an estimator, and a search that shares training.

It knows scikit-learn's conventions: labels of any kind, data frames, sample weights, scorers,
splitters, callbacks, fitted attributes. It never knows run folders, and of clusters no more than an
executor.

>>> from search.estimators import SoftmaxClassifier
>>> SoftmaxClassifier(epochs=3)
SoftmaxClassifier(epochs=3)
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from search.estimators.epoch_trained import EpochTrained
    from search.estimators.evaluation import SharesNothingWarning
    from search.estimators.search_cv import PackSweepSearchCV
    from search.estimators.softmax_classifier import SoftmaxClassifier

__all__ = ["EpochTrained", "PackSweepSearchCV", "SharesNothingWarning", "SoftmaxClassifier"]

# Each when it is first asked for: a search over trees needs no compiler for the softmax trainer.
_MODULES = {
    "EpochTrained": "epoch_trained",
    "PackSweepSearchCV": "search_cv",
    "SharesNothingWarning": "evaluation",
    "SoftmaxClassifier": "softmax_classifier",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
