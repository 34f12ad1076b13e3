"""What guessing gives, against scikit-learn's dummy, and what is said of a result no better."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.dummy import DummyClassifier
from sklearn.metrics import accuracy_score, log_loss
from sklearn.preprocessing import StandardScaler
from summaries import summary_of, trial_of

from model.data.dataset import Dataset
from model.shuffle import split_order
from model.softmax import SoftmaxRegression
from search.config import Range, SweepConfig
from search.record import Counts, DatasetName, FeatureSizes, Guessing, Summary
from search.result import guessing_sentences, rates_warning, result_text, sizes_of, why_no_result
from search.result.guessing import guess

AXES = {
    "batch_size": (8,), "learning_rate": (1e-5, 5e-8), "epochs": (5,), "alpha": (1.0, 0.5),
}  # fmt: skip
FAILED = Counts(total=16, complete=0, pruned=0, failed=16)


def config_of(**more):
    space = {"batch_size": [8], "learning_rate": [1e-3], "epochs": [5], "alpha": [0.0]}
    return SweepConfig.from_dict({"name": "mine", "space": space, **more})


def table_of(y, **more):
    y = np.asarray(y)
    X = np.random.default_rng(len(y)).normal(size=(len(y), 3))
    return Dataset("mine", X, y, classes=tuple("abcdefgh"[: y.max() + 1]), **more)


def told_of(best, guessing, sizes=None, axes=AXES, **more):
    return guessing_sentences(
        summary_of(
            best=best, guessing=guessing, sizes=sizes,
            dataset=DatasetName(name="mine", fingerprint="0", rows="rows"), **more,
        ),
        axes,
    )  # fmt: skip


# --- What guessing gives


@given(
    st.lists(st.integers(0, 3), min_size=10, max_size=60).filter(lambda y: max(y) > 0),
    st.integers(0, 50),
    st.sampled_from([0.1, 0.3, 0.5]),
)
def test_guessing_is_what_dummies_give_on_the_validation_rows(labels, seed, fraction):
    data = table_of(labels)
    found = guess(data, config_of(seed=seed, validation_fraction=fraction))
    rows = split_order(len(labels), seed)[len(labels) - round(len(labels) * fraction) :]
    y, X = data.y[rows], data.X[rows]
    classes = np.arange(data.n_classes)
    same_chance = np.full((len(y), len(classes)), 1 / len(classes))
    assert found.cost == pytest.approx(log_loss(y, same_chance, labels=classes))
    dummy = DummyClassifier(strategy="most_frequent").fit(X, y)
    assert found.accuracy == pytest.approx(accuracy_score(y, dummy.predict(X)))


def test_folds_score_by_all_rows_and_ones_own_validation_part_by_itself():
    y = [0] * 6 + [1] * 4
    assert guess(table_of(y), config_of(folds=5)).accuracy == pytest.approx(0.6)
    own = table_of(y, X_val=np.ones((4, 3)), y_val=np.array([1, 1, 1, 0]))
    assert guess(own, config_of()).accuracy == 0.75


def test_weights_count_in_the_share_of_a_class():
    y, weights = np.array([0] * 6 + [1] * 4), np.array([0.5] * 6 + [1.75] * 4)
    found = guess(table_of(y, weights=weights), config_of(folds=2))
    assert found.accuracy == pytest.approx(0.7)
    own = {"X_val": np.ones((2, 3)), "y_val": np.array([0, 1])}
    found = guess(table_of(y, **own, weights_val=np.array([0.4, 1.6])), config_of())
    assert found.accuracy == pytest.approx(0.8)


# --- How large the features are


@pytest.mark.parametrize("features", ["raw", "unit", "standardized"])
@pytest.mark.parametrize("dtype", ["uint8", "float64"])
def test_sizes_are_those_of_what_the_trainer_sees(features, dtype):
    random = np.random.default_rng(3)
    X = (random.random((300, 5)) * [1, 10, 100, 200, 0]).astype(dtype)
    seen = {
        "raw": X.astype(float),
        "unit": X / X.max(),
        "standardized": StandardScaler().fit_transform(X.astype(float)),
    }[features]
    found = sizes_of(Dataset("mine", X, np.arange(300) % 2), features)
    assert found.squared_norm == pytest.approx((seen**2).sum(axis=1).mean(), rel=1e-5)
    assert (found.low, found.high) == (X.min(), X.max())


def test_many_rows_are_sampled_from_end_to_end():
    X = np.linspace(0, 1, 10_000)[:, None]
    found = sizes_of(Dataset("mine", X, np.arange(10_000) % 2), "raw")
    assert found.squared_norm == pytest.approx(1 / 3, rel=1e-2)


# --- Learning rates for such features


def test_the_default_grid_suits_images_of_bytes_and_no_features_from_0_to_1():
    assert rates_warning("raw", 1e7, 5e-8, 1e-5, (0, 255)) is None
    assert rates_warning("raw", 100.0, 5e-8, 1e-5, (0, 1)) == (
        "The features run from 0 to 1, and learning rates of 5e-08 to 1e-05 move the weights too "
        'little: try features = "standardized" and learning rates of 1e-3 to 1e-1, or --grid '
        "tabular."
    )
    assert "from -3 to 9000, and learning rates of 0.1 make steps that go too far: try" in (
        rates_warning("raw", 1e6, 0.1, 0.1, (-3, 9000))
    )
    unit = rates_warning("unit", 100.0, 5e-8, 1e-5, (0, 255))
    assert 'run from 0 to 255, scaled by features = "unit", and' in unit


@given(st.floats(1e-20, 1e20), st.floats(1e-12, 1e6), st.floats(1, 1e6))
def test_rates_are_warned_of_only_beyond_the_limits(squared_norm, lowest, ratio):
    highest = lowest * ratio
    said = rates_warning("standardized", squared_norm, lowest, highest, (0, 1)) or ""
    assert ("too little" in said) == (highest * squared_norm < 0.1)
    assert ("too far" in said) == (highest * squared_norm >= 0.1 and lowest * squared_norm > 200)
    if said:
        low, high = said.rsplit("learning rates of ", 1)[1].removesuffix(".").split(" to ")
        # What is advised is not warned of itself.
        assert rates_warning("standardized", squared_norm, float(low), float(high), (0, 1)) is None


@pytest.mark.parametrize("squared_norm", [0.0, math.inf, math.nan])
def test_nothing_is_said_of_features_without_a_size(squared_norm):
    assert rates_warning("standardized", squared_norm, 1e-9, 1e-9, (1, 1)) is None


@pytest.mark.parametrize(("rate", "learns"), [(1e-6, False), (1e-2, True)])
def test_rates_that_are_warned_of_learn_nothing_in_the_textbook(rate, learns):
    random = np.random.default_rng(0)
    y = np.arange(200) % 2
    X = random.normal(size=(200, 20)) + y[:, None]
    sizes = sizes_of(Dataset("mine", X, y), "raw")
    said = rates_warning("raw", sizes.squared_norm, rate, rate, (sizes.low, sizes.high))
    model = SoftmaxRegression(8, rate, 5, 0.0, dtype=np.float64).fit(X, y)
    assert (said is None) == learns == (model.cost(X, y) < 0.9 * math.log(2))


# --- What is said of the result


CHANCE = Guessing(cost=math.log(3), accuracy=0.4)
SMALL = FeatureSizes(squared_norm=100.0, low=0.0, high=1.0)
FITTING = FeatureSizes(squared_norm=1e6, low=0.0, high=255.0)


def test_nothing_is_said_of_a_result_that_is_better_or_of_an_earlier_version():
    assert told_of(trial_of(val_cost=1.09, val_accuracy=0.41), CHANCE, SMALL) == []
    assert told_of(trial_of(val_cost=9.0, val_accuracy=0.0), None) == []


@pytest.mark.parametrize("cost", [math.log(3), 1.2, 1e300])
def test_a_cost_that_guessing_has_too_is_told_with_the_reason(cost):
    worse, reason = told_of(trial_of(val_cost=cost, val_accuracy=0.5), CHANCE, SMALL)
    assert worse.endswith(
        "is not below 1.0986, which is that of giving every class the same chance. 50.00 % of the "
        "validation rows are correct; of the others it is too sure."
    )
    assert "move the weights too little" in reason


@pytest.mark.parametrize("accuracy", [0.4, 0.1, np.float32(0.4)])
def test_an_accuracy_of_the_largest_class_alone_is_told(accuracy):
    best = trial_of(val_cost=0.9, val_accuracy=float(accuracy))
    worse, reason = told_of(best, CHANCE, FITTING)
    assert worse == (
        f"The best trial has {100 * accuracy:.2f} % of the validation rows correct, no more than "
        "always naming the largest class, 40.00 %."
    )
    assert reason == (
        "More epochs, smaller alphas or other learning rates may help. Learning rates for features "
        "of this size are near 5e-8 to 5e-5; this run's are 5e-08 to 1e-05."
    )


def test_the_figures_of_the_readout_that_selects_decide():
    best = trial_of(val_cost=9.0, val_accuracy=0.0, val_cost_avg=0.5, val_accuracy_avg=0.9)
    assert len(told_of(best, CHANCE, SMALL)) == 3
    assert told_of(best, CHANCE, SMALL, select="average") == []


@pytest.mark.parametrize(
    ("axes", "sizes", "said"),
    [
        ({"learning_rate": (0.1, 0.5)}, FITTING, "learning rates of 0.1 to 0.5 make steps that go"),
        ({"learning_rate": Range(0.1, 0.5)}, FITTING, "of 0.1 to 0.5 make steps that go too far"),
        ({"alpha": (2e8, 1e9)}, FITTING, "times alpha is 10 at least, and from 2 on the penalty"),
        ({}, FITTING, "smaller alphas. Learning rates for features of this size are near 5e-8 to"),
        ({}, SMALL, "Give lower learning rates or smaller alphas. Learning rates for features"),
        ({}, None, "Give lower learning rates or smaller alphas."),
    ],
)
def test_where_all_diverged_the_reason_is_told(axes, sizes, said):
    failed = summary_of(best=None, trials=FAILED, guessing=CHANCE, sizes=sizes)
    (told,) = guessing_sentences(failed, AXES | axes)
    assert told.startswith("Every trial diverged: none has a result. ")
    assert said in told
    assert said in why_no_result(failed, AXES | axes)


def test_it_stands_before_the_result_and_fits_the_terminal():
    worse = summary_of(
        best=trial_of(val_cost=1.2, val_accuracy=0.3), guessing=CHANCE, sizes=SMALL
    )  # fmt: skip
    lines = result_text(worse, "runs/mine", AXES, width=60).splitlines()
    at = next(
        i for i, line in enumerate(lines) if "is not below 1.0986" in " ".join(lines[i : i + 2])
    )
    assert at < next(i for i, line in enumerate(lines) if line.startswith("  best number of"))
    assert max(map(len, lines[: at + 8])) <= 60
    earlier = summary_of(best=worse.best)
    assert "1.0986" not in result_text(earlier, "runs/mine", AXES)


def test_a_summary_of_an_earlier_version_has_images_and_no_guess():
    told = summary_of(guessing=CHANCE, sizes=SMALL).to_json()
    del told["guessing"], told["sizes"], told["dataset"]["rows"]
    read = Summary.from_json(json.loads(json.dumps(told)))
    assert (read.guessing, read.sizes, read.dataset.rows) == (None, None, "images")
    assert not {"guessing", "sizes"} & read.to_json().keys()
