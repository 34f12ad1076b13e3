"""Ctrl-C in a process that searches: it ends at once, leaves nothing, and goes on where it was."""

import json
import os
import signal
import subprocess
import sys

import pytest

# The third training waits until the first fit is interrupted, so that nothing hangs on a clock.
PROGRAM = """
import json, os, sys, threading, time
from pathlib import Path
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from search.estimators import PackSweepSearchCV

folder, n_jobs, waits = json.loads(sys.argv[1])
began = Path(sys.argv[2])


class Forest(RandomForestClassifier):
    def fit(self, X, y, sample_weight=None):
        found = super().fit(X, y, sample_weight)
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


def started(tmp_path, name, folder, waits):
    began = tmp_path / name
    began.mkdir()
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    asked = json.dumps([folder and str(folder), None, waits])
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, asked, str(began)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "TMPDIR": str(scratch)},
    )  # fmt: skip
    return process, began, scratch


@pytest.mark.parametrize("durable", [False, True], ids=["without a folder", "with a folder"])
def test_ctrl_c_ends_it_leaves_nothing_and_the_same_fit_goes_on(tmp_path, durable):
    folder = tmp_path / "kept" if durable else None
    process, _, scratch = started(tmp_path, "first", folder, waits=True)
    assert process.stdout.readline() == "waiting\n"
    os.killpg(process.pid, signal.SIGINT)
    told, trouble = process.communicate(timeout=120)
    assert (process.returncode, trouble) == (0, "")
    found = json.loads(told)
    assert found["said"].startswith("after 2 of 12 trainings")
    assert found["threads"] == 0
    assert list(scratch.iterdir()) == []
    with pytest.raises(ProcessLookupError):  # nobody of its session is left
        os.killpg(process.pid, 0)
    if not durable:
        return
    again, began, _ = started(tmp_path, "again", folder, waits=False)
    scores, trouble = again.communicate(timeout=120)
    assert (again.returncode, trouble) == (0, "")
    assert len(list(began.iterdir())) == 12 - 2
    whole, _, _ = started(tmp_path, "whole", None, waits=False)
    assert scores == whole.communicate(timeout=120)[0]
