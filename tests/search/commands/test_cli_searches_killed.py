"""Sampled and pruned searches that are killed: continued, they end as if undisturbed."""

import os
import random
import signal
from pathlib import Path

import pytest
from command_line import finish, logged_files, start_until, table, write_images
from searches import LISTS, RANGES, SERIAL, assert_same_log, assert_whole, summary_of, write_search

from search.run import main

TPE = 'name = "tpe"\ntrials = {trials}\nbatch = {batch}\noptions = {{n_startup_trials = 6}}'
CMA_ES = 'name = "cmaes"\ntrials = {trials}\nbatch = {batch}\noptions = {{popsize = 4}}'
MANY = LISTS | {"learning_rate": [1e-7, 5e-7, 1e-6, 5e-6], "epochs": [2, 4, 8]}
SHORT_AND_LONG = RANGES | {"epochs": "{low = 1, high = 12}"}
HALVING = 'name = "halving"\ninterval = 2'
MEDIAN = 'name = "median"\ninterval = 4\noptions = {n_startup_trials = 3}'
REPEATING = {"batch_size": [4], "learning_rate": [1e-6], "epochs": [2, 3, 6], "alpha": [0.0, 1.0]}
SEARCHES = {
    "tpe": (RANGES, TPE, ""),
    "tpe-halving": (RANGES, TPE, HALVING),
    "tpe-median": (SHORT_AND_LONG, TPE, MEDIAN),
    "cmaes-hyperband": (RANGES, CMA_ES, 'name = "hyperband"\noptions = {reduction_factor = 2}'),
    "repeating": (REPEATING, TPE, HALVING),
    "grid-halving": (MANY, "", HALVING),
}
BY_THE_AVERAGE = ("tpe-halving", "cmaes-hyperband")


class KilledError(BaseException):
    """Stands for a kill: nothing after it is done."""


