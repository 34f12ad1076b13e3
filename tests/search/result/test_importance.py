"""The importances of a grid, against Optuna's and against what is plain."""

import itertools

import numpy as np
import optuna
import pytest

from search.result import grid_importances
from search.tuning.importance import importances

AXES = {"a": np.arange(8.0), "b": np.arange(8.0), "c": np.arange(8.0)}
TRIALS = np.array(list(itertools.product(*AXES.values())))
VALUES = dict(zip(AXES, TRIALS.T, strict=True))
COSTS = {
    "one counts": 10 * TRIALS[:, 0],
    "two count": 3 * TRIALS[:, 0] + TRIALS[:, 1],
    "a valley": (TRIALS[:, 0] - 3) ** 2 + 0.5 * (TRIALS[:, 1] - 5) ** 2 + 0.01 * TRIALS[:, 2],
}


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("kind", COSTS)
def test_the_order_is_optunas(kind):
    study = optuna.create_study()
    distributions = {name: optuna.distributions.FloatDistribution(0, 7, step=1) for name in AXES}
    study.add_trials([
        optuna.trial.create_trial(
            params=dict(zip(AXES, trial, strict=True)), distributions=distributions, value=cost
        )
        for trial, cost in zip(TRIALS.tolist(), COSTS[kind].tolist(), strict=True)
    ])  # fmt: skip
    found, theirs = grid_importances(COSTS[kind], VALUES), importances(study)
    assert max(found, key=found.__getitem__) == max(theirs, key=theirs.__getitem__) == "a"
    assert sum(found.values()) == pytest.approx(1)
    for name in AXES:
        assert found[name] == pytest.approx(theirs[name], abs=0.15)


def test_values_may_be_texts_or_missing():
    kind = np.array(["x", "y", None, "z"] * 25, object)
    depth = np.repeat(np.arange(5), 20)
    costs = np.where(kind == "y", 0.0, 1.0)
    assert grid_importances(costs, {"depth": depth, "kind": kind})["kind"] > 0.99


@pytest.mark.parametrize("costs", [[], [np.nan, np.inf], [1.0], [2.0, 2.0, np.nan]])
def test_where_nothing_can_be_told_there_is_none(costs):
    assert grid_importances(np.array(costs), {"a": np.arange(len(costs))}) == {}
