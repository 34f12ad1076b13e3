"""Who holds a lock: as data, and of an earlier version in its own words."""

import json
import math
import os
import socket
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
