"""Interrupts that a library raises where the system starts no thread, apart from Ctrl-C."""

import _thread
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from search.threads import NO_THREAD, interrupted_itself, without_own_interrupts
from search.watch import Interruption


def raised_by_a_library():
    """Raise an interrupt as OpenBLAS does: in the thread that loads it."""
    with without_own_interrupts():
        signal.raise_signal(signal.SIGINT)
        return "done"


def test_an_interrupt_that_a_thread_raises_in_itself_is_its_error_and_nobody_elses():
    with Interruption() as interrupted, ThreadPoolExecutor(1) as pool:
        with pytest.raises(RuntimeError, match=NO_THREAD):
            pool.submit(raised_by_a_library).result()
        masked = pool.submit(signal.pthread_sigmask, signal.SIG_BLOCK, ()).result()
        assert signal.SIGINT not in masked
        assert not interrupted()


def test_an_error_beside_it_stays_that_error():
    def fails():
        with without_own_interrupts():
            signal.raise_signal(signal.SIGINT)
            raise ValueError("mine")

    with Interruption() as interrupted, ThreadPoolExecutor(1) as pool:
        with pytest.raises(ValueError, match="mine"):
            pool.submit(fails).result()
        assert not interrupted()


def test_ctrl_c_comes_to_the_main_thread_all_the_same():
    def pressed():
        with without_own_interrupts():
            os.kill(os.getpid(), signal.SIGINT)
            return "done"

    with Interruption() as interrupted, ThreadPoolExecutor(1) as pool:
        assert pool.submit(pressed).result() == "done"
        assert interrupted()


def test_in_the_main_thread_nothing_is_changed():
    with pytest.raises(KeyboardInterrupt), without_own_interrupts():
        signal.raise_signal(signal.SIGINT)


def refused(*_):
    raise RuntimeError(NO_THREAD)


@pytest.mark.parametrize("name", ["numpy", "numpy._core", "scipy.linalg", "mine"])
@pytest.mark.parametrize("starts", [True, False])
def test_an_interrupt_while_openblas_is_loaded_counts_where_no_thread_starts(
    monkeypatch, name, starts
):
    scope = {"__name__": name, "sys": sys}
    exec(compile("frame = sys._getframe()", name, "exec"), scope)
    if not starts:
        monkeypatch.setattr(_thread, "start_new_thread", refused)
    assert interrupted_itself([scope["frame"]]) == (name != "mine" and not starts)


def test_so_it_is_while_a_sweep_minds_ctrl_c(monkeypatch):
    monkeypatch.setattr(_thread, "start_new_thread", refused)
    scope = {"__name__": "scipy.linalg", "signal": signal}
    with Interruption() as interrupted:
        with pytest.raises(RuntimeError, match=NO_THREAD):
            exec(compile("signal.raise_signal(signal.SIGINT)", "scipy", "exec"), scope)
        assert not interrupted()
        signal.raise_signal(signal.SIGINT)
        assert interrupted()
