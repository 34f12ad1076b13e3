"""The result as a value and in words."""

import json

import numpy as np
import pytest

from model.data.dataset import Dataset
from search.config import SearchSpace
from search.engine import refits as refit
from search.record import COMPLETE, FAIL, PRUNED, Standings
from search.result import Arithmetic, make_summary, readout_rows, result_lines, result_text

SPACE = SearchSpace((16, 32), (5e-7, 1e-6), (30, 35), (0.1, 1.0))
AXES = {name: getattr(SPACE, name) for name in ("batch_size", "learning_rate", "epochs", "alpha")}
DATA = Dataset("digits", np.zeros((4, 2), np.uint8), np.arange(4))
TIMING = {
    "wall_s": 95.0,
    "training_s": 80.0,
    "predicted_training_s": 90.0,
    "compute_s": 300.0,
}
TEST = refit.FinalScore(0.45584, 0.84256)
AVERAGED = refit.FinalScore(0.45384, 0.84356)
ALL = Arithmetic(280, 280)


def summary(costs=(0.5, 0.43361, np.nan), test=TEST, pruned=0, work=ALL, select="last"):
    standings = Standings(len(SPACE), select)
    number = np.arange(len(costs) + pruned) + 9
    costs = np.array([*costs, *[np.nan] * pruned])
    state = np.where(np.isfinite(costs), COMPLETE, FAIL)
    state[len(costs) - pruned :] = PRUNED
    standings.count({
        "number": number, "state": state, **SPACE.columns(number), "val_cost": costs,
        "val_accuracy": np.full(len(costs), 0.85),
        "val_cost_avg": 0.9 - costs, "val_accuracy_avg": np.full(len(costs), 0.875),
    })  # fmt: skip
    tests = {} if test is None else {"last": test, "average": AVERAGED}
    return make_summary(standings, tests, DATA, TIMING, work)


def test_the_summary_holds_what_the_contract_says():
    assert summary() == {
        "state": "complete",
        "trials": {"total": 16, "complete": 2, "pruned": 0, "failed": 1},
        "best": {
            "number": 10,
            "params": {"batch_size": 32, "learning_rate": 5e-7, "epochs": 35, "alpha": 0.1},
            "val_cost": 0.43361,
            "val_accuracy": 0.85,
            "val_cost_avg": 0.9 - 0.43361,
            "val_accuracy_avg": 0.875,
        },
        "top": [
            {
                "number": number,
                "params": {"batch_size": 32, "learning_rate": 5e-7, "epochs": epochs, "alpha": a},
                "val_cost": cost,
                "val_accuracy": 0.85,
                "val_cost_avg": 0.9 - cost,
                "val_accuracy_avg": 0.875,
            }
            for number, epochs, a, cost in [(10, 35, 0.1, 0.43361), (9, 30, 1.0, 0.5)]
        ],
        "select": "last",
        "test": {"cost": 0.45584, "accuracy": 0.84256},
        "tests": {
            "last": {"cost": 0.45584, "accuracy": 0.84256},
            "average": {"cost": 0.45384, "accuracy": 0.84356},
        },
        "dataset": {"name": "digits", "fingerprint": DATA.fingerprint},
        "timing": TIMING,
        "arithmetic": {"trained_epochs": 280, "unpruned_epochs": 280, "saved": 0.0},
    }


def test_the_summary_says_what_was_pruned_and_what_that_saved():
    told = summary(pruned=4, work=Arithmetic(70, 280))
    assert told["trials"] == {"total": 16, "complete": 2, "pruned": 4, "failed": 1}
    assert told["arithmetic"] == {"trained_epochs": 70, "unpruned_epochs": 280, "saved": 0.75}
    text = result_text(told, "runs/mine", AXES)
    assert text.startswith("16 trials on digits: 2 complete, 4 pruned, 1 failed, in 1:35 min\n")
    assert (
        "\nPruning saved 75 % of the arithmetic: 70 of 280 epochs of single trajectories were "
        "trained\n"
    ) in text
    assert "Pruning" not in result_text(summary(), "runs/mine", AXES)


