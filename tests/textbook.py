"""The oracle of averaged weights: every reading of an epoch kept, and their mean taken."""

import numpy as np

from model.shuffle import epoch_order
from model.softmax import SoftmaxRegression

ROWS = 256


def averaged(batch_size, learning_rate, epochs, alpha, X, y, n_classes, seed=0, weights=None):
    """Train in float64; return a model that has the mean of the weights of the last epoch."""
    X = np.asarray(X, np.float64)
    model = SoftmaxRegression(
        batch_size, learning_rate, epochs - 1, alpha, seed=seed, dtype=np.float64
    ).fit(X, y, n_classes, weights)
    order, every, W, b = epoch_order(len(y), seed, epochs - 1), max(1, ROWS // batch_size), [], []
    for step in range(-(-len(y) // batch_size)):
        rows = order[step * batch_size : (step + 1) * batch_size]
        model._step(X[rows], y[rows], None if weights is None else weights[rows])
        if (step + 1) % every == 0 or (step + 1) * batch_size >= len(y):
            W.append(model.W.copy())
            b.append(model.b.copy())
    model.W, model.b = np.mean(W, axis=0), np.mean(b, axis=0)
    return model
