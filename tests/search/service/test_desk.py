"""What is asked for: deleted, cloned, changed and limited as it was said, whoever asks beside."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from serving import GRID, grid, in_threads, serving, still, written

from search.config import ReadingSettings
from search.errors import ConfigError
from search.ledger import DeletedSweepError, RepeatedKeyError
from search.queue import Rank, Wait
from search.service import Board, Limits, datasets
from search.service.requests import Requests
from search.view import TrialTable

TABLES = [
    {"kind": ["a"], "epochs": [1, 2], "depth": [2]},
    {"kind": ["b"], "epochs": [1, 2], "width": [3, 4]},
]


@pytest.fixture
def there(tmp_path):
    with still(tmp_path) as served:
        yield served


def row(there, sweep):
    return there.service.ledger.sweeps.get(sweep)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("run", "has not ended; cancel"), ("pause", "has not ended; cancel"),
        ("stop", "training of its model may take minutes"), ("cancel", "still ending"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("dry_run", [True, False])
def test_what_has_not_ended_is_not_deleted_and_asked_what_that_frees_never(
    there, wanted, said, dry_run
):
    sweep, ann = written(there), there.person("ann")
    there.service.ledger.sweeps.want(sweep, wanted)
    with pytest.raises(ConfigError, match=said):
        there.desk.remove(ann, sweep, dry_run=dry_run)
    assert there.service.removed == []
    there.service.ledger.sweeps.end(sweep, "done")
    there.desk.remove(ann, sweep, dry_run=dry_run)
    assert there.service.removed == ([] if dry_run else [sweep])


def test_a_data_set_that_loads_slowly_holds_up_nobody_who_needs_another_one(tmp_path, monkeypatch):
    loaded, began, may = [], threading.Event(), threading.Event()

    def load(named, reading, notify):
        loaded.append(named)
        if named == "slow":
            began.set()
            assert may.wait(60)
        return object()

    monkeypatch.setattr(datasets, "load_dataset", load)
    sets = datasets.DataSets(tmp_path, Limits())
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(sets.load, "slow", ReadingSettings())
        assert began.wait(60)
        try:
            other = pool.submit(sets.load, "quick", ReadingSettings()).result(timeout=30)
            again = pool.submit(sets.load, "slow", ReadingSettings())
        finally:
            may.set()
        assert again.result(60) is first.result(60) is not other
    assert loaded == ["slow", "quick"]


def test_few_data_sets_are_loaded_at_a_time_however_many_are_asked_for(tmp_path, monkeypatch):
    entered, may, inside, most = threading.Semaphore(0), threading.Event(), [], []

    def load(named, reading, notify):
        inside.append(named)
        most.append(len(inside))
        entered.release()
        assert may.wait(60)
        inside.remove(named)
        return object()

    monkeypatch.setattr(datasets, "load_dataset", load)
    sets = datasets.DataSets(tmp_path, Limits())
    with ThreadPoolExecutor(5) as pool:
        asked = [pool.submit(sets.load, str(n), ReadingSettings()) for n in range(5)]
        try:
            assert all(entered.acquire(timeout=60) for _ in range(2))
            assert not entered.acquire(timeout=0.2)  # a third one
        finally:
            may.set()
        assert len({id(one.result(60)) for one in asked}) == 5
    assert max(most) == 2


def test_what_was_shared_is_told_without_reading_logs_again(tmp_path, monkeypatch):
    read, really = [], TrialTable.read
    with serving(tmp_path) as served:
        first = served.submit()
        served.ended(first)
        second = served.submit(grid=grid(alpha=[0.1, 10.0, 20.0]))
        served.ended(second)
        monkeypatch.setattr(
            TrialTable, "read", lambda run, *args: read.append(run.path) or really(run, *args)
        )
        monkeypatch.setattr("search.view.trial_table._KEPT", 1)
        for _ in range(3):
            assert served.desk.shared(row(served, first)) == {"trials": 0, "from": []}
            of_second = served.desk.shared(row(served, second))
            assert of_second == {"trials": 16, "from": [f"grid-{first}"]}
            served.desk.tables.get(served.folder(first))
        assert read == [served.folder(second), served.folder(first)]


def test_a_clone_changes_each_table_that_has_the_hyperparameter(there):
    sweep = row(there, written(there, settings={"name": "grid", "space": TABLES}))

    def space(changes):
        return there.desk.cloned(sweep, {"space": changes}).grid["space"]

    assert space({"depth": [9]}) == [{**TABLES[0], "depth": [9]}, TABLES[1]]
    assert space({"epochs": [7]}) == [{**table, "epochs": [7]} for table in TABLES]
    assert space(TABLES[:1]) == TABLES[:1]
    assert space({}) == TABLES
    with pytest.raises(ConfigError, match="none of them has max_depth; they have kind, epochs, de"):
        space({"depth": [9], "max_depth": [9]})
    of_one = row(there, written(there, settings={"name": "grid", "space": TABLES[:1]}))
    with pytest.raises(ConfigError, match="has 1 table, which has no width; it has kind"):
        there.desk.cloned(of_one, {"space": {"width": [9]}})


def test_a_clone_is_called_as_its_original_is_now(there):
    sweep = written(there, settings={"name": "grid", "space": {"alpha": [1.0]}})
    there.service.ledger.sweeps.move(sweep, name="other")
    assert there.desk.cloned(row(there, sweep), {}).name == "other"
    assert there.desk.cloned(row(there, sweep), {"name": "mine"}).name == "mine"


def test_a_clone_that_is_asked_for_again_is_the_same_whatever_its_original_has_become(there):
    sweep, ann, sweeps = there.submit(), there.person("ann"), there.service.ledger.sweeps

    def clone(*alpha):
        made, is_new = there.desk.clone(ann, sweep, {"space": {"alpha": list(alpha)}}, "k")
        return made.id, is_new

    made, is_new = clone(0.5)
    assert is_new
    assert row(there, made).settings["space"]["alpha"] == [0.5]
    there.desk.change(ann, sweep, priority=5, name="other")
    assert clone(0.5) == (made, False)
    with pytest.raises(RepeatedKeyError):
        clone(0.5, 0.6)
    sweeps.end(sweep, "cancelled")
    sweeps.remove(sweep)
    assert clone(0.5) == (made, False)
    sweeps.end(made, "cancelled")
    sweeps.remove(made)
    with pytest.raises(DeletedSweepError, match=made):
        clone(0.5)
    with pytest.raises(KeyError):
        there.desk.clone(ann, sweep, {}, None)


def test_under_the_key_of_a_sweep_that_was_deleted_no_other_one_is_submitted(there):
    sweep = there.submit(key="k")
    there.service.ledger.sweeps.end(sweep, "cancelled")
    there.service.ledger.sweeps.remove(sweep)
    with pytest.raises(DeletedSweepError, match=f"{sweep}.*was deleted.*give a new key"):
        there.submit(key="k")


@pytest.mark.parametrize(("keys", "sweeps"), [((None, None), 1), (("k", "k"), 2)])
def test_submitted_at_once_there_are_no_more_than_one_may_have(tmp_path, monkeypatch, keys, sweeps):
    together, really = threading.Barrier(2), Requests.check

    def check(self, request):
        together.wait(60)  # both have been let in
        return really(self, request)

    with still(tmp_path, sweeps=1) as there:
        there.person("ann")
        monkeypatch.setattr(Requests, "check", check)
        found = in_threads(2, lambda n: there.submit(key=keys[n], grid=GRID))
        assert len([one for one in found if isinstance(one, str)]) == sweeps
        assert {type(one) for one in found} <= {str, ConfigError}
        assert len(there.service.ledger.sweeps.live()) == 1


def test_what_is_so_already_is_written_and_told_to_nobody(there):
    sweep, ann, ledger = written(there), there.person("ann"), there.service.ledger
    same = {"wanted": "run", "priority": 0, "queue": "all", "name": "grid"}

    def newest():
        return ledger.events.newest, len(ledger.events.acts())

    before = newest()
    for asked in ({}, same, {"wanted": "run"}, {"priority": 0, "name": None}):
        assert there.desk.change(ann, sweep, **asked) == row(there, sweep)
        assert newest() == before
    there.desk.change(ann, sweep, **{**same, "name": "other"})
    assert newest() == (before[0] + 1, before[1] + 1)
    ledger.sweeps.held_up(sweep, "the disk is full")
    assert there.desk.change(ann, sweep, wanted="run").reason == ""
    assert newest() == (before[0] + 2, before[1] + 2)


def test_the_place_of_a_plan_is_that_among_those_that_wait(there):
    paused = [written(there) for _ in range(5)]
    for sweep in paused:
        there.service.ledger.sweeps.want(sweep, "pause")
    assert there.desk.place(0) == 1
    _, _, running, busy = (written(there, priority=p) for p in (0, -1, 0, 0))
    wait = Wait(busy, 1, "all cores are at work", Rank(False, 0, 0.0, 1))
    there.service.shown = Board(running={running: 1, busy: 1}, waits={busy: wait})
    assert there.desk.place(0) == 3
    assert there.desk.place(1) == 1
    assert there.desk.place(-1) == 4
