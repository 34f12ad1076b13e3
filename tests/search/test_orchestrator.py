"""Whatever is lost, killed or deleted on the way, the log ends up bit for bit the same."""

from collections import Counter
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.errors import ClusterError
from cluster.executor import Lost, SerialExecutor
from model.dataset import Dataset
from model.pack import PackState
from search.checkpoints import Checkpoints
from search.cost_model import CostModel
from search.errors import InterruptedSweepError, StoreError
from search.link import Examples
from search.links import LinkCutter, open_chains
from search.orchestrator import MAX_ATTEMPTS, Orchestrator, settle
from search.planner import make_plan
from search.space import SearchSpace
from search.store import COMPLETE, FAIL, TrialStore
from search.study import Study

# eta alpha = 3e30 makes the fourth alpha diverge at either rate; the others are stable.
SPACE = SearchSpace((8, 16), (1e-6, 1e-5), (2, 4, 8), (0.0, 1.0, 10.0, 3e36))
PLAN = make_plan(np.arange(len(SPACE)), SPACE.columns(), {8: 3, 16: 8})
SEED = 1


def cutter(epochs, plan=PLAN):
    """Return a cutter whose links take about so many epochs of any pack."""
    line = (1 / epochs, 0.0)
    cost = CostModel(dict.fromkeys(SPACE.batch_size, line), (1e-9, 0.0))
    cut = LinkCutter(cost, 1, 1, plan, 1)
    cut.target = 1.0
    return cut


def chains_of(cut, logged=(), reached=lambda pack: 0):
    return open_chains(PLAN, np.array(logged, np.int64), reached, cut)


# Several links to each checkpoint; links that pass two of them; one link for each pack.
SHORT, LONG, LONGEST = cutter(1), cutter(4), cutter(100)
CUTS = pytest.mark.parametrize("cut", [SHORT, LONG, LONGEST], ids=["short", "long", "longest"])


def links_of(cut):
    return [(link.pack.index, link.epoch) for chain in chains_of(cut) for link in chain]


LINKS = links_of(SHORT)
ROWS = [(pack.index, epoch) for pack in PLAN.packs for epoch in pack.checkpoints]


def images():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    X = np.clip(rng.normal(128, 50, (60, 12)) + 40 * (y[:, None] == np.arange(12) % 3), 0, 255)
    return Examples.from_dataset(Dataset("tiny", X.astype(np.float32), y), 0.25, SEED)


EXAMPLES = images()


class FlakyExecutor:
    """Runs tasks in random order, losing some; remembers what its links trained."""

    dashboard_url = None

    def __init__(self, seed=0, loss=0.0, workers=3, cursed=()):
        self.workers = workers
        self.trained = []
        self.seconds = Counter()
        self.losses = Counter()
        self.most_queued = 0
        self._inner, self._queue = SerialExecutor(), []
        self._random, self._loss, self._cursed = Random(seed), loss, cursed

    def share(self, value):
        return value

    def submit(self, key, name, function, *args):
        self._queue.append((key, name, function, *args))
        self.most_queued = max(self.most_queued, len(self._queue))

    def wait(self, timeout):
        if self._random.random() < 0.2:
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
        self.seconds[link.pack.index, link.epoch] += finished.value.seconds
        return finished

    def close(self):
        self._queue.clear()


class Recorder:
    """An observer that counts what it is told."""

    def __init__(self):
        self.calls = Counter()

    def started(self, link):
        self.calls["started"] += 1

    def advanced(self, link, study):
        self.calls["advanced"] += 1

    def lost(self, link, reason):
        self.calls["lost"] += 1

    def idle(self):
        self.calls["idle"] += 1


def start(pack):
    return PackState.start(
        pack.batch_size, pack.learning_rate, pack.alpha, n_features=12, n_classes=3, seed=SEED
    )


