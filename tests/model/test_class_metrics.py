"""Metrics beside cost and accuracy, against scikit-learn on the textbook model's probabilities."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from model.metrics import known_metrics, metric_of, metrics_of, metrics_of_columns
from model.pack import PackState, advance
from model.trainers import Rows, classification_figures

NAMES = (
    "f1_macro", "f1_weighted", "balanced_accuracy", "roc_auc_ovr", "calibration_error",
    "top_2_accuracy",
)  # fmt: skip


def expected(p, y, w):
    """What scikit-learn gives, called as its users call it."""
    hard, classes = p.argmax(axis=1), np.arange(p.shape[1])
    scores = p if p.shape[1] > 2 else p[:, 1]
    return {
        "f1_macro": sk.f1_score(y, hard, average="macro", sample_weight=w),
        "f1_weighted": sk.f1_score(y, hard, average="weighted", sample_weight=w),
        "balanced_accuracy": sk.balanced_accuracy_score(y, hard, sample_weight=w),
        "roc_auc_ovr": sk.roc_auc_score(
            y, scores, multi_class="ovr", labels=classes, sample_weight=w
        ),
        "top_2_accuracy": sk.top_k_accuracy_score(y, scores, k=2, labels=classes, sample_weight=w)
        if p.shape[1] > 2
        else 1.0,
    }


@st.composite
def problems(draw):
    """Probabilities, classes that all occur, and weights or none."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    c, n = draw(st.integers(2, 6)), draw(st.integers(30, 120))
    y = np.concatenate([np.arange(c), rng.integers(c, size=n - c)])
    p = rng.dirichlet(np.ones(c), n)
    return p, y, rng.uniform(0.5, 2.0, n) if draw(st.booleans()) else None


@settings(max_examples=40)
@given(problems())
def test_metrics_are_scikit_learns(problem):
    p, y, w = problem
    found = metrics_of(p, y, w, NAMES if p.shape[1] > 2 else NAMES[:-1])
    for name, value in expected(p, y, w).items():
        if name in found:
            assert found[name] == pytest.approx(value, abs=1e-9), name


@settings(max_examples=40)
@given(problems())
def test_the_calibration_error_is_the_mean_gap_of_scikit_learns_curve(problem):
    p, y, _ = problem
    confidence, right = p.max(axis=1), p.argmax(axis=1) == y
    share, mean = calibration_curve(right, confidence, n_bins=15)
    counts = np.histogram(confidence, np.linspace(0, 1, 16))[0]
    gaps = np.abs(share - mean) * counts[counts > 0]
    found = metrics_of(p, y, None, ["calibration_error"])["calibration_error"]
    assert found == pytest.approx(gaps.sum() / len(y), abs=1e-9)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.booleans())
def test_every_column_of_a_pack_gets_what_scikit_learn_gives_its_probabilities(seed, c, weighted):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(90, 6)).astype(np.float32)
    y = np.concatenate([np.arange(c), rng.integers(c, size=90 - c)])
    w = rng.uniform(0.5, 2.0, 90) if weighted else None
    start = PackState.start(
        16, np.array([0.01, 0.1, 0.5]), np.array([0.0, 0.1, 1.0]),
        n_features=6, n_classes=c, seed=1,
    )  # fmt: skip
    state = advance(start, X, y, 3)
    found = metrics_of_columns(state, X, y, w, NAMES[:4])
    for m in range(3):
        W, b = state.weights(m)
        z = X.astype(np.float64) @ W + b
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        for name, value in expected(p, y, w).items():
            if name in found:
                assert found[name][m] == pytest.approx(value, abs=1e-6), name


def test_a_column_that_has_diverged_has_no_metrics():
    state = PackState.start(
        4, np.array([1e39, 0.01]), np.zeros(2), n_features=2, n_classes=3, seed=0
    )
    X = np.arange(24, dtype=np.float32).reshape(12, 2)
    y = np.arange(12) % 3
    found = metrics_of_columns(advance(state, X, y, 3), X, y, None, ["f1_macro"])["f1_macro"]
    assert np.isnan(found[0])
    assert np.isfinite(found[1])


def test_many_classes_are_scored_a_few_columns_at_a_time(monkeypatch):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 4)).astype(np.float32), np.arange(60) % 4
    state = PackState.start(
        8, np.full(7, 0.1), np.linspace(0, 1, 7), n_features=4, n_classes=4, seed=2
    )
    state = advance(state, X, y, 2)
    whole = metrics_of_columns(state, X, y, None, NAMES)
    monkeypatch.setattr("model.metrics._MOST_BYTES", 1)  # one column at a time
    alone = metrics_of_columns(state, X, y, None, NAMES)
    for name in NAMES:
        np.testing.assert_allclose(whole[name], alone[name], atol=1e-6)


def test_a_class_that_no_row_has_counts_for_nothing():
    p, y = np.random.default_rng(0).dirichlet(np.ones(4), 40), np.arange(40) % 3
    found = metrics_of(p, y, None, NAMES)
    assert all(np.isfinite(value) for value in found.values())
    alone = [sk.roc_auc_score(y == k, p[:, k]) for k in range(3)]
    assert found["roc_auc_ovr"] == pytest.approx(np.mean(alone))


def test_the_area_of_one_class_alone_is_no_number():
    p = np.random.default_rng(0).dirichlet(np.ones(3), 10)
    assert np.isnan(metrics_of(p, np.zeros(10, int), None, ["roc_auc_ovr"])["roc_auc_ovr"])


def test_any_trainer_that_uses_the_figures_of_classifiers_returns_what_is_asked():
    p, y = np.random.default_rng(1).dirichlet(np.ones(3), 30), np.arange(30) % 3
    rows = Rows(np.zeros((30, 1), np.float32), y, 3, metrics=("f1_macro",))
    assert list(classification_figures(p, rows)) == ["cost", "accuracy", "f1_macro"]


@pytest.mark.parametrize("name", ["top_1_accuracy", "top_05_accuracy", "top_x_accuracy", "f1", ""])
def test_what_is_no_metric_is_not_known(name):
    assert metric_of(name) is None


def test_every_known_name_is_a_metric():
    assert all(metric_of(name.replace("K", "5")) for name in known_metrics())
