"""The command killed at random moments, again and again until it ends: bit for bit the same run.

The full form kills 200 times, and ten times with each trainer; it takes a quarter of an hour:

    python -m pytest -m rehearsal tests/faults/test_kills.py -s

It prints the seed, which ``FAULTS_SEED`` sets, and in which phases the kills fell.
"""

import os
import shutil
import signal
import sys
import time
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from random import Random

import pytest
from command_line import assert_same_results, finish, start, table, write_grid, write_images

from search.record import RunFolder

SEED = int(os.environ.get("FAULTS_SEED", "1"))
OWN_OF_A_COMMAND = {"seconds", "started_at", "finished_at", "node", "attempt", "reports"}
SOFTMAX = ("--optimum", "--refits", "3")
RATES = '[0.01, {schedule = "cosine", start = 0.01, epochs = 8}]'
TRAINERS = {
    "partial_fit:sklearn.neural_network.MLPClassifier": (
        "sklearn",
        "hidden_layer_sizes = [32, 64]\nepochs = [2, 5, 10, 20]",
    ),
    "warm_start:sklearn.ensemble.HistGradientBoostingClassifier": (
        "sklearn",
        "max_features = [0.5]\nlearning_rate = [0.05, 0.1]\nepochs = [5, 20, 40]",
    ),
    "xgboost": ("xgboost", "subsample = [0.5]\nmax_depth = [2, 3]\nepochs = [10, 40, 80]"),
    "lightgbm": (
        "lightgbm",
        "bagging_fraction = [0.5]\nbagging_freq = [1]\nnum_leaves = [4, 8]\nepochs = [10, 40, 80]",
    ),
    "torch_nets:Net": (
        "torch",
        f"width = [32]\ndropout = [0.2, 0.5]\nlearning_rate = {RATES}\nbatch_size = [16]\n"
        "epochs = [2, 4, 8]",
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with data, a grid, and an undisturbed run that took some seconds."""
    folder = tmp_path_factory.mktemp("kills")
    write_images(folder / "data.npz", rows=400, pixels=64)
    write_grid(folder / "tiny.toml", "./data.npz", epochs=[1, 2, 4], batch_size=[2, 4, 16])
    undisturbed(folder, SOFTMAX)
    return folder


def command(folder, run, more):
    """Start the command of a folder."""
    where = ("--executor", "serial", "--no-progress", "--run-dir", run)
    return start("--grid", "./tiny.toml", *where, *more, cwd=folder)


def undisturbed(folder, more):
    """Make the run that nobody kills, and write down how long it took."""
    began = time.monotonic()
    outcome = finish(command(folder, "whole", more))
    assert outcome.code == 0, outcome.err
    (folder / "seconds").write_text(str(time.monotonic() - began))


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


def kill_until_it_ends(folder, random, kills, more=SOFTMAX):
    """Kill so many commands of one run, then let one end; count where the kills fell."""
    run, found = folder / "killed", Counter()
    seconds = float((folder / "seconds").read_text())
    for _ in range(kills):
        process = command(folder, "killed", more)
        time.sleep(random.uniform(0.1, 1.1) * seconds)
        process.send_signal(signal.SIGKILL)
        outcome = finish(process)
        assert "Traceback" not in outcome.err
        found[phase_of(run)] += 1
        if (run / "summary.json").exists():
            check(folder, run)
            shutil.rmtree(run)
    outcome = finish(command(folder, "killed", more))
    assert (outcome.code, "cannot be believed" in outcome.err) == (0, False), outcome
    check(folder, run)
    shutil.rmtree(run)
    return found


def check(folder, run):
    """Compare a finished run with the undisturbed one."""
    found, whole = table(run), table(folder / "whole")
    if "val_cost_avg" in whole:
        assert_same_results(found, whole)
    else:  # another trainer has other columns
        same = [name for name in whole if name not in OWN_OF_A_COMMAND]
        assert found[same].equals(whole[same])
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


@pytest.mark.rehearsal
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("trainer", TRAINERS)
def test_each_trainer_killed_ten_times_is_the_same_run(tmp_path, monkeypatch, capsys, trainer):
    library, space = TRAINERS[trainer]
    if find_spec(library) is None:
        pytest.skip(library)
    write_images(tmp_path / "data.npz", rows=2000, pixels=64)
    grid = f'trainer = "{trainer}"\ndataset = "./data.npz"\n[space]\n{space}\n'
    (tmp_path / "tiny.toml").write_text(grid)
    nets = str(Path(__file__).parents[1] / "model/trainers")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([nets, os.environ["PYTHONPATH"]]))
    finish(command(tmp_path, "first", ()))  # what is tried before the first sweep takes its time
    undisturbed(tmp_path, ())
    found = kill_until_it_ends(tmp_path, Random(SEED), 10, ())
    with capsys.disabled():
        sys.stdout.write(f"\n{trainer}, seed {SEED}: {dict(found)}")
    assert found.total() == 10
