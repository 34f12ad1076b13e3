"""Sweeps that are deleted: by who may, by their age, and never under one that copies from them."""

import subprocess
import threading
from pathlib import Path

import pytest
from serving import GRID, Gate, grid, serving, wait_for

from search.errors import ConfigError
from search.record import RunFolder
from search.service import forgetting as forgetting_module
from search.service import sharing

LONGER = grid(batch_size=[32, 64, 128, 256], epochs=[2, 4, 8])


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch):
    monkeypatch.setattr(forgetting_module, "_LOOK_SECONDS", 0.05)


def closed(served, sweep):
    """Wait until a sweep has ended and its files are left alone."""
    get = served.service.ledger.sweeps.get
    wait_for(lambda: get(sweep).ended is not None and sweep not in served.service._open)


def remove(served, sweep, **options):
    return served.desk.remove(served.person("ann"), sweep, **options)


def used(path):
    said = subprocess.run(["du", "-s", "-B1", path], capture_output=True, text=True, check=True)
    return int(said.stdout.split()[0])


def test_what_is_deleted_frees_what_it_says(tmp_path):
    with serving(tmp_path) as served:
        sweep = served.submit()
        with pytest.raises(ConfigError, match="has not ended"):
            remove(served, sweep)
        closed(served, sweep)
        folder = served.folder(sweep)
        size = used(folder)
        assert remove(served, sweep, dry_run=True) == size > 0
        assert folder.exists()
        assert remove(served, sweep) == size
        assert not list(folder.parent.iterdir())
        with pytest.raises(KeyError):
            remove(served, sweep)


@pytest.mark.parametrize("gone", [False, True])
def test_what_never_began_or_lost_its_files_can_be_deleted(tmp_path, gone):
    with serving(tmp_path, lambda: Gate(allowed=0), open_sweeps=1) as served:
        first = served.submit("bob", grid=LONGER)
        served.until(first, "running")
        sweep = served.submit(grid={**GRID, "seed": 7}, priority=-1)
        served.desk.change(served.person("ann"), sweep, wanted="cancel")
        closed(served, sweep)
        folder = served.folder(sweep)
        if not gone:
            folder.mkdir(parents=True)
            (folder / "sweep.log").write_text("words")
        assert remove(served, sweep) == 0
        assert not folder.exists()
        with pytest.raises(KeyError):
            served.see(sweep)


def test_killed_between_its_files_and_its_row_it_is_deleted_again(tmp_path, monkeypatch):
    with serving(tmp_path) as served:
        sweep = served.submit()
        closed(served, sweep)

        def killed(*_):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(served.service.ledger.sweeps, "remove", killed)
            with pytest.raises(KeyboardInterrupt):
                remove(served, sweep)
        assert served.see(sweep).state == "done"
        assert remove(served, sweep) == 0
        with pytest.raises(KeyError):
            served.see(sweep)


def test_what_a_killed_service_has_left_is_gone_after_its_start(tmp_path):
    left = tmp_path / "runs" / ".deleted-mine.20260101"
    left.mkdir(parents=True)
    (left / "manifest.json").write_text("{}")
    with serving(tmp_path):
        assert not left.exists()


def test_a_sweep_is_kept_as_long_as_was_said(tmp_path):
    with serving(tmp_path) as served:
        old = served.submit()
        closed(served, old)
        ended_at = served.service.ledger.sweeps.get(old).ended_at
    with serving(tmp_path, keep_seconds=1e6) as served:
        live = served.submit(grid=LONGER)
        closed(served, live)
        assert served.see(old).state == "done"
    folder = Path(tmp_path / "runs")
    assert len(list(folder.iterdir())) == 2
    with serving(tmp_path, keep_seconds=0.0) as served:
        wait_for(lambda: not list(folder.iterdir()))
        acts = served.service.ledger.events.acts()
        [act] = [act for act in acts if (act.target, act.verb) == (old, "delete")]
        assert act.person == "search.serve"
        assert act.at > ended_at


def test_a_damaged_manifest_of_another_sweep_keeps_nothing(tmp_path):
    """That is the other one's own trouble, and it copies from nobody as long as it lasts."""
    gate = Gate()
    with serving(tmp_path, lambda: gate) as served:
        first = served.submit()
        closed(served, first)
        gate.allowed = 0
        other = served.submit(grid={**LONGER, "seed": 1})
        served.until(other, "running")
        manifest = served.folder(other) / "manifest.json"
        whole = manifest.read_text()
        manifest.write_text(whole[: len(whole) // 2])
        assert remove(served, first) > 0
        manifest.write_text(whole)
        gate.allowed = None
        closed(served, other)


def test_nothing_is_deleted_that_another_sweep_is_about_to_copy(tmp_path, monkeypatch):
    """A source that went between the look and the copy would fail the sweep."""
    looked, go_on = threading.Event(), threading.Event()
    look = sharing.reusable_runs

    def slow(*args):
        found = look(*args)
        looked.set()
        return found

    frozen = RunFolder.write_manifest

    def paused(self, manifest):
        frozen(self, manifest)
        if manifest.reuse:
            go_on.wait(30)

    with serving(tmp_path) as served:
        first = served.submit()
        closed(served, first)
        monkeypatch.setattr("search.service.service.reusable_runs", slow)
        monkeypatch.setattr(RunFolder, "write_manifest", paused)
        second = served.submit(grid=grid(alpha=[0.1, 10.0, 20.0]))
        looked.wait(30)
        with pytest.raises(ConfigError, match=f"{second} takes trials of {first} over"):
            remove(served, first)
        go_on.set()
        closed(served, second)
        assert served.see(second).state == "done"
        row = served.service.ledger.sweeps.get(second)
        assert served.desk.shared(row)["trials"] == 16
        assert remove(served, first) > 0
        # What was copied stays where it was copied to.
        assert served.desk.shared(row)["trials"] == 16
