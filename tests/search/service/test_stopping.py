"""A sweep that is stopped ends with the best of what it has: a model, a report and a summary."""

import pytest
from command_line import invoke, table
from searches import SERIAL, assert_same_log, summary_of
from serving import Gate, grid, serving, wait_for

from cluster.outcomes import Lost
from search.queue import CANCEL, PAUSE, RUN, STOP

# Four packs of one link each.
LONGER = grid(batch_size=[32, 64, 128, 256], epochs=[2, 4, 8])


@pytest.fixture
def gate():
    return Gate(0)


def let_until(gate, look):
    """Let one task after the other end until something is true."""

    def looked():
        if look():
            return True
        gate.allowed = max(gate.allowed, 1)
        return False

    wait_for(looked)
    gate.allowed = 0


def begun(served, gate):
    """Return a sweep with a link or more in the log and another one under way."""
    sweep = served.submit(grid=LONGER)
    let_until(gate, lambda: served.see(sweep).progress.finished)
    wait_for(lambda: served.see(sweep).running)
    return sweep


def check_result(served, sweep):
    """Check that a stopped sweep has all that it should; return how many trials are logged."""
    folder = served.folder(sweep)
    log = table(folder)
    summary = summary_of(folder)
    assert 0 < len(log) < 48
    assert summary["state"] == "ended early"
    assert summary["ended_early"] == "it was stopped"
    assert summary["best"]["val_cost"] == log.val_cost.min()
    assert summary["test"]["cost"] > 0
    assert {"report.html", "best_model.npz"} <= {path.name for path in folder.iterdir()}
    seen = served.see(sweep)
    assert seen.state == "done"
    assert seen.reason == (
        f"stopped with {len(log)} of 48 trials in the log; the model is that of the best"
    )
    return len(log)


def test_it_ends_with_a_model_and_starts_no_other_link(tmp_path, gate):
    with serving(tmp_path, lambda: gate) as served:
        sweep = begun(served, gate)
        served.desk.change(served.person("ann"), sweep, wanted=STOP)
        seen = served.until(sweep, "stopping")
        assert "becomes the model" in seen.reason
        wait_for(lambda: not served.service._open[sweep]._share.links)  # it has heard of it
        started = [name for name in gate.names if name.startswith("advance")]
        gate.allowed = None
        served.ended(sweep)
        check_result(served, sweep)
        assert [name for name in gate.names if name.startswith("advance")] == started
        assert served.service.ledger.leases.all() == []


def test_stopped_twice_is_stopped_once_and_cancelled_it_ends_as_it_is(tmp_path, gate):
    with serving(tmp_path, lambda: gate) as served:
        ann, sweep = served.person("ann"), begun(served, gate)
        served.desk.change(ann, sweep, wanted=STOP)
        served.desk.change(ann, sweep, wanted=STOP)
        with pytest.raises(ValueError, match="is being stopped; it cannot run"):
            served.desk.change(ann, sweep, wanted=RUN)
        served.desk.change(ann, sweep, wanted=CANCEL)
        assert served.ended(sweep).state == "cancelled"
        assert not (served.folder(sweep) / "summary.json").exists()
        gate.allowed = None


@pytest.mark.parametrize("state", ["pausing", "paused"])
def test_paused_and_then_stopped(tmp_path, gate, state):
    with serving(tmp_path, lambda: gate) as served:
        ann, sweep = served.person("ann"), begun(served, gate)
        served.desk.change(ann, sweep, wanted=PAUSE)
        wait_for(lambda: served.service._open[sweep]._share.held)  # it has heard of it
        started = [name for name in gate.names if name.startswith("advance")]
        if state == "paused":
            gate.allowed = None
            served.until(sweep, "paused")
        served.desk.change(ann, sweep, wanted=STOP)
        gate.allowed = None
        served.ended(sweep)
        check_result(served, sweep)
        assert [name for name in gate.names if name.startswith("advance")] == started


class AtLinks(Gate):
    """A gate that holds links alone, and may lose them."""

    loses = False

    def wait(self, timeout):
        at_link = self.names and self.names[-1].startswith("advance")
        if at_link and self.loses and self._queue:
            return [Lost(self._queue.popleft()[0], "its machine is gone")]
        self.allowed = 0 if at_link else 1
        return super().wait(timeout)


NO_MODEL = "stopped before any trial had ended, so there is no model"


def in_its_first_link(served, gate, **asked):
    """Return a sweep whose first link is under way, and is held there."""
    sweep = served.submit(**asked)
    wait_for(lambda: gate.names and gate.names[-1].startswith("advance"))
    assert served.see(sweep).progress.finished == 0
    return sweep


