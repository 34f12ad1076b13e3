"""One writer per run in an object store, which has no locks: a lease that is renewed."""

import json
import os
import subprocess
import time
from contextlib import ExitStack

import pytest

from search.errors import LockedError, StoreError
from search.storage import Writer, lease, write_atomically
from search.storage.lease import Lease, holder

pytestmark = [pytest.mark.xdist_group("s3"), pytest.mark.usefixtures("quick_lease")]

ELSEWHERE = ["another machine", "pid:[1]", "7", "0"]


def writer(process):
    """Return a process of that number."""
    return Writer(process, "host", "2026-01-02T03:04:05+00:00")


def nothing(text):
    raise AssertionError(text)


def put_lease(path, process=ELSEWHERE, beats=1):
    # As the earlier version writes it.
    told = {"who": "process 7 on host", "process": process, "token": "theirs", "beats": beats}
    path.write_bytes(json.dumps(told).encode())


def write(path):
    write_atomically(path, lambda file: file.write(b"x"))


def wait_for(condition):
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_lease_is_there_while_it_is_held_and_is_renewed(s3):
    path = s3.path("run/.lock")
    with Lease(path, writer(1)).held(nothing):
        first = json.loads(s3.path("run/.lock").read_bytes())
        assert Writer.read(first["who"]) == holder(s3.path("run/.lock")) == writer(1)
        wait_for(lambda: json.loads(s3.path("run/.lock").read_bytes())["beats"] > first["beats"])
        write(s3.path("run/file"))
    assert s3.names("run") == ["file"]
    assert holder(path) is None
    assert path.store.guard is None


def test_a_second_writer_sees_the_first_alive_and_is_refused_by_its_name(s3, monkeypatch):
    # The first sign of life ends the wait, however late a busy machine is with it.
    monkeypatch.setattr(lease, "STALE", 60.0)
    told = []
    with Lease(s3.path("run/.lock"), writer(1)).held(nothing):
        refused = pytest.raises(
            LockedError, match=r"written by process 1 on host since .*:05\+00:00\. Wait"
        )
        # Left again where it is not refused: its renewals would be another test's requests.
        with refused, Lease(s3.path("run/.lock"), writer(2)).held(told.append):
            pass
        assert holder(s3.path("run/.lock")) == writer(1)
    assert told == [f"Watching for up to 60 s whether the writer of this run is alive: {writer(1)}"]


def test_a_lease_that_stands_still_is_taken_over(s3):
    path, told = s3.path("run/.lock"), []
    put_lease(path)
    began = time.monotonic()
    with Lease(path, writer(2)).held(told.append):
        assert time.monotonic() - began >= lease.STALE
        write(s3.path("run/file"))
        assert holder(path) == writer(2)
    assert told


def test_a_lease_that_ends_meanwhile_is_waited_for(s3):
    path, told = s3.path("run/.lock"), []
    put_lease(path)

    def end(text):
        told.append(text)
        s3.path("run/.lock").unlink()

    with Lease(path, writer(2)).held(end):
        assert holder(path) == writer(2)
    assert told


def test_the_lease_of_a_dead_process_of_this_machine_is_taken_over_at_once(s3):
    path = s3.path("run/.lock")
    with subprocess.Popen(["sleep", "60"]) as child:
        process = [*lease._machine(), str(child.pid), lease._began(str(child.pid))]
        assert not lease.Holder("x", process, "token").is_gone
        child.kill()
    put_lease(path, process)
    assert holder(path) is None
    with Lease(path, writer(2)).held(nothing):
        pass


@pytest.mark.parametrize("process", [ELSEWHERE, None])
def test_nobody_is_declared_dead_who_runs_elsewhere_or_lives(process):
    living = [*lease._machine(), str(os.getpid()), lease._began("self")]
    assert not lease.Holder("x", process or living, "token").is_gone


