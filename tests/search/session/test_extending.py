"""Runs that are gone on with: in other values, in more trials, and where trials have failed."""

import json
from pathlib import Path

import pytest

import search
from model.trainers import Trainer, classification_figures
from search.errors import RunFolderError

SPACE = {
    "batch_size": [64, 128],
    "learning_rate": [1e-7, 1e-6],
    "epochs": [1, 2],
    "alpha": [0.0],
}
WIDER = SPACE | {"learning_rate": [1e-7, 5e-7, 1e-6]}


def swept(space, folder, **options):
    return search.sweep(
        {"dataset": "digits", "space": space}, folder=folder, executor="serial", progress=False,
        **options,
    )  # fmt: skip


def figures(log):
    names = ["batch_size", "learning_rate", "epochs", "alpha", "val_cost", "val_accuracy"]
    return log[names].sort_values(names[:4]).reset_index(drop=True)


def test_other_values_train_what_is_missing(tmp_path):
    before = swept(SPACE, tmp_path / "run").log()
    log = swept(WIDER, tmp_path / "run", extend=True).log()
    new = log.learning_rate == 5e-7
    assert log[~new].source.notna().all()
    assert log[new].source.isna().all()
    assert figures(log[~new]).equals(figures(before))
    assert (tmp_path / "run-1").is_dir() or len(list(tmp_path.iterdir())) == 2  # moved aside


def test_the_same_command_again_is_done_at_once(tmp_path):
    swept(SPACE, tmp_path / "run")
    first = swept(WIDER, tmp_path / "run", extend=True).summary
    assert swept(WIDER, tmp_path / "run", extend=True).summary == first
    assert len(list(tmp_path.iterdir())) == 2


def test_without_a_run_it_begins_one(tmp_path):
    assert len(swept(SPACE, tmp_path / "run", extend=True).log()) == 8


def test_other_data_or_seeds_cannot_be_taken_over(tmp_path):
    swept(SPACE, tmp_path / "run")
    with pytest.raises(RunFolderError, match="seed: 0 there, 5 here"):
        swept(WIDER, tmp_path / "run", extend=True, seed=5)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_search_proposes_what_it_had_and_then_more(tmp_path):
    def searched(trials, **options):
        return search.sweep(
            "tpe", "digits", folder=tmp_path / "run", executor="serial", progress=False,
            trials=trials, **options,
        ).log()  # fmt: skip

    before, log = searched(40), searched(56, extend=True)
    assert len(log) == 56
    assert log[:40].source.notna().all()
    assert figures(log[:40]).equals(figures(before))
    assert searched(56, extend=True).equals(log)


