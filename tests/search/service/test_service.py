"""Many sweeps at once: each log is that of the command alone, whatever happens on the way."""

import json
import threading
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import invoke, table
from searches import SERIAL, assert_same_log
from serving import ENDED, GRID, Gate, grid, in_threads, serving, wait_for

from cluster.errors import ClusterError
from cluster.executor import SerialExecutor
from model.speed import TYPICAL
from search.config import SweepConfig, grid_of
from search.errors import LockedError
from search.ledger import Ledger, RepeatedKeyError
from search.queue import CANCEL, PAUSE, RUN
from search.service import ForbiddenError, Service
from search.service import service as service_module

# Four packs of one link each.
LONGER = grid(batch_size=[32, 64, 128, 256], epochs=[2, 4, 8])


@pytest.fixture(autouse=True)
def _again_at_once(monkeypatch):
    """What could not go on is tried again in a moment."""
    monkeypatch.setattr(service_module, "_AGAIN_SECONDS", 0.05)
    monkeypatch.setattr("search.service.hub._AGAIN_SECONDS", 0.05)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Return the log of a grid that the command alone has trained, in one process."""
    from rich.console import Console

    from search.session import Options, Surroundings, load, run_sweep
    from search.watch import Interruption

    def train(table_of_grid):
        config = SweepConfig.from_dict(grid_of(table_of_grid, "grid", "test"))
        folder = tmp_path_factory.mktemp("alone") / "run"
        data = load(config.dataset, config.reading.to_reading(), Console(quiet=True))
        options = Options(run_dir=folder, progress=False)
        run_sweep(
            options, config, data, Surroundings(SerialExecutor, Interruption, Console(quiet=True))
        )
        return table(folder)

    logs = {}

    def log_of(table_of_grid):
        key = json.dumps(table_of_grid)
        if key not in logs:
            logs[key] = train(table_of_grid)
        return logs[key]

    return log_of


def test_a_sweep_gives_the_log_of_the_command_alone_with_its_report_and_model(tmp_path, alone):
    with serving(tmp_path) as served:
        sweep = served.submit()
        seen = served.ended(sweep)
        assert (seen.state, seen.reason, seen.progress.finished) == ("done", "", 16)
        folder = served.folder(sweep)
        assert_same_log(table(folder), alone(GRID))
        assert {"report.html", "summary.json", "best_model.npz"} <= {
            path.name for path in folder.iterdir()
        }
        kinds = [event.kind for event in served.service.ledger.events.after(0, sweep)]
        assert kinds[0] == "submitted"
        assert kinds[-1] == "done"


def test_the_command_continues_and_reads_what_the_service_has_trained(tmp_path, capfd, alone):
    gate = Gate(allowed=1)
    with serving(tmp_path, lambda: gate) as served:
        sweep = served.submit(grid=LONGER)
        served.until(sweep, "running")
        wait_for(lambda: gate.allowed == 0)
        folder = served.folder(sweep)
    outcome = invoke(capfd, "--resume", folder, *SERIAL)
    assert outcome.code == 0, outcome.err
    assert_same_log(table(folder), alone(LONGER))


@pytest.mark.parametrize("seconds", [0.2, 0.5])
def test_ended_at_any_moment_and_started_again_all_goes_on(tmp_path, alone, seconds):
    ids = []
    for attempt in range(60):
        with serving(tmp_path) as served:
            if attempt == 0:
                ids = [served.submit("ann", grid=LONGER), served.submit("bob")]
            served.person("ann")
            threading.Event().wait(seconds * (1 + attempt / 4))  # a busy machine needs more
            if all(served.see(sweep).state == "done" for sweep in ids):
                break
    else:
        pytest.fail("it never ends")
    with serving(tmp_path) as served:
        for sweep, of in zip(ids, (LONGER, GRID), strict=True):
            assert_same_log(_trained(served, sweep), _trained_alone(alone(of)))


def _trained(served, sweep):
    return _trained_alone(table(served.folder(sweep)))


def _trained_alone(log):
    """Return what a log says of each trial, whoever has trained it."""
    return log.drop(columns=["source", "pack", "attempt"])


def test_paused_it_ends_no_task_and_goes_on_without_training_any_twice(tmp_path, alone):
    gate = Gate(allowed=1)
    with serving(tmp_path, lambda: gate) as served:
        ann = served.person("ann")
        sweep = served.submit(grid=LONGER)
        wait_for(lambda: gate.allowed == 0 and len(gate.names) > 1)
        served.desk.change(ann, sweep, wanted=PAUSE)
        assert served.until(sweep, "pausing").running == 1
        gate.allowed = 1  # the one that runs ends, and is not lost
        seen = served.until(sweep, "paused")
        assert (seen.running, seen.position) == (0, None)
        before = list(gate.names)
        gate.allowed = None
        served.desk.change(ann, sweep, wanted=RUN)
        assert served.ended(sweep).state == "done"
        assert_same_log(table(served.folder(sweep)), alone(LONGER))
    links = [name for name in gate.names if name.startswith("advance")]
    assert max(Counter(links).values()) == 1
    assert before == gate.names[: len(before)]


def test_paused_and_wanted_again_at_once_it_goes_on(tmp_path, alone):
    with serving(tmp_path) as served:
        ann = served.person("ann")
        sweep = served.submit(grid=LONGER)
        for _ in range(5):
            served.desk.change(ann, sweep, wanted=PAUSE)
            served.desk.change(ann, sweep, wanted=RUN)
        assert served.ended(sweep).state == "done"
        assert_same_log(table(served.folder(sweep)), alone(LONGER))


@pytest.mark.parametrize("moment", ["at once", "preparing", "running", "pausing", "paused", "done"])
def test_cancelled_in_any_state_nothing_of_it_is_left_and_twice_is_once(tmp_path, moment):
    gate = Gate(allowed=0)
    with serving(tmp_path, lambda: gate) as served:
        service, ann = served.service, served.person("ann")
        sweep = served.submit(grid=LONGER)
        if moment in {"running", "pausing"}:
            wait_for(lambda: served.see(sweep).running)
        if moment == "preparing":
            wait_for(lambda: sweep in service._open)
        if moment in {"pausing", "paused"}:
            served.desk.change(ann, sweep, wanted=PAUSE)
        if moment == "paused":
            gate.allowed = None
            served.until(sweep, "paused")
        if moment == "done":
            gate.allowed = None
            served.until(sweep, "done")
            with pytest.raises(ValueError, match="has ended"):
                served.desk.change(ann, sweep, wanted=CANCEL)
        else:
            served.desk.change(ann, sweep, wanted=CANCEL)
            with pytest.raises(ValueError, match=r"cancelled|has ended"):
                served.desk.change(ann, sweep, wanted=RUN)
            assert served.ended(sweep).state == "cancelled"
        gate.allowed = None
        wait_for(lambda: not service._open)
        wait_for(lambda: sweep not in service.board().progress)
        assert service.ledger.leases.all() == []
        assert not [thread for thread in threading.enumerate() if sweep in thread.name]
        folder = served.folder(sweep)
        assert not [path for path in folder.rglob("*") if path.name.startswith(".new")]
        other = served.submit("bob")
        assert served.ended(other).state == "done"


def test_cores_that_a_cancel_frees_go_to_who_waits(tmp_path, alone):
    gate = Gate(allowed=0)
    with serving(tmp_path, lambda: gate) as served:
        first = served.submit("ann", grid=LONGER)
        wait_for(lambda: served.see(first).running)
        second = served.submit("bob")
        wait_for(lambda: served.see(second).position)
        served.desk.change(served.person("ann"), first, wanted=CANCEL)
        assert served.ended(first).state == "cancelled"
        wait_for(lambda: served.see(second).running)
        gate.allowed = None
        assert served.ended(second).state == "done"


def test_no_more_are_open_than_may_be_while_others_drain(tmp_path):
    gate = Gate(allowed=0)
    with serving(tmp_path, lambda: gate, open_sweeps=1) as served:
        first = served.submit("ann", grid=LONGER)
        wait_for(lambda: served.see(first).running)
        second = served.submit("bob")
        served.desk.change(served.person("ann"), first, wanted=PAUSE)
        served.until(first, "pausing")
        threading.Event().wait(0.7)
        assert list(served.service._open) == [first]
        gate.allowed = None
        served.until(first, "paused")
        assert served.ended(second).state == "done"


def test_a_sweep_that_overlaps_trains_exactly_what_is_missing(tmp_path, alone):
    wider = grid(learning_rate=[1e-6, 5e-6, 2e-6], alpha=[0.1, 10.0])
    with serving(tmp_path) as served:
        first = served.submit("ann")
        served.ended(first)
        second = served.submit("bob", grid=wider)
        served.ended(second)
        log = table(served.folder(second))
        shared = served.desk.shared(served.service.ledger.sweeps.get(second))
        trained = _epochs_trained(served.folder(second))
    assert shared == {"trials": 16, "from": [f"grid-{first}"]}
    assert log.source.notna().sum() == 16
    # Of the new learning rate: two batch sizes and two alphas, each up to its last epoch.
    assert trained == 2 * 2 * 4
    keys = ["batch_size", "learning_rate", "epochs", "alpha"]
    both = log.merge(alone(wider), on=keys)
    assert len(both) == 24
    np.testing.assert_allclose(both.val_cost_x, both.val_cost_y, rtol=1e-4)


def _epochs_trained(folder):
    lines = (folder / "links.jsonl").read_text().splitlines()
    return sum(
        link["width"] * (link["epoch"] - link["start_epoch"]) for link in map(json.loads, lines)
    )


def test_a_higher_priority_starts_with_the_next_task_and_nothing_is_trained_twice(tmp_path, alone):
    for of in (LONGER, GRID):  # the speed is measured there, once on each machine
        alone(of)
    gate = Gate(allowed=1)
    with serving(tmp_path, lambda: gate) as served:
        low = served.submit("ann", grid=LONGER)
        wait_for(lambda: gate.allowed == 0 and served.see(low).running)
        high = served.submit("bob", priority=5)
        wait_for(lambda: served.see(high).position == 1)
        waits = served.see(low)
        assert waits.position == 2
        before = len(gate.names)
        gate.allowed = None
        assert served.ended(high).state == "done"
        assert served.ended(low).state == "done"
        names = gate.names
        assert_same_log(table(served.folder(low)), alone(LONGER))
    # What ran came to its end; the next that started was the other's.
    links = Counter(name for name in names if name.startswith("advance"))
    assert names[before].startswith("advance")
    assert max(links.values()) <= 2  # both grids have some links of the same name


def test_why_a_sweep_waits_is_said(tmp_path):
    gate = Gate(allowed=0)
    with serving(tmp_path, lambda: gate, open_sweeps=2) as served:
        first, second = served.submit("ann", grid=LONGER), served.submit("bob")
        wait_for(lambda: served.see(first).running or served.see(second).running)
        third = served.submit("ann", grid={**GRID, "seed": 1})
        # One runs; it has nothing else to start as long as it measures its speed.
        wait_for(lambda: all((s := served.see(x)).running or s.reason for x in (first, second)))
        wait_for(lambda: served.see(third).reason)
        reasons = {served.see(sweep).reason for sweep in (first, second)}
        assert any("all 1 cores are at work" in reason for reason in reasons)
        assert served.see(third).reason == "2 sweeps are open, as many as may be at a time"
        gate.allowed = None
        assert {served.ended(sweep).state for sweep in (first, second, third)} == {"done"}


def test_nobody_changes_or_deletes_what_is_another_s_but_an_administrator(tmp_path):
    gate = Gate(allowed=0)
    with serving(tmp_path, lambda: gate) as served:
        service = served.service
        sweep = served.submit("ann")
        before = service.ledger.sweeps.get(sweep)
        bob = served.person("bob")
        for change in ({"wanted": CANCEL}, {"priority": 9}, {"queue": "all"}, {"name": "x"}):
            with pytest.raises(ForbiddenError, match="is ann's; bob cannot change it"):
                served.desk.change(bob, sweep, **change)
        with pytest.raises(ForbiddenError, match="cannot delete it"):
            served.desk.remove(bob, sweep)
        assert service.ledger.sweeps.get(sweep) == before
        served.desk.change(served.person("root", "admin"), sweep, wanted=CANCEL)
        assert served.ended(sweep).state == "cancelled"


def test_64_people_at_once_with_retries_get_as_many_sweeps_as_they_asked_for(tmp_path):
    gate = Gate(allowed=0)
    with serving(tmp_path, lambda: gate, open_sweeps=1) as served:
        served.person("ann")
        found = in_threads(64, lambda n: served.submit(key=f"k{n % 16}", priority=n % 16))
        assert len(set(found)) == 16
        rows = served.service.ledger.sweeps.live()
        assert sorted(row.priority for row in rows) == list(range(16))
        with pytest.raises(RepeatedKeyError):
            served.submit(key="k1", priority=99)
        for row in rows:
            served.desk.change(served.person("ann"), row.id, wanted=CANCEL)
        wait_for(lambda: not served.service.ledger.sweeps.live())


POISON = {
    "every trial diverges": (grid(learning_rate=[1e30, 1e31]), "done", "diverged"),
    "the folder is a file": (GRID, "failed", "is not a run folder"),
}


@pytest.mark.parametrize("name", POISON)
def test_a_poisoned_sweep_says_why_and_the_others_go_on(tmp_path, alone, name):
    asked, state, reason = POISON[name]
    (tmp_path / "runs").mkdir(parents=True)
    with serving(tmp_path) as served:
        if "file" in name:
            really_submit = served.service.ledger.sweeps.submit

            def submit(submission):
                row, is_new = really_submit(submission)
                if submission.name == "bad":
                    Path(row.folder).write_text("in the way")
                return row, is_new

            served.service.ledger.sweeps.submit = submit
        bad = served.submit("eve", grid=asked, name="bad")
        good = served.submit("ann")
        assert served.ended(good).state == "done"
        assert_same_log(_trained(served, good), _trained_alone(alone(GRID)))
        seen = wait_for(lambda: (s := served.see(bad)).state == state and s.reason and s)
        assert reason in seen.reason
        if state not in ENDED:
            served.desk.change(served.person("eve"), bad, wanted=CANCEL)
            assert served.ended(bad).state == "cancelled"


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"grid": grid(alpha=[0.001 * i for i in range(300)])}, "has 2,400 trials"),
        ({"grid": grid(), "dataset": "/etc/passwd"}, "is not available"),
        ({"grid": grid(), "dataset": "../data.npz"}, "is not available"),
        ({"grid": grid(), "dataset": "upload-1"}, "no uploaded data set upload-1"),
        ({"grid": grid(), "trainer": "os:system"}, "not allowed here"),
        ({"grid": {**grid(), "trainer": "os:system"}}, "not allowed here"),
        ({"grid": grid(), "trainer": "partial_fit:subprocess.Popen"}, "not allowed here"),
        ({"grid": grid(), "sampler": "os.system", "trials": 4}, "does not import"),
        ({"grid": {**grid(), "pruner": {"name": "os.system"}}}, "does not import"),
        ({"grid": grid(), "sampler": "optuna.storages.RDBStorage", "trials": 4}, "does not import"),
        ({"grid": "./mine.toml"}, "send its text as toml"),
        ({"grid": "nosuch"}, "There is no grid"),
        ({"grid": grid(), "toml": "x"}, "one of the two"),
        ({"grid": grid(), "queue": "nosuch"}, "no queue 'nosuch'"),
        ({"grid": grid(), "priority": 10**6}, "from -1000 to 1000"),
        ({"grid": {"space": {}}}, "is missing"),
        ({"grid": {**grid(), "dataset": "digits", "batch": 1}}, "batch"),
    ],
)  # fmt: skip
def test_what_cannot_or_may_not_be_is_refused_and_nothing_is_written(tmp_path, request_, message):
    with serving(tmp_path, lambda: Gate(0), trials=1000) as served:
        with pytest.raises(Exception, match=message) as caught:
            served.submit(**request_)
        assert caught.value.exit_code == 2
        assert served.service.ledger.sweeps.page() == []


def test_a_cluster_that_goes_costs_only_what_ran_there(tmp_path, alone):
    class Fails(SerialExecutor):
        made = 0

        def __init__(self):
            super().__init__()
            type(self).made += 1
            self._left = 2 if type(self).made < 4 else 10**6

        def wait(self, timeout):
            ended = super().wait(timeout)
            self._left -= len(ended)
            if self._left < 0:
                raise ClusterError("The cluster is out of reach.")
            return ended

    with serving(tmp_path, Fails) as served:
        sweep = served.submit(grid=LONGER)
        assert served.ended(sweep).state == "done"
        assert Fails.made > 1
        assert_same_log(
            table(served.folder(sweep)).drop(columns="attempt"),
            alone(LONGER).drop(columns="attempt"),
        )
        assert served.service.ledger.leases.all() == []


def test_without_a_cluster_everything_waits_and_says_so(tmp_path):
    there = threading.Event()

    def connect():
        if not there.is_set():
            raise ClusterError("Nobody answers at 10.0.0.1.")
        return SerialExecutor()

    with serving(tmp_path, connect) as served:
        sweep = served.submit()
        # Until it has its data and asks for the cluster, and again.
        wait_for(lambda: served.service._again.get(sweep, (0, 0))[1] > 1)
        assert "Nobody answers" in served.see(sweep).reason
        assert served.see(sweep).state == "queued"
        there.set()
        seen = served.ended(sweep)
        assert (seen.state, seen.reason) == ("done", "")


def test_a_late_result_is_refused_and_a_lease_counts_once(tmp_path, alone):
    """A worker that was given up and answers all the same: its answer is nobody's."""

    class Twice(SerialExecutor):
        """Returns each result again, later, as if its worker had been stopped meanwhile."""

        def __init__(self):
            super().__init__()
            self._late = []

        def wait(self, timeout):
            late, self._late = self._late, []
            ended = super().wait(timeout)
            self._late = list(ended)
            return ended + late

    with serving(tmp_path, Twice) as served:
        sweep = served.submit(grid=LONGER)
        assert served.ended(sweep).state == "done"
        assert_same_log(table(served.folder(sweep)), alone(LONGER))
        assert served.service.ledger.leases.all() == []