def test_a_number_that_another_process_has_got_since_is_no_sign_of_life():
    reused = [*lease._machine(), str(os.getpid()), "1"]
    assert lease.Holder("x", reused, "token").is_gone


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b'{"who": 1}', b"\xff"])
def test_what_is_no_lease_hinders_nobody(s3, content):
    path = s3.path("run/.lock")
    path.write_bytes(content)
    assert holder(path) is None
    with Lease(path, writer(2)).held(nothing):
        pass


def test_of_two_that_start_together_one_goes_on(s3):
    one, other = s3.path("run/.lock"), s3.path("run/.lock")
    with ExitStack() as stack:
        first, second = Lease(one, writer(1)), Lease(other, writer(2))
        # Both have looked and found nothing.
        second._wait_for_another = lambda notify: None
        stack.enter_context(first.held(nothing))
        stack.enter_context(second.held(nothing))
        write(other / "file")
        with pytest.raises(LockedError, match="taken over by process 2"):
            write(one / "file")


def test_a_writer_whose_lease_was_taken_over_writes_no_more(s3, monkeypatch):
    # A sign of life comes when the test gives it, not just while the lease is replaced.
    monkeypatch.setattr(lease, "BEAT", 1000.0)
    path = s3.path("run/.lock")
    mine = Lease(path, writer(1))
    with mine.held(nothing):
        write(path.with_name("before"))
        put_lease(s3.path("run/.lock"))
        mine._beat()
        with pytest.raises(LockedError, match="taken over by process 7 on host, which found no"):
            write(path.with_name("after"))
    # The other's lease stays when this one ends.
    assert holder(path) == Writer(words="process 7 on host")
    assert s3.names("run") == [".lock", "before"]


def test_a_writer_that_slept_asks_before_it_writes(s3, monkeypatch):
    monkeypatch.setattr(lease, "BEAT", 1000.0)
    path = s3.path("run/.lock")
    with Lease(path, writer(1)).held(nothing):
        write(path.with_name("before"))
        now = lease._now
        monkeypatch.setattr(lease, "_now", lambda: now() + 60)
        s3.path("run/.lock").unlink()  # another has taken over, ended and left
        with pytest.raises(LockedError, match="another process, which has ended since"):
            write(path.with_name("after"))
    assert s3.names("run") == ["before"]


def test_a_sign_of_life_that_took_long_to_arrive_is_old_when_it_does(s3, monkeypatch):
    monkeypatch.setattr(lease, "BEAT", 1000.0)
    monkeypatch.setattr(lease, "_UNSURE", 8.0)
    path, late = s3.path("run/.lock"), [0.0]
    now, put = lease._now, type(path.store).write
    monkeypatch.setattr(lease, "_now", lambda: now() + late[0])
    mine = Lease(path, writer(1))
    with mine.held(nothing):
        write(path.with_name("before"))
        with monkeypatch.context() as patch:
            patch.setattr(type(path.store), "write", lambda *args, **options: (
                put(*args, **options), late.append(late.pop() + 10.0)
            ))  # fmt: skip
            mine._renew()
        s3.path("run/.lock").unlink()  # another has taken over, ended and left
        with pytest.raises(LockedError, match="another process, which has ended since"):
            write(path.with_name("after"))
    assert s3.names("run") == ["before"]


def test_a_store_that_is_away_stops_the_writer_and_nothing_else(s3, monkeypatch):
    path = s3.path("run/.lock")
    with Lease(path, writer(1)).held(nothing):
        write(path.with_name("before"))
        with monkeypatch.context() as patch:
            patch.setattr(type(path.store), "fetched", away)
            time.sleep(lease._UNSURE + 2 * lease.BEAT)
            with pytest.raises(StoreError, match=r"after.* could not be written: away"):
                write(path.with_name("after"))
        write(path.with_name("after"))
    assert s3.names("run") == ["after", "before"]


def away(store, key):
    raise OSError(5, "away", key)


def test_who_looks_once_goes_by_the_time_of_the_last_sign_of_life(s3, monkeypatch):
    path = s3.path("run/.lock")
    put_lease(path)
    assert holder(path) == Writer(words="process 7 on host")
    monkeypatch.setattr(lease, "_SEEN", -100.0)
    assert holder(path) is None
