"""Runs that take finished trials from others, through the command line."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from command_line import contents, table, write_images
from searches import (
    LISTS,
    RANGES,
    Textbook,
    assert_whole,
    costs_by_params,
    refused,
    search,
    summary_of,
    write_search,
)

from search.config import AXES

# Columns of several packs; the extended grid has new values on every axis.
WIDER = {
    "batch_size": [4, 8, 12],
    "learning_rate": [1e-7, 5e-7, 1e-6, 5e-6],
    "epochs": [2, 4, 6, 8, 10],
    "alpha": [0.0, 1.0, 10.0],
}
HALVING = 'name = "halving"\ninterval = 2'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Work in a folder with a small data set and a small grid."""
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "data.npz")
    write_search(tmp_path / "small.toml", LISTS)
    write_search(tmp_path / "wide.toml", WIDER)
    return tmp_path


@pytest.fixture
def small(folder, capfd):
    """Return the folder of a finished run of the small grid."""
    search(capfd, "--grid", "./small.toml")
    return folder / "runs" / "small"


def params_of(log):
    return set(log[list(AXES)].itertuples(index=False, name=None))


def test_an_extended_grid_trains_its_new_trials_only(folder, capfd, small):
    search(capfd, "--grid", "./wide.toml", "--reuse", small)
    search(capfd, "--grid", "./wide.toml", "--run-dir", "scratch")
    old, log, scratch = table(small), table(folder / "runs" / "wide"), table(folder / "scratch")
    assert_whole(log, 180)
    reused = log[log.source.notna()]
    assert params_of(reused) == params_of(old)
    assert not params_of(log[log.source.isna()]) & params_of(old)
    assert costs_by_params(reused) == costs_by_params(old)
    np.testing.assert_allclose(log.val_cost, scratch.val_cost, rtol=1e-4)
    assert (log[list(AXES)] == scratch[list(AXES)]).all(axis=None)


def test_rows_say_where_they_came_from(folder, capfd, small):
    search(capfd, "--grid", "./wide.toml", "--reuse", small)
    search(capfd, "--grid", "./wide.toml", "--run-dir", "third", "--reuse", "runs/wide")
    numbers = {params: number for number, params in enumerate(costs_by_params(table(small)))}
    first, third = table(folder / "runs" / "wide"), table(folder / "third")
    for log, between in ((first, None), (third, folder / "runs" / "wide")):
        for row in log.itertuples():
            params = tuple(getattr(row, name) for name in AXES)
            if params in numbers:  # the run that has trained it, however often it is taken over
                assert row.source == f"{small}, trial {numbers[params]}"
                assert row.seconds == 0
            elif between:
                assert row.source == f"{between}, trial {row.number}"
            else:
                assert pd.isna(row.source)
                assert row.seconds > 0
    assert third.seconds.sum() == 0


def test_where_all_is_known_nothing_is_trained_but_the_best(folder, capfd, small):
    search(capfd, "--grid", "./small.toml", "--run-dir", "again", "--reuse", small)
    assert not list((folder / "again").rglob("pack-*"))
    old, new = summary_of(small), summary_of(folder / "again")
    assert (new["best"], new["test"], new["trials"]) == (old["best"], old["test"], old["trials"])
    assert new["arithmetic"]["trained_epochs"] == 0


def test_several_runs_are_reused(folder, capfd, small):
    write_search(folder / "other.toml", LISTS | {"alpha": [1.0]})
    search(capfd, "--grid", "./other.toml")
    both = ["--reuse", small, "--reuse", "runs/other"]
    search(capfd, "--grid", "./wide.toml", *both)
    log = table(folder / "runs" / "wide")
    assert params_of(log[log.source.notna()]) == params_of(table(small)) | params_of(
        table(folder / "runs" / "other")
    )


def test_an_interrupted_run_with_reused_trials_is_continued_without_the_option(
    folder, capfd, small
):
    search(capfd, "--grid", "./wide.toml", "--reuse", small)
    run_dir = folder / "runs" / "wide"
    before = table(run_dir)
    (run_dir / "summary.json").unlink()
    for file in list(run_dir.glob("trials/pack-*"))[::2]:
        file.unlink()
    search(capfd, "--resume", run_dir)
    after = table(run_dir)
    names = ["number", "state", *AXES, "val_cost", "source"]
    assert after[names].equals(before[names])
    assert summary_of(run_dir)["trials"]["complete"] == 180


@pytest.mark.parametrize("known", ["pack-00001*", "*"], ids=["half", "nothing"])
def test_a_reused_run_that_goes_on_meanwhile_does_not_double_trials(folder, capfd, small, known):
    """The other run gets more trials between two commands of this one."""
    kept = folder / "kept"
    shutil.copytree(small, kept)
    for file in small.glob(f"trials/{known}"):
        file.unlink()
    search(capfd, "--grid", "./wide.toml", "--reuse", small)
    run_dir = folder / "runs" / "wide"
    before = table(run_dir)
    shutil.rmtree(small)
    shutil.copytree(kept, small)
    (run_dir / "summary.json").unlink()
    next(run_dir.glob("trials/pack-*")).unlink()
    search(capfd, "--grid", "./wide.toml", "--reuse", small)
    after = table(run_dir)
    assert_whole(after, 180)
    assert after[["number", "source"]].equals(before[["number", "source"]])


def test_pruned_trials_are_not_reused(folder, capfd):
    write_search(folder / "pruned.toml", WIDER, pruner=HALVING)
    search(capfd, "--grid", "./pruned.toml")
    old = table(folder / "runs" / "pruned")
    search(capfd, "--grid", "./wide.toml", "--reuse", "runs/pruned")
    log = table(folder / "runs" / "wide")
    assert_whole(log, 180)
    assert params_of(log[log.source.notna()]) == params_of(old[old.state == "COMPLETE"])
    Textbook(folder / "data.npz").check(log[log.source.isna()].sample(15, random_state=0))


