"""Exact optima of the penalised cost, by Newton's method, from which descent is measured.

It knows rows, labels and alpha. It never knows how a model was trained that is compared with them.
"""

from model.optima.optimum import GRADIENT_NORM, AlphaOptimum, find_optimum, score_weights

__all__ = ["GRADIENT_NORM", "AlphaOptimum", "find_optimum", "score_weights"]
