"""The process that answers: it may die at any moment, and what runs does not notice."""

import pickle
import socket
import sys
import threading

import httpx2
import pytest
from serving import Gate, serving, wait_for

from model.errors import PacksweepError
from search.errors import ConfigError, StoreError
from search.service import Answering, Desk, ForbiddenError, errors
from search.service import answering as answering_module
from search.service.answering import AnsweringError
from search.service.errors import LineError
from search.service.line import FarRunner, NearEnd, _as_sent

COMMAND = [sys.executable, "-m", "search.api"]


@pytest.fixture
def line(tmp_path):
    """Give a service, a desk at the other end of a line, and what hangs up."""
    with serving(tmp_path, lambda: Gate(0)) as served:
        mine, its = socket.socketpair()
        end, gone = NearEnd(mine, served.service), threading.Event()
        from multiprocessing.connection import Connection

        runner = FarRunner(Connection(its.detach()), gone.set)
        root, limits = runner.surroundings()
        desk = Desk(root, served.service.ledger, limits, runner)
        yield served, desk, end, gone
        end.close()
        gone.wait(30)
        mine.close()


@pytest.mark.parametrize("error", [ForbiddenError("It is ann's.", "hook", "1"), LineError()])
def test_a_refusal_arrives_over_the_line_as_it_is(error):
    """All of `search.service.errors`, which a test below counts."""
    sent = pickle.loads(pickle.dumps(_as_sent(error)))
    assert (type(sent), str(sent), vars(sent)) == (type(error), str(error), vars(error))


def test_there_are_no_more_refusals_than_those_that_are_known_to_arrive():
    found = {
        one for one in vars(errors).values()
        if isinstance(one, type) and one.__module__ == errors.__name__
    }  # fmt: skip
    assert found == {ForbiddenError, LineError}


def test_over_the_line_everything_is_seen_and_done_as_beside_it(line):
    served, far, _, _ = line
    ann, sweeps = served.person("ann"), served.service.ledger.sweeps
    sweep = served.submit()
    seen = wait_for(lambda: (s := far.see(sweeps.get(sweep))).running and s)
    assert seen == served.see(sweep)
    assert far.board.version == served.desk.board.version
    far.change(ann, sweep, wanted="cancel")  # which wakes the service at once
    served.until(sweep, "cancelled")
    wait_for(lambda: sweep not in far.board.open)
    with pytest.raises(KeyError):
        far.remove(ann, "0123456789")
    assert far.remove(ann, sweep) >= 0
    assert sweeps.find(sweep) is None
    live = served.submit()
    with pytest.raises(ConfigError, match="has not ended"):
        far.remove(ann, live)


def test_a_line_that_breaks_is_told_to_who_asks_and_to_who_waits(line):
    served, far, end, gone = line
    go_on = threading.Event()
    served.service.remove = lambda *_: go_on.wait(30)
    served.person("ann")
    raised = []

    def ask():
        try:
            far._runner.remove(served.person("ann"), "0123456789")
        except LineError as error:
            raised.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    wait_for(lambda: far._runner._asked)
    end.close()
    assert gone.wait(30)
    thread.join()
    go_on.set()
    assert len(raised) == 1
    with pytest.raises(LineError):
        far._runner.remove(served.person("ann"), "0123456789")
    with pytest.raises(LineError):
        far._runner.wake()


class OddError(Exception):
    """An error that cannot be made again from its arguments."""

    def __init__(self, one, other):
        super().__init__(f"{one} and {other}")


class OddOfOursError(OddError, PacksweepError):
    """One of ours that cannot."""


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (KeyError("0123456789"), KeyError, "0123456789"),
        (ConfigError("it is not a number"), ConfigError, "it is not a number"),
        (OddOfOursError("this", "that"), StoreError, "^this and that$"),
        (OddError("this", "that"), StoreError, "OddError: this and that"),
        (ValueError(threading.Lock()), StoreError, "ValueError: .*lock"),
        (LineError(), StoreError, "is ending"),
    ],
)
def test_an_error_that_cannot_be_sent_is_told_and_the_line_holds(line, error, kind, text):
    served, far, _, gone = line

    def fail(*_):
        raise error

    served.service.remove = fail
    for _ in range(2):
        with pytest.raises(kind, match=text):
            far._runner.remove(served.person("ann"), "0123456789")
    assert not gone.is_set()


def test_what_cannot_be_read_ends_the_line_and_whoever_waits_is_told(line):
    served, far, end, gone = line
    served.service.remove = lambda *_: end._connection.send_bytes(b"no pickle")
    with pytest.raises(LineError):
        far._runner.remove(served.person("ann"), "0123456789")
    assert gone.wait(30)


@pytest.fixture
def listener():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        yield listener


def test_killed_it_is_started_again_and_nobody_who_asks_is_refused(tmp_path, listener):
    with serving(tmp_path, lambda: Gate(0)) as served:
        token = served.service.ledger.people.add_token("ann", "submitter")
        sweep = served.submit()
        wait_for(lambda: served.see(sweep).running)
        answering = Answering(served.service, listener, COMMAND)
        thread = threading.Thread(target=answering.run, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        mine = {"Authorization": f"Bearer {token}"}
        with httpx2.Client(timeout=120, headers=mine) as client:
            assert client.get(f"{url}/sweeps/{sweep}").json()["running"] == 1
            first = answering.process
            left = tmp_path / "data" / ".half"
            left.parent.mkdir(exist_ok=True)
            left.write_bytes(b"which was being sent")
            first.kill()
            first.wait()
        # A new connection waits until the next one is there.
        found = httpx2.get(f"{url}/sweeps/{sweep}", timeout=120, headers=mine).json()
        assert (found["running"], found["state"]) == (1, "running")
        assert answering.process is not first
        assert not left.exists()
        answering.stop()
        thread.join(60)
        assert not thread.is_alive()
        assert answering.process.returncode == 0
        assert served.see(sweep).running == 1


def test_one_that_cannot_start_is_told(tmp_path, listener, monkeypatch):
    monkeypatch.setattr(answering_module, "_PAUSE_SECONDS", 0.0)
    with serving(tmp_path, lambda: Gate(0)) as served:
        never = Answering(served.service, listener, [sys.executable, "-c", "raise SystemExit(3)"])
        with pytest.raises(AnsweringError, match="exits right after starting, with exit code 3"):
            never.run()


def test_killed_again_and_again_once_it_came_up_it_is_started_for_ever(
    tmp_path, listener, monkeypatch, caplog
):
    monkeypatch.setattr(answering_module, "_PAUSE_SECONDS", 0.0)
    with serving(tmp_path, lambda: Gate(0)) as served:
        answering, ends = Answering(served.service, listener, COMMAND), []

        def run_one():
            ends.append(len(ends))
            if len(ends) > 20:
                answering.stop()
            return -9, len(ends) == 2  # the others not even that

        monkeypatch.setattr(answering, "_run_one", run_one)
        answering.run()
    assert len(ends) == 21
    assert "exit code -9" in caplog.text