def give_command(
    folder, executor, interrupted=lambda: False, store=None, cut=SHORT, checkpoints=None
):
    """Do what the log in a folder does not hold yet, as every command does."""
    store = store or TrialStore(folder / "trials")
    checkpoints = checkpoints or Checkpoints(folder / "checkpoints")
    settle(PLAN, store, checkpoints)
    study, observer = Study(len(SPACE)), Recorder()
    study.tell(*store.columns("number", "val_cost", "val_accuracy"))
    orchestrator = Orchestrator(executor, store, checkpoints, study, start, observer, interrupted)
    chains = chains_of(cut, store.columns("number")[0], checkpoints.epoch)
    orchestrator.run(chains, EXAMPLES)
    return study, observer


def table(folder):
    """Return the log without what depends on times and luck, sorted by number."""
    names = (
        "number", "state", "batch_size", "learning_rate", "epochs", "alpha", "pack", "error",
        "val_cost", "val_accuracy",
    )  # fmt: skip
    columns = TrialStore(folder / "trials").columns(*names)
    order = np.argsort(columns[0])
    return {
        name: column[order].tobytes() if column.dtype == np.float64 else column[order].tolist()
        for name, column in zip(names, columns, strict=True)
    }


def assert_complete(folder, undisturbed):
    """Check every row, and that nothing else is left."""
    assert table(folder) == undisturbed
    assert table(folder)["number"] == list(range(len(SPACE)))
    assert list((folder / "checkpoints").iterdir()) == []
    assert all(path.name.startswith("pack-") for path in (folder / "trials").iterdir())


def logged_seconds(folder):
    return TrialStore(folder / "trials").columns("seconds")[0].sum()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    give_command(folder, SerialExecutor())
    return table(folder)


def interrupt(folder, links, seed=0, cut=SHORT):
    """Stop a sweep after some links and return the executor."""
    executor = FlakyExecutor(seed)
    with pytest.raises(InterruptedSweepError):
        give_command(folder, executor, lambda: len(executor.trained) >= links, cut=cut)
    return executor


# --- The rows


def test_every_row_holds_its_trials_params_and_scores(tmp_path):
    give_command(tmp_path, SerialExecutor())
    rows = TrialStore(tmp_path / "trials").read().to_pylist()
    assert len(rows) == len(SPACE)
    for row in rows:
        params = SPACE[row["number"]]
        assert {name: row[name] for name in SearchSpace.__annotations__} == {
            name: getattr(params, name) for name in SearchSpace.__annotations__
        }
        assert row["started_at"] <= row["finished_at"]
        assert (row["node"], row["attempt"]) == ("localhost", 1)


def test_the_seconds_of_a_links_trials_add_up_to_the_link(tmp_path):
    # No link without rows here, whose seconds the next one would have too.
    give_command(tmp_path, SerialExecutor(), cut=LONG)
    by_link = Counter()
    spans = {}
    for row in TrialStore(tmp_path / "trials").read().to_pylist():
        link = row["pack"], row["started_at"]
        by_link[link] += row["seconds"]
        spans[link] = (row["finished_at"] - row["started_at"]).total_seconds()
    assert by_link == pytest.approx(spans, abs=3e-6)


def test_columns_that_diverge_fail_and_are_never_best(tmp_path):
    study, _ = give_command(tmp_path, SerialExecutor())
    rows = TrialStore(tmp_path / "trials").read().to_pylist()
    failed = [row for row in rows if row["state"] == FAIL]
    assert failed
    assert {row["alpha"] for row in failed} == {3e36}
    assert {row["error"] for row in failed} == {"diverged"}
    assert {(row["val_cost"], row["val_accuracy"]) for row in failed} == {(None, None)}
    complete = [row for row in rows if row["state"] == COMPLETE]
    assert {row["alpha"] for row in complete} >= {0.0, 1.0, 10.0}
    assert {row["error"] for row in complete} == {None}
    assert all(np.isfinite(row["val_cost"]) for row in complete)
    assert study.states == {COMPLETE: len(complete), FAIL: len(failed)}
    best = min(complete, key=lambda row: (row["val_cost"], row["number"]))
    assert (study.best_trial.number, study.best_trial.value) == (best["number"], best["val_cost"])


