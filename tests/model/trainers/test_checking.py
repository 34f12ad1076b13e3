"""What a trainer promises is tried, and what it breaks is told with its likely cause."""

import sys
from pathlib import Path

import pytest
from trainings import rows_of

from model.trainers.checking import check_trainer
from model.trainers.reference import TrainerName

HERE = str(Path(__file__).parent)
PARAMS = [{"learning_rate": rate} for rate in (0.1, 0.05, 0.2)]


def report_of(name, params=PARAMS):
    if HERE not in sys.path:
        sys.path.insert(0, HERE)
    named = TrainerName.here(f"sample_trainers:{name}")
    return check_trainer(named, params, rows_of(3), rows_of(3, seed=1))


@pytest.mark.parametrize("name", ["Descent", "Dropout", "Packed", "Growing"])
def test_a_good_one_keeps_its_promises(name):
    report = report_of(name)
    assert report.failures == []
    assert report.version == "1"
    assert report.epoch_s > 0
    assert report.state_bytes > 100


@pytest.mark.parametrize(
    ("name", "check", "said"),
    [
        ("GlobalCounter", "twice the same is the same", "a global counter"),
        ("RememberingObject", "another process goes on", "an attribute of the trainer"),
        ("UnseededDropout", "twice the same is the same", "random numbers without a seed"),
        ("OpenFile", "a state can be written down", "no open files"),
        ("Dart", "it knows its past", "derive from Trainer instead of KeepsPast"),
        ("Cosine", "epochs may be cut anywhere", "epochs.stop is no total"),
        ("WritesToRows", "it trains, and is scored", "It writes to the rows"),
        ("WritesToParams", "inputs are left alone", "changes the hyperparameters"),
        ("ScoreTrains", "inputs are left alone", "Let score work on a copy"),
        ("Slower", "time does not grow", "takes longer the later it is"),
        ("OtherPack", "a pack is as each alone", "Mend advance_pack"),
        ("OtherMetric", "it trains, and is scored", "score returns loss, and metrics says cost"),
        ("NotANumber", "it trains, and is scored", "not a number"),
        ("Raises", "it trains, and is scored", "RuntimeError: there is no GPU"),
    ],
)
def test_a_broken_promise_is_told_with_its_cause(name, check, said):
    failures = {found.check: found.message for found in report_of(name).failures}
    assert check in failures, failures
    assert said in failures[check]


def test_one_that_promises_no_exactness_is_not_asked_for_it():
    report = report_of("Inexact")
    assert report.failures == []
    assert sum("exact = False" in found.message for found in report.findings) == 3


def test_a_trainer_that_grows_in_blocks_is_cut_between_them():
    pytest.importorskip("xgboost")
    params = [{"subsample": 0.5, "max_depth": 2}]
    report = check_trainer(TrainerName.here("xgboost"), params, rows_of(3), rows_of(3, seed=1))
    assert report.failures == []
