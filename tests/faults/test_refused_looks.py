"""What may not be looked at is not taken for what is not there."""

import errno
import io
import os
import re
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from command_line import write_grid, write_images
from reports import finished_run

from model.errors import DataError
from search.api.trial_routes import _archive
from search.engine import Orchestrator, refits
from search.errors import RunFolderError, StoreError
from search.keeping import leftovers, look, remove_leftover
from search.record import RunFolder
from search.run import main
from search.runs import main as runs
from search.service.datasets import DataSets
from search.service.forgetting import Forgetting, _removed
from search.session.extension import _moved_aside
from search.session.trainer_checks import _has_passed
from search.storage import all_within, is_there, read_whole
from search.trackers.run_reading import read_run
from search.watch import run_folders


@pytest.fixture
def refuse(monkeypatch):
    """Return what lets the system refuse every look at a path, or into it."""

    def refuse(refused, number=errno.EACCES):
        asked = [(os, name) for name in ("stat", "lstat", "listdir", "scandir")]
        for module, name in [*asked, (io, "open")]:
            ask = getattr(module, name)

            def look(path=".", *args, ask=ask, **options):
                if str(path) == str(refused) or str(path).startswith(f"{refused}{os.sep}"):
                    raise OSError(number, os.strerror(number), str(path))
                return ask(path, *args, **options)

            monkeypatch.setattr(module, name, look)

    return refuse


def run_at(path, values=16):
    return finished_run(path, np.linspace(1, 2, values))[0].path


def test_a_file_is_there_is_not_or_nobody_knows(tmp_path, refuse):
    (tmp_path / "file").touch()
    assert is_there(tmp_path / "file")
    assert not is_there(tmp_path / "other")
    assert not is_there(tmp_path / "file" / "below")
    assert not is_there(tmp_path / "\0")
    refuse(tmp_path / "file")
    with pytest.raises(StoreError, match="file could not be read: Permission denied"):
        is_there(tmp_path / "file")


def test_all_within_is_all_or_an_error(tmp_path, refuse):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    names = [path.relative_to(tmp_path).as_posix() for path in all_within(tmp_path)]
    assert sorted(names) == [".", "a", "a/b", "a/b/file", "link"]
    refuse(tmp_path / "a" / "b")
    with pytest.raises(StoreError, match="b could not be read: Permission denied"):
        all_within(tmp_path)


def test_one_run_that_cannot_be_looked_at_hides_no_other(tmp_path, refuse, capfd):
    for name in ("one", "other"):
        run_at(tmp_path / name)
    refuse(tmp_path / "one")
    assert [path.name for path in run_folders(tmp_path)] == ["one", "other"]
    assert runs([str(tmp_path)]) == 0
    out = capfd.readouterr().out
    assert "one    unreadable" in out
    assert "Permission denied" in out
    assert "other  finished" in out


def test_a_folder_of_runs_that_cannot_be_looked_at_is_not_said_to_hold_none(tmp_path, refuse):
    run_at(tmp_path / "run")
    refuse(tmp_path)
    with pytest.raises(RunFolderError, match=r"cannot be read: Permission denied\. Fix"):
        run_folders(tmp_path)


@pytest.mark.parametrize("hidden", ["trials", "trials/rows.parquet"])
def test_a_run_of_which_a_part_cannot_be_looked_at_is_not_said_to_be_small(
    tmp_path, refuse, hidden
):
    run = run_at(tmp_path / "run")
    refuse(run / hidden)
    with pytest.raises(StoreError, match="Permission denied"):
        look(run)


def test_what_is_left_of_deleted_runs_is_found_and_freed_or_said_to_be_there(
    tmp_path, refuse, monkeypatch, capfd
):
    left = tmp_path / ".deleted-run.1"
    (left / "trials").mkdir(parents=True)
    run = run_at(tmp_path / "run")

    def refused(path, **_):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr("search.keeping.removal.shutil.rmtree", refused)
        with pytest.raises(StoreError, match=r"deleted-run\.1 cannot be deleted: Permission"):
            remove_leftover(left)
        capfd.readouterr()
        assert runs(["prune", str(run), "--yes"]) == 1
        found = capfd.readouterr()
        assert "Deleted 0 runs, which frees 0 bytes" in found.out
        assert found.err.startswith(
            f"Left as it is: {left} cannot be deleted: Permission denied.\n"
        )
        assert f"error: {run} cannot be deleted: Permission denied." in found.err
    told = []
    assert left in leftovers([tmp_path], told.append)
    assert not told
    refuse(left / "trials")
    assert left not in leftovers([tmp_path], told.append)
    assert str(left) in str(told[-1])
    refuse(tmp_path)
    assert leftovers([tmp_path], told.append) == {}
    assert "Permission denied" in str(told[-1])


