"""Whatever is lost, killed or deleted on the way, the log ends up bit for bit the same."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from random import Random

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from machines import Machines

from cluster.errors import ClusterError
from cluster.executor import SerialExecutor
from cluster.outcomes import Lost
from model import average
from model.data.dataset import Dataset
from model.examples import Examples
from model.pack import PackState
from model.results import LegResult, LinkResult
from model.scoring import Scores
from model.speed import SpeedModel
from search.config import SearchSpace, load_config
from search.engine import Orchestrator, Wave
from search.engine.attempts import MAX_ATTEMPTS
from search.errors import InterruptedSweepError, StoreError
from search.plan import NO_TRIAL, LinkCutter, Plan, make_plan, nothing_reached, open_chains
from search.record import (
    COMPLETE,
    FAIL,
    READOUTS,
    SOFTMAX_LAYOUT,
    BestTrial,
    Books,
    Checkpoint,
    Checkpoints,
    Resamples,
    Standings,
    TrialLog,
    as_columns,
    link_name,
    record,
    settle,
)
from search.result import find_ties
from search.session.trials import Run

# eta alpha = 3e30 makes the fourth alpha diverge at either rate; the others are stable.
SPACE = SearchSpace(
    batch_size=(8, 16), learning_rate=(1e-6, 1e-5), epochs=(2, 4, 8), alpha=(0.0, 1.0, 10.0, 3e36)
)
PLAN = make_plan(np.arange(len(SPACE)), SPACE.columns(), {8: 3, 16: 8})


def uneven_plan():
    """Return four packs: some columns end on the way, some have no trial at every stop."""
    ends, packs = [(2, 4, 8), (2,), (4, 8), (2, 4), (8,)], []
    for columns in (range(3), range(3, 6), range(6, 8), range(8, 16)):
        kept = [(n, n // 12 * 4 + n % 4) for n in range(len(SPACE))]
        numbers = np.array([n for n, m in kept if m in columns and SPACE[n].epochs in ends[m % 5]])
        packs += make_plan(numbers, SPACE.columns(numbers), {8: 3, 16: 8}, (), len(packs)).packs
    return Plan(tuple(packs))


UNEVEN = uneven_plan()
SEED = 1


def cutter(epochs, plan=PLAN):
    """Return a cutter whose links take about so many epochs of any pack."""
    line = (1 / epochs, 0.0)
    speed = SpeedModel(dict.fromkeys(SPACE.axes["batch_size"], line), (1e-9, 0.0))
    return LinkCutter(speed, 1, 1, target=1.0)


def chains_of(cut, plan=PLAN):
    return open_chains(plan, Standings(len(SPACE)).closed, nothing_reached, cut)


# Several links to each checkpoint; links that pass two of them; one link for each pack.
SHORT, LONG, LONGEST = cutter(1), cutter(4), cutter(100)
CUTS = pytest.mark.parametrize("cut", [SHORT, LONG, LONGEST], ids=["short", "long", "longest"])


def links_of(cut, plan=PLAN):
    return [(link.pack.index, link.epoch) for chain in chains_of(cut, plan) for link in chain]


LINKS = links_of(SHORT)
ROWS = [(pack.index, epoch) for pack in PLAN.packs for epoch in pack.stops]


def images():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    X = np.clip(rng.normal(128, 50, (60, 12)) + 40 * (y[:, None] == np.arange(12) % 3), 0, 255)
    return Examples.from_dataset(Dataset("tiny", X.astype(np.float32), y), 0.25, SEED)


EXAMPLES = images()


@pytest.fixture(autouse=True, scope="module")
def _several_readings():
    """Let an epoch of these few images be read more than once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(average, "READING_ROWS", 16)
        yield


