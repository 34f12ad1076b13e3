"""scikit-learn's way in: the project's trainer as an estimator, and a search that shares training.

It knows scikit-learn's conventions: labels of any kind, data frames, sample weights, scorers,
splitters, fitted attributes. It never knows run folders or clusters.

>>> from search.estimators import SoftmaxClassifier
>>> SoftmaxClassifier(epochs=3)
SoftmaxClassifier(epochs=3)
"""

from search.estimators.epoch_trained import EpochTrained
from search.estimators.search_cv import PackSweepSearchCV, SharesNothingWarning
from search.estimators.softmax_classifier import SoftmaxClassifier

__all__ = ["EpochTrained", "PackSweepSearchCV", "SharesNothingWarning", "SoftmaxClassifier"]
