"""The textbook trainer, against calculus and against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import approx_fprime
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from model import softmax
from model.errors import DataError
from model.softmax import SoftmaxRegression, gradient, log_softmax


def problem(seed, n=40, n_features=5, n_classes=4):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, n_features))
    y = np.concatenate([np.arange(n_classes), rng.integers(0, n_classes, n - n_classes)])
    return X, y, rng.normal(size=(n_features, n_classes)), rng.normal(size=n_classes)


@given(seed=st.integers(0, 2**31), alpha=st.sampled_from([0.0, 0.3, 10.0]))
@settings(max_examples=20, deadline=None)
def test_gradient_agrees_with_central_differences(seed, alpha):
    X, y, W, b = problem(seed)

    def penalised(flat):
        V, c = flat[: W.size].reshape(W.shape), flat[W.size :]
        return softmax.cost(V, c, X, y) + alpha / 2 * (V**2).sum()

    flat, h = np.concatenate([W.ravel(), b]), 1e-6
    steps = h * np.eye(len(flat))
    central = [(penalised(flat + step) - penalised(flat - step)) / (2 * h) for step in steps]
    exact = np.concatenate([part.ravel() for part in gradient(W, b, X, y, alpha)])
    np.testing.assert_allclose(exact, central, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(exact, approx_fprime(flat, penalised, 1e-7), atol=1e-4)


def test_cost_is_scikit_learns_log_loss():
    X, y, W, b = problem(1)
    p = np.exp(log_softmax(X @ W + b))
    assert softmax.cost(W, b, X, y) == pytest.approx(log_loss(y, p), rel=1e-12)


@given(shift=st.floats(-1e4, 1e4))
def test_probabilities_sum_to_one_however_large_the_logits(shift):
    Z = np.array([[0.0, 1.0, -2.0], [300.0, -300.0, 0.0]]) + shift
    assert np.exp(log_softmax(Z)).sum(axis=1) == pytest.approx([1, 1])


def test_long_training_reaches_scikit_learns_optimum():
    X, y, _, _ = problem(2, n=60)
    alpha = 0.05
    # Its objective sums over the examples and multiplies by C what we average and penalise.
    peer = LogisticRegression(C=1 / (alpha * len(y)), tol=1e-10, max_iter=10_000).fit(X, y)
    ours = SoftmaxRegression(len(y), 0.5, 4000, alpha, dtype=np.float64).fit(X, y)
    np.testing.assert_allclose(ours.predict_proba(X), peer.predict_proba(X), atol=1e-6)
    assert (ours.predict(X) == peer.predict(X)).all()


def test_what_is_saved_is_loaded(tmp_path):
    X, y, _, _ = problem(3)
    model = SoftmaxRegression(8, 0.1, 3, 0.01, seed=7).fit(X, y)
    model.save(tmp_path / "model.npz")
    loaded = SoftmaxRegression.load(tmp_path / "model.npz")
    assert loaded.cost(X, y) == model.cost(X, y)
    assert (loaded.batch_size, loaded.seed, loaded.alpha) == (8, 7, 0.01)
    assert loaded.W.dtype == np.float32


@pytest.mark.parametrize("contents", [b"", b"PK\x03\x04 cut off", b"plain text"])
def test_a_file_that_is_no_model_is_refused_by_name(tmp_path, contents):
    path = tmp_path / "other.npz"
    path.write_bytes(contents)
    with pytest.raises(DataError, match=r"other\.npz is not a saved softmax regression"):
        SoftmaxRegression.load(path)


def test_pickled_arrays_are_refused(tmp_path):
    path = tmp_path / "model.npz"
    np.savez(path, W=np.array([object()], dtype=object))
    with pytest.raises(DataError, match="is not a saved"):
        SoftmaxRegression.load(path)


def test_the_same_seed_gives_the_same_weights_and_another_one_others():
    X, y, _, _ = problem(4)
    weights = [SoftmaxRegression(8, 0.1, 2, 0, seed=seed).fit(X, y).W for seed in (0, 0, 1)]
    assert np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])
