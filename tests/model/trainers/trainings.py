"""Trainings on made-up rows, cut where a test says."""

import numpy as np

from model.trainers import Rows
from model.trainers.states import dumped, loaded


def rows_of(classes, n=80, seed=0, weights=None):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    X = (rng.normal(size=(n, 5)) + y[:, None]).astype(np.float32)
    return Rows(X, y, classes, weights, seed=7)


def cut(trainer, params, ends, data):
    """Return the bytes of the state after ranges that end there, each written down and read."""
    content, start = None, 0
    for end in ends:
        state = None if content is None else loaded(trainer, content)
        content = dumped(trainer, trainer.advance(state, params, range(start, end), data))
        start = end
    return content


def figures(trainer, content, data):
    return trainer.score(loaded(trainer, content), data)