def test_what_another_user_has_left_is_left_alone(tmp_path, monkeypatch, capfd):
    left = tmp_path / ".deleted-run.1"
    left.mkdir()
    run = run_at(tmp_path / "run")
    monkeypatch.setattr("search.keeping.removal.os.geteuid", lambda: left.stat().st_uid + 1)
    assert runs(["prune", str(run), "--yes"]) == 0
    assert left.is_dir()
    assert not run.exists()
    assert capfd.readouterr().err == ""


def test_what_cannot_be_looked_at_stays_and_keeps_no_other_from_going(tmp_path, refuse, capfd):
    for name in ("old", "new"):
        run_at(tmp_path / name)
    hidden = run_at(tmp_path / "hidden")
    (tmp_path / "itself").symlink_to("itself")
    refuse(hidden)
    assert runs(["prune", "--dir", str(tmp_path), "--keep-last", "1", "--yes"]) == 0
    found = capfd.readouterr()
    assert re.search(r"hidden +unreadable +stays: cannot be read: Permission denied", found.out)
    assert not (tmp_path / "old").exists()
    assert (tmp_path / "new").exists()


def test_a_link_to_itself_is_not_there(tmp_path):
    (tmp_path / "itself").symlink_to("itself")
    assert not is_there(tmp_path / "itself")
    run = run_at(tmp_path / "run")
    assert run_folders(tmp_path) == [run]


def test_a_run_that_may_not_be_looked_at_has_the_time_of_its_folder(tmp_path, refuse):
    """So that a look at the newest run is none at an older one instead."""
    old, new = run_at(tmp_path / "old"), run_at(tmp_path / "new")
    os.utime(old / "manifest.json", (1, 1))
    os.utime(new, (2, 2))
    refuse(new / "manifest.json")
    assert run_folders(tmp_path) == [old, new]


def test_a_tracker_is_not_told_that_there_is_no_report(tmp_path, refuse):
    run = run_at(tmp_path / "run")
    refuse(run / "report.html")
    with pytest.raises(StoreError, match=r"report\.html could not be read"):
        read_run(run)


def test_a_trainer_is_checked_again_where_nobody_knows_whether_it_was(tmp_path, refuse):
    (tmp_path / "digest").touch()
    assert _has_passed(tmp_path / "digest")
    refuse(tmp_path)
    assert not _has_passed(tmp_path / "digest")


def test_a_run_that_is_extended_is_not_forgotten(tmp_path, refuse):
    (tmp_path / "run.1").mkdir()
    (tmp_path / "run.1" / ".extended").touch()
    (tmp_path / "run.2").mkdir()
    assert _moved_aside(tmp_path / "run") == [tmp_path / "run.1"]
    refuse(tmp_path / "run.1")
    with pytest.raises(StoreError, match="Permission denied"):
        _moved_aside(tmp_path / "run")


def test_uploads_are_there_are_not_or_nobody_knows(tmp_path, refuse, caplog):
    sets = DataSets(tmp_path / "uploads", SimpleNamespace(folders=[]))
    assert sets.uploads() == []
    sets.remove_leftovers()
    (tmp_path / "uploads").mkdir()
    (tmp_path / "uploads" / "upload-1.csv").write_text("a,b\n")
    (tmp_path / "uploads" / ".half").touch()
    sets.remove_leftovers()
    assert [path.name for path in (tmp_path / "uploads").iterdir()] == ["upload-1.csv"]
    assert [upload.name for upload in sets.uploads()] == ["upload-1"]
    with pytest.raises(DataError, match="no uploaded data set upload-2"):
        sets.resolve("upload-2")
    refuse(tmp_path / "uploads")
    sets.remove_leftovers()
    assert "Permission denied" in caplog.text
    for ask in (sets.uploads, lambda: sets.resolve("upload-1"), lambda: sets.remove("upload-1")):
        with pytest.raises(StoreError, match="Permission denied"):
            ask()


@pytest.mark.parametrize("hidden", ["reused", "manifest.json"])
def test_no_run_is_deleted_where_nobody_knows_whether_another_copies_from_it(
    tmp_path, refuse, monkeypatch, hidden
):
    one, other = run_at(tmp_path / "one"), run_at(tmp_path / "other")
    monkeypatch.setattr("search.record.run_folder.read_whole", _read_or_refuse(other / hidden))
    row = SimpleNamespace(id="other", folder=str(other))
    ledger = SimpleNamespace(sweeps=SimpleNamespace(live=lambda: [row]))
    forgetting = Forgetting(ledger, tmp_path / "none", None, lambda: 0.0)
    if hidden == "reused":
        refuse(other / hidden)
    with pytest.raises(StoreError, match="Permission denied"):
        forgetting._reader_of(one)


