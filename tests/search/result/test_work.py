"""Where the time went: that of this command, and that of the whole run."""

import math
import time
from dataclasses import replace

import numpy as np
import pytest

from search.command import Start
from search.plan import Prediction
from search.record import COMPLETE, Timing, TrialLog
from search.result import Command, make_timing

BEGAN = 1_700_000_000.0


def began(later=0.0):
    """Return the start of a command that has taken a minute."""
    return Start(BEGAN + later, time.monotonic() - 60)


@pytest.fixture
def trial_log(tmp_path):
    """A log of two links: of an earlier command, and of this one."""
    trial_log = TrialLog(tmp_path / "trials")
    for pack, started_at, seconds in ((0, BEGAN - 100, 4.0), (1, BEGAN + 10, 6.0)):
        names = ("val_cost", "val_accuracy", "val_cost_avg", "val_accuracy_avg")
        columns = dict.fromkeys(("learning_rate", "alpha", *names), 0.5)
        trial_log.write(f"pack {pack}", {
            **columns, "number": np.array([pack]), "state": COMPLETE, "batch_size": 8,
            "epochs": 5, "seconds": seconds, "pack": pack, "node": "localhost",
            "started_at": started_at, "finished_at": started_at + 5, "attempt": 1, "error": [None],
            "last_cost": 0.5, "last_epoch": 5, "reports": None, "source": None,
        })  # fmt: skip
    return trial_log


@pytest.mark.parametrize(("started_at", "startup"), [(BEGAN + 10, 10), (BEGAN + 2, 2)])
def test_training_starts_with_the_first_link_even_if_that_had_no_rows(
    trial_log, started_at, startup
):
    prediction = Prediction(14.0, 20.0, 0.9, {})
    timing = make_timing(trial_log, 5e9, Command(began(), started_at, 2, prediction))
    assert 60 <= timing.wall_s < 300
    assert replace(timing, wall_s=0.0) == Timing(
        wall_s=0.0,
        startup_s=startup,
        training_s=15 - startup,
        predicted_training_s=14.0,
        workers=2,
        compute_s=10.0,
        gflops=0.5,
    )


def test_a_command_that_trained_nothing_has_no_training_and_no_prediction(trial_log):
    timing = make_timing(trial_log, 5e9, Command(began(50), math.inf, 2, None))
    assert (timing.startup_s, timing.training_s) == (0, 0)
    assert timing.predicted_training_s is None
    assert timing.compute_s == 10.0


def test_without_compute_time_there_is_no_rate(tmp_path):
    timing = make_timing(TrialLog(tmp_path / "trials"), 0.0, Command(began(), math.inf, 2, None))
    assert (timing.compute_s, timing.gflops) == (0.0, None)


@pytest.mark.parametrize("set_by", [-86_400.0, -30.0, 86_400.0])
def test_a_clock_that_is_set_meanwhile_gives_no_time_that_cannot_be(trial_log, set_by):
    # The newest link is of the time after that, and this process's clock with it.
    timing = make_timing(trial_log, 5e9, Command(began(-set_by), BEGAN + 10, 2, None))
    assert timing.startup_s >= 0
    assert timing.training_s >= 0
    assert timing.startup_s + timing.training_s <= timing.wall_s < 300