class FlakyExecutor:
    """Runs tasks in random order, losing some; remembers what its links trained."""

    dashboard_url = None
    dashboard_token = None

    def __init__(self, seed=0, loss=0.0, workers=3, cursed=()):
        self.workers = workers
        self.trained = []
        self.column_epochs = 0
        self.seconds = Counter()
        self.losses = Counter()
        self.most_queued = 0
        self._inner, self._queue = SerialExecutor(), []
        self._random, self._loss, self._cursed = Random(seed), loss, cursed

    def share(self, value):
        return value

    def submit(self, key, name, function, *args, avoid):
        self._queue.append((key, name, function, *args))
        self.most_queued = max(self.most_queued, len(self._queue))

    def running(self):
        return []

    def give_up(self, key):
        self._queue = [task for task in self._queue if task[0] is not key]

    def wait(self, timeout):
        if not self._queue or self._random.random() < 0.2:
            return []
        count = self._random.randint(1, len(self._queue))
        return [self._end() for _ in range(count)]

    def _end(self):
        task = self._queue.pop(self._random.randrange(len(self._queue)))
        link = task[0]
        unlucky = link.attempt < MAX_ATTEMPTS and self._random.random() < self._loss
        if unlucky or (link.pack.index, link.epoch) in self._cursed:
            self.losses[link.pack.index, link.epoch] += 1
            return Lost(link, "WorkerCrashedError")
        self._inner.submit(*task)
        (finished,) = self._inner.wait(0)
        self.trained.append(((link.pack.index, link.epoch), finished.value.trained_epochs))
        self.seconds[link.pack.index, link.epoch] += sum(leg.seconds for leg in finished.value.legs)
        for epoch in range(link.start_epoch, link.epoch):
            self.column_epochs += len(next(leg.columns for leg in link.legs if leg.epoch > epoch))
        return finished

    def close(self):
        self._queue.clear()


class Recorder:
    """An observer that counts what it is told."""

    def __init__(self):
        self.calls = Counter()

    def started(self, link):
        self.calls["started"] += 1

    def advanced(self, link, standings, node):
        self.calls["advanced"] += 1

    def lost(self, link, reason):
        self.calls["lost"] += 1

    def late(self, link, how):
        self.calls["late"] += 1

    def idle(self):
        self.calls["idle"] += 1


def start(pack):
    return PackState.start(
        pack.shared["batch_size"], **pack.columns, n_features=12, n_classes=3, seed=SEED
    )


def taken_up(folder, trial_log=None, plan=PLAN):
    """Return what the log of a folder says, as every command begins."""
    trial_log = trial_log or TrialLog(folder / "trials")
    books = Books(
        trial_log,
        Checkpoints(folder / "checkpoints"),
        Standings(len(SPACE)),
        Resamples(folder / "resamples"),
    )
    run = Run(load_config("smoke"), None, None, books, None, None)
    vars(run)["grid_plan"] = plan  # instead of that of the config
    run.settle()
    return books


def give_command(folder, executor, interrupted=lambda: False, trial_log=None, cut=SHORT, plan=PLAN):
    """Do what the log in a folder does not hold yet, as every command does."""
    books, observer = taken_up(folder, trial_log, plan), Recorder()
    source = Wave(plan, cut, books)
    Orchestrator(executor, books, start, observer, interrupted).run(source, EXAMPLES)
    assert source.finished
    return books.standings, observer


def table(folder):
    """Return the log without what depends on times and luck, sorted by number."""
    names = (
        "number", "state", "batch_size", "learning_rate", "epochs", "alpha", "pack", "error",
        "val_cost", "val_accuracy", "val_cost_avg", "val_accuracy_avg", "last_cost", "last_epoch",
        "source",
    )  # fmt: skip
    columns = TrialLog(folder / "trials").columns(*names)
    order = np.argsort(columns[0])
    return {
        "tied": tied(folder),
    } | {
        name: column[order].tobytes() if column.dtype == np.float64 else column[order].tolist()
        for name, column in zip(names, columns, strict=True)
    }


def tied(folder):
    """Return which trials of a log cannot be told from the best of them."""
    trial_log, standings = TrialLog(folder / "trials"), Standings(len(SPACE))
    logged = trial_log.columns(*SOFTMAX_LAYOUT.standings)
    standings.count(dict(zip(SOFTMAX_LAYOUT.standings, logged, strict=True)))
    return find_ties(trial_log, Resamples(folder / "resamples"), standings, 15)


def assert_complete(folder, undisturbed, plan=PLAN):
    """Check every row, and that nothing else is left."""
    assert table(folder) == undisturbed
    trials = np.concatenate([pack.numbers.ravel() for pack in plan.packs])
    assert table(folder)["number"] == sorted(set(trials.tolist()) - {NO_TRIAL})
    assert list((folder / "checkpoints").iterdir()) == []
    assert all(path.name.startswith("pack-") for path in (folder / "trials").iterdir())


def logged_seconds(folder):
    return TrialLog(folder / "trials").columns("seconds")[0].sum()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    give_command(folder, SerialExecutor())
    return table(folder)