@pytest.mark.parametrize("test", [TEST, None])
def test_a_summary_survives_json(test):
    assert json.loads(json.dumps(summary(test=test), allow_nan=False)) == summary(test=test)


def test_settings_and_figures_stand_in_their_traditional_order():
    assert result_lines(summary()) == [
        ("best number of epochs", "35"),
        ("best alpha", "0.1"),
        ("best learning rate", "5e-07"),
        ("best mini-batch size", "32"),
        ("validation cost", "0.4336"),
        ("test cost after retraining", "0.4558"),
        ("test images correct", "84.26 %"),
    ]


def test_what_selects_decides_about_the_best_trial_and_its_figures():
    told = summary(select="average")
    assert (told["select"], told["best"]["number"]) == ("average", 9)
    assert told["test"] == {"cost": 0.45384, "accuracy": 0.84356}
    assert result_lines(told)[4:] == [
        ("validation cost", "0.4000"),
        ("test cost after retraining", "0.4538"),
        ("test images correct", "84.36 %"),
    ]


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        (
            "last",
            [
                ["last weights *", "0.4336", "0.4558", "84.26 %"],
                ["averaged weights", "0.4664", "0.4538", "84.36 %"],
            ],
        ),
        (
            "average",
            [
                ["last weights", "0.5000", "0.4558", "84.26 %"],
                ["averaged weights *", "0.4000", "0.4538", "84.36 %"],
            ],
        ),
    ],
)
def test_the_text_shows_both_readouts_and_which_of_them_selects(select, expected):
    told = summary(select=select)
    header = ["(* selects)", "validation cost", "test cost", "correct"]
    assert list(map(list, readout_rows(told))) == [header, *expected]
    for width, left_out in ((None, ()), (45, ("validation cost",))):
        lines = result_text(told, "runs/mine", AXES, width).splitlines()
        head = next(i for i, line in enumerate(lines) if line.startswith(header[0]))
        for line, row in zip(lines[head : head + 3], [header, *expected], strict=True):
            kept = [cell for name, cell in zip(header, row, strict=True) if name not in left_out]
            assert " ".join(line.split()) == " ".join(kept)
            assert len(line) <= (width or 100)


def test_without_test_images_the_result_says_so():
    lines = result_lines(summary(test=None))
    assert lines[-1] == ("test", "the data set has no test images")
    assert len(lines) == 6
    assert readout_rows(summary(test=None)) == []


def test_a_perfect_score_is_a_result_like_any_other():
    best = summary(costs=(0.0,), test=refit.FinalScore(0.0, 1.0))
    assert best["best"]["val_cost"] == 0.0
    assert best["test"] == {"cost": 0.0, "accuracy": 1.0}
    assert ("test images correct", "100.00 %") in result_lines(best)


def test_when_every_trial_failed_there_is_no_best():
    failed = summary(costs=(np.nan,) * 4, test=None)
    assert (failed["best"], failed["test"], failed["trials"]["failed"]) == (None, None, 4)
    assert result_lines(failed) == [("result", "none, every trial has failed")]
    assert "16 trials on digits: 4 failed, in 1:35 min" in result_text(failed, "runs/mine", AXES)


def test_the_text_counts_shows_the_result_and_says_where_the_files_are():
    text = result_text(summary(), "runs/mine", AXES)
    assert text.startswith("16 trials on digits: 2 complete, 1 failed, in 1:35 min\n")
    assert "\n  best learning rate          5e-07\n" in text
    assert text.endswith("\nLog, model and report are in runs/mine")


@pytest.mark.parametrize(
    ("actual", "predicted", "line"),
    [
        (80.0, 90.0, "Training took 1:20 min, predicted were 1:30 min (+12 %)"),
        (100.0, 50.0, "Training took 1:40 min, predicted were 50 s (-50 %)"),
        (0.0, 50.0, None),
        (100.0, None, None),
    ],
)
def test_the_text_compares_the_training_with_its_prediction(actual, predicted, line):
    timing = TIMING | {"training_s": actual, "predicted_training_s": predicted}
    text = result_text(summary() | {"timing": timing}, "runs/mine", AXES)
    assert [told for told in text.splitlines() if "predicted" in told] == [line] * bool(line)