def stopped(served, sweep):
    """Stop an open sweep, and wait until it has heard of that."""
    served.desk.change(served.person("ann"), sweep, wanted=STOP)
    wait_for(lambda: served.service._open[sweep]._share.held)


def check_no_model(served, sweep):
    seen = served.ended(sweep)
    assert (seen.state, seen.reason, seen.progress.finished) == ("done", NO_MODEL, 0)
    assert not (served.folder(sweep) / "best_model.npz").exists()


def test_stopped_in_its_first_link_which_is_lost_there_is_no_model(tmp_path):
    gate = AtLinks()
    with serving(tmp_path, lambda: gate) as served:
        sweep = in_its_first_link(served, gate, grid=LONGER)
        stopped(served, sweep)
        gate.loses = True
        check_no_model(served, sweep)


def test_stopped_in_its_first_link_and_ended_there_there_is_no_model(tmp_path):
    gate = AtLinks()
    with serving(tmp_path, lambda: gate) as served:
        sweep = in_its_first_link(served, gate, grid=LONGER)
        stopped(served, sweep)
    with serving(tmp_path) as served:
        check_no_model(served, sweep)


def test_stopped_before_it_was_open_there_is_no_model(tmp_path, gate):
    with serving(tmp_path, lambda: gate, open_sweeps=1) as served:
        served.submit()
        waiting = served.submit(grid=LONGER)
        served.desk.change(served.person("ann"), waiting, wanted=STOP)
        check_no_model(served, waiting)
        gate.allowed = None


def test_stopped_with_costs_that_are_no_numbers_there_is_no_model(tmp_path, gate):
    diverges = {**LONGER, "space": {**LONGER["space"], "learning_rate": [1e30, 1e31]}}
    with serving(tmp_path, lambda: gate) as served:
        sweep = served.submit(grid=diverges)
        let_until(gate, lambda: served.see(sweep).progress.finished)
        stopped(served, sweep)
        gate.allowed = None
        seen = served.ended(sweep)
        assert 0 < seen.progress.finished < seen.row.total
        assert "no trial has a result, so there is no model" in seen.reason
        assert not (served.folder(sweep) / "best_model.npz").exists()


def test_the_command_goes_on_with_what_was_stopped(tmp_path, capfd, gate):
    with serving(tmp_path / "alone") as served:
        whole = served.submit(grid=LONGER)
        served.ended(whole)
        alone = table(served.folder(whole))
    with serving(tmp_path, lambda: gate) as served:
        sweep = begun(served, gate)
        served.desk.change(served.person("ann"), sweep, wanted=STOP)
        gate.allowed = None
        served.ended(sweep)
        check_result(served, sweep)
        folder = served.folder(sweep)
    outcome = invoke(capfd, "--resume", folder, *SERIAL)
    assert outcome.code == 0, outcome.err
    assert_same_log(table(folder), alone)
    assert summary_of(folder)["state"] == "complete"


@pytest.mark.parametrize("moment", ["before the final training", "in it"])
def test_ended_in_between_it_goes_on_to_the_final_training(tmp_path, gate, moment):
    with serving(tmp_path, lambda: gate) as served:
        sweep = begun(served, gate)
        served.desk.change(served.person("ann"), sweep, wanted=STOP)
        if moment == "in it":
            let_until(gate, lambda: not gate.names[-1].startswith("advance"))
        else:
            served.until(sweep, "stopping")
    with serving(tmp_path) as served:
        served.person("ann")
        served.ended(sweep)
        check_result(served, sweep)


def test_the_budget_counts_what_earlier_openings_have_used(tmp_path, gate):
    with serving(tmp_path, lambda: gate) as served:
        ann = served.person("ann")
        sweep = served.submit(grid=LONGER, budget=1e6)
        wait_for(lambda: served.see(sweep).running)
        served.desk.change(ann, sweep, wanted=PAUSE)
        gate.allowed = None
        served.until(sweep, "paused")
        used = served.service.ledger.sweeps.busy_seconds(sweep)
        assert used > 0
        assert served.service.ledger.sweeps.busy_seconds(sweep) == used  # no task runs
        # As if its tasks had run for as long as it may.
        database = served.service.ledger._database
        database.write("update sweep set busy_seconds = 1e6 where id = ?", (sweep,))
        served.desk.change(ann, sweep, wanted=RUN)
        seen = served.ended(sweep)
        assert "the budget of" in seen.reason
        assert 0 < seen.progress.finished < 48