@pytest.fixture(scope="module")
def uneven(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uneven")
    give_command(folder, SerialExecutor(), plan=UNEVEN)
    return table(folder)


def interrupt(folder, links, seed=0, cut=SHORT, plan=PLAN):
    """Stop a sweep after some links and return the executor."""
    executor = FlakyExecutor(seed)
    with pytest.raises(InterruptedSweepError):
        give_command(folder, executor, lambda: len(executor.trained) >= links, cut=cut, plan=plan)
    return executor


# --- The rows


def test_every_row_holds_its_trials_params_and_scores(tmp_path):
    give_command(tmp_path, SerialExecutor())
    rows = TrialLog(tmp_path / "trials").read().to_pylist()
    assert len(rows) == len(SPACE)
    for row in rows:
        params = SPACE[row["number"]]
        assert {name: row[name] for name in SPACE.axes} == dict(params)
        assert row["started_at"] <= row["finished_at"]
        assert (row["node"], row["attempt"]) == ("localhost", 1)
        assert (row["last_cost"], row["last_epoch"]) == (row["val_cost"], row["epochs"])
        assert (row["reports"], row["source"]) == (None, None)


def test_the_seconds_of_a_links_trials_add_up_to_the_link(tmp_path):
    # No link without rows here, whose seconds the next one would have too.
    give_command(tmp_path, SerialExecutor(), cut=LONG)
    by_link = Counter()
    spans = {}
    for row in TrialLog(tmp_path / "trials").read().to_pylist():
        link = row["pack"], row["started_at"]
        by_link[link] += row["seconds"]
        spans[link] = (row["finished_at"] - row["started_at"]).total_seconds()
    assert by_link == pytest.approx(spans, abs=3e-6)


def test_columns_that_diverge_fail_and_are_never_best(tmp_path):
    standings, _ = give_command(tmp_path, SerialExecutor())
    rows = TrialLog(tmp_path / "trials").read().to_pylist()
    failed = [row for row in rows if row["state"] == FAIL]
    assert failed
    assert {row["alpha"] for row in failed} == {3e36}
    assert {row["error"] for row in failed} == {"diverged"}
    figures = ("val_cost", "val_accuracy", "val_cost_avg", "val_accuracy_avg")
    assert {row[name] for row in failed for name in figures} == {None}
    complete = [row for row in rows if row["state"] == COMPLETE]
    assert {row["alpha"] for row in complete} >= {0.0, 1.0, 10.0}
    assert {row["error"] for row in complete} == {None}
    assert all(np.isfinite(row[name]) for row in complete for name in figures)
    assert standings.states == {COMPLETE: len(complete), FAIL: len(failed)}
    best = min(complete, key=lambda row: (row["val_cost"], row["number"]))
    assert standings.best_trial == BestTrial(
        best["number"], SPACE[best["number"]], best["val_cost"], *(best[name] for name in figures)
    )
    told = Standings(len(SPACE))
    told.count(
        dict(
            zip(
                SOFTMAX_LAYOUT.standings,
                TrialLog(tmp_path / "trials").columns(*SOFTMAX_LAYOUT.standings),
                strict=True,
            )
        )
    )
    assert (told.states, told.best_trial) == (standings.states, standings.best_trial)
    assert told.closed.tolist() == standings.closed.tolist() == [True] * (len(SPACE) + 1)


@pytest.mark.parametrize("select", READOUTS)
def test_what_diverges_by_one_readout_alone_has_failed(select):
    (link, *_), *_ = chains_of(LONGEST)
    legs = []
    for leg in link.legs:
        ones = np.ones(len(leg.scored))
        good, bad = Scores(ones, ones), Scores(ones.copy(), ones)
        bad.cost[0] = np.inf
        other = {"last": "average", "average": "last"}[select]
        legs.append(LegResult({select: good, other: bad}, 1.0))
    result = LinkResult(start(link.pack), tuple(legs), 0.0, 1.0, 1)
    before = Checkpoint.before(link.pack, start(link.pack))
    rows, after = record(link, result, "here", before, replace(SOFTMAX_LAYOUT, select=select))
    failed = np.isin(rows["number"], link.pack.numbers[link.legs[0].scored[0]])
    assert (rows["state"] == np.where(failed, FAIL, COMPLETE)).all()
    for readout in READOUTS.values():
        for name in (readout.cost, readout.accuracy):
            assert (np.isnan(rows[name]) == failed).all()
    assert np.isinf(after.reports[link.legs[0].scored[0]]).all()
    assert (np.delete(after.reports, link.legs[0].scored[0], axis=0) == 1).all()


def test_the_time_of_a_leg_is_shared_by_those_that_it_trains(tmp_path):
    trial_log, (pack, *_) = TrialLog(tmp_path / "trials"), UNEVEN.packs
    give_command(tmp_path, SerialExecutor(), trial_log=trial_log, cut=LONGEST, plan=UNEVEN)
    own = [row for row in trial_log.read().to_pylist() if row["pack"] == pack.index]
    by_number = {row["number"]: row["seconds"] for row in own}
    column = [sum(by_number.get(n, 0) for n in row) for row in pack.numbers.tolist()]
    # Who goes further has all that the others have, of the same legs, and more.
    order = np.argsort(pack.epochs, kind="stable")
    for one, other in pairwise(order.tolist()):
        if pack.epochs[one] == pack.epochs[other]:
            assert column[one] == pytest.approx(column[other])
        else:
            assert column[one] < column[other]
    span = (own[0]["finished_at"] - own[0]["started_at"]).total_seconds()
    assert sum(column) == pytest.approx(span, abs=3e-6)


# --- Bad luck


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.3, 0.8]), st.integers(1, 9))
def test_losses_and_order_change_no_bit(undisturbed, tmp_path_factory, seed, loss, workers):
    folder = tmp_path_factory.mktemp("run")
    executor = FlakyExecutor(seed, loss, workers)
    _, observer = give_command(folder, executor)
    assert_complete(folder, undisturbed)
    assert sorted(executor.trained) == sorted(dict(executor.trained).items())  # each link once
    pack, epochs, attempt = TrialLog(folder / "trials").columns("pack", "epochs", "attempt")
    attempts = dict(zip(zip(pack.tolist(), epochs.tolist(), strict=True), attempt, strict=True))
    assert attempts == {link: executor.losses[link] + 1 for link in ROWS}
    assert logged_seconds(folder) == pytest.approx(executor.seconds.total())
    assert observer.calls["lost"] == executor.losses.total()
    assert observer.calls["advanced"] == len(LINKS)
    assert observer.calls["started"] == len(LINKS) + executor.losses.total()


