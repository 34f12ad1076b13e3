"""One signal is noted, two leave, and afterwards all is as before."""

import os
import signal
import subprocess
import sys

import pytest

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
