"""The process that answers: it may die at any moment, and what runs does not notice."""

import socket
import sys
import threading

import httpx2
import pytest
from serving import Gate, serving, wait_for

from search.errors import ConfigError
from search.service import Answering, Desk
from search.service import answering as answering_module
from search.service.answering import AnsweringError
from search.service.errors import LineError
from search.service.line import FarRunner, NearEnd

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
        desk.close()
        end.close()
        gone.wait(30)
        mine.close()


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
        far._runner.wake()


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
            first.kill()
            first.wait()
        # A new connection waits until the next one is there.
        found = httpx2.get(f"{url}/sweeps/{sweep}", timeout=120, headers=mine).json()
        assert (found["running"], found["state"]) == (1, "running")
        assert answering.process is not first
        answering.stop()
        thread.join(60)
        assert not thread.is_alive()
        assert answering.process.returncode == 0
        assert served.see(sweep).running == 1


def test_one_that_cannot_start_is_told(tmp_path, listener, monkeypatch):
    monkeypatch.setattr(answering_module, "_PAUSE_SECONDS", 0.0)
    with serving(tmp_path, lambda: Gate(0)) as served:
        never = Answering(served.service, listener, [sys.executable, "-c", "raise SystemExit(3)"])
        with pytest.raises(AnsweringError, match="as soon as it is started"):
            never.run()
