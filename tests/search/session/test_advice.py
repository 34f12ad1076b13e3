"""What is said of a data set and a grid before training."""

import numpy as np
import pytest

from model.data.dataset import Dataset
from search.config import SweepConfig, read_grid
from search.session.advice import advice

RNG = np.random.default_rng(0)


def config(**changed):
    grid = {**read_grid("smoke"), "features": "standardized", **changed}
    if "learning_rate" not in changed.get("space", {}):
        grid["space"] = {**grid["space"], "learning_rate": [1e-2, 1e-1]}
    return SweepConfig.from_dict(grid)


def data(n=50, classes=("a", "b", "c"), **changed):
    y = np.arange(n) % len(classes)
    given = {"X": RNG.normal(size=(n, 4)), "y": y, "classes": classes, **changed}
    return Dataset("mine", **given)


def test_nothing_is_said_where_all_is_well():
    assert advice(config(), data()) == []


def test_a_class_that_no_trial_is_trained_on_or_compared_by_is_named():
    y = np.arange(120) % 2
    for row in range(0, 120, 3):  # wherever the only row of a class lies
        alone = y.copy()
        alone[row] = 2
        (sentence,) = advice(config(), data(120, y=alone))
        assert "is of class 'c', which has 1 in all" in sentence
        assert "training part" in sentence or "validation part" in sentence
    (sentence,) = advice(config(folds=5), data(120, y=alone))
    assert "training part of one fold is of class 'c'" in sentence


def test_own_validation_rows_and_test_rows_are_looked_at():
    X, y = RNG.normal(size=(6, 4)), np.array([0, 0, 0, 1, 1, 1])
    found = advice(config(), data(X_val=X, y_val=y, X_test=X, y_test=np.zeros(6, int)))
    assert "No row of the validation part is of class 'c'" in found[0]
    assert "No row of the test set is of classes 'b', 'c'" in found[1]


@pytest.mark.parametrize(("features", "told"), [("raw", 1), ("unit", 1), ("standardized", 0)])
def test_a_column_that_float32_cannot_hold_is_told_by_name(features, told):
    X = RNG.normal(loc=[0, 1e9], size=(50, 2))
    named = data(X=X, features=("size", "seconds"))
    found = [text for text in advice(config(features=features), named) if "float32" in text]
    assert len(found) == told
    assert all(text.startswith("column 'seconds' is large") for text in found)


@pytest.mark.parametrize(("high", "dtype"), [(255, "u1"), (16, "u1"), (255, "f4"), (1, "f8")])
def test_unit_features_say_their_divisor_which_goes_by_values(high, dtype):
    X = (RNG.integers(0, 2, (50, 4)) * high).astype(dtype)
    (sentence, *_) = advice(config(features="unit"), data(X=X))
    assert f"divided by {high}." in sentence


@pytest.mark.parametrize(
    ("rates", "expected"),
    [([1e-8, 1e-6], "move the weights too little"), ([1e3, 1e5], "go too far")],
)
def test_rates_that_lie_beside_the_features_are_told(rates, expected):
    space = {**read_grid("smoke")["space"], "learning_rate": rates}
    (sentence,) = advice(config(space=space), data())
    assert expected in sentence
