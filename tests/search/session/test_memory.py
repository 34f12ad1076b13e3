"""What no memory can hold is refused with its size, and nothing of it is taken before."""

import resource
import subprocess
import sys

import numpy as np
import pytest
from command_line import AXES, invoke, write_grid, write_images

from model.data.dataset import Dataset
from model.pack import PackState, advance
from search.config import SweepConfig
from search.errors import ConfigError
from search.session import checks
from search.session.checks import check_memory

DATA = Dataset("rows", np.zeros((1000, 100), np.uint8), np.arange(1000) % 2)


def config(**settings):
    return SweepConfig.from_dict({"name": "x", "space": AXES, **settings})


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    monkeypatch.setattr(checks, "memory_bytes", lambda: 2**30)


def test_what_fits_is_let_through():
    check_memory(config(), DATA, processes=8)
    check_memory(config(folds=1000, seeds=10), DATA)


def test_too_many_trials_are_refused():
    many = [float(i) for i in range(200)]
    whole = list(range(1, 201))
    space = {"batch_size": whole, "learning_rate": many[1:], "epochs": whole, "alpha": many}
    with pytest.raises(ConfigError, match=r"1,592,000,000 trials x 1 trainings need 297 GiB"):
        check_memory(config(space=space), DATA)


def test_too_many_copies_of_the_rows_are_refused():
    labels = np.arange(60_000) % 2
    data = Dataset("rows", np.broadcast_to(np.float64(0), (60_000, 784)), labels)
    with pytest.raises(ConfigError, match=r"rows, scaled for each of 1000 folds need 175 GiB"):
        check_memory(config(folds=1000, features="unit"), data)


def test_rows_that_stay_where_they_are_take_nothing_but_for_optima():
    labels = np.arange(600_000) % 2
    data = Dataset("rows", np.broadcast_to(np.uint8(0), (600_000, 784)), labels)
    check_memory(config(), data)
    with pytest.raises(ConfigError, match=r"in float64 for --optimum, need 2.81 GiB"):
        check_memory(config(), data, optimum=True)


def test_too_many_workers_of_this_machine_are_refused(tmp_path, capfd):
    grid = write_grid(tmp_path / "grid.toml", str(write_images(tmp_path / "data.npz")))
    outcome = invoke(capfd, "--grid", grid, "--workers", "100000", "--dry-run")
    assert outcome.code == 2
    assert outcome.err.startswith("error: 100,000 workers need ")


@pytest.mark.parametrize("option", ["--workers", "--refits", "--trials", "--seeds"])
@pytest.mark.parametrize("number", ["1000000000000", "99999999999999999999"])
def test_a_number_beyond_all_bounds_is_one_message(option, number, tmp_path, capfd):
    grid = write_grid(tmp_path / "grid.toml", str(write_images(tmp_path / "data.npz")))
    outcome = invoke(capfd, "--grid", grid, option, number, "--sampler", "random", "--dry-run")
    assert outcome.code == 2
    assert number in outcome.err


def test_a_mini_batch_larger_than_the_data_is_the_data():
    random = np.random.default_rng(0)
    X, y = random.normal(size=(60, 5)).astype(np.float32), np.arange(60) % 3
    sizes = (60, 61, 2**31 - 1)
    rates, alphas = np.full(4, 0.1), np.linspace(0, 1, 4)
    start = {"n_features": 5, "n_classes": 3, "seed": 0}
    ends = [advance(PackState.start(n, rates, alphas, **start), X, y, 3) for n in sizes]
    for end in ends[1:]:
        np.testing.assert_array_equal(end.V * end.scale[0], ends[0].V * ends[0].scale[0])


def test_the_largest_batch_size_and_number_of_epochs_are_planned_in_little_memory(tmp_path):
    write_images(tmp_path / "data.npz")
    grid = write_grid(tmp_path / "grid.toml", "./data.npz", batch_size=[2**31 - 1], epochs=[100000])
    command = [sys.executable, "-m", "search.run", "--grid", str(grid), "--dry-run"]
    ended = subprocess.run(
        command, check=False, capture_output=True, text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (6 * 2**30,) * 2),
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
