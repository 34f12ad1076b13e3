"""Which sweeps are trained in this process, before a cluster has started."""

import numpy as np
import pytest

from model.data.dataset import Dataset
from model.speed import TYPICAL
from search.config import Params, load_config
from search.plan import (
    LinkCutter,
    grid_plan,
    nothing_reached,
    open_chains,
    predict,
    refit_seconds,
    shorter_than_a_start,
)
from search.plan.alone import CLUSTER_START
from search.record import Standings

TPE = 'sampler = {name = "tpe", trials = 2}'


def rows(n, n_features=784):
    return Dataset("rows", np.zeros((n, n_features), np.uint8), np.arange(n) % 10)


@pytest.fixture
def config(tmp_path):
    """Return a function: the settings of a grid with these lines in place of the usual ones."""

    def of(*, top="", **changed):
        space = {"batch_size": [32], "learning_rate": [1e-6], "epochs": [2, 4], "alpha": [0.1]}
        lines = [f"{name} = {values}" for name, values in (space | changed).items()]
        path = tmp_path / "grid.toml"
        path.write_text("\n".join([top, "[space]", *lines]))
        return load_config(str(path))

    return of


def test_the_smoke_grid_is_and_the_full_one_is_not():
    assert shorter_than_a_start(load_config("smoke"), rows(1500), 1)
    assert not shorter_than_a_start(load_config("full"), rows(60_000), 1)


@pytest.mark.parametrize(
    ("changed", "n", "refits"),
    [
        ({"epochs": [1000]}, 1500, 1),
        ({}, 10**6, 1),
        ({}, 1500, 1000),
        ({"alpha": [float(i) for i in range(500)]}, 1500, 1),
        ({"batch_size": [1], "epochs": [40], "top": "seeds = 5"}, 1500, 1),
        ({"top": 'seeds = 200\nmetrics = ["f1_macro", "roc_auc_ovr"]'}, 10, 1),
        ({"top": "seeds = 500"}, 1500, 1),
        ({"top": 'sampler = {name = "random", trials = 500}'}, 1500, 1),
        ({"epochs": "{low = 1, high = 500, step = 1}", "top": TPE}, 1500, 1),
    ],
)  # fmt: skip
def test_more_epochs_rows_trials_and_final_trainings_make_it_long(config, changed, n, refits):
    assert shorter_than_a_start(config(), rows(1500), 1)
    assert not shorter_than_a_start(config(**changed), rows(n, 8), refits)


def test_more_features_make_it_long(config):
    assert not shorter_than_a_start(config(), rows(1500, 784 * 100), 1)


def test_other_trainers_are_never_short(tmp_path):
    (tmp_path / "grid.toml").write_text('trainer = "xgboost"\n[space]\nepochs = [1, 2]\n')
    assert not shorter_than_a_start(load_config(str(tmp_path / "grid.toml")), rows(10), 1)


@pytest.mark.parametrize("values", [1, 3, 9, 27])
@pytest.mark.parametrize("batch_size", [1, 32, 4096])
def test_what_is_short_is_predicted_to_be_short(config, values, batch_size):
    short = config(alpha=[float(i) for i in range(values)], batch_size=[batch_size])
    plan = grid_plan(short, {batch_size: 1})
    data = rows(1500)
    cutter = LinkCutter.for_data(plan, speed=TYPICAL, config=short, data=data, workers=1)
    chains = open_chains(plan, Standings(short.total).closed, nothing_reached, cutter)
    last = refit_seconds(
        TYPICAL, Params(batch_size=batch_size, epochs=4), len(data.y), short.pack_by
    )
    told = predict(chains, 1).training_s + last
    assert shorter_than_a_start(short, data, 1) <= (told < CLUSTER_START)
