"""Searches whose trials a sampler proposes, through the command line."""

import importlib.util
import sys

import pytest
from command_line import contents, invoke, table, write_images
from searches import (
    LISTS,
    RANGES,
    RANGES_OF_BATCHES,
    Textbook,
    assert_in_space,
    assert_same_log,
    assert_whole,
    refused,
    search,
    summary_of,
    write_search,
)

from search.config import AXES
from search.status import main as status

NSGA2 = "optuna.samplers.NSGAIISampler"
# Small generations and startups, so that every sampler knows something when it is asked again.
OPTIONS = {
    "random": "",
    "qmc": "",
    "tpe": "options = {n_startup_trials = 4, multivariate = true}",
    "cmaes": "options = {popsize = 4}",
    NSGA2: "options = {population_size = 4}",
    "gp": "options = {n_startup_trials = 4}",
}
needs_torch = pytest.mark.skipif(not importlib.util.find_spec("torch"), reason="needs torch")
SAMPLERS = [
    pytest.param(name, marks=[needs_torch] if name == "gp" else [], id=name.rpartition(".")[2])
    for name in OPTIONS
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Work in a folder with a small data set."""
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "data.npz")
    return tmp_path


def write(folder, name, axes, trials=22, batch=6):
    lines = f'name = "{name}"\ntrials = {trials}\nbatch = {batch}\n{OPTIONS[name]}'
    write_search(folder / "mine.toml", axes, lines)


@pytest.mark.parametrize("axes", [RANGES, RANGES_OF_BATCHES, LISTS], ids=["r", "batches", "lists"])
@pytest.mark.parametrize("name", SAMPLERS)
def test_every_trial_that_is_asked_for_has_one_row_with_params_in_their_ranges(
    folder, capfd, name, axes
):
    write(folder, name, axes)
    outcome = search(capfd, "--grid", "./mine.toml")
    assert "22 trials on data; run folder runs/mine" in outcome.err
    log = table(folder / "runs" / "mine")
    assert_whole(log, 22)
    assert_in_space(log, axes)
    assert (log.state == "COMPLETE").all()
    assert log.reports.isna().all()
    assert list((folder / "runs" / "mine" / "checkpoints").iterdir()) == []


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_same_command_gives_the_same_trials_and_bits(folder, capfd, name):
    write(folder, name, RANGES)
    for run_dir in "ab":
        search(capfd, "--grid", "./mine.toml", "--run-dir", run_dir)
    assert_same_log(table(folder / "a"), table(folder / "b"))
    assert summary_of(folder / "a")["best"] == summary_of(folder / "b")["best"]


def test_columns_that_end_at_different_epochs_have_the_costs_of_a_textbook(folder, capfd):
    write(folder, "random", RANGES, trials=40, batch=40)
    search(capfd, "--grid", "./mine.toml")
    log = table(folder / "runs" / "mine")
    assert log.groupby("pack").epochs.nunique().max() > 3
    Textbook(folder / "data.npz").check(log)
    summary = summary_of(folder / "runs" / "mine")
    best = log.loc[log.val_cost.idxmin()]
    assert summary["best"]["number"] == best.number
    assert summary["arithmetic"] == {
        "trained_epochs": log.epochs.sum(), "unpruned_epochs": log.epochs.sum(), "saved": 0.0
    }  # fmt: skip


def test_a_sampler_that_learns_finds_better_trials_than_chance(folder, capfd):
    for name in ("random", "tpe"):
        write(folder, name, RANGES, trials=40, batch=5)
        search(capfd, "--grid", "./mine.toml", "--run-dir", name)
    late = {name: table(folder / name).val_cost[20:].mean() for name in ("random", "tpe")}
    assert late["tpe"] < late["random"]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("sampler", ["random", "tpe"])
@pytest.mark.parametrize(
    ("rate", "alpha"),
    [
        ("{low = 5e-324, high = 1.7976931348623157e308, log = true}", [0.0]),
        ("{low = 5e-324, high = 1e-322, step = 5e-324}", "{low = 0.0, high = 5e-324}"),
        ([1e-6], "{low = 5e-324, high = 1.7976931348623157e308, log = true}"),
        ([1e-6, 1e300, 5e-324], "{low = 0.0, high = 1e300, step = 1e300}"),
        ([5e-324, 1e-300], [0.0, 5e-324, 1.7976931348623157e308]),
    ],
)
def test_rates_and_alphas_may_lie_at_the_ends_of_float64(folder, capfd, sampler, rate, alpha):
    axes = {"batch_size": [8], "learning_rate": rate, "epochs": [1, 2], "alpha": alpha}
    write(folder, sampler, axes, trials=8)
    search(capfd, "--grid", "./mine.toml", "--run-dir", "ends")
    log = table(folder / "ends")
    assert set(log.state) <= {"COMPLETE", "FAIL"}
    assert set(log.error.dropna()) <= {"diverged"}


def test_another_seed_asks_for_other_trials(folder, capfd):
    write(folder, "tpe", RANGES, trials=8)
    for seed in (1, 2):
        search(capfd, "--grid", "./mine.toml", "--seed", seed, "--run-dir", f"seed{seed}")
    one, other = (table(folder / f"seed{seed}") for seed in (1, 2))
    assert not set(one.learning_rate) & set(other.learning_rate)


def test_the_command_line_chooses_sampler_and_number_and_names_the_folder_after_them(folder, capfd):
    write_search(folder / "mine.toml", LISTS)
    search(capfd, "--grid", "./mine.toml", "--sampler", NSGA2, "--trials", 5)
    log = table(folder / "runs" / "mine-nsgaiisampler")
    assert_whole(log, 5)
    search(capfd, "--resume", "runs/mine-nsgaiisampler")


@pytest.mark.parametrize("kind", ["sampler", "pruner"])
def test_a_run_folder_does_not_decide_which_code_is_imported(folder, capfd, monkeypatch, kind):
    """A run's settings name a module that says that it was imported."""
    base = {"sampler": "samplers.RandomSampler", "pruner": "pruners.NopPruner"}[kind]
    (folder / "theirs.py").write_text(
        "import pathlib, optuna\npathlib.Path('imported').touch()\n"
        f"class Mine(optuna.{base}): pass\n"
    )
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "theirs", raising=False)
    write(folder, "random", RANGES, trials=4)
    command = ("--grid", "./mine.toml", f"--{kind}", "theirs.Mine", "--run-dir", "run")
    search(capfd, *command)  # the user says so
    (folder / "imported").unlink()
    monkeypatch.delitem(sys.modules, "theirs")
    (folder / "run/summary.json").unlink()
    message = refused(capfd, "--resume", "run")
    assert "run/manifest.json names code to import, theirs.Mine. " in message
    assert "Give the command that began the run" in message
    assert status([str(folder / "run")]) == 0
    assert "Continue with the command that began it." in capfd.readouterr().out
    assert not (folder / "imported").exists()
    search(capfd, *command)
    assert (folder / "imported").exists()


