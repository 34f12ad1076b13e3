"""Who holds a lock: as data, and of an earlier version in its own words."""

import errno
import fcntl
import json
import math
import os
import socket
import stat
from datetime import datetime

import pytest

from search.errors import LockedError
from search.storage import Writer, find_writer, lock


def test_a_lock_says_as_data_who_holds_it_and_since_when(tmp_path):
    path = tmp_path / ".lock"
    assert find_writer(path) is None
    with lock(path):
        found = find_writer(path)
        assert json.loads(path.read_text()).keys() == {"process", "host", "since"}
        with pytest.raises(LockedError, match=rf"is being written by process {os.getpid()} on "):
            lock(path).__enter__()
    assert (found.process, found.host) == (os.getpid(), socket.gethostname())
    assert found.started_at == datetime.fromisoformat(found.since).timestamp()
    assert str(found) == f"process {found.process} on {found.host} since {found.since}"
    assert find_writer(path) is None


@pytest.mark.parametrize("harm", ["deleted", "replaced", "moved"])
def test_who_holds_a_lock_keeps_it_without_its_file(tmp_path, harm):
    run, other = tmp_path / "run", tmp_path / "other"
    run.mkdir()
    other.symlink_to(run)
    with lock(run / ".lock"):
        if harm == "moved":
            (run / ".lock").rename(run / "kept")
        else:
            (run / ".lock").unlink()
        if harm == "replaced":
            (run / ".lock").write_text("somebody else")
        for path in (run / ".lock", other / ".lock"):
            assert find_writer(path) is not None
            with pytest.raises(LockedError, match="is being written by "):
                lock(path).__enter__()
    with lock(run / ".lock"):
        assert find_writer(other / ".lock").process == os.getpid()


def test_where_folders_cannot_be_locked_the_file_still_is(tmp_path, monkeypatch):
    really = fcntl.flock

    def flock(descriptor, how):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):  # as NFS does
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        really(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    assert find_writer(tmp_path / ".lock") is None
    with lock(tmp_path / ".lock"):
        assert find_writer(tmp_path / ".lock").process == os.getpid()
        with pytest.raises(LockedError):
            lock(tmp_path / ".lock").__enter__()


@pytest.mark.parametrize("content", ["process 7 on host since 2026-01-02T03:04:05+00:00", "{", "7"])
def test_what_an_earlier_version_wrote_is_shown_as_it_stands(tmp_path, content):
    path = tmp_path / ".lock"
    with lock(path):
        path.write_text(content + "\n")
        found = find_writer(path)
        with pytest.raises(LockedError) as caught:
            lock(path).__enter__()
    assert f"is being written by {content}. Wait" in str(caught.value)
    assert (str(found), found.started_at) == (content, -math.inf)


def test_a_lock_that_says_nothing_yet_is_held_all_the_same(tmp_path):
    with lock(tmp_path / ".lock"):
        (tmp_path / ".lock").write_text("")
        assert str(find_writer(tmp_path / ".lock")) == "another process"


@pytest.mark.parametrize(
    "entries", [{}, {"process": "x", "host": "a", "since": ""}, {"process": 1, "host": "a"}]
)
def test_other_entries_are_words(entries):
    text = json.dumps(entries)
    assert Writer.read(text) == Writer(words=text)
    odd = Writer.read('{"process": 1, "host": "a", "since": "yesterday", "more": 0}')
    assert (odd, odd.started_at) == (Writer(1, "a", "yesterday"), -math.inf)
