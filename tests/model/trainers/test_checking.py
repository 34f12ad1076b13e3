"""What a trainer promises is tried, and what it breaks is told with its likely cause."""

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
from trainings import rows_of

from model.trainers.checking import check_trainer, checks, probe
from model.trainers.reference import TrainerName

HERE = str(Path(__file__).parent)
PARAMS = [{"learning_rate": rate} for rate in (0.1, 0.05, 0.2)]
TRAINS, TRAVELS, REPEATS, CUT, ELSEWHERE, ALONE, PAST, PACK, LIVE, TIME = checks.CHECKS


def report_of(name, params=PARAMS, training=None):
    if HERE not in sys.path:
        sys.path.insert(0, HERE)
    named = TrainerName.here(f"sample_trainers:{name}")
    return check_trainer(named, params, training or rows_of(3), rows_of(3, seed=1))


@pytest.mark.parametrize(
    "name", ["Descent", "Dropout", "Packed", "Scheduled", "ScheduledPack", "Growing", "Loud"]
)
def test_a_good_one_keeps_its_promises(name, capfd):
    report = report_of(name)
    assert report.failures == []
    assert (report.version, report.epochs, report.limits) == ("1", 6, "")
    assert report.epoch_s > 0
    assert report.state_bytes > 100
    assert capfd.readouterr() == ("", "")


BROKEN = [
    ("GlobalCounter", REPEATS, "Two fresh processes agree", "a global counter"),
    ("UnseededDropout", REPEATS, "Two fresh processes differ", "random numbers have no seed"),
    ("OpenFile", TRAVELS, "cannot pickle", "no open files"),
    ("LosesMomentum", CUT, "part at epoch 4: cost ", "what __getstate__ or dump leaves out"),
    ("FixedSeed", CUT, "part at epoch 4: cost ", "must not restart with a range"),
    ("Cosine", CUT, "says that it ends at 6", "epochs.stop is not the total number of epochs"),
    ("EverySecond", CUT, "cut after 3, part at epoch 4", "not its place there"),
    ("EveryThird", CUT, "cut after 1, part at epoch 3", "not its place there"),
    ("EveryFourth", CUT, "cut after 3, part at epoch 4", "not its place there"),
    ("EveryFifth", CUT, "cut after 3, part at epoch 5", "not its place there"),
    ("WarmsUp", CUT, "cut after 3, part at epoch 4", "not its place there"),
    ("BeginsAnew", CUT, "epochs 4 to 6 give a training cost of", "begin with the state"),
    ("BeginsAnewByChance", CUT, "epochs 4 to 6 give a training cost of", "begin with the state"),
    ("KeepsItsModel", ELSEWHERE, "In separate processes, epochs 4 to 6", "with the state"),
    ("RememberingObject", ELSEWHERE, "after 3 they were the same", "an attribute of the trainer"),
    ("Noticing", ELSEWHERE, "3 epochs in a fresh process", "differs from process to process"),
    ("WritesPastProtection", ALONE, "writes to the rows", "as torch.from_numpy does"),
    ("WritesToParams", ALONE, "changes the hyperparameters", "Let it change a copy"),
    ("ScoreTrains", ALONE, "Scoring changes the state", "Let score work on a copy"),
    ("Dart", PAST, "As of epoch 1, a state of 6", "derive from Trainer instead of KeepsPast"),
    ("OtherPack", PACK, "with a tolerance of 1e-06", "Fix advance_pack"),
    ("ShortPack", PACK, "gets 3 states and returns 2", "one for each, in their order"),
    ("KeepsRate", LIVE, "after epoch 3 changes nothing", "from params in each call"),
    ("CountsCalls", LIVE, "one range and single epochs give", "must be in the state"),
    ("Slower", TIME, "Later epochs take longer", "training that starts again"),
    ("WritesToRows", TRAINS, "writes to the rows", "Let it change a copy"),
    ("OtherMetric", TRAINS, "score returns loss", "metrics says cost, accuracy"),
    ("NoMapping", TRAINS, "score returns a tuple", "cost, accuracy"),
    ("NoNumber", TRAINS, "score returns 'low' as its cost", "Let it return a number"),
    ("NotANumber", TRAINS, "the cost is nan after 6 epochs", "not a number"),
    ("ReturnsNothing", TRAINS, "advance returns None", "Let it return the state"),
    ("Raises", TRAINS, "It raises RuntimeError", "there is no GPU"),
    ("Exits", TRAINS, "It raises SystemExit", "3"),
    ("Refuses", TRAINS, "It refuses {'learning_rate': 0.1}", "must be negative"),
]


