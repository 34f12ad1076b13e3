"""When a pruner is asked, and how many trials a sampler is asked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.config import SweepConfig

SPACE = {"batch_size": [8], "learning_rate": [1e-6], "epochs": [5, 10, 40], "alpha": [0.0]}
TO_40 = {"low": 5, "high": 40}


def config(epochs=SPACE["epochs"], pruner="halving", interval=None, **sampler):
    settings = {
        "name": "mine",
        "space": SPACE | {"epochs": epochs},
        "pruner": {"name": pruner, "interval": interval},
    }
    return SweepConfig.from_dict(settings | ({"sampler": sampler} if sampler else {}))


def tpe(trials, **more):
    return {"name": "tpe", "trials": trials, **more}


@pytest.mark.parametrize(
    ("epochs", "interval", "expected"),
    [
        ([5, 10, 40], None, (5, 10)),
        ([40, 5, 10], None, (5, 10)),
        ([5, 10, 40], 15, (15, 30)),
        ([5, 10, 40], 10, (10, 20, 30)),
        ([5, 10, 40], 39, (39,)),
        ([5, 10, 40], 40, ()),
        ([40], None, (5, 10, 15, 20, 25, 30, 35)),
        ([40], 16, (16, 32)),
        ([1], None, ()),
        ([2], None, (1,)),
        (TO_40, None, (5, 10, 15, 20, 25, 30, 35)),
        (TO_40, 9, (9, 18, 27, 36)),
        ({"low": 1, "high": 3}, None, (1, 2)),
    ],
)
def test_rungs(epochs, interval, expected):
    assert config(epochs, "halving", interval, **tpe(5)).rungs == expected


def test_without_a_pruner_there_are_no_rungs():
    assert config(pruner="none").rungs == ()


@given(
    st.sets(st.integers(1, 100), min_size=1, max_size=5).map(sorted),
    st.none() | st.integers(1, 120),
    st.booleans(),
)
def test_rungs_lie_below_the_longest_way(epochs, interval, is_range):
    most = max(epochs)
    axis = {"low": min(epochs), "high": most} if is_range else epochs
    rungs = config(axis, "median", interval, **tpe(5)).rungs
    assert list(rungs) == sorted(set(rungs))
    assert all(0 < rung < most for rung in rungs)
    if interval is not None:
        assert list(rungs) == [n for n in range(1, most) if n % interval == 0]
    elif most > 1:
        assert rungs


@given(st.integers(1, 2**31), st.integers(1, 2**31))
def test_a_batch_is_as_large_as_the_settings_say_or_holds_all_trials(trials, batch):
    assert config(**tpe(trials, batch=batch)).wave_size == min(batch, trials)


@given(st.integers(1, 2**31))
def test_unless_told_a_sampler_hears_of_some_trials_before_it_proposes_the_others(trials):
    batch = config(**tpe(trials)).wave_size
    assert min(32, trials) <= batch <= min(128, trials)
    assert trials < 128 or trials / batch > 3.9