def test_fewer_trials_than_a_batch_and_a_single_one(folder, capfd):
    for trials in (1, 3):
        write(folder, "tpe", RANGES, trials=trials, batch=32)
        search(capfd, "--grid", "./mine.toml", "--run-dir", f"runs/{trials}")
        assert_whole(table(folder / "runs" / f"{trials}"), trials)


def test_params_that_repeat_are_trained_once(folder, capfd):
    axes = {"batch_size": [4, 8], "learning_rate": [1e-6], "epochs": [2, 3], "alpha": [0.0]}
    write(folder, "random", axes, trials=12, batch=5)
    search(capfd, "--grid", "./mine.toml")
    log = table(folder / "runs" / "mine")
    assert_whole(log, 12)
    firsts = log.groupby(list(AXES)).number.transform("min")
    repeats = log[log.number != firsts]
    assert len(repeats) >= 8
    assert (repeats.source == "trial " + firsts[repeats.index].astype(str)).all()
    assert (repeats.val_cost == log.val_cost[firsts[repeats.index]].to_numpy()).all()
    assert (repeats.seconds == 0).all()
    assert repeats.pack.isna().all()
    assert log.source[~log.number.isin(repeats.number)].isna().all()
    Textbook(folder / "data.npz").check(log)
    own = log[log.source.isna()].groupby("batch_size").epochs.max()
    trained = summary_of(folder / "runs" / "mine")["arithmetic"]["trained_epochs"]
    # A shorter trial of a later wave is a trajectory of its own.
    assert own.sum() <= trained <= log[log.source.isna()].epochs.sum()