def test_one_service_works_in_a_folder_and_who_looks_needs_none(tmp_path):
    with serving(tmp_path) as served:
        with pytest.raises(LockedError, match="is being written by"):
            Service(tmp_path, SerialExecutor)
        second = Ledger(tmp_path / "ledger.sqlite")
        second.people.add_token("zoe", "viewer")
        second.close()
        assert "zoe" in [person.name for person in served.service.ledger.people.all()]


def test_the_ledger_does_not_grow_with_trials(tmp_path):
    sizes = []
    for alphas in (2, 60):
        root = tmp_path / str(alphas)
        with serving(root) as served:
            asked = grid(alpha=[float(i) for i in range(alphas)])
            served.ended(served.submit(grid=asked))
            wait_for(lambda: not served.service._open)
        ledger = Ledger(root / "ledger.sqlite")
        counts = [len(ledger.events.after(0)), len(ledger.leases.all())]
        ledger.close()
        sizes.append(((root / "ledger.sqlite").stat().st_size, counts[1], counts[0] <= 8))
    (small, none, few), (large, _, few_too) = sizes
    assert (none, few, few_too) == (0, True, True)
    assert abs(large - small) <= 3 * 4096


def test_two_people_share_as_their_weights_say(tmp_path, monkeypatch):
    """One has two sweeps and the other one, whose weight is twice as much."""
    # On a machine that measures its speed first, that takes longer than all links.
    monkeypatch.setattr("search.session.training.calibrate", lambda *_, **__: TYPICAL)
    gate, started = Gate(allowed=0), []
    with serving(tmp_path, lambda: gate) as served:
        service = served.service
        really_start = service.ledger.leases.start

        def start(sweep, cores, seconds, name):
            lease = really_start(sweep, cores, seconds, name)
            if name.startswith("advance"):
                started.append(lease.person)
            return lease

        service.ledger.leases.start = start
        served.person("bob")
        served.desk.weigh(served.person("root", "admin"), "bob", 2.0)
        wide = grid(batch_size=[100, 110, 120, 130, 140, 150, 160, 170], epochs=[16])
        sweeps = [
            served.submit(name, grid={**wide, "seed": seed})
            for name, seed in (("ann", 1), ("ann", 2), ("bob", 3))
        ]
        # Each has asked: one runs, and may wait with its next link too.
        wait_for(lambda: all((s := served.see(x)).running or s.position for x in sweeps))
        gate.allowed = None
        for sweep in sweeps:
            assert served.ended(sweep).state == "done"
    last = len(started) - started[::-1].index("bob")
    counts = Counter(started[:last])
    assert counts["bob"] == 8
    # Four, where every link takes as long as it should; on a busy machine some take longer.
    assert 1 <= counts["ann"] <= 12
    assert Counter(started)["ann"] == 16


