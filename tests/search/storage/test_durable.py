"""Files that are whole or absent, on a disk: what the suite for storage does not know of."""

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from search.errors import StoreError
from search.storage import prepare_folder, read_whole, rename_durably, write_atomically


def no_space(descriptor):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_read_whole_or_absent_or_not_to_be_judged(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"x")
    assert read_whole(tmp_path / "file") == b"x"
    assert read_whole(tmp_path) == b""
    assert read_whole(tmp_path / "gone") is read_whole(tmp_path / "file" / "gone") is None

    def broken(path):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Path, "read_bytes", broken)
    with pytest.raises(StoreError, match=r"file could not be read: Input/output error\. .*fix"):
        read_whole(tmp_path / "file")


def test_everybody_may_read_it(tmp_path):
    write_atomically(tmp_path / "file", lambda file: file.write(b"x"))
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o644


def test_file_and_folder_are_flushed_to_the_disk(tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda fd: flushed.append(stat.S_ISDIR(os.fstat(fd).st_mode)))
    write_atomically(tmp_path / "file", lambda file: file.write(b"x"))
    assert flushed == [False, True]


def test_the_folder_of_a_renamed_file_is_flushed(tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda fd: flushed.append(stat.S_ISDIR(os.fstat(fd).st_mode)))
    (tmp_path / "new").write_bytes(b"new")
    rename_durably(tmp_path / "new", tmp_path / "old")
    assert flushed == [True]


def test_a_file_that_is_not_there_cannot_be_renamed(tmp_path):
    with pytest.raises(StoreError, match=r"target could not be written: No such file"):
        rename_durably(tmp_path / "gone", tmp_path / "target")


def test_no_space_is_told_with_the_path_and_leaves_the_old_file_alone(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(StoreError, match=r"file could not be written: No space left on device\."):
        write_atomically(path, lambda file: file.write(b"new"))
    assert names(tmp_path) == ["file"]
    assert path.read_bytes() == b"old"


def test_a_folder_that_is_not_there_is_a_store_error(tmp_path):
    with pytest.raises(StoreError, match="No such file or directory"):
        write_atomically(tmp_path / "gone" / "file", lambda file: file.write(b"x"))


def test_a_folder_that_is_moved_away_meanwhile_is_a_store_error(tmp_path):
    folder = tmp_path / "here"
    folder.mkdir()
    with pytest.raises(StoreError, match=r"here/file could not be written: No such file"):
        write_atomically(folder / "file", lambda file: folder.rename(tmp_path / "there"))


def test_what_a_killed_writer_left_is_no_file_and_can_be_removed(tmp_path):
    code = """if True:
        import os, pathlib, signal, sys
        from search.storage import write_atomically
        def write(file):
            file.write(b"half")
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        write_atomically(pathlib.Path(sys.argv[1]), write)
    """
    path = tmp_path / "file"
    path.write_bytes(b"old")
    killed = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    assert len(names(tmp_path)) == 2
    prepare_folder(tmp_path)
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("folder", ["file", "file/folder"])
def test_a_folder_that_cannot_be_made_is_a_store_error(tmp_path, folder):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match=rf"{folder} cannot be used: .*--run-dir"):
        prepare_folder(tmp_path / folder)