@pytest.mark.parametrize(("workers", "expected"), [(1, 2), (2, 3), (9, len(PLAN.packs))])
def test_a_few_more_tasks_wait_than_there_are_workers(tmp_path, workers, expected):
    executor = FlakyExecutor(workers=workers)
    give_command(tmp_path, executor)
    assert executor.most_queued == expected


def test_a_link_that_always_loses_its_worker_ends_the_sweep_with_the_log_intact(
    undisturbed, tmp_path
):
    executor = FlakyExecutor(loss=0.3, cursed=[(0, 4)])
    with pytest.raises(ClusterError, match=r"has failed 5 times.*CrashedError.*continue"):
        give_command(tmp_path, executor)
    assert executor.losses[0, 4] == MAX_ATTEMPTS
    logged = TrialLog(tmp_path / "trials").columns("pack", "epochs")
    links = set(zip(*(column.tolist() for column in logged), strict=True))
    assert links <= {link for link, _ in executor.trained}
    assert (0, 2) in links
    assert (0, 4) not in links
    give_command(tmp_path, SerialExecutor())
    assert_complete(tmp_path, undisturbed)


def test_a_task_that_always_fails_ends_the_sweep_with_its_error(tmp_path, caplog):
    executor = SerialExecutor()
    executor.submit = lambda key, name, function, *args, avoid: SerialExecutor.submit(
        executor, key, name, function, *args[:-2], [replace(args[-2][0], epoch=-1)]
    )
    told = r"^'advance .* has failed 5 times, the last time by ValueError: .*at epoch 0, beyond -1"
    with pytest.raises(ClusterError, match=told) as caught:
        give_command(tmp_path, executor)
    assert "Traceback" not in str(caught.value)
    lost = [record.message for record in caplog.records if "attempt 5" in record.message]
    assert ["Traceback" in message for message in lost] == [True]