# --- Bad luck


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.3, 0.8]), st.integers(1, 9))
def test_losses_and_order_change_no_bit(undisturbed, tmp_path_factory, seed, loss, workers):
    folder = tmp_path_factory.mktemp("run")
    executor = FlakyExecutor(seed, loss, workers)
    _, observer = give_command(folder, executor)
    assert_complete(folder, undisturbed)
    assert sorted(executor.trained) == sorted(dict(executor.trained).items())  # each link once
    pack, epochs, attempt = TrialStore(folder / "trials").columns("pack", "epochs", "attempt")
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
    with pytest.raises(ClusterError, match=r"lost its worker 5 times.*CrashedError.*continue"):
        give_command(tmp_path, executor)
    assert executor.losses[0, 4] == MAX_ATTEMPTS
    logged = TrialStore(tmp_path / "trials").columns("pack", "epochs")
    links = set(zip(*(column.tolist() for column in logged), strict=True))
    assert links <= {link for link, _ in executor.trained}
    assert (0, 2) in links
    assert (0, 4) not in links
    give_command(tmp_path, SerialExecutor())
    assert_complete(tmp_path, undisturbed)


def test_a_mistake_in_a_task_ends_the_sweep(tmp_path):
    executor = SerialExecutor()
    executor.submit = lambda key, name, function, *args: SerialExecutor.submit(
        executor, key, name, function, *args[:-2], (), -1
    )
    with pytest.raises(ValueError, match="at epoch 0, beyond -1"):
        give_command(tmp_path, executor)


# --- However the way is cut


def test_links_are_cut_as_the_tests_below_need_it():
    spans = [
        [(link.start_epoch, link.epoch, link.stops) for link in chains_of(cut)[0]]
        for cut in (SHORT, LONG, LONGEST)
    ]
    assert spans == [
        [(n - 1, n, (n,) if n in (2, 4, 8) else ()) for n in range(1, 9)],
        [(0, 4, (2, 4)), (4, 8, (8,))],
        [(0, 8, (2, 4, 8))],
    ]


@CUTS
@pytest.mark.parametrize("loss", [0.0, 0.5])
def test_links_of_any_length_give_the_same_bits_and_log_all_their_seconds(
    undisturbed, tmp_path, cut, loss
):
    executor = FlakyExecutor(3, loss)
    give_command(tmp_path, executor, cut=cut)
    assert_complete(tmp_path, undisturbed)
    assert sorted(link for link, _ in executor.trained) == sorted(links_of(cut))
    assert logged_seconds(tmp_path) == pytest.approx(executor.seconds.total())


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([SHORT, LONG, LONGEST]), st.integers(1, 9)), max_size=6))
def test_each_command_may_cut_the_way_otherwise(undisturbed, tmp_path_factory, commands):
    folder, seconds, epochs = tmp_path_factory.mktemp("run"), 0.0, 0
    for seed, (cut, links) in enumerate([*commands, (LONG, 1000)]):
        executor = FlakyExecutor(seed)
        try:
            give_command(folder, executor, lambda e=executor, n=links: len(e.trained) >= n, cut=cut)
        except InterruptedSweepError:
            assert links < 1000
        seconds += executor.seconds.total()
        epochs += sum(trained for _, trained in executor.trained)
    assert_complete(folder, undisturbed)
    assert epochs == sum(pack.epochs for pack in PLAN.packs)
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
    assert sum(epochs for _, epochs in trained) == sum(pack.epochs for pack in PLAN.packs)
    seconds = first.seconds.total() + second.seconds.total()
    assert logged_seconds(tmp_path) == pytest.approx(seconds)


def test_a_finished_sweep_has_nothing_to_do(undisturbed, tmp_path):
    give_command(tmp_path, SerialExecutor())
    executor = FlakyExecutor()
    study, _ = give_command(tmp_path, executor)
    assert executor.trained == []
    assert study.finished == len(SPACE)
    assert_complete(tmp_path, undisturbed)


class CrashError(Exception):
    """Stands for a kill: nothing after it is done."""


