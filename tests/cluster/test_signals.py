"""Handlers that a library sets behind Python's back are gone in the end."""

import ctypes
import os
import signal
import threading

from cluster.signals import handlers_kept


def test_what_a_library_sets_in_another_thread_does_not_stay():
    heard = []
    before = signal.signal(signal.SIGUSR1, lambda *_: heard.append("mine"))
    try:

        def library():
            with handlers_kept(signal.SIGUSR1):
                ctypes.CDLL(None).signal(int(signal.SIGUSR1), ctypes.c_void_p(1))  # SIG_IGN
                os.kill(os.getpid(), signal.SIGUSR1)

        thread = threading.Thread(target=library)
        thread.start()
        thread.join()
        assert heard == []
        os.kill(os.getpid(), signal.SIGUSR1)
        assert heard == ["mine"]
    finally:
        signal.signal(signal.SIGUSR1, before)