class Disk:
    """Counts what is flushed, renamed and removed; from some count on, refuses it all."""

    def __init__(self, patch):
        self.count, self.most = 0, None
        for owner, name in ((os, "fsync"), (Path, "replace"), (Path, "unlink")):
            patch.setattr(owner, name, self._counted(getattr(owner, name)))

    def _counted(self, function):
        def counted(*args, **options):
            if self.count == self.most:
                raise KilledError
            self.count += 1
            return function(*args, **options)

        return counted

    def killed(self, most, command):
        """Give a command that is killed after so many operations; return whether it was."""
        self.count, self.most = 0, most
        try:
            assert main(command) == 0
        except KilledError:
            return True
        finally:
            self.most = None
        return False


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a small data set."""
    path = tmp_path_factory.mktemp("killed")
    write_images(path / "data.npz")
    return path


@pytest.fixture(scope="module")
def undisturbed(folder):
    """Return a function: the command of a search, and the folder where it ran undisturbed."""
    done = {}

    def of(name, trials, batch, *more):
        key = f"{name}-{trials}-{batch}-{len(more)}"
        if key not in done:
            axes, sampler, pruner = SEARCHES[name]
            sampler = sampler.format(trials=trials, batch=batch)
            top = 'select = "average"' if name in BY_THE_AVERAGE else ""
            settings = write_search(folder / f"{key}.toml", axes, sampler, pruner, top)
            command = ["--grid", str(settings), "--dataset", str(folder / "data.npz"), *SERIAL]
            command += [*map(str, more), "--run-dir"]
            assert main([*command, str(folder / key)]) == 0
            done[key] = command, folder / key
        return done[key]

    return of


def assert_as_if_undisturbed(run_dir, expected):
    log, old = table(run_dir), table(expected)
    assert_whole(log, len(old), summary_of(expected)["select"])
    assert_same_log(log, old)
    one, other = summary_of(run_dir), summary_of(expected)
    assert [one[k] for k in ("trials", "best", "test", "arithmetic")] == [
        other[k] for k in ("trials", "best", "test", "arithmetic")
    ]
    assert not list(run_dir.rglob(".tmp-*"))
    assert not list(run_dir.rglob(".staged-*"))


# --- As a process


@pytest.mark.parametrize("name", ["tpe", "tpe-halving"])
def test_killed_at_several_moments_and_continued(folder, undisturbed, name):
    command, expected = undisturbed(name, 60, 10)
    run_dir, last = folder / f"killed-{name}", logged_files(expected)
    moments = sorted(random.Random(0).sample(range(1, last - 4), 3))
    for i, links in enumerate(moments):
        resume = ["--resume", str(run_dir), *SERIAL]
        args = resume if i == 1 else [*command, run_dir]
        process, _ = start_until(links, run_dir, *args, cwd=folder)
        process.kill()
        assert finish(process).code == -signal.SIGKILL
        assert not table(run_dir).number.duplicated().any()
    assert main([*command, str(run_dir)]) == 0
    assert_as_if_undisturbed(run_dir, expected)


# --- In this process, between any two operations on the disk


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", SEARCHES)
def test_killed_again_and_again_between_any_two_operations(
    folder, undisturbed, monkeypatch, name, seed
):
    command, expected = undisturbed(name, 16, 4)
    run_dir, disk = folder / f"again-{name}-{seed}", Disk(monkeypatch)
    commands = [[*command, str(run_dir)], ["--resume", str(run_dir), *SERIAL]]
    kills, chance = 0, random.Random(seed)
    while disk.killed(chance.randint(6, 32), commands[kills % 2]):
        kills += 1
        assert kills < 60, "it makes no progress"
        log = table(run_dir) if logged_files(run_dir) else None
        assert log is None or not log.number.duplicated().any()
    assert kills > 1
    assert_as_if_undisturbed(run_dir, expected)


def test_what_has_ended_below_the_first_rung_counts_after_a_kill(folder, monkeypatch):
    """Median pruning starts after so many finished trials, of which some are short."""
    axes = RANGES | {"batch_size": "{low = 4, high = 12}"}
    settings, data = folder / "short.toml", folder / "data.npz"
    command = ["--grid", str(settings), "--dataset", str(data), *SERIAL, "--run-dir"]
    sampler = 'name = "random"\ntrials = 24\nbatch = 24'
    write_search(settings, axes, sampler)
    assert main([*command, str(folder / "short-whole")]) == 0
    log = table(folder / "short-whole")
    assert (log.groupby("pack").epochs.max() < 4).any()
    enough = (log.epochs <= 4).sum()
    pruner = f'name = "median"\ninterval = 4\noptions = {{n_startup_trials = {enough}}}'
    write_search(settings, axes, sampler, pruner)
    assert main([*command, str(folder / "short")]) == 0
    assert (table(folder / "short").state == "PRUNED").any()
    disk = Disk(monkeypatch)
    for most in (34, 40, 46):
        run_dir = folder / f"short-{most}"
        assert disk.killed(most, [*command, str(run_dir)])
        assert main([*command, str(run_dir)]) == 0
        assert_as_if_undisturbed(run_dir, folder / "short")


@pytest.mark.parametrize("name", ["tpe", "repeating"])
def test_killed_while_it_takes_trials_over(folder, undisturbed, monkeypatch, name):
    _, known = undisturbed(name, 8, 4)
    command, expected = undisturbed(name, 16, 4, "--reuse", known)
    disk = Disk(monkeypatch)
    for most in range(4, 18, 2):
        run_dir = folder / f"reuse-{name}-{most}"
        assert disk.killed(most, [*command, str(run_dir)])
        assert main([*command, str(run_dir)]) == 0
        assert_as_if_undisturbed(run_dir, expected)


@pytest.mark.parametrize("name", ["repeating", "grid-halving"])
def test_killed_near_its_end_it_leaves_no_state_behind(folder, undisturbed, monkeypatch, name):
    command, expected = undisturbed(name, 16, 4)
    disk = Disk(monkeypatch)
    disk.killed(None, [*command, str(folder / f"counted-{name}")])
    for left in range(9, 23, 2):
        run_dir = folder / f"end-{name}-{left}"
        total, disk.count = disk.count, 0
        assert disk.killed(total - left, [*command, str(run_dir)])
        disk.killed(None, [*command, str(run_dir)])
        assert_as_if_undisturbed(run_dir, expected)
        assert list((run_dir / "checkpoints").iterdir()) == []
        disk.count = total