MOMENTS = {
    "before the rows are staged": (TrialStore, "stage", False),
    "after the rows are staged": (TrialStore, "stage", True),
    "before the state is saved": (Checkpoints, "save", False),
    "after the state is saved": (Checkpoints, "save", True),
    "before the rows are published": (TrialStore, "publish", False),
    "after the rows are published": (TrialStore, "publish", True),
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
        method(*args)
        if last:
            raise CrashError

    patch.setattr(owner, name, crashing)


@CUTS
@pytest.mark.parametrize("count", [0, 2, 3])
@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_any_moment_of_recording_a_link_it_continues_bit_for_bit(
    undisturbed, tmp_path, monkeypatch, moment, count, cut
):
    first, second = FlakyExecutor(seed=count), FlakyExecutor(seed=count)
    with monkeypatch.context() as patch:
        crash_at(patch, moment, count)
        with pytest.raises(CrashError):
            give_command(tmp_path, first, cut=cut)
    settle(PLAN, TrialStore(tmp_path / "trials"), Checkpoints(tmp_path / "checkpoints"))
    shown = set(table(tmp_path)["number"])
    states = Checkpoints(tmp_path / "checkpoints")
    finished = [pack for pack in PLAN.packs if set(pack.numbers.ravel().tolist()) <= shown]
    reached = {
        pack.index: pack.epochs if pack in finished else states.epoch(pack) for pack in PLAN.packs
    }
    if "staged" not in moment and moment != "before the state is saved":
        assert any(reached.values())
    # Every checkpoint up to the saved state has its rows, and none beyond it.
    for pack in PLAN.packs:
        passed = [epoch <= reached[pack.index] for epoch in pack.checkpoints]
        assert [set(column) <= shown for column in pack.numbers.T.tolist()] == passed
    give_command(tmp_path, second, cut=cut)
    assert_complete(tmp_path, undisturbed)
    # Nothing up to the saved state is trained or scored again, and its time is kept.
    assert all(epoch > reached[pack] for (pack, epoch), _ in second.trained)
    for pack in PLAN.packs:
        trained = [epochs for (index, _), epochs in second.trained if index == pack.index]
        assert sum(trained) == pack.epochs - reached[pack.index]
    kept = sum(s for (pack, epoch), s in first.seconds.items() if epoch <= reached[pack])
    assert logged_seconds(tmp_path) == pytest.approx(kept + second.seconds.total())


@pytest.mark.parametrize("crash", [0, 1, 6, len(ROWS) - 1])
def test_a_state_whose_rows_were_not_published_is_neither_trained_nor_scored_again(
    undisturbed, tmp_path, crash
):
    store = TrialStore(tmp_path / "trials")
    publish, count = store.publish, iter(range(len(LINKS)))

    def publish_until_crash(*args):
        if next(count) == crash:
            raise StoreError("No space left on device")
        publish(*args)

    store.publish = publish_until_crash
    first = FlakyExecutor(workers=1)  # one after the other, as a serial executor would
    first.wait = lambda timeout: [first._end()]
    with pytest.raises(StoreError):
        give_command(tmp_path, first, store=store)
    assert len(store.staged()) == 1
    assert len(list(store.folder.glob("pack-*"))) == crash
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


def test_a_damaged_checkpoint_only_costs_training(undisturbed, tmp_path):
    interrupt(tmp_path, 6)
    states = list((tmp_path / "checkpoints").iterdir())
    assert states
    for path in states:
        path.write_bytes(path.read_bytes()[:-10])
    give_command(tmp_path, FlakyExecutor())
    assert_complete(tmp_path, undisturbed)


def test_another_plan_gives_the_same_costs_up_to_rounding(tmp_path, undisturbed):
    other = make_plan(np.arange(len(SPACE)), SPACE.columns(), {8: 1, 16: 1})
    store, study = TrialStore(tmp_path / "trials"), Study(len(SPACE))
    chains = open_chains(other, np.array([], np.int64), lambda pack: 0, cutter(2, other))
    Orchestrator(
        SerialExecutor(), store, Checkpoints(tmp_path / "c"), study, start, Recorder()
    ).run(chains, EXAMPLES)
    ours = table(tmp_path)
    assert ours["state"] == undisturbed["state"]
    costs = [np.frombuffer(t["val_cost"]) for t in (ours, undisturbed)]
    np.testing.assert_allclose(*costs, rtol=1e-4)
