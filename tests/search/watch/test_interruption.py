"""One signal is noted, two leave, and afterwards all is as before."""

import os
import signal
import subprocess
import sys

import pytest

from search.command import terminable
from search.watch import Interruption

SLEEPER = """if True:
    import sys, time
    from search.watch import Interruption
    with Interruption() as interrupted:
        print("ready", flush=True)
        while not interrupted():
            time.sleep(0.01)
        print("noted", flush=True)
        sys.stdin.read()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_noted_and_nothing_more(number, capfd):
    before = signal.getsignal(number)
    with Interruption() as interrupted:
        assert not interrupted()
        os.kill(os.getpid(), number)
        assert interrupted()
    assert signal.getsignal(number) is before
    assert "once more to leave at once" in capfd.readouterr().err


@pytest.fixture
def hang_up():
    """Let a hang-up do what it does by default, and put things right afterwards."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield signal.SIGHUP
    signal.signal(signal.SIGHUP, before)


def test_a_hang_up_is_noted_and_never_leaves_at_once(hang_up, capfd):
    with Interruption() as interrupted:
        signal.raise_signal(hang_up)
        signal.raise_signal(hang_up)
        assert interrupted()
    signal.raise_signal(hang_up)  # the shell's and the system's may come far apart


def test_a_hang_up_is_no_second_ctrl_c(hang_up, capfd):
    with Interruption():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(hang_up)


def test_a_hang_up_that_is_ignored_stays_so(hang_up):
    signal.signal(hang_up, signal.SIG_IGN)
    with terminable(), Interruption() as interrupted:
        signal.raise_signal(hang_up)
        assert not interrupted()
    assert signal.getsignal(hang_up) is signal.SIG_IGN


def test_a_hang_up_ends_what_is_no_training_yet(hang_up):
    with pytest.raises(KeyboardInterrupt), terminable():
        signal.raise_signal(hang_up)
    signal.raise_signal(hang_up)


def test_the_handlers_come_back_after_an_error():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ZeroDivisionError), Interruption():
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("reader", ["there", "gone"])
def test_the_second_signal_leaves_at_once(reader):
    process = subprocess.Popen(
        [sys.executable, "-c", SLEEPER],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        assert process.stdout.readline() == "ready\n"
        if reader == "gone":
            process.stderr.close()
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "noted\n"
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
