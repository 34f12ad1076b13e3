"""What is told of a sweep becomes metrics, whatever happens to its links."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from cluster.metrics import (
    BEST,
    BUSY,
    FLUSH_SECONDS,
    GFLOPS,
    LINK_SECONDS,
    LOST,
    METRICS,
    PLANNED,
    TRIALS,
    TRIALS_RATE,
    WORKERS,
)
from search.engine import Observers
from search.record import Standings
from search.record.log.columns import SOFTMAX_LAYOUT
from search.watch import MetricsObserver
from search.watch.metrics import Pace, _column_epochs


class Sink:
    """Keeps what is recorded."""

    def __init__(self):
        self.gauges, self.values = {}, []

    def record(self, metric, value, tag=""):
        assert bool(tag) == bool(metric.tag), metric
        if metric.kind == "gauge":
            self.gauges[metric, tag] = value
        else:
            self.values.append((metric, value, tag))

    def __getitem__(self, metric):
        return self.gauges[metric, ""]

    def states(self):
        return {tag: value for (metric, tag), value in self.gauges.items() if metric == TRIALS}


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def link_of(*legs, batch_size=32):
    """Return what the observer looks at of a link: last epoch and number of columns of its legs."""
    legs = tuple(SimpleNamespace(epoch=epoch, columns=np.arange(n)) for epoch, n in legs)
    pack = SimpleNamespace(shared={"batch_size": batch_size})
    return SimpleNamespace(pack=pack, legs=legs, epoch=legs[-1].epoch)


def took(seconds, epochs):
    return SimpleNamespace(seconds=seconds, trained_epochs=epochs)


def rows(states, costs, first=0):
    n = len(states)
    same = {
        "batch_size": np.full(n, 32), "learning_rate": np.full(n, 1e-6),
        "epochs": np.full(n, 5), "alpha": np.zeros(n),
    }  # fmt: skip
    return same | {
        "number": np.arange(first, first + n),
        "state": np.array(states),
        "val_cost": np.array(costs, float),
        "val_accuracy": np.full(n, 0.5),
        "val_cost_avg": np.array(costs, float) + 1,
        "val_accuracy_avg": np.full(n, 0.5),
    }


LINK = link_of((5, 4))


@pytest.fixture
def sink():
    return Sink()


@pytest.fixture
def standings():
    return Standings(10)


def test_the_best_is_that_of_the_readout_that_selects(sink, clock):
    standings = Standings(10, replace(SOFTMAX_LAYOUT, select="average"))
    standings.count(rows(["COMPLETE"] * 2, [0.5, 0.25]))
    MetricsObserver(sink, standings, lambda: 2, float, Pace(clock)).idle()
    assert sink[BEST] == 1.25


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def observer(sink, standings, clock):
    return MetricsObserver(sink, standings, lambda: 2, lambda epochs: epochs * 1e9, Pace(clock))


def test_before_anything_is_done_all_but_the_best_is_there(observer, sink):
    observer.idle()
    assert {metric for metric, _ in sink.gauges} == {
        metric for metric in METRICS if metric.kind == "gauge" and metric != BEST
    }
    assert sink.states() == {"COMPLETE": 0, "FAIL": 0, "PRUNED": 0}
    assert (sink[PLANNED], sink[WORKERS], sink[BUSY], sink[LOST]) == (10, 2, 0, 0)


def test_states_and_best_are_those_of_the_study(observer, sink, standings):
    standings.count(rows(["COMPLETE", "FAIL", "COMPLETE", "PRUNED"], [0.7, np.nan, 0.4, np.nan]))
    observer.started(LINK)
    observer.advanced(LINK, standings, "10.0.0.1")
    assert sink.states() == {"COMPLETE": 2, "FAIL": 1, "PRUNED": 1}
    assert sink[BEST] == 0.4


def test_trials_of_an_earlier_command_are_counted_but_are_not_this_ones_pace(
    sink, standings, clock
):
    standings.count(rows(["COMPLETE"] * 6, [0.5] * 6))
    observer = MetricsObserver(sink, standings, lambda: 2, float, Pace(clock))
    observer.started(LINK)
    clock.now = 2.0
    standings.count(rows(["COMPLETE"] * 4, [0.5] * 4, first=6))
    observer.advanced(LINK, standings, "10.0.0.1")
    assert sink.states()["COMPLETE"] == 10
    assert sink[TRIALS_RATE] == 2.0


def test_no_more_workers_are_busy_than_there_are(observer, sink, standings):
    busy = []
    ends = [lambda link: observer.advanced(link, standings, "10.0.0.1")] * 3
    for tell in [observer.started] * 3 + ends:
        tell(LINK)
        busy.append(sink[BUSY])
    assert busy == [1, 2, 2, 2, 1, 0]


def test_a_lost_link_is_counted_and_keeps_no_worker_busy(observer, sink):
    observer.started(LINK)
    observer.lost(LINK, "WorkerCrashedError")
    assert (sink[LOST], sink[BUSY]) == (1, 0)
    observer.started(LINK)
    assert (sink[LOST], sink[BUSY]) == (1, 1)


def test_times_go_into_histograms(observer, sink):
    observer.measured(link_of((5, 4), batch_size=64), took(2.0, 5), 0.01)
    assert sink.values == [(LINK_SECONDS, 2.0, "64"), (FLUSH_SECONDS, 0.01, "")]


def test_the_rate_is_arithmetic_by_compute_time(observer, sink, standings):
    for _ in range(2):
        observer.started(LINK)
        observer.measured(LINK, took(4.0, 5), 0.01)
        observer.advanced(LINK, standings, "10.0.0.1")
    assert sink[GFLOPS] == 5 * 4 / 4.0


@pytest.mark.parametrize(("trained", "expected"), [(20, 160), (15, 110), (10, 60), (4, 12), (0, 0)])
def test_only_the_epochs_that_were_trained_count(trained, expected):
    """The link goes from 10 to 20 with ten columns, to 26 with eight, to 30 with three."""
    link = link_of((20, 10), (26, 8), (30, 3))
    assert _column_epochs(link, took(1.0, trained)) == expected


def test_several_observers_are_told_the_same_in_their_order(standings):
    told = []

    class Recorder:
        def __init__(self, name):
            self.name = name

        def __getattr__(self, event):
            return lambda *args: told.append((self.name, event, *args))

    both = Observers(Recorder("one"), Recorder("other"))
    both.started(LINK)
    both.advanced(LINK, standings, "10.0.0.1")
    both.lost(LINK, "why")
    both.late(LINK, "how")
    both.idle()
    events = [
        ("started", LINK),
        ("advanced", LINK, standings, "10.0.0.1"),
        ("lost", LINK, "why"),
        ("late", LINK, "how"),
        ("idle",),
    ]
    assert told == [(name, *event) for event in events for name in ("one", "other")]