def test_every_link_is_measured_once_it_is_durable_and_before_it_is_told(tmp_path):
    books, observer, events = taken_up(tmp_path), Recorder(), []
    observer.advanced = lambda link, standings, node: events.append(("advanced", link))

    def measured(link, result, seconds):
        assert not link.has_trials or books.trial_log.has(link_name(link.pack.index, link.epoch))
        assert result.trained_epochs == link.epoch - link.start_epoch
        assert seconds > 0
        events.append(("measured", link))

    executor = FlakyExecutor(loss=0.3)
    orchestrator = Orchestrator(executor, books, start, observer, measured=measured)
    orchestrator.run(Wave(PLAN, SHORT, books), EXAMPLES)
    links = [link for event, link in events if event == "advanced"]
    assert len(links) == len(LINKS)
    assert events == [(event, link) for link in links for event in ("measured", "advanced")]


# --- However the way is cut


def test_plan_and_links_are_as_the_tests_below_need_them():
    assert links_of(SHORT, UNEVEN) == LINKS
    assert {pack.stops for pack in UNEVEN.packs} == {(2, 4, 8)}
    assert all(len(set(pack.epochs.tolist())) >= 2 for pack in UNEVEN.packs)
    spans = [
        [(link.start_epoch, link.epoch, link.stops) for link in chains_of(cut)[0]]
        for cut in (SHORT, LONG, LONGEST)
    ]
    assert spans == [
        [(n - 1, n, (n,) if n in (2, 4, 8) else ()) for n in range(1, 9)],
        [(0, 4, (2, 4)), (4, 8, (8,))],
        [(0, 8, (2, 4, 8))],
    ]


@pytest.fixture(params=["even", "uneven"])
def planned(request, undisturbed, uneven):
    """Return a plan and its log: all columns go to the end, or some only on the way."""
    return {"even": (PLAN, undisturbed), "uneven": (UNEVEN, uneven)}[request.param]


@CUTS
@pytest.mark.parametrize("loss", [0.0, 0.5])
def test_links_of_any_length_give_the_same_bits_and_log_all_their_seconds(
    planned, tmp_path, cut, loss
):
    (plan, expected), executor = planned, FlakyExecutor(3, loss)
    give_command(tmp_path, executor, cut=cut, plan=plan)
    assert_complete(tmp_path, expected, plan)
    assert sorted(link for link, _ in executor.trained) == sorted(links_of(cut, plan))
    assert executor.column_epochs == plan.column_epochs
    assert logged_seconds(tmp_path) == pytest.approx(executor.seconds.total())


commands = st.lists(
    st.tuples(st.sampled_from([SHORT, LONG, LONGEST]), st.integers(1, 9)), max_size=6
)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(commands)
def test_each_command_may_cut_the_way_otherwise(planned, tmp_path_factory, commands):
    (plan, expected), folder = planned, tmp_path_factory.mktemp("run")
    seconds, epochs, columns = 0.0, 0, 0
    for seed, (cut, links) in enumerate([*commands, (LONG, 1000)]):
        executor = FlakyExecutor(seed)
        enough = lambda e=executor, n=links: len(e.trained) >= n  # noqa: E731
        try:
            give_command(folder, executor, enough, cut=cut, plan=plan)
        except InterruptedSweepError:
            assert links < 1000
        seconds += executor.seconds.total()
        epochs += sum(trained for _, trained in executor.trained)
        columns += executor.column_epochs
    assert_complete(folder, expected, plan)
    assert epochs == sum(pack.stops[-1] for pack in plan.packs)
    assert columns == plan.column_epochs
    assert logged_seconds(folder) == pytest.approx(seconds)


# --- Interrupted and continued


@pytest.mark.parametrize("links", [1, 4, 7, len(LINKS) - 1])
def test_an_interrupted_sweep_continues_bit_for_bit_and_trains_nothing_twice(
    undisturbed, tmp_path, links
):
    first, second = interrupt(tmp_path, links, seed=links), FlakyExecutor(seed=links)
    assert len(table(tmp_path)["number"]) < len(SPACE)
    give_command(tmp_path, second)
    assert_complete(tmp_path, undisturbed)
    trained = first.trained + second.trained
    assert sorted(link for link, _ in trained) == sorted(LINKS)
    assert sum(epochs for _, epochs in trained) == sum(p.stops[-1] for p in PLAN.packs)
    seconds = first.seconds.total() + second.seconds.total()
    assert logged_seconds(tmp_path) == pytest.approx(seconds)


