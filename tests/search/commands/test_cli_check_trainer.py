"""Whether a trainer keeps its promises, asked on the command line."""

import json
import sys
from pathlib import Path

import pytest
from command_line import Outcome, write_images
from terminal import record

from search.check_trainer import main

SOURCE = '''
import numpy as np

from model.trainers import Packs, Trainer, classification_figures


class Means(Trainer):
    """Goes towards the means of the classes."""

    version = "7"

    def check(self, params):
        if set(params) - {"rate"}:
            raise ValueError("it has a rate and nothing else.")

    def advance(self, state, params, epochs, data):
        print("as loud as it likes")
        Y = np.eye(data.n_classes)[data.y]
        means = Y.T @ data.X / np.maximum(Y.sum(axis=0), 1)[:, None]
        W = np.zeros_like(means) if state is None else state
        for epoch in epochs:
            W = W + params["rate"] * (means - W) * self.noise(data, epoch)
        return W

    def noise(self, data, epoch):
        return data.rng(epoch).random()

    def score(self, state, data):
        Z = -((data.X[:, None] - state) ** 2).mean(axis=2) / 1000
        p = np.exp(Z - Z.max(axis=1, keepdims=True))
        return classification_figures(p / p.sum(axis=1, keepdims=True), data)


class Pack(Means, Packs):
    pack_by = ("size",)

    def check(self, params):
        pass

    def advance_pack(self, states, params, epochs, data):
        return [self.advance(s, params[0], epochs, data) for s in states]


class Unseeded(Means):
    def noise(self, data, epoch):
        return np.random.default_rng().random()
'''
RATE = ("--dataset", "./data.npz", "--param", "rate=0.5")


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder of a user with trainers and a data set, where commands are given."""
    write_images(tmp_path / "data.npz")
    (tmp_path / "means.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    from model.trainers import reference

    sys.modules.pop("means", None)
    reference._loaded.cache_clear()


@pytest.fixture
def check(own, capfd):
    def run(*args: object) -> Outcome:
        capfd.readouterr()
        try:
            code = main([str(arg) for arg in args])
        except SystemExit as end:  # argparse leaves this way
            code = end.code
        return Outcome(code, *capfd.readouterr())

    return run


def test_a_good_one_is_a_short_table_and_what_things_take(check):
    outcome = check("means:Means", *RATE)
    assert (outcome.code, outcome.err) == (0, "")
    title, header, *lines = outcome.out.splitlines()
    assert title == "means:Means, version 7"
    assert header.split() == ["check", "kept", "time"]
    assert [line.split("  ")[0] for line in lines[:3]] == [
        "it trains, and is scored",
        "a state can be written down",
        "twice the same is the same",
    ]
    assert " NO " not in outcome.out
    assert "a pack gives what separate training gives" in outcome.out
    assert "it trains one at a time" in outcome.out
    assert lines[-1].startswith("An epoch took ")
    assert lines[-1].endswith(" bytes.")
    assert "loud" not in outcome.out


def test_a_broken_one_is_told_in_full_below_and_is_exit_code_1(check):
    outcome = check("means:Unseeded", *RATE)
    assert outcome.code == 1
    assert outcome.err == "error: 1 of 10 checks failed.\n"
    told = [line for line in outcome.out.splitlines() if line.startswith("twice the same is")]
    assert told[0].split()[6] == "NO"
    assert told[1].startswith("twice the same is the same: Twice the same training of 6 epochs")
    assert told[1].endswith("All randomness must come from data.rng(epoch) and data.order(epoch).")


@pytest.mark.parametrize(("trainer", "code"), [("means:Means", 0), ("means:Unseeded", 1)])
def test_as_json_it_is_the_report_and_nothing_else(check, trainer, code):
    outcome = check(trainer, *RATE, "--json")
    assert outcome.code == code
    report = json.loads(outcome.out)
    assert (report["trainer"], report["version"], report["epochs"]) == (trainer, "7", 6)
    assert sum(found["passed"] is False for found in report["findings"]) == code
    assert report["epoch_s"] > 0
    assert report["state_bytes"] > 0


def test_the_values_of_a_grid_are_tried(check, own):
    (own / "grid.toml").write_text(
        'trainer = "means:Means"\ndataset = "./data.npz"\n[space]\nrate = [0.5]\nepochs = [2]\n'
    )
    assert check("means:Means", "--grid", "./grid.toml").code == 0
    outcome = check("means:Means", "--grid", "./grid.toml", "--param", "depth=3")
    assert outcome.code == 1
    assert "It refuses {'rate': 0.5, 'depth': 3}: it has a rate and nothing else." in outcome.out


def test_models_of_one_pack_are_tried_with_hyperparameters_of_their_own(check, own):
    (own / "grid.toml").write_text(
        'trainer = "means:Pack"\ndataset = "./data.npz"\n[space]\nsize = [8, 16]\n'
        "rate = [0.5, 0.25]\nepochs = [2, 4]\n"
    )
    outcome = check("means:Pack", "--grid", "./grid.toml")
    assert outcome.code == 1
    assert "In a pack {'size': 8, 'rate': 0.25} costs" in " ".join(outcome.out.split())


def test_a_hyperparameter_that_is_not_given_is_named(check):
    outcome = check("means:Means", "--dataset", "./data.npz")
    assert outcome.code == 1
    assert "It raises KeyError: 'rate'. If that is a hyperparameter" in outcome.out


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "the following arguments are required: TRAINER"),
        (("nobody",), "There is no trainer 'nobody'"),
        (("nothing:There", *RATE), "there is no module nothing"),
        (("means:Other", *RATE), "the module means has no Other"),
        (("means:Means", "--param", "rate"), "'rate' is not a pair such as learning_rate=0.1"),
        (("means:Means", "--code", "gone"), "there is no folder 'gone'"),
        (("means:Means", "--dataset", "./gone.npz"), "gone.npz"),
        (("means:Means", "--grid", "./gone.toml"), "gone.toml"),
    ],
)
def test_a_mistake_is_one_message_and_exit_code_2(check, args, said):
    outcome = check(*args)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.count("error: ") == 1
    assert said in outcome.err
    assert "Traceback" not in outcome.err


def test_in_a_narrow_terminal_no_line_is_broken_by_it(own):
    args = ("-m", "search.check_trainer", "means:Unseeded", *RATE)
    recording = record(args, Path.cwd(), 60, PYTHONPATH=str(Path(__file__).parents[3]))
    assert recording.code == 1
    written = recording.written.decode().replace("\r", "")
    assert max(map(len, written.splitlines())) <= 60
    assert "random numbers have no seed" in " ".join(written.split())


def test_help_fits_80_columns(check, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    outcome = check("--help")
    assert outcome.code == 0
    assert max(map(len, outcome.out.splitlines())) <= 80
    for option in ("--param", "--grid", "--dataset", "--target", "--code", "--json"):
        assert option in outcome.out