@pytest.mark.parametrize("name", ["BruteForceSampler", "GridSampler"])
def test_a_sampler_that_runs_out_of_trials_ends_like_any_other(folder, capfd, name):
    axes = {"batch_size": [4, 8], "learning_rate": [1e-7, 1e-6], "epochs": [2, 3], "alpha": [0.0]}
    lists = ", ".join(f"{axis} = {values}" for axis, values in axes.items())
    options = f"options = {{search_space = {{{lists}}}}}" if name == "GridSampler" else ""
    lines = f'name = "optuna.samplers.{name}"\ntrials = 8\nbatch = 4\n{options}'
    write_search(folder / "mine.toml", axes, lines)
    search(capfd, "--grid", "./mine.toml")
    log = table(folder / "runs" / "mine")
    assert_whole(log, 8)
    assert not log.duplicated(list(AXES)).any()


def test_a_sampler_that_fails_ends_the_search_with_one_message(folder, capfd):
    lines = 'name = "optuna.samplers.GridSampler"\ntrials = 5\noptions = {search_space = {x = [1]}}'
    write_search(folder / "mine.toml", RANGES, lines)
    outcome = invoke(capfd, "--grid", "./mine.toml", "--executor", "serial")
    assert (outcome.code, outcome.out) == (1, "")
    assert "error: The sampler 'optuna.samplers.GridSampler' failed: ValueError: " in outcome.err
    assert "Traceback" not in outcome.err


def test_a_trial_that_diverges_is_told_to_the_sampler_too(folder, capfd):
    axes = RANGES | {"alpha": [0.0, 1e40]}
    write(folder, "tpe", axes, trials=20, batch=5)
    search(capfd, "--grid", "./mine.toml")
    log = table(folder / "runs" / "mine")
    assert log.number.tolist() == list(range(20))
    assert ((log.state == "FAIL") == (log.alpha > 1)).all()
    assert 0 < (log.state == "FAIL").sum() < 20


@pytest.mark.parametrize("pruner", ["", 'name = "halving"'])
def test_a_dry_run_shows_the_first_batch_and_writes_nothing(folder, capfd, pruner):
    lines = 'name = "tpe"\ntrials = 60\nbatch = 20'
    write_search(folder / "mine.toml", RANGES, lines, pruner)
    before = contents(folder)
    outcome = search(capfd, "--grid", "./mine.toml", "--dry-run")
    assert outcome.err == ""
    assert "60" in outcome.out
    assert contents(folder) == before
    assert {path.name for path in folder.iterdir()} == {"data.npz", "mine.toml"}


@pytest.mark.parametrize(
    ("sampler", "pruner", "message"),
    [
        ("optuna.samplers.Nothing", "halving", "There is no sampler 'optuna.samplers.Nothing': "),
        ("no_such_package.Best", "none", "There is no sampler 'no_such_package.Best': "),
        ("math.sqrt", "none", "sampler 'math.sqrt' is not a sampler of Optuna: it must be a"),
        ("optuna.pruners.NopPruner", "none", "is not a sampler of Optuna"),
        ("tpe", "optuna.pruners.Nothing", "There is no pruner 'optuna.pruners.Nothing': "),
        ("tpe", "collections.Counter", "pruner 'collections.Counter' is not a pruner of Optuna"),
        ("optuna.samplers.PartialFixedSampler", "none", "does not take these options: "),
        ("tpe", "optuna.pruners.PercentilePruner", "does not take these options: "),
    ],
)
@pytest.mark.parametrize("is_dry", [False, True])
def test_what_is_no_sampler_or_pruner_is_refused(folder, capfd, sampler, pruner, message, is_dry):
    write_search(folder / "mine.toml", RANGES)
    args = ["--sampler", sampler, "--trials", 5, "--pruner", pruner, "--run-dir", "run"]
    text = refused(capfd, "--grid", "./mine.toml", *args, *(["--dry-run"] * is_dry))
    assert message in text
    assert text.count("\n") == 1
    assert not (folder / "run").exists()


def test_options_that_a_sampler_does_not_take_are_refused(folder, capfd):
    lines = 'name = "cmaes"\ntrials = 5\noptions = {nonsense = 1}'
    write_search(folder / "mine.toml", RANGES, lines)
    text = refused(capfd, "--grid", "./mine.toml")
    assert "sampler 'cmaes' does not take these options: " in text


def test_a_pruner_that_would_never_be_asked_is_refused_all_the_same(folder, capfd):
    write_search(
        folder / "mine.toml", LISTS, pruner='name = "optuna.pruners.Nothing"\ninterval = 8'
    )
    assert "There is no pruner" in refused(capfd, "--grid", "./mine.toml")