def test_states_as_they_are_told_follow_the_rules(tmp_path):
    follows = {
        "queued": {"running", "pausing", "paused", "stopping", "cancelled"},
        "running": {"queued", "pausing", "paused", "stopping", "cancelled"},
        "pausing": {"paused", "running", "queued", "stopping", "cancelled"},
        "paused": {"queued", "running", "stopping", "cancelled"},
        "stopping": {"cancelled"},
    }
    with serving(tmp_path) as served:
        ann = served.person("ann")
        sweep = served.submit(grid=LONGER)
        for wanted in (PAUSE, RUN, PAUSE, RUN):
            served.desk.change(ann, sweep, wanted=wanted)
            threading.Event().wait(0.1)
        served.ended(sweep)
        told = [
            event.detail["state"]
            for event in served.service.ledger.events.after(0, sweep)
            if event.kind == "state"
        ]
    assert all(after in follows[before] for before, after in pairwise(told))


def test_logs_of_two_sweeps_do_not_mix(tmp_path):
    with serving(tmp_path) as served:
        sweeps = [served.submit(name, grid=LONGER) for name in ("ann", "bob")]
        for sweep in sweeps:
            served.ended(sweep)
        texts = {sweep: (served.folder(sweep) / "sweep.log").read_text() for sweep in sweeps}
    for sweep, text in texts.items():
        assert str(sweep) in text
        assert not [other for other in sweeps if other != sweep and other in text]


def test_params_of_the_best_are_those_of_the_log(tmp_path):
    with serving(tmp_path) as served:
        sweep = served.submit()
        best = served.ended(sweep).progress.best
        log: pd.DataFrame = table(served.folder(sweep))
        row = log.loc[log.val_cost.idxmin()]
        assert best["number"] == row.number
        assert best["params"] == {
            name: row[name] for name in ("batch_size", "learning_rate", "epochs", "alpha")
        }
