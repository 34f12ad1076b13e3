"""Logs that are read once for all: who looks at one run waits for nobody at another one."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from search.view import TrialTable, TrialTables
from search.view import trial_table as table_module


@pytest.fixture
def folders(tmp_path):
    """Return folders of runs that have begun."""
    found = [tmp_path / name for name in "abc"]
    for folder in found:
        (folder / "trials").mkdir(parents=True)
    return found


class Slow:
    """Reads logs; that of one folder only once it may."""

    def __init__(self, monkeypatch, held):
        self.read, self.held = [], held
        self.began, self.may = threading.Event(), threading.Event()
        monkeypatch.setattr(TrialTable, "read", self)

    def __call__(self, run, parts, manifest=None):
        self.read.append(run.path)
        if run.path == self.held:
            self.began.set()
            assert self.may.wait(60)
        return object()


def test_a_slow_log_holds_up_nobody_who_looks_at_another_one(folders, monkeypatch):
    tables, slow = TrialTables(), Slow(monkeypatch, folders[0])
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(tables.get, folders[0])
        assert slow.began.wait(60)
        try:
            other = pool.submit(tables.get, folders[1]).result(timeout=30)
            again = pool.submit(tables.get, folders[0])  # which waits, and reads nothing twice
            assert tables.get(folders[1]) is other
        finally:
            slow.may.set()
        assert again.result(60) is first.result(60)
    assert slow.read == folders[:2]


def test_few_logs_are_read_at_a_time_however_many_are_looked_at(tmp_path, monkeypatch):
    entered, may, inside, most = threading.Semaphore(0), threading.Event(), [], []

    def read(run, parts, manifest=None):
        inside.append(run.path)
        most.append(len(inside))
        entered.release()
        assert may.wait(60)
        inside.remove(run.path)
        return object()

    monkeypatch.setattr(TrialTable, "read", read)
    folders = [tmp_path / str(n) for n in range(5)]
    for folder in folders:
        (folder / "trials").mkdir(parents=True)
    tables = TrialTables()
    with ThreadPoolExecutor(5) as pool:
        looks = [pool.submit(tables.get, folder) for folder in folders]
        try:
            assert all(entered.acquire(timeout=60) for _ in range(2))
            assert not entered.acquire(timeout=0.2)  # a third one
        finally:
            may.set()
        assert len({id(look.result(60)) for look in looks}) == 5
    assert max(most) == 2


def test_what_is_small_is_kept_longer_than_the_table(folders, monkeypatch):
    monkeypatch.setattr(table_module, "_KEPT", 1)
    tables, slow = TrialTables(), Slow(monkeypatch, None)

    def small(folder):
        return tables.small(folder, "size", lambda: id(tables.get(folder)))

    before = [small(folder) for folder in folders]
    assert [small(folder) for folder in folders] == before
    assert slow.read == folders
    (folders[1] / "trials" / "more.parquet").write_bytes(b"")
    small(folders[1])
    assert slow.read == [*folders, folders[1]]