def test_the_same_search_again_changes_nothing(tmp_path):
    def searched(trials, **options):
        return search.sweep(
            "tpe", "digits", folder=tmp_path / "run", executor="serial", progress=False,
            trials=trials, **options,
        ).log()  # fmt: skip

    before = searched(8)
    assert searched(8, extend=True).equals(before)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_command_that_ends_before_the_new_run_has_begun_loses_nothing(tmp_path, monkeypatch):
    swept(SPACE, tmp_path / "run")
    with monkeypatch.context() as broken:
        broken.setattr("search.session.session.SweepInFolder.run", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            swept(WIDER, tmp_path / "run", extend=True)
    log = swept(WIDER, tmp_path / "run", extend=True).log()
    assert log.source.notna().sum() == 8
    again = swept(WIDER, tmp_path / "run", extend=True).log()
    assert again.equals(log)


def test_other_runs_may_be_taken_over_too(tmp_path):
    third = SPACE | {"learning_rate": [5e-7]}
    swept(third, tmp_path / "other")
    swept(SPACE, tmp_path / "run")
    for _ in range(2):  # the same command again is no other one
        log = swept(WIDER, tmp_path / "run", extend=True, reuse=[tmp_path / "other"]).log()
        assert log.source.notna().all()


def test_patience_counts_what_this_run_has_trained(tmp_path):
    swept(SPACE, tmp_path / "run")
    log = swept(WIDER, tmp_path / "run", extend=True, patience=1).log()
    assert log.source.isna().any()


class Fails(Trainer):
    """Fails where a file says so, as a library does whose data is gone for a while."""

    version = "1"

    def advance(self, state, params, epochs, data):
        broken = json.loads(Path(params["told_by"]).read_text())
        if params["rate"] in broken:
            raise RuntimeError("the disk is away")
        return (0 if state is None else state) + len(epochs) * params["rate"]

    def score(self, state, data):
        p = abs(data.rng(None).random((len(data.y), data.n_classes))) + state
        return classification_figures(p / p.sum(axis=1, keepdims=True), data)


@pytest.mark.parametrize("seeds", [1, 2])
def test_failed_trials_are_trained_again_in_place(tmp_path, seeds):
    told = tmp_path / "told.json"
    told.write_text("[0.2, 0.3]")
    grid = {
        "dataset": "digits",
        "trainer": f"{__name__}:Fails",
        "seeds": seeds,
        "space": {"rate": [0.1, 0.2, 0.3, 0.4], "epochs": [1, 3], "told_by": str(told)},
    }

    def trained(**options):
        return search.sweep(
            grid, folder=tmp_path / "run", executor="serial", progress=False, **options
        )

    before = trained().log().set_index("number")
    failed = before.index[before.state == "FAIL"]
    assert len(failed) == 4
    told.write_text("[0.3]")
    again = trained(retry_failed=True).log().set_index("number")
    assert (again.state == "FAIL").sum() == 2
    kept = before.index.difference(failed)
    assert again.loc[kept].equals(before.loc[kept])  # not trained again, times included
    told.write_text("[]")
    summary = trained(retry_failed=True).summary
    assert (summary.trials.failed, summary.trials.complete) == (0, 8)
    assert trained(retry_failed=True).summary == summary


@pytest.mark.parametrize("seeds", [1, 2])
def test_so_are_those_that_a_sampler_has_asked_for_again(tmp_path, seeds, monkeypatch):
    """They have the result of an earlier trial, and no training of their own."""
    told = tmp_path / "told.json"
    grid = {
        "dataset": "digits",
        "trainer": f"{__name__}:Fails",
        "seeds": seeds,
        "sampler": {"name": "random", "trials": 12, "batch": 4},
        "space": {"rate": [0.1, 0.2, 0.4], "epochs": [1], "told_by": str(told)},
    }

    def trained(folder="run", **options):
        return search.sweep(
            grid, folder=tmp_path / folder, executor="serial", progress=False, **options
        )

    told.write_text("[]")
    whole = trained("whole").log()
    told.write_text("[0.2, 0.4]")
    before = trained().log()
    failed = before.state == "FAIL"
    assert before[failed].source.notna().any()
    assert failed.equals(before.rate > 0.1)
    told.write_text("[0.4]")
    again = trained(retry_failed=True).log()
    assert (again.state == "FAIL").equals(again.rate == 0.4)
    told.write_text("[]")
    # As an earlier version did, which left the failures of those.
    with monkeypatch.context() as patch:
        patch.setattr("search.session.trials._copies_to_drop", lambda *_: set())
        trained(retry_failed=True)
    log = trained(retry_failed=True).log()
    assert (log.state == "COMPLETE").all()
    assert figures_of(log).equals(figures_of(whole))
    summary = trained().summary
    assert (summary.trials.failed, summary.trials.complete) == (0, 12)
    assert trained(retry_failed=True).summary == summary


def figures_of(log):
    return log.sort_values("number").set_index("number")[["rate", "val_cost", "source"]]


def test_what_has_failed_is_not_taken_over(tmp_path):
    told = tmp_path / "told.json"
    told.write_text("[0.2]")

    def trained(rates, **options):
        space = {"rate": rates, "epochs": [1], "told_by": str(told)}
        grid = {"dataset": "digits", "trainer": f"{__name__}:Fails", "space": space}
        return search.sweep(
            grid, folder=tmp_path / "run", executor="serial", progress=False, **options
        ).log()

    assert (trained([0.1, 0.2]).state == "FAIL").sum() == 1
    told.write_text("[]")
    log = trained([0.1, 0.2, 0.3], extend=True)
    assert (log.state == "COMPLETE").all()
    assert log.source.notna().sum() == 1


def test_a_damaged_file_is_set_aside_as_ever(tmp_path):
    before = swept(SPACE, tmp_path / "run").log()
    part = next((tmp_path / "run" / "trials").glob("*.parquet"))
    part.write_bytes(part.read_bytes()[:-50])
    again = swept(SPACE, tmp_path / "run", retry_failed=True).log()
    assert figures(again).equals(figures(before))


def test_what_has_diverged_is_not_trained_again(tmp_path):
    space = SPACE | {"learning_rate": [1e-6, 1e39]}
    before = swept(space, tmp_path / "run").log()
    assert (before.state == "FAIL").any()
    assert swept(space, tmp_path / "run", retry_failed=True).log().equals(before)
