"""What the command line puts on top of a grid, and the folder that a run gets."""

import shlex
from dataclasses import fields
from pathlib import Path

import pytest

from search import run
from search.errors import ConfigError
from search.session import Options
from search.session.options import resolve_config

SPACE = """
[space]
batch_size = [8]
learning_rate = [1e-6]
epochs = [5, 10]
"""
LISTS = SPACE + "alpha = [0, 1]\n"
RANGES = SPACE + "alpha = {low = 0, high = 1}\n"
TPE = """
[sampler]
name = "tpe"
trials = 500
batch = 32
options = {multivariate = true}
[pruner]
name = "halving"
interval = 5
options = {reduction_factor = 3}
"""


@pytest.fixture
def resolved(tmp_path):
    """Return a function: the config of a grid with this text, and options on top."""

    def of(text: str, **options):
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return resolve_config(Options(grid=str(path), **options))

    return of


def method(settings) -> dict:
    return settings.model_dump(exclude_defaults=True)


# --- On top of the grid


def test_the_grid_decides_where_the_command_line_says_nothing(resolved):
    config = resolved(LISTS + TPE)
    assert method(config.sampler) == {
        "name": "tpe", "trials": 500, "batch": 32, "options": {"multivariate": True},
    }  # fmt: skip
    assert method(config.pruner) == {
        "name": "halving", "interval": 5, "options": {"reduction_factor": 3},
    }  # fmt: skip
    assert config.total == 500
    assert resolved(LISTS).total == 4


@pytest.mark.parametrize("text", [LISTS + TPE, RANGES + TPE])
def test_the_same_name_again_changes_nothing(resolved, text):
    assert resolved(text, sampler="tpe", pruner="halving", trials=500) == resolved(text)


def test_another_sampler_keeps_the_counts_and_loses_the_options(resolved):
    config = resolved(LISTS + TPE, sampler="random")
    assert method(config.sampler) == {"name": "random", "trials": 500, "batch": 32}
    assert config.pruner == resolved(LISTS + TPE).pruner


def test_the_grid_sampler_keeps_nothing(resolved):
    config = resolved(LISTS + TPE, sampler="grid")
    assert method(config.sampler) == {}
    assert config.total == 4


def test_trials_on_top(resolved):
    assert resolved(LISTS + TPE, trials=7).total == 7
    assert resolved(LISTS + TPE, trials=7).sampler.options == {"multivariate": True}
    assert resolved(LISTS + TPE, sampler="optuna.samplers.GPSampler", trials=7).total == 7


def test_another_pruner_keeps_the_interval_and_loses_the_options(resolved):
    config = resolved(LISTS + TPE, pruner="optuna.pruners.PatientPruner")
    assert method(config.pruner) == {"name": "optuna.pruners.PatientPruner", "interval": 5}
    assert method(resolved(LISTS + TPE, pruner="none").pruner) == {}


def test_the_command_line_completes_a_grid_that_is_none_yet(resolved):
    config = resolved(RANGES, sampler="tpe", trials=9)
    assert (config.sampler.name, config.total) == ("tpe", 9)
    assert resolved(RANGES + '[sampler]\nname = "qmc"', trials=9).total == 9
    assert resolved(RANGES + "[sampler]\ntrials = 9", sampler="qmc").total == 9


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        (RANGES, {}, "mine.toml: space.alpha"),
        (RANGES, {"seed": 3}, "command line: space.alpha"),
        (LISTS, {"trials": 9}, "command line: sampler.trials = 9: "),
        (LISTS + TPE, {"sampler": "grid", "trials": 9}, "command line: sampler.trials = 9: "),
        (LISTS, {"sampler": "tpe"}, "command line: sampler.trials is missing: "),
        (LISTS, {"dataset": ""}, 'command line: dataset = "": '),
    ],
)
def test_a_mistake_is_told_once_with_its_source(resolved, text, options, expected):
    with pytest.raises(ConfigError) as caught:
        resolved(text, **options)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


# --- The folder


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "runs/full"),
        ({"grid": "./my/own.toml"}, "runs/own"),
        ({"sampler": "grid", "pruner": "none"}, "runs/full"),
        ({"pruner": "halving"}, "runs/full-halving"),
        ({"sampler": "random", "pruner": "median"}, "runs/full-random-median"),
        ({"sampler": "optuna.samplers.NSGAIISampler"}, "runs/full-nsgaiisampler"),
        ({"sampler": "random", "run_dir": Path("here")}, "here"),
    ],
)
def test_a_run_with_a_sampler_or_pruner_of_its_own_has_a_folder_of_its_own(options, expected):
    assert Options(**options).run_path == Path(expected)


# --- The command that continues

# What the manifest of a run knows, of which --resume reads it.
IN_THE_RUN = {*run._SETTLED, "grid", "named_after"} - {"fresh", "extend", "code"}
# What an interrupted command has done already, or what no command could go on with.
DONE_ONCE = {"fresh", "extend", "retry_failed", "dry_run", "json", "code", "in_memory", "progress"}
LIMITS = {"budget": 5400.0, "target_value": 0.25, "patience": 50}
WHERE = {"executor": "ray", "address": "auto", "workers": 3}
MORE = {"refits": 4, "optimum": True}
IN_THE_COMMAND = LIMITS | WHERE | MORE


def parsed(command):
    """Return what a command says, by the parser of `search.run`."""
    words = shlex.split(command)
    return vars(run._parser().parse_args(words[words.index("--resume") :]))


@pytest.mark.parametrize("name", IN_THE_COMMAND)
def test_the_command_that_continues_says_what_the_run_does_not_know(name):
    options = Options(**{name: IN_THE_COMMAND[name]})
    found = parsed(options.command_to_continue(Path("runs/a b")))
    assert found == {"resume": Path("runs/a b"), name: IN_THE_COMMAND[name]}


def test_it_says_all_of_it_at_once_and_nothing_else():
    run_dir = Path("runs/full")
    options = Options(**IN_THE_COMMAND, grid="full", seed=3, retry_failed=True, progress=False)
    assert parsed(options.command_to_continue(run_dir)) == {"resume": run_dir, **IN_THE_COMMAND}
    options = Options(target_cost=0.4)
    assert parsed(options.command_to_continue(run_dir)) == {"resume": run_dir, "target_cost": 0.4}
    assert parsed(Options().command_to_continue(run_dir)) == {"resume": run_dir}


def test_no_option_is_forgotten():
    """A new one is one of the three kinds."""
    known = {*IN_THE_RUN, *DONE_ONCE, *IN_THE_COMMAND, "target_cost", "run_dir", "resume"}
    assert {field.name for field in fields(Options)} == known


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1.0, "1s"), (90.0, "90s"), (600.0, "600s"), (99999.0, "99999s"), (100_020.0, "1667m"),
        (100_001.0, "1667m"), (0.25, "1s"), (90.5, "91s"), (99999 * 3600.0, "99999h"),
    ],
)  # fmt: skip
def test_a_budget_is_said_as_the_option_takes_it(seconds, text):
    assert f"--budget={text}" in Options(budget=seconds).command_to_continue(Path("r")).split()
    assert run._span(text) >= seconds