def test_a_finished_sweep_has_nothing_to_do(undisturbed, tmp_path):
    give_command(tmp_path, SerialExecutor())
    executor = FlakyExecutor()
    standings, _ = give_command(tmp_path, executor)
    assert executor.trained == []
    assert standings.finished == len(SPACE)
    assert_complete(tmp_path, undisturbed)


class CrashError(Exception):
    """Stands for a kill: nothing after it is done."""


MOMENTS = {
    "before the rows are staged": (TrialLog, "stage", False),
    "after the rows are staged": (TrialLog, "stage", True),
    "before the state is saved": (Checkpoints, "save", False),
    "after the state is saved": (Checkpoints, "save", True),
    "after the resampled costs are kept": (Resamples, "save", True),
    "before the rows are published": (TrialLog, "publish", False),
    "after the rows are published": (TrialLog, "publish", True),
    "before the state is removed": (Checkpoints, "remove", False),
    "after the state is removed": (Checkpoints, "remove", True),
}


def crash_at(patch, moment, count):
    """Let the method of a moment end the command at its `count`-th call."""
    owner, name, after = MOMENTS[moment]
    method, calls = getattr(owner, name), iter(range(count + 1))

    def crashing(*args):
        last = next(calls, count) == count
        if last and not after:
            raise CrashError
        returned = method(*args)
        if last:
            raise CrashError
        return returned

    patch.setattr(owner, name, crashing)


@CUTS
@pytest.mark.parametrize("count", [0, 2, 3])
@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_any_moment_of_recording_a_link_it_continues_bit_for_bit(
    planned, tmp_path, monkeypatch, moment, count, cut
):
    plan, expected = planned
    first, second = FlakyExecutor(seed=count), FlakyExecutor(seed=count)
    with monkeypatch.context() as patch:
        crash_at(patch, moment, count)
        with pytest.raises(CrashError):
            give_command(tmp_path, first, cut=cut, plan=plan)
    states = taken_up(tmp_path, plan=plan).checkpoints
    shown = {*table(tmp_path)["number"], NO_TRIAL}
    ends = {pack.index: pack.stops[-1] for pack in plan.packs}
    finished = {p.index for p in plan.packs if set(p.numbers.ravel().tolist()) <= shown}
    assert all(states.load(pack) is None for pack in plan.packs if pack.index in finished)
    reached = {
        pack.index: ends[pack.index] if pack.index in finished else states.reached(pack)[0]
        for pack in plan.packs
    }
    early = ("before the state is saved", "after the resampled costs are kept")
    if "staged" not in moment and moment not in early:
        assert any(reached.values())
    # Every checkpoint up to the saved state has its rows, and none beyond it.
    for pack in plan.packs:
        passed = [epoch <= reached[pack.index] for epoch in pack.stops]
        assert [set(column) <= shown for column in pack.numbers.T.tolist()] == passed
    give_command(tmp_path, second, cut=cut, plan=plan)
    assert_complete(tmp_path, expected, plan)
    # Nothing up to the saved state is trained or scored again, and its time is kept.
    assert all(epoch > reached[pack] for (pack, epoch), _ in second.trained)
    for index, end in ends.items():
        trained = [epochs for (pack, _), epochs in second.trained if pack == index]
        assert sum(trained) == end - reached[index]
    kept = sum(s for (pack, epoch), s in first.seconds.items() if epoch <= reached[pack])
    assert logged_seconds(tmp_path) == pytest.approx(kept + second.seconds.total())


@pytest.mark.parametrize("crash", [0, 1, 6, len(ROWS) - 1])
def test_a_state_whose_rows_were_not_published_is_neither_trained_nor_scored_again(
    undisturbed, tmp_path, crash
):
    trial_log = TrialLog(tmp_path / "trials")
    publish, count = trial_log.publish, iter(range(len(LINKS)))

    def publish_until_crash(*args):
        if next(count) == crash:
            raise StoreError("No space left on device")
        publish(*args)

    trial_log.publish = publish_until_crash
    first = FlakyExecutor(workers=1)  # one after the other, as a serial executor would
    first.wait = lambda timeout: [first._end()]
    with pytest.raises(StoreError):
        give_command(tmp_path, first, trial_log=trial_log)
    assert len(trial_log.staged()) == 1
    assert len(list(trial_log.folder.glob("pack-*"))) == crash
    second = FlakyExecutor()
    give_command(tmp_path, second)
    assert_complete(tmp_path, undisturbed)
    assert sorted(link for link, _ in first.trained + second.trained) == sorted(LINKS)
    assert all(epochs == 1 for _, epochs in first.trained + second.trained)
    seconds = first.seconds.total() + second.seconds.total()
    assert logged_seconds(tmp_path) == pytest.approx(seconds)