@pytest.mark.parametrize(("name", "check", "said", "way_out"), BROKEN, ids=[b[0] for b in BROKEN])
def test_a_broken_promise_is_told_once_with_its_numbers_and_its_cause(name, check, said, way_out):
    report = report_of(name)
    (failure,) = report.failures
    assert failure.check == check, failure
    assert said in failure.message
    assert way_out in failure.message
    assert list(checks.CHECKS) == [found.check for found in report.findings]
    assert bool(report.broken) == (check not in (TRAINS, TIME))


def test_the_rows_of_a_caller_stay_whatever_a_trainer_does():
    training = rows_of(3)
    report_of("WritesPastProtection", training=training)
    assert np.array_equal(training.X, rows_of(3).X)


def test_a_hyperparameter_that_is_missing_is_named():
    (failure,) = report_of("Descent", [{}]).failures
    assert failure.message == (
        "It raises KeyError: 'learning_rate'. If that is a hyperparameter, it is not among those "
        "tried."
    )


def test_it_is_tried_with_hyperparameters_by_which_it_converges():
    diverging, good = {"learning_rate": 1e6}, {"learning_rate": 0.1}
    report = report_of("DivergesAboveOne", [diverging, good])
    assert report.failures == []
    assert report_of("DivergesAboveOne", [diverging]).failures[0].check == TRAINS


@pytest.mark.parametrize(("name", "told"), [("Inexact", 3), ("Rounds", 3), ("InexactPast", 4)])
def test_one_that_promises_no_exactness_is_not_asked_for_it(name, told):
    report = report_of(name)
    assert report.failures == []
    assert sum("exact = False" in found.message for found in report.findings) == told


def test_a_pack_of_equal_models_says_nothing():
    rate = {"learning_rate": 0.1, "kind": "a"}
    for name in ("Packed", "OtherPack"):
        # No two of these may be in one pack, or there are no two.
        for params in ([rate], [rate, {"learning_rate": 0.2, "kind": "b"}]):
            (found,) = (f for f in report_of(name, params).findings if f.check == PACK)
            assert (found.passed, found.message.startswith("no two of the")) == (None, True)
    # Any two that may be are tried.
    more = [rate, *({"learning_rate": 0.1 + 0.1 * k, "kind": "b"} for k in range(2))]
    assert [found.check for found in report_of("OtherPack", more).failures] == [PACK]
    assert report_of("Packed", more).failures == []


def test_what_fails_alone_is_in_no_pack():
    params = [{"learning_rate": rate} for rate in (0.1, 2.0, 0.2)]
    report = report_of("RaisesAtLarge", params)
    assert report.failures == []
    assert {f.check: f.passed for f in report.findings}[PACK]


def test_long_epochs_are_fewer_and_the_report_says_so(monkeypatch):
    monkeypatch.setattr(probe, "LONG", 0.0)
    report = report_of("Descent")
    assert (report.failures, report.epochs) == ([], 2)
    assert "each check trained only 2 of them: later faults are not found" in report.limits
    assert [found.check for found in report_of("FixedSeed").failures] == [CUT]


@pytest.mark.parametrize(("slow_times", "grows"), [(5, False), (6, True)])
def test_a_machine_that_is_slow_for_a_while_is_no_growth(monkeypatch, slow_times, grows):
    attempts = itertools.count()

    def times(tried, ranges):
        late = 0.9 if next(attempts) < slow_times else 0.1
        return [0.5, *[0.1] * (ranges // 2 - 1), *[late] * (ranges - ranges // 2)]

    monkeypatch.setattr(checks, "_times", times)
    report = report_of("Descent")
    assert [found.check for found in report.failures] == [TIME] * grows


def test_a_trainer_that_grows_in_blocks_is_cut_between_them():
    pytest.importorskip("xgboost")
    params = [{"subsample": 0.5, "max_depth": 2}]
    report = check_trainer(TrainerName.here("xgboost"), params, rows_of(3), rows_of(3, seed=1))
    assert report.failures == []
