"""Trainers other than the project's own, from the command line to log, model and report."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import invoke, start, table, write_images

from model.trainers.final_state import FinalState
from search import runs, status

SOURCE = '''
import os
import time
from pathlib import Path

import numpy as np

from model.trainers import Packs, Trainer, classification_figures


def probabilities(W, X):
    Z = X @ W
    Z -= Z.max(axis=-1, keepdims=True)
    np.exp(Z, out=Z)
    return Z / Z.sum(axis=-1, keepdims=True)


class Descent(Trainer):
    """Softmax regression with momentum, which counts the epochs that it trains in a file."""

    version = "1"
    metrics = ("cost", "accuracy", "margin")

    def check(self, params):
        if params["rate"] > 100:
            raise ValueError("a rate is at most 100")

    def advance(self, state, params, epochs, data):
        shape = data.X.shape[1], data.n_classes
        W, V = (np.zeros(shape), np.zeros(shape)) if state is None else state
        X = data.X / 255
        for epoch in epochs:
            self.before(params, epoch)
            if "COUNT" in os.environ:
                with open(os.environ["COUNT"], "a") as file:
                    file.write(f"{sorted(params.items())} {epoch}\\n")
            kept = data.rng(epoch).random(shape[0]) < 0.8
            for rows in np.array_split(data.order(epoch), 4):
                delta = probabilities(W, X[rows] * kept) - np.eye(shape[1])[data.y[rows]]
                V = 0.9 * V - params["rate"] * (X[rows] * kept).T @ delta / len(rows)
                W = W + V
        return W, V

    def before(self, params, epoch):
        pass

    def score(self, state, data):
        p = probabilities(state[0], data.X / 255)
        return classification_figures(p, data) | {"margin": float(p.max(axis=1).mean())}


class Hostile(Descent):
    """Does as its hyperparameter `does` says."""

    def before(self, params, epoch):
        if params["does"] == "raise at epoch 3" and epoch == 2:
            raise RuntimeError("no luck at epoch 3")
        if params["does"] == "raise much" and epoch == 1:
            raise RuntimeError("x" * 10_000_000)
        if params["does"] == "print":
            for _ in range(100):
                print("y" * 1_000_000)
        if params["does"] == "hang" and epoch == 1:
            time.sleep(1e6)
        if params["does"] == "exit" and epoch == 1:
            raise SystemExit(3)

    def advance(self, state, params, epochs, data):
        return (*super().advance(state and state[:2], params, epochs, data), params["does"])

    def score(self, state, data):
        found = super().score(state, data) | {"margin": data.threads}
        if state[2] == "return NaN":
            return found | {"cost": float("nan")}
        if state[2] == "return another metric":
            return {"loss": found["cost"], "accuracy": found["accuracy"]}
        if state[2] == "return no number":
            return found | {"cost": "low"}
        return found


class Packed(Descent, Packs):
    """Trains models side by side in one product."""

    pack_by = ("kind",)
    widest = 16
    tolerance = 1e-6

    def advance_pack(self, states, params, epochs, data):
        start = np.zeros((data.X.shape[1], data.n_classes))
        begun = [(start, start) if state is None else state for state in states]
        W, V = (np.stack(parts) for parts in zip(*begun, strict=True))
        rates = np.array([p["rate"] for p in params])[:, None, None]
        X = data.X / 255
        for epoch in epochs:
            kept = data.rng(epoch).random(X.shape[1]) < 0.8
            for rows in np.array_split(data.order(epoch), 4):
                delta = probabilities(W, X[rows] * kept) - np.eye(data.n_classes)[data.y[rows]]
                V = 0.9 * V - rates * ((X[rows] * kept).T @ delta) / len(rows)
                W = W + V
        return list(zip(W, V, strict=True))


class FirstOfPack(Packed):
    """Trains all of a pack with the hyperparameters of the first one."""

    def advance_pack(self, states, params, epochs, data):
        return super().advance_pack(states, [params[0]] * len(params), epochs, data)


class Unseeded(Descent):
    def advance(self, state, params, epochs, data):
        W, V = super().advance(state, params, epochs, data)
        return W + 1e-3 * np.random.default_rng().random(W.shape), V
'''
GRID = """
trainer = "own:Descent"
dataset = "./data.npz"
[[space]]
rate = [0.01, 0.1]
kind = ["plain"]
epochs = [1, 2, 5]
[[space]]
rate = [1.0]
momentum = [true, false]
epochs = [3]
"""
SERIAL = ("--executor", "serial", "--no-progress")


@pytest.fixture
def own(tmp_path, tmp_path_factory, monkeypatch):
    """A folder of a user with a trainer, a grid and a data set, where commands are given.

    Nobody has checked that trainer yet.
    """
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    write_images(tmp_path / "data.npz")
    (tmp_path / "own.py").write_text(SOURCE)
    (tmp_path / "grid.toml").write_text(GRID)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    from model.trainers import reference

    sys.modules.pop("own", None)
    reference._loaded.cache_clear()


def grid(folder, text, trainer="own:Descent", more=""):
    head = f'trainer = "{trainer}"\ndataset = "./data.npz"\n{more}\n'
    (folder / "grid.toml").write_text(f"{head}[space]\n{text}\n")


def run(capfd, *more):
    return invoke(capfd, "--grid", "./grid.toml", *SERIAL, "--run-dir", "run", *more)


def test_any_trainer_is_swept_in_branches_and_leaves_what_others_leave(own, capfd, monkeypatch):
    monkeypatch.setenv("COUNT", str(own / "count"))
    outcome = run(capfd)
    assert outcome.code == 0, outcome.err
    log = table(Path("run"))
    assert log.rate.tolist() == [0.01] * 3 + [0.1] * 3 + [1.0] * 2
    assert log.epochs.tolist() == [1, 2, 5] * 2 + [3, 3]
    assert log.kind.tolist()[:6] == ["plain"] * 6
    assert log.momentum.tolist()[6:] == [True, False]
    assert log.kind.isna().tolist() == (~log.momentum.isna()).tolist() == [False] * 6 + [True] * 2
    assert log.val_margin.between(0, 1).all()
    assert "val_cost_avg" not in log
    best = log.loc[log.val_cost.idxmin()]
    assert f"validation cost             {best.val_cost:.4f}" in outcome.out
    assert "The best trials:\ntrial" in outcome.out
    summary = json.loads((own / "run/summary.json").read_text())
    assert summary["trainer"] == "own:Descent"
    assert summary["best"]["params"]["epochs"] == best.epochs
    assert "own:Descent, version 1" in (own / "run/report.html").read_text()
    assert status.main(["run"]) == 0
    assert runs.main(["."]) == 0
    # Each epoch of each trajectory was trained once, beside the check and the final training.
    counted = (own / "count").read_text().splitlines()
    final = [line for line in counted if line.split("] ")[0] == counted[-1].split("] ")[0]]
    assert len(final) >= best.epochs


def test_trials_are_what_training_each_alone_gives(own, capfd):
    assert run(capfd).code == 0
    from own import Descent

    from model.data.sources import load_dataset
    from model.examples import Examples
    from model.trainers.tasks import rows_of

    examples = Examples.from_dataset(load_dataset("./data.npz", notify=print), 0.2, 0)
    training, scoring = (
        rows_of(part, examples.n_classes, 0)
        for part in (examples.training(0), examples.validation(0))
    )
    trainer = Descent()
    for row in table(Path("run")).itertuples():
        state = trainer.advance(None, {"rate": row.rate}, range(row.epochs), training)
        found = trainer.score(state, scoring)
        assert (found["cost"], found["accuracy"], found["margin"]) == (
            row.val_cost, row.val_accuracy, row.val_margin,
        )  # fmt: skip


def test_the_final_state_is_opened_again_and_reaches_its_figures(own, capfd):
    assert run(capfd).code == 0
    saved = FinalState.load(Path("run/best_model.npz"))
    trainer, state = saved.open()
    with np.load("data.npz") as data:
        X, y = data["X_test"], data["y_test"]
    rows = saved.rows(X, np.searchsorted(saved.classes, y))
    told = json.loads((own / "run/summary.json").read_text())["test"]
    found = trainer.score(state, rows)
    assert {"margin": found["margin"]} == told.pop("metrics")
    assert {"cost": found["cost"], "accuracy": found["accuracy"]} == told
    assert found == saved.figures


@pytest.mark.parametrize(
    ("does", "reason"),
    [
        ("raise at epoch 3", "RuntimeError: no luck at epoch 3, epochs"),
        ("raise much", "x ... (10000000 characters)"),
        ("exit", "SystemExit: 3"),
        ("return NaN", "diverged"),
        ("return another metric", "score has returned loss, accuracy, and the trainer's metrics"),
        ("return no number", "could not convert string to float"),
        ("print", None),
    ],
)
def test_a_hostile_trial_fails_alone(own, capfd, does, reason):
    grid(own, f'rate = [0.01]\ndoes = ["nothing", "{does}"]\nepochs = [1, 5]', "own:Hostile")
    outcome = run(capfd)
    assert outcome.code == 0, outcome.err
    assert len(outcome.out) + len(outcome.err) < 20_000
    log = table(Path("run"))
    good, bad = log[log.does == "nothing"], log[log.does == does]
    assert (good.state == "COMPLETE").all()
    if reason is None:
        assert (bad.state == "COMPLETE").all()
        return
    assert bad.state.tolist()[-1] == "FAIL"
    assert reason in bad.error.tolist()[-1]
    assert len(bad.error.tolist()[-1]) < 3000
    alone = bad[bad.state == "COMPLETE"]
    assert alone.val_cost.tolist() == good.val_cost.tolist()[: len(alone)]


def test_where_all_fail_the_reason_is_told(own, capfd):
    grid(own, 'rate = [0.01]\ndoes = ["raise at epoch 3"]\nepochs = [5]', "own:Hostile")
    outcome = run(capfd)
    assert outcome.code == 1
    assert "Every trial failed, most of them by this: RuntimeError: no luck" in outcome.err
    assert "Traceback" not in outcome.err


def test_a_pack_gives_what_its_models_give_alone(own, capfd):
    grid(own, "rate = [0.01, 0.02, 0.05, 0.1]\nepochs = [1, 3]\n", "own:Packed")
    assert run(capfd).code == 0
    packed = table(Path("run"))
    assert packed.pack.nunique() == 1
    grid(own, "rate = [0.01, 0.02, 0.05, 0.1]\nepochs = [1, 3]\n")
    assert run(capfd, "--fresh").code == 0
    np.testing.assert_allclose(packed.val_cost, table(Path("run")).val_cost, rtol=1e-6)


@pytest.mark.parametrize(
    "more",
    [(), ("--seeds", "2"), ("--pruner", "halving"), ("--sampler", "random", "--trials", "6")],
)
def test_interrupted_and_continued_it_is_the_same(own, capfd, monkeypatch, more):
    grid(own, "rate = [0.01, 0.1, 1.0]\nepochs = [1, 2, 4]\n")
    assert run(capfd, *more).code == 0
    whole = table(Path("run"))
    from search.engine import Orchestrator

    record, left = Orchestrator._record, iter(range(2))

    def stopping(*args):
        if next(left, None) is None:
            raise KeyboardInterrupt
        record(*args)

    with monkeypatch.context() as patch:
        patch.setattr(Orchestrator, "_record", stopping)
        assert run(capfd, *more, "--fresh").code == 130
    assert run(capfd, *more).code == 0
    again = table(Path("run"))
    same = ["number", "state", "rate", "epochs", "val_cost", "val_margin", "last_epoch"]
    assert again[same].equals(whole[same])


def test_trials_are_taken_over_and_only_the_rest_is_trained(own, capfd):
    grid(own, "rate = [0.01, 0.1]\nepochs = [1, 4]\n")
    assert run(capfd).code == 0
    grid(own, "rate = [0.01, 0.1, 1.0]\nepochs = [1, 4]\n")
    outcome = invoke(
        capfd, "--grid", "./grid.toml", *SERIAL, "--run-dir", "wider", "--reuse", "run"
    )
    assert outcome.code == 0
    log = table(Path("wider"))
    assert log.source.notna().tolist() == [True] * 4 + [False] * 2
    assert log.val_cost.tolist()[:4] == table(Path("run")).val_cost.tolist()


@pytest.mark.parametrize(
    ("text", "trainer", "said"),
    [
        ("rate = [0.1, 1000]\nepochs = [1]", "own:Descent", "a rate is at most 100"),
        ("rate = [0.1]", "own:Descent", "epochs is missing"),
        ('rate = [0.1, "a"]\nepochs = [1]', "own:Descent", "all of one kind"),
        ("rate = [0.1]\nseconds = [1]\nepochs = [1]", "own:Descent", "a column of the log already"),
        ("rate = [0.1]\nepochs = [1]", "own:Nothing", "has no Nothing"),
        ("rate = [0.1]\nepochs = [1]", "nowhere:X", "its folder must be on PYTHONPATH."),
        ("rate = [0.1]\nepochs = [1]", "broken:X", "importing broken failed: ZeroDivisionError"),
    ],
)
def test_a_mistake_is_one_message_before_anything_is_written(own, capfd, text, trainer, said):
    (own / "broken.py").write_text("1 / 0")
    grid(own, text, trainer)
    outcome = run(capfd)
    assert outcome.code == 2
    assert outcome.err.count("error: ") == 1
    assert said in outcome.err
    assert not (own / "run").exists()


def test_what_is_the_softmax_trainers_alone_is_refused(own, capfd):
    grid(own, "rate = [0.1]\nepochs = [1]", more='select = "average"')
    assert "averaged weights" in run(capfd).err
    grid(own, "rate = [0.1]\nepochs = [1]")
    assert '--optimum is for the trainer "softmax"' in run(capfd, "--optimum").err


@pytest.mark.parametrize("more", [(), ("--dataset", "digits"), ("--dataset", "./data.npz")])
def test_without_a_grid_it_is_asked_for(own, capfd, more):
    outcome = invoke(capfd, "--trainer", "own:Descent", *more, *SERIAL)
    assert outcome.code == 2
    assert "--trainer own:Descent needs a grid" in outcome.err


def test_one_that_breaks_its_promise_is_not_swept(own, capfd):
    grid(own, "rate = [0.01]\nepochs = [1, 2]", "own:Unseeded")
    outcome = run(capfd)
    assert outcome.code == 2
    assert "some random numbers have no seed" in outcome.err
    assert "exact = False" in outcome.err


def test_it_is_checked_once_for_a_version(own, capfd):
    grid(own, "rate = [0.01]\nepochs = [1, 2]")
    assert "Checking the trainer own:Descent" in run(capfd).err
    assert "Checking the trainer" not in run(capfd, "--fresh").err


def test_packs_are_tried_before_the_first_sweep_that_has_some(own, capfd):
    grid(own, 'kind = ["a"]\nrate = [0.01]\nepochs = [1]', "own:FirstOfPack")
    assert run(capfd).code == 0
    grid(own, 'kind = ["a"]\nrate = [0.01, 0.1]\nepochs = [1]', "own:FirstOfPack")
    outcome = run(capfd, "--fresh")
    assert outcome.code == 2
    assert "separate training gives: no. In a pack {'kind': 'a', 'rate': 0.1}" in outcome.err


def test_resume_imports_nobodys_code(own, capfd):
    grid(own, "rate = [0.01]\nepochs = [1, 2]")
    assert run(capfd).code == 0
    outcome = invoke(capfd, "--resume", "run", *SERIAL)
    assert outcome.code == 2
    assert "names code to import, own:Descent" in outcome.err


def test_code_comes_from_a_folder(own, capfd):
    (own / "elsewhere").mkdir()
    (own / "elsewhere/mine.py").write_text(SOURCE)
    grid(own, "rate = [0.01]\nepochs = [1, 2]", "mine:Descent")
    outcome = run(capfd, "--code", "elsewhere")
    assert outcome.code == 0, outcome.err
    assert (table(Path("run")).state == "COMPLETE").all()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("{cpus = 50_000}", "this machine has"),
        ('{memory = "900 TiB"}', "resources.memory = 9.22e+05 GiB for each training, and this"),
        ("{cpus = 1e-9}", "a part of one core, 0.1 or more"),
        ("{cpus = 0}", "cpus must be a whole number, such as 4, or a part of one core"),
        ("{cpus = 2.5}", "cpus must be a whole number"),
        ('{gpus = "one"}', "gpus must be a whole number, such as 1, or a part of one GPU"),
        ('{memory = "8 gigs"}', 'memory must be a text such as "8 GiB" or "500 MB"'),
        ("{cpu = 2}", "Did you mean cpus?"),
    ],
)
def test_resources_that_cannot_be_had_are_refused_with_the_number(own, capfd, given, said):
    grid(own, "rate = [0.01]\nepochs = [1]", more=f"resources = {given}")
    outcome = run(capfd)
    assert outcome.code == 2
    assert outcome.err.count("error: ") == 1
    assert said in outcome.err
    assert not (own / "run").exists()


def test_resources_are_part_of_a_run_and_not_of_the_softmax_trainers(own, capfd):
    space = "rate = [0.01]\nepochs = [1]"
    grid(own, space, more='resources = {cpus = 0.5, memory = "1 MiB"}')
    assert run(capfd).code == 0
    grid(own, space, more='resources = {cpus = 1, memory = "2 MiB"}')
    assert run(capfd).code == 0
    grid(own, space, more="resources = {cpus = 2}")
    outcome = run(capfd)
    assert outcome.code == 2
    assert re.search("resources.*threads=1.*threads=2|threads=2.*threads=1", outcome.err)
    softmax = "learning_rate = [0.01]\nbatch_size = [8]\nalpha = [0]\nepochs = [1]"
    grid(own, softmax, "softmax", "resources = {cpus = 2}")
    outcome = run(capfd, "--run-dir", "other")
    assert outcome.code == 2
    assert 'is for other trainers than "softmax"' in outcome.err


@pytest.mark.ray
@pytest.mark.xdist_group("ray")
def test_workers_find_it_and_a_worker_that_dies_fails_its_trials_alone(own):
    (own / "elsewhere").mkdir()
    kill = "if params['does'] == 'die':\n            os.kill(os.getpid(), 9)\n        "
    code = SOURCE.replace('if params["does"] == "raise at', kill + 'if params["does"] == "raise at')
    (own / "elsewhere/mine.py").write_text(code)
    more = 'resources = {cpus = 2, memory = "50 MB"}'
    grid(own, 'rate = [0.01]\ndoes = ["nothing", "die"]\nepochs = [1, 3]', "mine:Hostile", more)
    command = ("--grid", "./grid.toml", "--no-progress", "--workers", "2", "--code", "elsewhere")
    process = start(*command, "--run-dir", "run", cwd=own)
    from command_line import finish

    outcome = finish(process)
    assert outcome.code == 0, outcome.err
    log = table(Path("run"))
    assert log[log.does == "nothing"].state.tolist() == ["COMPLETE"] * 2
    assert log[log.does == "nothing"].val_margin.tolist() == [2.0, 2.0]  # the cores of a task
    assert log[log.does == "die"].state.tolist() == ["FAIL"] * 2
    assert all("3 times" in error for error in log[log.does == "die"].error)


@pytest.mark.ray
@pytest.mark.rehearsal
@pytest.mark.xdist_group("ray")
def test_one_that_hangs_is_given_up_and_fails_its_trials_alone(own):
    from command_line import Hold, finish

    grid(own, 'rate = [0.01]\ndoes = ["nothing", "hang"]\nepochs = [1, 3]', "own:Hostile")
    command = ("--grid", "./grid.toml", "--no-progress", "--workers", "2", "--run-dir", "run")
    hold = Hold(10**6, own, "hanging")  # which holds none, and gives up after seconds
    outcome = finish(start(*command, cwd=own, hold=hold))
    assert outcome.code == 0, outcome.err
    log = table(Path("run"))
    assert log[log.does == "nothing"].state.tolist() == ["COMPLETE"] * 2
    assert log[log.does == "hang"].state.tolist() == ["FAIL"] * 2
    assert all("no answer" in error for error in log[log.does == "hang"].error)
