"""What MLflow is told stays within its own rules."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.testing.trackers import a_run, a_trial
from search.trackers.mlflow_entries import entry_of_trial, figures_of_run, key

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.xdist_group("mlflow"),
]

TEXTS = st.text(max_size=300)


@given(TEXTS.filter(bool), TEXTS)
def test_every_name_becomes_one_that_it_takes_and_no_two_become_one(name, other):
    from mlflow.utils.validation import _validate_metric_name, _validate_param_name

    _validate_metric_name(key(name))
    _validate_param_name(key(name))
    assert len(key(name)) <= 250
    assert (key(name) == key(other)) == (name == other)


@pytest.mark.parametrize("name", ["val_cost", "a/b", "top-5 accuracy", "1.5: é"])
def test_a_name_that_it_takes_stays(name):
    assert key(name) == name


def test_what_is_no_number_is_told_as_text():
    trial = replace(a_trial(1, "FAIL"), figures={"last_cost": math.inf, "val_cost": math.nan})
    entry = entry_of_trial(trial, a_run(2), "parent")
    assert entry.points == ()
    assert entry.tags["packsweep.last_cost"] == "inf"
    assert entry.tags["packsweep.val_cost"] == "nan"
    assert (entry.status, entry.tags["packsweep.error"]) == ("FAILED", "diverged")
    figures, tags = figures_of_run(replace(a_run(2), figures={"best_cost": math.nan, "n": 2.0}))
    assert (figures, tags["packsweep.best_cost"]) == ({"n": 2.0}, "nan")


def test_texts_are_cut_to_what_it_holds():
    trial = replace(a_trial(1), params={"long": "x" * 9000}, facts={"error": "y" * 9000})
    entry = entry_of_trial(trial, a_run(2), "parent")
    assert (len(entry.params["long"]), len(entry.tags["packsweep.error"])) == (6000, 5000)


def test_params_are_exact_and_costs_on_the_way_have_their_epochs():
    trial = replace(a_trial(0, "PRUNED"), params={"rate": 5e-07, "loss": "log", "warm": True})
    entry = entry_of_trial(trial, a_run(2), "parent")
    assert entry.params == {"rate": "5e-07", "loss": "log", "warm": "True"}
    reports = [(p.step, p.value) for p in entry.points if p.key == "reports"]
    assert (entry.status, reports) == ("KILLED", [(1, 0.7)])
    assert entry.end - entry.start == 5000