def _read_or_refuse(refused):
    def read(path):
        if path == refused:
            raise StoreError(f"{path} could not be read: Permission denied.")
        return read_whole(path)

    return read


def test_a_service_starts_and_says_what_it_could_not_delete(tmp_path, refuse, caplog):
    (tmp_path / "runs").mkdir()
    refuse(tmp_path / "runs")
    Forgetting(SimpleNamespace(), tmp_path / "runs", None, lambda: 0.0)
    assert "Permission denied" in caplog.text


def test_what_cannot_be_deleted_keeps_nothing_else_at_the_start_of_a_service(
    tmp_path, monkeypatch, caplog
):
    for name in (".deleted-a", ".deleted-b"):
        (tmp_path / name).mkdir()
    remove = shutil.rmtree

    def some(path, **options):
        if str(path).endswith("a"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        remove(path, **options)

    monkeypatch.setattr("search.keeping.removal.shutil.rmtree", some)
    Forgetting(SimpleNamespace(), tmp_path, None, lambda: 0.0)
    assert [path.name for path in tmp_path.iterdir()] == [".deleted-a"]
    assert "deleted-a cannot be deleted" in caplog.text


def test_a_sweep_whose_files_stay_is_not_forgotten(tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()

    def refused(path, **_):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr("search.service.forgetting.shutil.rmtree", refused)
        with pytest.raises(StoreError, match="cannot be deleted: Permission denied"):
            _removed(tmp_path / "run")
    assert _removed(tmp_path / "run") == 0
    assert _removed(tmp_path / "run") == 0
    assert not (tmp_path / "run").exists()


def test_an_archive_is_whole_or_none(tmp_path, refuse):
    run = run_at(tmp_path / "run")
    whole = b"".join(_archive(run, sorted(all_within(run))))
    assert b"rows.parquet" in whole
    refuse(run / "trials")
    with pytest.raises(StoreError):
        all_within(run)


# --- A manifest that goes


def test_a_run_without_its_manifest_is_told_from_what_is_no_run(tmp_path):
    run = run_at(tmp_path / "run")
    (run / "manifest.json").unlink()
    with pytest.raises(RunFolderError, match=r"is gone: it holds trials and no"):
        RunFolder(run).existing_manifest()
    with pytest.raises(RunFolderError, match="is gone"), RunFolder.locked(run):
        pass
    (run / ".moved").touch()
    with pytest.raises(RunFolderError, match="was deleted or moved aside"):
        RunFolder(run).existing_manifest()
    (tmp_path / "other" / "trials").mkdir(parents=True)  # as other programs have them
    (tmp_path / "other" / "summary.json").touch()
    with pytest.raises(RunFolderError, match="Name a run's folder"):
        RunFolder(tmp_path / "other").existing_manifest()


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (OSError(5, "I/O"), 1)])
def test_a_manifest_that_is_removed_is_there_again_however_the_sweep_ends(
    tmp_path, monkeypatch, capfd, error, code
):
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "data.npz")
    write_grid(tmp_path / "tiny.toml", "./data.npz")
    command = ["--grid", "./tiny.toml", "--executor", "serial", "--run-dir", "run"]
    manifest = tmp_path / "run" / "manifest.json"

    def ended(*_):
        manifest.unlink()
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Orchestrator, "_record", ended)
        assert main(command) == code
    assert manifest.is_file()
    capfd.readouterr()
    assert main(["--resume", "run", "--executor", "serial"]) == 0
    assert "16 complete" in capfd.readouterr().out


def test_a_manifest_that_is_removed_while_a_finished_run_gets_more_is_there_again(
    tmp_path, monkeypatch, capfd
):
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "data.npz")
    write_grid(tmp_path / "tiny.toml", "./data.npz")
    command = ["--grid", "./tiny.toml", "--executor", "serial", "--run-dir", "run"]
    assert main(command) == 0
    manifest = tmp_path / "run" / "manifest.json"
    train = refits.run_refit

    def trained(*args):
        manifest.unlink(missing_ok=True)
        return train(*args)

    monkeypatch.setattr(refits, "run_refit", trained)
    assert main([*command, "--refits", "3"]) == 0
    assert manifest.is_file()
    capfd.readouterr()
    assert main([*command, "--refits", "3"]) == 0
    assert "16 complete" in capfd.readouterr().out
