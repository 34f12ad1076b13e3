"""How a run is deleted: what that frees, and what a kill in the middle leaves."""

import os
import shutil
import subprocess

import pytest

from search.errors import LockedError, RunFolderError
from search.keeping import (
    FINISHED,
    RUNNING,
    UNFINISHED,
    Preview,
    Rules,
    leftovers,
    look,
    remove_leftover,
    remove_run,
)
from search.record import RunFolder
from search.storage import place


def new_run(path, *, result=True):
    """Make what looks like a run to those who do not read it."""
    names = ["manifest.json", "trials/a.parquet", "trials/b.parquet", ".hidden"]
    for name in [*names, *(["summary.json"] if result else [])]:
        file = path / name
        if hasattr(path, "store"):
            path.store.write(f"{path.key}/{name}", name.encode() * 1000, guarded=False)
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(name.encode() * 1000)
    return path


def used(path):
    """Return the bytes of a folder by an independent count."""
    said = subprocess.run(
        ["du", "--summarize", "--block-size=1", path], capture_output=True, text=True, check=True
    )
    return int(said.stdout.split()[0])


def test_what_is_deleted_frees_what_is_said(tmp_path):
    run = new_run(tmp_path / "run")
    before = used(tmp_path)
    assert look(run).size == used(run)
    freed = remove_run(run)
    assert not list(tmp_path.iterdir())
    # The folder itself may become smaller too.
    assert before - used(tmp_path) == pytest.approx(freed, abs=4096)


def test_what_is_linked_from_elsewhere_is_not_freed(tmp_path):
    run = new_run(tmp_path / "run")
    size = look(run).size
    (run / "trials" / "big").write_bytes(bytes(1 << 20))
    os.link(run / "trials" / "big", tmp_path / "kept")
    assert look(run).size == pytest.approx(size, abs=4096)


def test_states(tmp_path):
    run = new_run(tmp_path / "run", result=False)
    assert look(run).state == UNFINISHED
    (run / "summary.json").write_bytes(b"")
    assert look(run).state == FINISHED
    with RunFolder.locked(run):
        found = look(run)
    assert (found.state, f"{os.getpid()}" in str(found.writer)) == (RUNNING, True)


def test_a_run_that_is_written_stays(tmp_path):
    run = new_run(tmp_path / "run")
    with RunFolder.locked(run), pytest.raises(LockedError, match="is being written by"):
        remove_run(run)
    assert (run / "manifest.json").exists()


@pytest.mark.parametrize("what", ["nothing", "a folder", "a file"])
def test_what_is_no_run_stays(tmp_path, what):
    path = tmp_path / "mine"
    if what == "a folder":
        path.mkdir()
        (path / "thesis.tex").write_text("words")
    elif what == "a file":
        path.write_text("words")
    with pytest.raises(RunFolderError):
        remove_run(path)
    assert path.exists() == (what != "nothing")


def test_a_link_to_another_disk_goes_with_what_it_names(tmp_path):
    run = new_run(tmp_path / "disk" / "run")
    (tmp_path / "link").symlink_to(run)
    assert remove_run(tmp_path / "link") > 0
    assert not list((tmp_path / "disk").iterdir())
    assert not (tmp_path / "link").is_symlink()


def test_what_a_link_within_a_run_names_stays(tmp_path):
    run = new_run(tmp_path / "run")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.npz").write_bytes(b"data")
    (run / "data").symlink_to(tmp_path / "data")
    remove_run(run)
    assert (tmp_path / "data" / "mine.npz").read_bytes() == b"data"


def test_killed_in_the_middle_it_is_no_run_and_its_rest_is_found(tmp_path, monkeypatch):
    run = new_run(tmp_path / "run")
    size = look(run).size

    def killed(path):
        shutil.os.unlink(path / "manifest.json")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("search.record.run_folder.shutil.rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            remove_run(run)
    assert not run.exists()
    [(rest, left)] = leftovers([tmp_path], pytest.fail).items()
    assert 0 < left < size
    assert remove_leftover(rest) == left
    assert not list(tmp_path.iterdir())


def test_a_run_in_a_store(s3):
    run = new_run(place(s3.uri("runs/one")))
    kept = new_run(place(s3.uri("runs/other")))
    assert look(run).size == sum(len(n) * 1000 for n in (
        "manifest.json", "trials/a.parquet", "trials/b.parquet", ".hidden", "summary.json"
    ))  # fmt: skip
    remove_run(run)
    assert not list(run.iterdir())
    assert (kept / "manifest.json").exists()
    with pytest.raises(RunFolderError):
        remove_run(run)


def test_killed_in_a_store_the_next_command_deletes_the_rest(s3, monkeypatch):
    run = new_run(place(s3.uri("runs/one")))

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(run.store), "delete_folder", killed)
        with pytest.raises(KeyboardInterrupt):
            remove_run(run)
    run = place(s3.uri("runs/one"))
    assert not RunFolder(run).began
    with RunFolder.locked(run):
        assert [path.name for path in run.iterdir()] == [".lock"]


def test_a_run_that_goes_between_the_list_and_the_look_is_left_out(tmp_path, monkeypatch):
    stays, goes, went = (new_run(tmp_path / name) for name in ("stays", "goes", "went"))
    shutil.rmtree(went)

    def writer(folder):
        if folder.path == goes:
            shutil.rmtree(goes, ignore_errors=True)

    monkeypatch.setattr(RunFolder, "find_writer", writer)
    for paths in ([stays, went], [stays, goes], [went, goes]):
        found = Preview.of(paths, Rules(), 0.0, print, named=False)
        assert [run.path for run in found.runs] == [path for path in paths if path == stays]
    with pytest.raises(RunFolderError, match="There is no run in"):
        Preview.of([stays, went], Rules(), 0.0, print)
