"""What a data set of one's own is called, which grid suits it, and how it is described."""

import dataclasses

import numpy as np
import pytest

from model.data.dataset import Dataset
from model.data.description import describe
from model.errors import DataError
from model.shuffle import split_order
from search.config import SweepConfig, load_config
from search.session.checks import check_enough_images
from search.session.datasets import suited_grid
from search.session.inspection import data_set_of
from search.session.options import Options, resolve_config

RNG = np.random.default_rng(0)
Y = np.arange(6) % 2


def images(high: float, dtype: str = "uint8") -> Dataset:
    X = (RNG.random((6, 64)) * high).astype(dtype)
    X[0, 0] = high
    return Dataset("mine", X, Y, image_shape=(8, 8))


@pytest.mark.parametrize(
    ("data", "grid"),
    [
        (images(255), "full"),
        (images(255, "float32"), "full"),
        (images(1, "float32"), "tabular"),
        (images(16), "tabular"),
        (dataclasses.replace(images(255), image_shape=()), "tabular"),
        (Dataset("mine", RNG.normal(size=(6, 64)) * 50, Y, image_shape=(8, 8)), "tabular"),
    ],
)
def test_the_full_grid_is_for_images_of_bytes_and_tabular_for_all_else(data, grid):
    assert suited_grid(data) == grid
    load_config(grid)  # it ships


def test_a_run_of_a_chosen_grid_is_named_after_its_data_too():
    options = Options(grid="tabular", named_after="data/my species (1).csv", sampler="tpe")
    assert str(options.run_path) == "runs/tabular-my-species-1--tpe"


def test_the_command_completes_what_the_grid_says_of_a_file(tmp_path):
    grid = tmp_path / "mine.toml"
    grid.write_text(
        "space = {batch_size = [4], learning_rate = [1.0], epochs = [1], alpha = [0]}\n"
        '[reading]\ntarget = "a"\nmissing = "mean"\n'
    )
    config = resolve_config(Options(grid=str(grid), target="b", keys={"X": "rows", "y": "of"}))
    reading = config.reading.to_reading()
    assert (reading.target, reading.missing) == ("b", "mean")
    assert reading.keys == {"X": "rows", "y": "of"}
    assert "reading" not in load_config("smoke").to_dict()


def test_what_was_loaded_is_described():
    data = Dataset(
        "mine", np.arange(24.0).reshape(6, 4), np.arange(6) % 3,
        X_test=np.zeros((2, 4)), y_test=np.zeros(2, int), X_val=np.ones((3, 4)),
        y_val=np.zeros(3, int), classes=("cat", "dog", "fish"), weights=np.ones(6),
        features=("a", "b", "c", "d"), remarks=("Dates are seconds.",), unused=("X_more",),
    )  # fmt: skip
    assert describe(data, "mine.npz").splitlines() == [
        "mine.npz: 6 rows x 4 features (float64, 0 to 23), 3 classes (cat, dog, fish), "
        "test set of 2 rows, validation set of 3 rows, weighted rows; not used: X_more",
        "  features: a, b, c, d",
        "  Dates are seconds.",
    ]
    picture = describe(images(255), "pictures")
    assert picture == "pictures: 6 rows x 64 features (8 x 8, uint8, 0 to 255), 2 classes (0, 1)"


@pytest.mark.parametrize(("folds", "part"), [(0, "the validation part"), (6, "fold 1 of 6")])
def test_weights_with_which_nothing_could_be_compared_are_refused_before_a_start(folds, part):
    settings = {"folds": folds, "seed": 0, "dataset": "digits"}
    config = SweepConfig.from_dict(load_config("tabular").to_dict() | settings)
    weights = np.ones(6)
    compared = split_order(6, 0)[:1] if folds else split_order(6, 0)[-1:]
    data = dataclasses.replace(images(16), weights=weights)
    check_enough_images(config, data)
    weights[compared] = 0
    with pytest.raises(DataError, match=f"the only row of {part}.* has weight 0") as caught:
        check_enough_images(config, data)
    assert data_set_of(config, data).refused == str(caught.value)
