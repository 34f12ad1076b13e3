"""What goes wrong with one sweep, or with the ledger for a moment, disturbs no other sweep."""

import pytest
from command_line import table
from searches import assert_same_log
from serving import GRID, Gate, grid, serving, wait_for

from cluster.errors import ClusterError
from search.errors import ConfigError
from search.ledger import LedgerError
from search.service import hub

LONGER = grid(batch_size=[32, 64, 128, 256], epochs=[2, 4, 8])


@pytest.fixture(autouse=True)
def _again_at_once(monkeypatch):
    """What could not go on is tried again in a moment."""
    monkeypatch.setattr("search.service.service._AGAIN_SECONDS", 0.05)


class OnlyOne(Gate):
    """A cluster that is started once: another one would be what a failure costs all sweeps."""

    made = 0

    def __init__(self, allowed=None):
        super().__init__(allowed)
        type(self).made += 1


@pytest.fixture
def cluster():
    class One(OnlyOne):
        made = 0

    return One


def test_what_one_sweep_cannot_hand_over_is_its_own_trouble(tmp_path, cluster):
    class Full(cluster):
        refused = 0

        def share(self, value):
            if self.names and not self.refused:  # that of the second sweep
                type(self).refused += 1
                raise ClusterError("The object store is full.")
            return super().share(value)

    gate = Full(0)
    with serving(tmp_path, lambda: gate) as served:
        first = served.submit("ann", grid=LONGER)
        wait_for(lambda: served.see(first).running)
        running = list(gate.names)
        second = served.submit("bob")
        wait_for(lambda: served.service._again.get(second))
        assert gate.names[: len(running)] == running
        assert served.see(first).running == 1  # which no failure has taken from it
        gate.allowed = None
        assert {served.ended(sweep).state for sweep in (first, second)} == {"done"}
        assert max(table(served.folder(first)).attempt) == 1
    assert (Full.made, Full.refused) == (1, 1)


@pytest.mark.parametrize(
    ("error", "state"), [(ConfigError("This cannot be sent."), "failed"), (OSError("no"), "done")]
)
def test_a_task_that_cannot_be_sent_fails_its_sweep_alone(tmp_path, cluster, error, state):
    class Refusing(cluster):
        def submit(self, key, name, *args, **options):
            if "batch=77" in name and not self.refused:
                self.refused = True
                raise error
            super().submit(key, name, *args, **options)

        refused = False

    gate = Refusing()
    with serving(tmp_path, lambda: gate) as served:
        bad = served.submit("eve", grid=grid(batch_size=[77]))
        good = served.submit("ann", grid=LONGER)
        assert served.ended(bad).state == state
        assert served.ended(good).state == "done"
        assert gate.refused
        assert max(table(served.folder(good)).attempt) == 1
        assert served.service.ledger.leases.all() == []
    assert Refusing.made == 1


@pytest.mark.parametrize("what", ["start", "end"])
def test_a_ledger_that_cannot_be_written_for_a_moment_loses_no_task(tmp_path, cluster, what):
    gate = cluster()
    with serving(tmp_path, lambda: gate) as served:
        leases, failures = served.service.ledger.leases, [3]
        really = getattr(leases, what)

        def fail(*args):
            if failures[0] and len(gate.names) > 1:
                failures[0] -= 1
                raise LedgerError("the disk is full")
            return really(*args)

        setattr(leases, what, fail)
        sweep = served.submit(grid=LONGER)
        assert served.ended(sweep).state == "done"
        assert failures == [0]
        assert max(table(served.folder(sweep)).attempt) == 1
        assert leases.all() == []
    assert cluster.made == 1


def test_what_a_decision_trips_over_ends_no_task(tmp_path, cluster, monkeypatch):
    really, failures = hub.decide, [2]

    def decide(snapshot):
        if failures[0] and snapshot.leases == () and snapshot.sweeps:
            failures[0] -= 1
            raise ZeroDivisionError
        return really(snapshot)

    monkeypatch.setattr(hub, "decide", decide)
    with serving(tmp_path, cluster) as served:
        sweep = served.submit(grid=GRID)
        assert served.ended(sweep).state == "done"
    assert (cluster.made, failures) == (1, [0])


def test_a_cluster_that_is_gone_is_noticed_by_what_one_sweep_asks(tmp_path, monkeypatch, alone_log):
    monkeypatch.setattr(hub, "_AGAIN_SECONDS", 0.05)

    class Gone(OnlyOne):
        made = 0
        gone = False

        def share(self, value):
            if type(self).made == 1:
                self.gone = True
                raise ClusterError("out of reach")
            return super().share(value)

        def running(self):
            if self.gone:
                raise ClusterError("out of reach")
            return super().running()

    with serving(tmp_path, Gone) as served:
        sweep = served.submit(grid=LONGER)
        assert served.ended(sweep).state == "done"
        assert_same_log(table(served.folder(sweep)), alone_log)
    assert Gone.made == 2


@pytest.fixture
def alone_log(tmp_path):
    with serving(tmp_path / "alone") as served:
        sweep = served.submit(grid=LONGER)
        served.ended(sweep)
        return table(served.folder(sweep))