def test_a_pruned_run_reuses_too(folder, capfd, small):
    write_search(folder / "pruned.toml", WIDER, pruner=HALVING)
    search(capfd, "--grid", "./pruned.toml", "--reuse", small)
    log = table(folder / "runs" / "pruned")
    assert_whole(log, 180)
    assert params_of(log[log.source.notna()]) == params_of(table(small))
    assert (log.state == "PRUNED").any()
    Textbook(folder / "data.npz").check(log.sample(15, random_state=0))


@pytest.mark.parametrize("pruner", ["", HALVING])
def test_a_sampled_search_reuses_what_it_happens_to_ask_for(folder, capfd, small, pruner):
    lines = 'name = "random"\ntrials = 20\nbatch = 7'
    write_search(folder / "random.toml", LISTS | {"alpha": [0.0, 1.0, 10.0]}, lines, pruner)
    search(capfd, "--grid", "./random.toml", "--reuse", small)
    log, known = table(folder / "runs" / "random"), costs_by_params(table(small))
    assert_whole(log, 20)
    params = list(log[list(AXES)].itertuples(index=False, name=None))
    is_known = np.array([values in known for values in params])
    assert 3 < is_known.sum() < 20
    assert log.source[is_known].str.startswith(f"{small}, trial ").all()
    assert log.val_cost[is_known].tolist() == [
        known[values] for values in params if values in known
    ]
    Textbook(folder / "data.npz").check(log[~is_known])
    counts = summary_of(folder / "runs" / "random")["trials"]
    assert (counts["total"], counts["complete"] + counts["pruned"]) == (20, 20)


def test_the_same_search_with_more_trials_takes_the_first_ones_over(folder, capfd):
    for trials in (12, 20):
        write_search(folder / "s.toml", RANGES, f'name = "tpe"\ntrials = {trials}\nbatch = 6')
        reuse = ["--reuse", "runs/12"] if trials == 20 else []
        search(capfd, "--grid", "./s.toml", "--run-dir", f"runs/{trials}", *reuse)
    old, log = table(folder / "runs" / "12"), table(folder / "runs" / "20")
    assert_whole(log, 20)
    assert log.source[:12].tolist() == [f"{folder / 'runs' / '12'}, trial {n}" for n in range(12)]
    assert log.source[12:].isna().all()
    assert log[["val_cost", *AXES]][:12].equals(old[["val_cost", *AXES]])


# --- In the place of the old run


def test_a_fresh_run_takes_over_the_one_that_it_moves_aside(folder, capfd, small):
    before = table(small)
    outcome = search(capfd, "--grid", "./small.toml", "--fresh", "--reuse", "runs/small")
    (old,) = [path for path in (folder / "runs").iterdir() if path != small]
    assert f"The old run is kept in {old}" in outcome.err
    log = table(small)
    assert log.source.tolist() == [f"{old}, trial {n}" for n in range(36)]
    assert (log.val_cost == before.val_cost).all()
    search(capfd, "--resume", "runs/small")


@pytest.mark.parametrize("spelling", ["runs/small/", "./runs/small", "runs/../runs/small", "link"])
def test_a_fresh_run_knows_its_folder_by_any_name(folder, capfd, small, spelling):
    (folder / "link").symlink_to(small)
    search(capfd, "--grid", "./small.toml", "--fresh", "--reuse", spelling)
    assert table(small).source.notna().all()


# --- Refused


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["--seed", "1"], ["seed: 0 there, 1 here"]),
        (["--dataset", "other.npz"], ["dataset: data (", "there, other ("]),
        (["--grid", "./fraction.toml"], ["validation_fraction: 0.2 there, 0.3 here"]),
    ],
)
def test_a_run_of_other_settings_is_refused_and_nothing_is_made(folder, capfd, small, args, named):
    write_images(folder / "other.npz", rows=66)
    write_search(folder / "fraction.toml", LISTS, top="validation_fraction = 0.3")
    before = contents(small)
    grid = [] if "--grid" in args else ["--grid", "./wide.toml"]
    text = refused(capfd, *grid, *args, "--run-dir", "new", "--reuse", small)
    assert all(words in text for words in [f"The trials of {small} cannot be reused:", *named])
    assert contents(small) == before
    # The folder is as good as new.
    search(capfd, "--grid", "./wide.toml", "--run-dir", "new")


@pytest.mark.parametrize("other", ["nowhere", "empty", "data.npz", "runs"])
def test_a_folder_without_a_run_is_refused(folder, capfd, small, other):
    (folder / "empty").mkdir()
    text = refused(capfd, "--grid", "./wide.toml", "--run-dir", "new", "--reuse", other)
    assert f"There is no run in {folder / other}" in text
    assert not (folder / "new" / "manifest.json").exists()
    assert not list((folder / "empty").iterdir())


def test_a_new_run_cannot_reuse_itself(folder, capfd):
    text = refused(capfd, "--grid", "./small.toml", "--reuse", "runs/small")
    assert "There is no run in" in text


def test_a_refused_reuse_leaves_the_run_that_is_there_where_it_is(folder, capfd, small):
    before = contents(small)
    refused(capfd, "--grid", "./small.toml", "--fresh", "--reuse", "nowhere")
    assert contents(small) == before


def test_the_manifest_remembers_what_was_reused(folder, capfd, small):
    search(capfd, "--grid", "./wide.toml", "--reuse", "runs/small")
    manifest = json.loads((folder / "runs" / "wide" / "manifest.json").read_text())
    assert manifest["reuse"] == [str(small)]
