"""The suite for places where a run lies: what every disk and every store of objects must do."""

import os
import time
from collections.abc import Callable
from functools import partial
from typing import BinaryIO

from search.errors import LockedError
from search.storage import (
    Place,
    find_writer,
    lock,
    place,
    prepare_folder,
    read_whole,
    rename_durably,
    write_atomically,
    write_whole,
)
from search.testing.refusals import raised

# What a store does beside other things, such as to delete a renamed object, takes so long at most.
_LONGEST = 20.0


class StorageSuite:
    """What every place must do where runs are to lie: a disk, a shared disk, a store of objects.

    A subclass has a fixture ``folder`` that returns an empty folder, another one for each test,
    as `search.storage.place` does. On a disk it must exist.

    Examples
    --------
    In a file of tests, for your own store::

        import uuid
        import pytest
        from search.storage import place
        from search.testing import StorageSuite

        class TestMine(StorageSuite):
            @pytest.fixture
            def folder(self):
                return place(f"s3://my-bucket/tests/{uuid.uuid4()}")
    """

    def test_a_file_is_written_and_replaced(self, folder: Place) -> None:
        """Whatever its length, it holds what was written last."""
        path = folder / "file"
        for content in (b"old and long", b"new", b"x" * 2**21):
            write_whole(path, content)
            assert seen_by_another(path).read_bytes() == content
        assert names(folder) == ["file"]

    def test_what_is_not_there_is_absent_and_nothing_else(self, folder: Place) -> None:
        """It is not an error of the place."""
        path = folder / "none"
        assert read_whole(path) is None
        assert not path.exists()
        for look in (path.read_bytes, path.unlink, path.stat):
            raised(FileNotFoundError, look)
        path.unlink(missing_ok=True)
        assert names(folder) == []

    def test_files_are_found_read_and_deleted(self, folder: Place) -> None:
        """Listings have every name at once, hidden ones apart from others."""
        trials = folder / "trials"
        prepare_folder(trials)
        write_whole(trials / "a.parquet", b"rows")
        write_whole(trials / ".staged-b.parquet", b"hidden")
        write_whole(folder / "manifest.json", b"{}")
        assert names(folder) == ["manifest.json", "trials"]
        assert [p.read_bytes() for p in trials.glob("[!.]*.parquet")] == [b"rows"]
        assert [p.name for p in trials.glob(".staged-*")] == [".staged-b.parquet"]
        manifest = folder / "manifest.json"
        assert (folder.is_dir(), manifest.is_file(), manifest.is_dir()) == (True, True, False)
        assert manifest.stat().st_size == 2
        with manifest.open("rb") as file:
            assert file.read() == b"{}"
        manifest.unlink()
        assert not manifest.exists()
        assert names(folder) == ["trials"]

    def test_a_file_is_whole_or_absent_whatever_interrupts_its_writing(self, folder: Place) -> None:
        """The old one stays, and nothing is left beside it."""
        write_whole(folder / "old", b"old")
        for kind in (KeyboardInterrupt, ValueError):
            for name in ("old", "new"):
                path = folder / name
                raised(kind, partial(write_atomically, path, _failing(kind)))
        assert names(folder) == ["old"]
        assert seen_by_another(folder / "old").read_bytes() == b"old"

    def test_a_reader_sees_the_old_file_while_the_new_one_is_written(self, folder: Place) -> None:
        """It sees one or the other, and never a part."""
        path = folder / "file"
        write_whole(path, b"old")

        def write(file: BinaryIO) -> None:
            file.write(b"half of the n")
            file.flush()
            assert seen_by_another(path).read_bytes() == b"old"
            file.write(b"ew")

        write_atomically(path, write)
        assert seen_by_another(path).read_bytes() == b"half of the new"

    def test_a_renamed_file_has_its_new_name_at_once_and_that_alone_in_the_end(
        self, folder: Place
    ) -> None:
        """It replaces another one."""
        write_whole(folder / "old", b"old")
        write_whole(folder / "new", b"new")
        rename_durably(folder / "new", folder / "old")
        assert seen_by_another(folder / "old").read_bytes() == b"new"
        until(lambda: names(folder) == ["old"])

    def test_one_process_writes_and_a_second_is_refused_by_its_name(self, folder: Place) -> None:
        """Readers see who the writer is; afterwards another may write."""
        path = folder / ".lock"
        assert find_writer(path) is None
        with lock(path):
            write_whole(folder / "file", b"mine")
            found = find_writer(seen_by_another(path))
            assert found is not None
            assert found.process == os.getpid()
            refusal = raised(LockedError, lock(seen_by_another(path)).__enter__)
            assert f"is being written by process {os.getpid()} on " in str(refusal)
        assert find_writer(seen_by_another(path)) is None
        with lock(seen_by_another(path)):
            pass
        assert (folder / "file").read_bytes() == b"mine"

    def test_paths_are_made_of_each_other(self, folder: Place) -> None:
        """They are used as those of `pathlib` are."""
        path = folder / "a.tar.gz"
        assert (path.name, path.stem, path.parent) == ("a.tar.gz", "a.tar", folder)
        assert path.with_name("b") == folder / "b"
        assert sorted([folder / "b", folder / "a"]) == [folder / "a", folder / "b"]
        assert (seen_by_another(path), hash(seen_by_another(path))) == (path, hash(path))


def seen_by_another(path: Place) -> Place:
    """Return a path as another process has it, which remembers nothing."""
    return place(str(path))


def names(folder: Place) -> list[str]:
    """Return what is in a folder, as another process sees it."""
    return sorted(path.name for path in seen_by_another(folder).iterdir())


def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so, twenty seconds at most."""
    deadline = time.monotonic() + _LONGEST
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _failing(kind: type[BaseException]) -> Callable[[BinaryIO], object]:
    def write(file: BinaryIO) -> None:
        file.write(b"half")
        raise kind

    return write