@pytest.mark.parametrize("removed", ["checkpoints", "trials", "both"])
def test_deleted_files_only_cost_training(undisturbed, tmp_path, removed):
    interrupt(tmp_path, 6)
    for name in ("checkpoints", "trials"):
        if removed in (name, "both"):
            for path in (tmp_path / name).iterdir():
                path.unlink()
    give_command(tmp_path, FlakyExecutor())
    assert_complete(tmp_path, undisturbed)


@pytest.mark.parametrize(("pack", "epoch"), ROWS[-4:])
def test_a_deleted_log_file_only_costs_the_training_up_to_it(undisturbed, tmp_path, pack, epoch):
    give_command(tmp_path, SerialExecutor())
    (tmp_path / "trials" / f"pack-{pack:05d}-epoch-{epoch:06d}.parquet").unlink()
    executor = FlakyExecutor()
    give_command(tmp_path, executor, cut=LONGEST)
    assert executor.trained == [((pack, epoch), epoch)]
    assert_complete(tmp_path, undisturbed)


def test_a_log_file_deleted_behind_the_newest_state_is_trained_again(undisturbed, tmp_path):
    executor = interrupt(tmp_path, 20)
    pack = next(pack for (pack, epoch), _ in executor.trained if epoch == 4)
    (tmp_path / "trials" / f"pack-{pack:05d}-epoch-000002.parquet").unlink()
    give_command(tmp_path, FlakyExecutor())
    assert_complete(tmp_path, undisturbed)


@pytest.mark.parametrize("removed", ["checkpoints", "trials"])
@pytest.mark.parametrize("links", [2, 5, 7])
def test_deleted_files_only_cost_training_where_columns_end_on_the_way(
    uneven, tmp_path, removed, links
):
    interrupt(tmp_path, links, links, LONG, UNEVEN)
    for path in (tmp_path / removed).iterdir():
        path.unlink()
    give_command(tmp_path, FlakyExecutor(), plan=UNEVEN)
    assert_same_up_to_rounding(table(tmp_path), uneven)
    assert list((tmp_path / "checkpoints").iterdir()) == []


@pytest.mark.parametrize("pack", UNEVEN.packs)
@pytest.mark.parametrize("position", [0, 1, 2])
def test_of_a_deleted_log_file_only_its_own_columns_are_trained_again(
    uneven, tmp_path, pack, position
):
    give_command(tmp_path, SerialExecutor(), plan=UNEVEN)
    epoch, lost = pack.stops[position], pack.numbers[:, position] != NO_TRIAL
    (tmp_path / "trials" / f"{link_name(pack.index, epoch)}.parquet").unlink()
    executor = FlakyExecutor()
    give_command(tmp_path, executor, cut=LONGEST, plan=UNEVEN)
    assert executor.trained == [((pack.index, epoch), epoch)]
    assert executor.column_epochs == epoch * lost.sum()
    assert_same_up_to_rounding(table(tmp_path), uneven)


def test_a_state_without_the_columns_that_are_open_is_not_used(uneven, tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    for pack in UNEVEN.packs:
        some = np.flatnonzero(pack.epochs > pack.epochs.min())
        before = Checkpoint.before(pack, start(pack))
        state = replace(start(pack).take(some), epoch=2, b=before.state.b[:, some] + 1)
        checkpoints.save(pack, replace(before, state=state, columns=some))
    executor = FlakyExecutor()
    give_command(tmp_path, executor, plan=UNEVEN)
    assert executor.column_epochs == UNEVEN.column_epochs
    assert_complete(tmp_path, uneven, UNEVEN)


def test_a_damaged_checkpoint_only_costs_training(undisturbed, tmp_path):
    interrupt(tmp_path, 6)
    states = list((tmp_path / "checkpoints").iterdir())
    assert states
    for path in states:
        path.write_bytes(path.read_bytes()[:-10])
    give_command(tmp_path, FlakyExecutor())
    assert_complete(tmp_path, undisturbed)


def assert_same_up_to_rounding(one, other):
    """Compare two logs that were trained in products of other widths."""
    rounded = ("val_cost", "val_cost_avg", "last_cost", "val_accuracy", "val_accuracy_avg")
    exact = one.keys() - {*rounded, "pack", "tied"}
    assert {name: one[name] for name in exact} == {name: other[name] for name in exact}
    for name in rounded:
        ours, theirs = (np.frombuffer(t[name]) for t in (one, other))
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=0.1 * ("accuracy" in name))


