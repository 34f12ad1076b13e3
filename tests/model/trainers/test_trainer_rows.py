"""What a trainer gets: rows that nobody writes to, random numbers of each epoch, figures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, log_loss

from model.trainers import Rows, Trainer, classification_figures


def rows(n, seed=0, n_classes=3, weights=None):
    rng = np.random.default_rng(n)
    X = rng.normal(size=(n, 2)).astype(np.float32)
    return Rows(X, rng.integers(0, n_classes, n), n_classes, weights, seed)


@given(st.integers(1, 50), st.integers(0, 2**63 - 1), st.integers(0, 10**6))
def test_an_epoch_has_an_order_and_random_numbers_of_its_own(n, seed, epoch):
    data = rows(n, seed)
    assert sorted(data.order(epoch).tolist()) == list(range(n))
    drawn = [data.rng(e).integers(2**63, size=2).tolist() for e in (epoch, epoch + 1, None)]
    assert drawn[0] == data.rng(epoch).integers(2**63, size=2).tolist()
    assert len({tuple(pair) for pair in drawn}) == 3
    other = rows(n, (seed + 1) % 2**63)
    assert other.rng(epoch).integers(2**63) != data.rng(epoch).integers(2**63)


@pytest.mark.parametrize("name", ["X", "y", "weights"])
def test_nobody_writes_to_the_rows_and_their_owner_still_can(name):
    X, y, weights = np.zeros((4, 2), np.float32), np.zeros(4, np.int64), np.ones(4)
    data = Rows(X, y, 2, weights)
    with pytest.raises(ValueError, match="read-only"):
        getattr(data, name)[0] = 1
    X[0], y[0], weights[0] = 1, 1, 1


@given(st.integers(1, 30), st.integers(2, 5), st.booleans(), st.sampled_from(["f4", "f8"]))
def test_figures_are_those_of_scikit_learn(n, c, weighted, kind):
    rng = np.random.default_rng(n * c)
    weights = rng.uniform(0.1, 3, n) if weighted else None
    data = rows(n, n_classes=c, weights=weights)
    probabilities = rng.dirichlet(np.ones(c), n).astype(kind)
    probabilities[0] = np.eye(c)[(data.y[0] + 1) % c]  # certain, and wrong
    found = classification_figures(probabilities, data)
    labels = np.arange(c)
    guessed = probabilities.argmax(axis=1)
    assert found["cost"] == pytest.approx(
        log_loss(data.y, probabilities, labels=labels, sample_weight=weights), rel=1e-5
    )
    assert found["accuracy"] == pytest.approx(
        accuracy_score(data.y, guessed, sample_weight=weights)
    )


def test_a_model_that_has_diverged_has_no_cost():
    assert np.isnan(classification_figures(np.full((4, 3), np.nan), rows(4))["cost"])


def test_a_trainer_without_one_of_its_two_functions_is_none():
    class Renamed(Trainer):
        version = "1"

        def advanced(self, state, params, epochs, data):
            return state

        def score(self, state, data):
            return {}

    with pytest.raises(TypeError, match="advance"):
        Renamed()
