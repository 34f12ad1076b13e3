"""Ctrl-C in a process that searches: it ends at once, leaves nothing, and goes on where it was."""

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress

import pytest

SECONDS = 120  # for what takes some, also on a busy machine

# The third training waits until the first fit is interrupted, so that nothing hangs on a clock.
PROGRAM = """
import json, os, sys, threading, time
from pathlib import Path
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from search.estimators import PackSweepSearchCV

folder, n_jobs = json.loads(sys.argv[1])


class Forest(RandomForestClassifier):
    def fit(self, X, y, sample_weight=None):
        found = super().fit(X, y, sample_weight)
        # Of the process, and no part of the class: the search in the folder is the same.
        began, waits = Path(os.environ["BEGAN"]), os.environ["WAITS"] == "True"
        (began / f"{os.getpid()}-{time.monotonic_ns()}").touch()
        if waits and len(list(began.iterdir())) >= 3:
            print("waiting", flush=True)
            threading.Event().wait()
        return found


model = Forest(random_state=0)
space = {"n_estimators": [2, 4], "max_depth": [1, 2, 3]}
search = PackSweepSearchCV(model, space, cv=2, folder=folder, n_jobs=n_jobs, refit=False)
threads = threading.active_count()
try:
    search.fit(*load_iris(return_X_y=True))
except KeyboardInterrupt as error:
    print(json.dumps({"said": str(error), "threads": threading.active_count() - threads}))
else:
    print(json.dumps(search.cv_results_["mean_test_score"].tolist()))
"""


@contextmanager
def started(tmp_path, name, folder, waits):
    """Give a process that searches, as the leader of a session, none of which is left after it."""
    began = tmp_path / name
    began.mkdir()
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    asked = json.dumps([folder and str(folder), None])
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, asked],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "TMPDIR": str(scratch), "BEGAN": str(began), "WAITS": str(waits)},
    ) as process:  # fmt: skip
        try:
            yield process, began, scratch
        finally:
            end(process)


def end(process):
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def first_line(process):
    """Return what a process says first; nothing where it says nothing for long, and is ended."""
    timer = threading.Timer(SECONDS, end, [process])
    timer.start()
    try:
        return process.stdout.readline()
    finally:
        timer.cancel()


def test_what_was_started_is_ended_whatever_a_test_does(tmp_path, monkeypatch):
    with (
        pytest.raises(AssertionError, match="as a test"),
        started(tmp_path, "first", None, waits=True) as (one, _, _),
    ):
        raise AssertionError("as a test does")
    assert one.returncode == -signal.SIGKILL
    monkeypatch.setattr(sys.modules[__name__], "SECONDS", 0)  # nobody says a word as soon
    with started(tmp_path, "second", None, waits=True) as (one, _, _):
        assert first_line(one) == ""


@pytest.mark.parametrize("durable", [False, True], ids=["without a folder", "with a folder"])
def test_ctrl_c_ends_it_leaves_nothing_and_the_same_fit_goes_on(tmp_path, durable):
    folder = tmp_path / "kept" if durable else None
    with started(tmp_path, "first", folder, waits=True) as (process, _, scratch):
        assert first_line(process) == "waiting\n"
        os.killpg(process.pid, signal.SIGINT)
        told, trouble = process.communicate(timeout=SECONDS)
        assert (process.returncode, trouble) == (0, "")
        found = json.loads(told)
        assert found["said"].startswith("after 2 of 12 trainings")
        assert found["threads"] == 0
        assert list(scratch.iterdir()) == []
        with pytest.raises(ProcessLookupError):  # nobody of its session is left
            os.killpg(process.pid, 0)
    if not durable:
        return
    with started(tmp_path, "again", folder, waits=False) as (again, began, _):
        scores, trouble = again.communicate(timeout=SECONDS)
        assert (again.returncode, trouble) == (0, "")
        assert len(list(began.iterdir())) == 12 - 2
    with started(tmp_path, "whole", None, waits=False) as (whole, _, _):
        assert scores == whole.communicate(timeout=SECONDS)[0]
