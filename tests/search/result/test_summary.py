"""The result as a value and in words."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from model.data.dataset import Dataset
from model.results import FinalScore
from search.config import SearchSpace, SweepConfig
from search.record import (
    COMPLETE,
    FAIL,
    PRUNED,
    AlphaFigures,
    Arithmetic,
    Counts,
    OptimumFigures,
    ReplicateFigures,
    Standings,
    Summary,
    TiedTrial,
    Ties,
    Timing,
    Trainings,
)
from search.record.log.columns import SOFTMAX_LAYOUT
from search.result import Findings, make_summary, readout_rows, result_lines, result_text
from search.result.spread import refit_statistics

SPACE = SearchSpace(
    batch_size=(16, 32), learning_rate=(5e-7, 1e-6), epochs=(30, 35), alpha=(0.1, 1.0)
)
AXES = SPACE.axes
CONFIG = SweepConfig.from_dict({"name": "mine", "space": {n: list(v) for n, v in AXES.items()}})
PIXELS = np.arange(40, dtype=np.uint8).reshape(20, 2)
LABELS = np.arange(20) % 4
DATA = Dataset("digits", PIXELS, LABELS, image_shape=(1, 2))
SQUARED_NORM = float((PIXELS.astype(float) ** 2).sum(axis=1).mean())
TIMING = Timing(
    wall_s=95.0, startup_s=3.0, training_s=80.0, predicted_training_s=90.0, workers=2,
    compute_s=300.0, gflops=9.0,
)  # fmt: skip
TEST = FinalScore(0.45584, 0.84256)
AVERAGED = FinalScore(0.45384, 0.84356)
ALL = Arithmetic(trained_epochs=280, unpruned_epochs=280)


def summary(costs=(0.5, 0.43361, np.nan), test=TEST, pruned=0, work=ALL, select="last"):
    standings = Standings(len(SPACE), replace(SOFTMAX_LAYOUT, select=select))
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
    findings = Findings(timing=TIMING, arithmetic=work, tests=[tests])
    return make_summary(standings, None, CONFIG, DATA, findings)


def test_the_summary_holds_what_the_contract_says():
    told = json.loads(json.dumps(summary().to_json()))
    assert list(told) == [
        "state", "trials", "best", "top", "select", "test", "tests", "dataset", "timing",
        "arithmetic", "indistinguishable", "features", "refits", "guessing", "sizes",
    ]  # fmt: skip
    assert told == {
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
        "dataset": {"name": "digits", "fingerprint": DATA.fingerprint, "rows": "images"},
        "timing": {
            "wall_s": 95.0, "startup_s": 3.0, "training_s": 80.0, "predicted_training_s": 90.0,
            "workers": 2, "compute_s": 300.0, "gflops": 9.0,
        },
        "arithmetic": {"trained_epochs": 280, "unpruned_epochs": 280, "saved": 0.0},
        "indistinguishable": None, "features": "raw", "refits": None,
        "guessing": {"cost": math.log(4), "accuracy": 0.5},
        "sizes": {"squared_norm": SQUARED_NORM, "low": 0.0, "high": 39.0},
    }  # fmt: skip


def test_the_summary_says_what_was_pruned_and_what_that_saved():
    told = summary(pruned=4, work=Arithmetic(trained_epochs=70, unpruned_epochs=280))
    assert told.trials == Counts(total=16, complete=2, pruned=4, failed=1)
    assert told.to_json()["arithmetic"] == {
        "trained_epochs": 70, "unpruned_epochs": 280, "saved": 0.75
    }  # fmt: skip
    text = result_text(told, "runs/mine", AXES)
    assert text.startswith("16 trials on digits: 2 complete, 4 pruned, 1 failed, in 1:35 min\n")
    assert (
        "\nPruning saved 75 % of the arithmetic: 70 of 280 epochs of single trajectories were "
        "trained\n"
    ) in text
    assert "Pruning" not in result_text(summary(), "runs/mine", AXES)


OPTIMUM = AlphaFigures(
    alpha=0.1, cost=0.3, gradient_norm=3e-7, converged=True, val_cost=0.4, val_accuracy=0.86,
    seconds=9.0, test_cost=None, test_accuracy=None,
)  # fmt: skip
TIE = TiedTrial(
    number=9, params=SPACE[9], cost=0.5, difference=0.1, interval=(-0.1, 0.2), chance=0.25
)
FIGURES = {"val_cost": 0.4, "val_accuracy": 0.8, "val_cost_avg": 0.3, "val_accuracy_avg": 0.9}
WIDE = replace(
    summary(),
    best=replace(
        summary().best, val_cost_std=0.01, val_accuracy_std=0.02, val_cost_avg_std=0.03,
        val_accuracy_avg_std=0.04, replicates=(ReplicateFigures(seed=0, fold=None, **FIGURES),),
    ),
    trainings=Trainings(each=6, by="2 seeds and 3 folds"),
    indistinguishable=Ties(
        level=0.95, resamples=1000, images=60, count=1, not_compared=0, trials=(TIE,), simplest=TIE
    ),
    features="standardized",
    refits=refit_statistics([0, 1], [{"last": TEST, "average": AVERAGED}] * 2),
    optimum=OptimumFigures(
        alphas=(OPTIMUM,), best_train_cost=None, with_train_cost=0, without_train_cost=2
    ),
)  # fmt: skip


@pytest.mark.parametrize("told", [summary(), summary(test=None), summary((np.nan,), None), WIDE])
def test_a_summary_survives_json(told):
    text = json.dumps(told.to_json(), allow_nan=False)
    again = Summary.from_json(json.loads(text))
    assert again == told
    assert json.dumps(again.to_json()) == text


def test_keys_with_nothing_to_say_are_left_out_and_the_others_stand_in_their_order():
    told = WIDE.to_json()
    assert list(told)[9:] == [
        "arithmetic", "trainings", "indistinguishable", "features", "refits", "optimum", "guessing",
        "sizes",
    ]  # fmt: skip
    assert told["trainings"] == {"each": 6, "with": "2 seeds and 3 folds"}
    assert list(told["refits"]) == ["seeds", "last", "average"]
    assert list(told["best"])[6:] == [
        "val_cost_std", "val_accuracy_std", "val_cost_avg_std", "val_accuracy_avg_std",
        "replicates",
    ]  # fmt: skip
    assert "replicates" not in told["top"][0]


@pytest.mark.parametrize(
    "key",
    ["trainings", "indistinguishable", "features", "refits", "optimum", "guessing", "sizes"],
)
def test_a_run_of_an_earlier_version_goes_without_what_came_later(key):
    told = WIDE.to_json()
    del told[key]
    assert Summary.from_json(told) == replace(WIDE, **{key: "raw" if key == "features" else None})


def test_a_diverged_final_training_survives_json():
    told = summary(test=FinalScore(np.inf, 0.1))
    assert Summary.from_json(json.loads(json.dumps(told.to_json()))) == told


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
    assert (told.select, told.best.number) == ("average", 9)
    assert told.test == AVERAGED
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
    best = summary(costs=(0.0,), test=FinalScore(0.0, 1.0))
    assert best.best.val_cost == 0.0
    assert best.test == FinalScore(0.0, 1.0)
    assert ("test images correct", "100.00 %") in result_lines(best)


def test_when_every_trial_failed_there_is_no_best():
    failed = summary(costs=(np.nan,) * 4, test=None)
    assert (failed.best, failed.test, failed.trials.failed) == (None, None, 4)
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
        (80.0, 90.0, "Training took 1:20 min (predicted: 1:30 min, +12 %)"),
        (100.0, 50.0, "Training took 1:40 min (predicted: 50 s, -50 %)"),
        (0.0, 50.0, None),
        (100.0, None, None),
    ],
)
def test_the_text_compares_the_training_with_its_prediction(actual, predicted, line):
    timing = replace(TIMING, training_s=actual, predicted_training_s=predicted)
    text = result_text(replace(summary(), timing=timing), "runs/mine", AXES)
    assert [told for told in text.splitlines() if "predicted" in told] == [line] * bool(line)