def test_another_plan_gives_the_same_costs_up_to_rounding(tmp_path, undisturbed):
    other = make_plan(np.arange(len(SPACE)), SPACE.columns(), {8: 1, 16: 1})
    give_command(tmp_path, SerialExecutor(), cut=cutter(2, other), plan=other)
    assert_same_up_to_rounding(table(tmp_path), undisturbed)


def test_fewer_trials_give_the_same_costs_up_to_rounding(uneven, undisturbed):
    kept = np.isin(undisturbed["number"], uneven["number"])
    assert uneven["number"] == np.array(undisturbed["number"])[kept].tolist()
    for name in ("val_cost", "val_cost_avg"):
        costs = np.frombuffer(undisturbed[name])[kept]
        np.testing.assert_allclose(np.frombuffer(uneven[name]), costs, rtol=1e-4)


# --- What counts of what was staged


def columns_of(path):
    return as_columns(pq.read_table(path).to_pylist())


def test_staged_rows_count_where_their_state_was_saved(tmp_path):
    trial_log, checkpoints = TrialLog(tmp_path / "trials"), Checkpoints(tmp_path / "checkpoints")
    give_command(tmp_path, SerialExecutor(), cut=LONGEST)
    (one, other, *_), rows = PLAN.packs, trial_log.folder
    for pack in (one, other):
        path = rows / f"{link_name(pack.index, 8)}.parquet"
        columns = columns_of(path)
        path.unlink()
        for epoch in (2, 4, 8):
            trial_log.stage(link_name(pack.index, epoch), columns)
    for name in ("reused", link_name(99, 2)):  # what is not a link, or of no pack
        trial_log.stage(name, columns_of(rows / f"{link_name(2, 8)}.parquet"))
    state = replace(start(one), epoch=4)
    checkpoints.save(one, Checkpoint.before(one, state))
    settle({pack.index: pack for pack in PLAN.packs}, trial_log, checkpoints)
    assert trial_log.staged() == []
    shown = {path.stem for path in rows.glob("pack-*")}
    assert shown >= {link_name(one.index, 2), link_name(one.index, 4)}
    assert not shown & {link_name(one.index, 8), *(link_name(other.index, e) for e in (2, 4, 8))}
    assert not list(rows.glob("*reused*")) + list(rows.glob("*99*"))


# --- A cluster that changes meanwhile


@pytest.mark.parametrize("seed", range(4))
def test_machines_that_join_and_leave_change_no_bit(undisturbed, tmp_path, seed):
    workers = [Random(seed).randint(1, 9) for _ in range(100)]
    strangers = [("calibrate", n) for n in range(9)]
    executor = Machines(workers, seed=seed, loss=0.05, strangers=strangers)
    give_command(tmp_path, executor)
    assert sum(executor.losses.values()) > 0
    assert_complete(tmp_path, undisturbed)


def test_links_that_hang_are_told_of_given_up_and_trained_elsewhere(undisturbed, tmp_path, caplog):
    executor = Machines(hangs=lambda link: link.start_epoch == 2 and link.attempt == 1)

    def interrupted():
        executor.seconds += 15.0 if executor.running() else -executor.seconds
        return False

    _, observer = give_command(tmp_path, executor, interrupted)
    hung = len([link for link in executor.keys if link.attempt == 2])
    assert observer.calls["late"] == observer.calls["lost"] == hung > 0
    assert f"late: '{executor.given_up[0].name}', attempt 1: under way for " in caplog.text
    assert all(
        list(avoid) == (["node-9"] if link.attempt == 2 else [])
        for link, avoid in zip(executor.keys, executor.avoided, strict=True)
    )
    assert_complete(tmp_path, undisturbed)


def test_an_interruption_is_heard_while_no_link_ends(tmp_path):
    executor, asked = Machines(hangs=lambda link: True), iter([False, False, True])
    with pytest.raises(InterruptedSweepError):
        give_command(tmp_path, executor, lambda: next(asked))
    assert set(executor.given_up) == set(executor.keys)
    assert executor.keys
