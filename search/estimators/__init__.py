"""scikit-learn's way in: estimators with fit and predict over the project's own trainer.

It knows scikit-learn's conventions: labels of any kind, data frames, sample weights, fitted
attributes. It never knows run folders or clusters.

>>> from search.estimators import SoftmaxClassifier
>>> SoftmaxClassifier(epochs=3)
SoftmaxClassifier(epochs=3)
"""

from search.estimators.softmax_classifier import SoftmaxClassifier

__all__ = ["SoftmaxClassifier"]
