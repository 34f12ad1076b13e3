"""Sweeps that overlap and come at the same time train what they have in common once."""

from types import SimpleNamespace

import pytest
from command_line import table
from searches import assert_same_log
from serving import GRID, Gate, grid, serving, wait_for

from search.config import SweepConfig, grid_of
from search.queue import CANCEL, PAUSE
from search.service.sharing import may_share, trials_in_common

# Three quarters of it are those of GRID with another learning rate.
OTHER = grid(learning_rate=[5e-6, 2e-6], alpha=[0.1, 10.0])


def row(dataset="digits", fingerprint="f", options=None, **changes):
    table_of_grid = {**GRID, "dataset": dataset, **changes}
    config = SweepConfig.from_dict(grid_of(table_of_grid, "grid", "test"))
    return SimpleNamespace(
        settings=config.to_dict(), dataset={"fingerprint": fingerprint}, options=options or {}
    )


@pytest.mark.parametrize(
    ("other", "shared"),
    [
        ({}, 16),
        ({"space": OTHER["space"]}, 8),
        ({"space": {**GRID["space"], "alpha": [3.0]}}, 0),
        ({"select": "average"}, 16),
        ({"objective": "accuracy"}, 16),
        ({"metrics": ["f1_macro"]}, 0),
        ({"seed": 1}, 0),
        ({"seeds": 2}, 0),
        ({"fingerprint": "g"}, 0),
        ({"validation_fraction": 0.3}, 0),
        ({"sampler": {"name": "random", "trials": 4}}, 0),
        ({"pruner": {"name": "median"}}, 0),
        ({"trainer": "partial_fit:sklearn.linear_model.SGDClassifier",
          "space": {"alpha": [0.1], "epochs": [2]}}, 0),
    ],
)  # fmt: skip
def test_trials_are_common_only_where_they_come_to_the_same_result(other, shared):
    assert trials_in_common(row(**other), row()) == shared
    assert trials_in_common(row(), row(**other)) == shared


def test_a_sweep_that_may_end_early_is_waited_for_by_nobody():
    """It may leave out the very trials that both have."""
    assert trials_in_common(row(), row(options={"refits": 1, "patience": 3})) == 0
    assert trials_in_common(row(options={"patience": 3}), row()) == 16


def test_metrics_are_common_by_the_same_weights_alone():
    last, average = row(metrics=["f1_macro"]), row(metrics=["f1_macro"], select="average")
    assert trials_in_common(last, last) == 16
    assert trials_in_common(last, average) == 0


def test_spaces_of_several_tables_are_not_compared():
    trainer = {"trainer": "partial_fit:sklearn.linear_model.SGDClassifier"}
    one = row(**trainer, space={"alpha": [0.1], "epochs": [2]})
    several = row(**trainer, space=[{"alpha": [0.1], "epochs": [2]}, {"l1": [1.0], "epochs": [4]}])
    assert trials_in_common(one, one) == 1
    assert trials_in_common(one, several) == trials_in_common(several, one) == 0


def test_values_of_other_kinds_are_other_trials():
    """1 and 1.0 are equal in Python, and two values to a trainer."""
    kinds = {"trainer": "partial_fit:sklearn.linear_model.SGDClassifier"}
    rows = [row(**kinds, space={"m": [m], "epochs": [2]}) for m in (1, 1.0, True, "1")]
    configs = [SweepConfig.from_dict(one.settings) for one in rows]
    for i, one in enumerate(rows):
        for j, other in enumerate(rows):
            assert trials_in_common(one, other) == (i == j)
            assert may_share(configs[i], configs[j]) == (i == j)


def test_at_the_same_time_what_both_have_is_trained_once(tmp_path):
    gate = Gate(allowed=0)
    with serving(tmp_path, lambda: gate) as served:
        first = served.submit("ann")
        wait_for(lambda: served.see(first).running)
        second, same = served.submit("bob", grid=OTHER), served.submit("cid")
        wait_for(lambda: served.see(second).reason and served.see(same).reason)
        assert f"waits for {first}" in served.see(second).reason
        assert served.see(second).state == "queued"
        gate.allowed = None
        for sweep in (first, second, same):
            assert served.ended(sweep).state == "done"
        logs = [table(served.folder(sweep)) for sweep in (first, second, same)]
    assert [int(log.source.notna().sum()) for log in logs] == [0, 8, 16]
    whole = [log.drop(columns=["source", "pack", "attempt"]) for log in logs]
    assert_same_log(whole[0], whole[2])


@pytest.mark.parametrize("wanted", [CANCEL, PAUSE])
def test_who_waits_begins_when_the_other_one_does_not_go_on(tmp_path, wanted):
    gate = Gate(allowed=0)
    with serving(tmp_path, lambda: gate) as served:
        first = served.submit("ann")
        wait_for(lambda: served.see(first).running)
        second = served.submit("bob")
        wait_for(lambda: first in served.see(second).reason)
        served.desk.change(served.person("ann"), first, wanted=wanted)
        gate.allowed = None
        assert served.ended(second).state == "done"
        assert len(table(served.folder(second))) == 16


@pytest.mark.parametrize(
    "request_",
    [{"priority": 1}, {"grid": grid(alpha=[0.1], epochs=[2])}, {"grid": grid(alpha=[3])}],
)
def test_nobody_waits_who_goes_before_or_is_sooner_alone(tmp_path, request_):
    gate = Gate(allowed=0)
    with serving(tmp_path, lambda: gate) as served:
        first = served.submit("ann")
        wait_for(lambda: served.see(first).running)
        second = served.submit("bob", **request_)
        wait_for(lambda: served.see(second).position is not None)
        gate.allowed = None
        assert served.ended(second).state == "done"


def test_a_priority_that_is_raised_ends_the_wait(tmp_path):
    gate = Gate(allowed=0)
    with serving(tmp_path, lambda: gate) as served:
        first = served.submit("ann")
        wait_for(lambda: served.see(first).running)
        second = served.submit("bob")
        wait_for(lambda: first in served.see(second).reason)
        served.desk.change(served.person("bob"), second, priority=1)
        assert wait_for(lambda: served.see(second).position) == 1


def test_who_waits_holds_no_place(tmp_path):
    gate = Gate(allowed=0)
    with serving(tmp_path, lambda: gate, open_sweeps=2) as served:
        first = served.submit("ann")
        wait_for(lambda: served.see(first).running)
        second = served.submit("bob")
        wait_for(lambda: first in served.see(second).reason)
        third = served.submit("cid", grid={**GRID, "seed": 7})
        wait_for(lambda: served.see(third).position is not None)
