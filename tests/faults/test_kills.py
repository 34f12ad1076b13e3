"""The command killed at random moments, again and again until it ends: bit for bit the same run.

The full form kills 200 times, and takes about ten minutes:

    python -m pytest -m rehearsal tests/faults/test_kills.py -s

It prints the seed, which ``FAULTS_SEED`` sets, and in which phases the kills fell.
"""

import os
import shutil
import signal
import sys
import time
from collections import Counter
from random import Random

import pytest
from command_line import assert_same_results, finish, start, table, write_grid, write_images

from search.record import RunFolder

SEED = int(os.environ.get("FAULTS_SEED", "1"))
COMMAND = ("--grid", "./tiny.toml", "--executor", "serial", "--optimum", "--refits", "3",
           "--no-progress", "--run-dir")  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with data, a grid, and an undisturbed run that took some seconds."""
    folder = tmp_path_factory.mktemp("kills")
    write_images(folder / "data.npz", rows=400, pixels=64)
    write_grid(folder / "tiny.toml", "./data.npz", epochs=[1, 2, 4], batch_size=[2, 4, 16])
    began = time.monotonic()
    assert finish(start(*COMMAND, "whole", cwd=folder)).code == 0
    (folder / "seconds").write_text(str(time.monotonic() - began))
    return folder


def phase_of(run):
    """Say how far a killed command had come, by what it left."""
    if not (run / "manifest.json").exists():
        return "before the manifest"
    if (run / "summary.json").exists():
        return "after the summary"
    if list(run.glob("optimum/*.npz")) or (run / "refits.json").exists():
        return "optima and final trainings"
    staged = list(run.glob("trials/.staged-*"))
    return "between staging and publishing" if staged else "training"


def kill_until_it_ends(folder, random, kills):
    """Kill so many commands of one run, then let one end; count where the kills fell."""
    run, found = folder / "killed", Counter()
    seconds = float((folder / "seconds").read_text())
    for _ in range(kills):
        process = start(*COMMAND, "killed", cwd=folder)
        time.sleep(random.uniform(0.1, 1.1) * seconds)
        process.send_signal(signal.SIGKILL)
        outcome = finish(process)
        assert "Traceback" not in outcome.err
        found[phase_of(run)] += 1
        if (run / "summary.json").exists():
            check(folder, run)
            shutil.rmtree(run)
    outcome = finish(start(*COMMAND, "killed", cwd=folder))
    assert (outcome.code, "cannot be believed" in outcome.err) == (0, False), outcome
    check(folder, run)
    shutil.rmtree(run)
    return found


def check(folder, run):
    """Compare a finished run with the undisturbed one."""
    assert_same_results(table(run), table(folder / "whole"))
    one, other = (RunFolder(path).read_summary() for path in (folder / "whole", run))
    assert (other.best, other.test, other.refits) == (one.best, one.test, one.refits)
    assert other.trials == one.trials
    assert not list(run.rglob(".tmp-*")) + list(run.rglob(".staged-*"))


def test_killed_at_some_moments_it_is_the_same_run(folder):
    kill_until_it_ends(folder, Random(SEED), kills=2)


@pytest.mark.rehearsal
@pytest.mark.timeout(7200)
def test_killed_at_two_hundred_moments_it_is_the_same_run(folder, capsys):
    random, found = Random(SEED), Counter()
    for _ in range(20):
        found += kill_until_it_ends(folder, random, kills=10)
    with capsys.disabled():
        sys.stdout.write(f"\nseed {SEED}: {dict(found)}")
    assert found.total() == 200
