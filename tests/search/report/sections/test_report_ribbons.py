"""Ribbons of a report: all trials in bins, counted by pandas."""

import re
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pandas as pd
from reports import SPACE, finished_run

from search.report.axis import axis_number
from search.report.run_data import RunData
from search.report.sections.ribbons import HEIGHT, WIDTH, ribbons_of

SAID = re.compile(r"(.+) (\S+), (.+) (\S+): ([\d,]+) trials?, (no cost|least cost (\S+), mean \S+)")
NUMBERS = re.compile(r"-?\d+(?:\.\d+)?")


def test_ribbons_have_all_trials_of_the_values_at_their_ends(tmp_path):
    costs = 0.4 + np.random.default_rng(1).permutation(len(SPACE)) / len(SPACE)
    costs[3] = np.nan  # has diverged
    run = RunData.read(*finished_run(tmp_path / "run", costs, pruned=(5,)))
    complete = len(SPACE) - 2
    assert ribbons_of(run, complete) is None
    found = ribbons_of(run, complete - 1)
    assert found.total == len(SPACE)

    log = pd.DataFrame({**SPACE.columns(), "cost": costs})
    log.loc[[3, 5], "cost"] = np.nan
    names = [axis.name for axis in run.varying]
    expected = {}
    for x, y in pairwise(names):
        for (a, b), rows in log.groupby([x, y]).cost:
            least = None if rows.isna().all() else axis_number(rows.min())
            ends = (run.axes[x].label, axis_number(a), run.axes[y].label, axis_number(b))
            expected[ends] = (len(rows), least)
    told = {}
    for ribbon in found.ribbons:
        *ends, count, _, least = SAID.fullmatch(ribbon.text).groups()
        told[tuple(ends)] = int(count.replace(",", "")), least
        assert (ribbon.colour == "none") == (least is None)
    to_costs = {ends: told.pop(ends) for ends in list(told) if "validation cost" in ends[2]}
    assert told == expected
    assert sum(count for count, _ in to_costs.values()) == len(SPACE)
    assert sum(count for ends, (count, _) in to_costs.items() if ends[3] == "value") == 2


def test_ribbons_lie_in_their_picture_the_best_on_top(tmp_path):
    costs = 0.4 + np.arange(len(SPACE)) / len(SPACE)
    run = RunData.read(*finished_run(tmp_path / "run", costs))
    found = ribbons_of(run, 1)
    colours = [int(ribbon.colour.removeprefix("cost-")) for ribbon in found.ribbons]
    assert colours == sorted(colours, reverse=True)
    assert {0, 5} <= set(colours)
    for ribbon in found.ribbons:
        numbers = [float(number) for number in NUMBERS.findall(ribbon.path)]
        assert min(numbers) >= 0
        assert max(numbers) <= max(WIDTH, HEIGHT)
    assert [axis.label for axis in found.axes][-1] == "validation cost"


def test_any_name_and_any_text_of_a_hyperparameter_can_be_drawn():
    names, texts = ("cost", "gamma"), np.array(["down to up", "cost", "up"], object)
    trials = {
        "number": np.arange(6), "state": np.array(["COMPLETE"] * 6, object),
        "val_cost": np.arange(6) / 6, "cost": np.tile(texts, 2), "gamma": np.repeat([1.0, 2.0], 3),
    }  # fmt: skip
    axes = [SimpleNamespace(name=name, label=name) for name in names]
    found = ribbons_of(SimpleNamespace(trials=trials, varying=axes), 1)
    labels = [axis.label for axis in found.axes]
    assert sorted(labels) == ["cost", "gamma", "validation cost"]
    assert {text for _, text in found.axes[labels.index("cost")].texts} == set(texts)
