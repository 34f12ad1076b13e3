"""1, 1.0, true and "1" are four values of a hyperparameter, whatever Python says."""

import pytest
from command_line import change_manifest

import search
from model.trainers import Trainer, classification_figures
from search.errors import RunFolderError
from search.record import RunFolder
from search.watch import RunState
from search.watch.comparison import shared_trials

_KINDS = {bool: 0.1, int: 0.2, float: 0.4, str: 0.8}


class Kinds(Trainer):
    """Gives another result for each type of a value, as scikit-learn does for max_features."""

    version = "1"

    def advance(self, state, params, epochs, data):
        step = sum(_KINDS[type(value)] for name, value in params.items() if name != "epochs")
        for _ in epochs:  # one after the other: a sum in two parts is rounded otherwise
            state = (0.0 if state is None else state) + step
        return state

    def score(self, state, data):
        p = data.rng(None).random((len(data.y), data.n_classes)) + state
        return classification_figures(p / p.sum(axis=1, keepdims=True), data)


def swept(folder, *tables, **options):
    """Sweep tables of hyperparameters in this process."""
    space = [{**table, "epochs": [1, 2]} for table in tables]
    grid = {"trainer": f"{__name__}:Kinds", "space": space if len(space) > 1 else space[0]}
    return search.sweep(
        {"dataset": "digits", **grid}, folder=folder, executor="serial", progress=False, **options
    )


def costs(result):
    return result.log().sort_values("number").val_cost.tolist()


PAIRS = [([1], [1.0]), ([1.0], [1]), ([True], [1]), ([1], ["1"])]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_a_run_is_not_that_of_a_value_of_another_kind(tmp_path, one, other):
    swept(tmp_path / "run", {"m": one})
    with pytest.raises(RunFolderError) as caught:
        swept(tmp_path / "run", {"m": other})
    assert f"m: the run has {one}, the command {other}" in str(caught.value)
    assert swept(tmp_path / "run", {"m": one}).summary.trials.complete == 2


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_no_trial_is_taken_over_for_one_of_another_kind(tmp_path, one, other):
    swept(tmp_path / "one", {"m": one, "k": [1, 2]})
    alone = costs(swept(tmp_path / "alone", {"m": other, "k": [1, 2]}))
    reused = swept(tmp_path / "other", {"m": other, "k": [1, 2]}, reuse=[tmp_path / "one"])
    assert costs(reused) == alone
    assert reused.log().source.isna().all()
    extended = swept(tmp_path / "one", {"m": other, "k": [1, 2, 3]}, extend=True)
    assert extended.log().source.isna().all()
    same = swept(tmp_path / "same", {"m": other, "k": [1, 2, 3]}, reuse=[tmp_path / "other"])
    assert same.log().source.notna().sum() == 4
    a, b = RunState.read(tmp_path / "other"), RunState.read(tmp_path / "one")
    assert shared_trials(a, b).trials == 4
    assert "m" not in a.manifest.differing(b.manifest)


def test_runs_of_other_kinds_have_no_trial_in_common(tmp_path):
    swept(tmp_path / "one", {"m": [1]})
    swept(tmp_path / "other", {"m": [1.0]})
    a, b = (RunState.read(tmp_path / name) for name in ("one", "other"))
    assert shared_trials(a, b).trials == 0
    assert a.manifest.differing(b.manifest) == {"m": ([1], [1.0])}


def test_numbers_that_the_other_log_cannot_hold_are_left(tmp_path):
    """Of 32 bits and of 64, of whole numbers and of others: nothing is cut, and nothing breaks."""
    swept(tmp_path / "wide", {"m": [1, 2**40]})
    log = swept(tmp_path / "narrow", {"m": [1, 3]}, reuse=[tmp_path / "wide"]).log()
    assert log[log.source.notna()].m.tolist() == [1, 1]
    log = swept(tmp_path / "wide2", {"m": [1, 3, 2**50]}, reuse=[tmp_path / "narrow"]).log()
    assert log[log.source.notna()].m.tolist() == [1, 1, 3, 3]
    swept(tmp_path / "floats", {"m": [1, 0.5]})  # 1.0, that is
    assert (
        swept(tmp_path / "whole", {"m": [1]}, reuse=[tmp_path / "floats"]).log().source.isna().all()
    )
    log = swept(tmp_path / "more", {"m": [1.0, 0.25]}, reuse=[tmp_path / "floats"]).log()
    assert log[log.source.notna()].m.tolist() == [1.0, 1.0]


def test_a_trial_with_another_hyperparameter_is_another_trial(tmp_path):
    """Whichever of the two runs has it: the trainer's own default may be any value."""
    swept(tmp_path / "both", {"m": [1, 2], "k": [5]})
    log = swept(tmp_path / "one", {"m": [1, 2]}, reuse=[tmp_path / "both"]).log()
    assert log.source.isna().all()
    log = swept(tmp_path / "again", {"m": [1, 2], "k": [5]}, reuse=[tmp_path / "one"]).log()
    assert log.source.isna().all()
    # In tables some trials have it, and the others are those of a run without.
    tables = [{"m": [1, 2]}, {"m": [1, 2], "k": [5]}]
    runs = [tmp_path / "one", tmp_path / "both"]
    log = swept(tmp_path / "tables", *tables, reuse=runs).log()
    assert log.source.notna().all()
    assert log.val_cost.tolist() == costs(swept(tmp_path / "alone", *tables))
    a, b = (RunState.read(tmp_path / name) for name in ("tables", "alone"))
    assert shared_trials(a, b).trials == 8  # though what a trial lacks is not itself
    log = swept(tmp_path / "back", {"m": [1, 2]}, reuse=[tmp_path / "tables"]).log()
    assert log.source.notna().all()
    assert log.val_cost.tolist() == costs(swept(tmp_path / "one", {"m": [1, 2]}))


def test_a_whole_number_beside_one_with_a_point_is_a_float_in_every_table(tmp_path):
    result = swept(tmp_path / "run", {"m": [1]}, {"m": [0.5]})
    alone = swept(tmp_path / "alone", {"m": [1.0, 0.5]})
    assert costs(result) == costs(alone)
    assert swept(tmp_path / "run", {"m": [1]}, {"m": [0.5]}).summary == result.summary


def test_what_an_earlier_version_wrote_for_the_same_values_is_no_difference(tmp_path):
    """It wrote 1 for 1.0 where another table had floats."""
    result = swept(tmp_path / "run", {"m": [1]}, {"m": [0.5]})
    space = [{"m": [1], "epochs": [1, 2]}, {"m": [0.5], "epochs": [1, 2]}]
    config = RunFolder(tmp_path / "run").existing_manifest().config
    assert repr(config["space"]) != repr(space)
    change_manifest(tmp_path / "run", config=config | {"space": space})
    assert swept(tmp_path / "run", {"m": [1]}, {"m": [0.5]}).summary == result.summary
