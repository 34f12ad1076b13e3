"""Schedules as values, and the stages that trainings with them have in common."""

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.trainers import Schedule, ScheduleError, at_epoch, count_epochs
from model.trainers.stages import stages

VALUES = st.floats(-1e6, 1e6).map(lambda value: value + 0.0)
EPOCHS = st.integers(1, 12)
PIECES = st.fixed_dictionaries(
    {"schedule": st.lists(st.tuples(VALUES, EPOCHS), min_size=1, max_size=5)}
)
NAMED = st.fixed_dictionaries(
    {"schedule": st.sampled_from(["cosine", "linear"]), "start": VALUES, "end": VALUES,
     "epochs": EPOCHS}
) | st.fixed_dictionaries(
    {"schedule": st.just("step"), "start": VALUES, "factor": st.floats(0, 1), "every": EPOCHS}
)  # fmt: skip


@st.composite
def tables(draw):
    warm_up = draw(st.sampled_from([{}, {"warm_up": 3}]))
    return draw(PIECES | NAMED) | warm_up


def value_at(table, epoch):
    """The textbook's formulas, one epoch at a time."""
    warm_up, kind = table.get("warm_up", 0), table["schedule"]
    first = kind[0][0] if isinstance(kind, list) else table["start"]
    if epoch < warm_up:
        return first * (epoch + 1) / (warm_up + 1)
    epoch -= warm_up
    if isinstance(kind, list):
        flat = [value for value, length in kind for _ in range(length)]
        return flat[min(epoch, len(flat) - 1)]
    if kind == "step":
        return first * table["factor"] ** (epoch // table["every"])
    part = min(epoch / table["epochs"], 1)
    last = table["end"]
    if kind == "linear":
        return first + (last - first) * part
    return last + (first - last) * (1 + math.cos(math.pi * part)) / 2


@given(tables(), st.integers(0, 30), st.integers(1, 10))
def test_a_schedule_has_the_values_of_its_formula(table, start, count):
    found = Schedule.of(table).over(start, start + count)
    wanted = [value_at(table, epoch) for epoch in range(start, start + count)]
    assert np.allclose(found, wanted, rtol=1e-9, atol=1e-9 * max(1, *map(abs, wanted)))


@given(tables())
def test_what_is_written_down_is_read_back(table):
    schedule = Schedule.of(table)
    again = Schedule.parse(str(schedule))
    assert str(again) == str(schedule)
    assert again.over(0, 40).tobytes() == schedule.over(0, 40).tobytes()


@given(tables(), st.integers(0, 40))
def test_its_turns_have_its_largest_and_smallest_values(table, last):
    schedule = Schedule.of(table)
    values = schedule.over(0, max([last, *schedule.turns]) + 1)
    turns = [float(schedule.over(t, t + 1)[0]) for t in schedule.turns]
    if table["schedule"] == "step" or isinstance(table["schedule"], list) or "warm_up" in table:
        return  # a step goes on for ever; what grows to a first value has it among its turns
    assert min(turns) == min(values)
    assert max(turns) == max(values)


def test_pieces_that_say_the_same_are_one_schedule():
    one = Schedule.of({"schedule": [[0.1, 2], [0.1, 2], [0.01, 8]]})
    other = Schedule.of({"schedule": [[0.1, 4], [0.01, 1]]})
    assert one == other
    assert str(one) == "0.1 for 4, then 0.01"
    assert Schedule.of({"schedule": [[0.1, 4]]}) == Schedule.of(0.1)


WRONG = [
    ({"schedule": "cosin", "start": 1}, "schedule is 'cosin'; it must be one of cosine, linear"),
    ({"schedule": []}, "schedule is []"),
    ({"schedule": [0.1, 0.2]}, "values with their epochs"),
    ({"schedule": [[0.1, 0]]}, "epochs of a value is 0"),
    ({"schedule": [[0.1, 2.5]]}, "epochs of a value is 2.5"),
    ({"schedule": [[True, 2]]}, "a value is True"),
    ({"schedule": [[math.inf, 2]]}, "a value is inf"),
    ({"schedule": [["0.1", 2]]}, "a value is '0.1'"),
    ({"schedule": [[0.1, 2]], "epochs": 3}, "no other key than warm_up; given are epochs"),
    ({"schedule": "cosine", "start": 0.1}, "has the keys start, end, epochs"),
    ({"schedule": "cosine", "start": 0.1, "epochs": 3, "warmup": 1}, "given are start"),
    ({"schedule": "step", "start": 0.1, "end": 0, "every": 3}, "start, factor, every"),
    ({"schedule": "step", "start": 0.1, "factor": math.nan, "every": 3}, "factor is nan"),
    ({"schedule": [[0.1, 2]], "warm_up": -1}, "warm_up is -1"),
    ({"schedule": "linear", "start": 1, "epochs": 10**7}, "whole number from 1 to 1000000"),
    ({"start": 1}, "schedule is None"),
    ("0.1", "a value is '0.1'"),
]


@pytest.mark.parametrize(("given_", "said"), WRONG)
def test_what_is_no_schedule_is_refused_with_its_rule(given_, said):
    with pytest.raises(ScheduleError, match=re.escape(said)):
        Schedule.of(given_)


@pytest.mark.parametrize(
    "text", ["", "fast", "0.1 for 4", "then 0.1", "0.1 for 4, 0.2", "0.1 to 0.2", "0.1, warm-up x"]
)
def test_a_text_that_is_no_schedule_is_refused(text):
    with pytest.raises(ScheduleError, match="is not a schedule"):
        Schedule.parse(text)


# --- Stages


@st.composite
def trainings(draw):
    schedules = st.lists(st.tuples(st.sampled_from([0.1, 0.2]), st.integers(1, 3)), min_size=1,
                         max_size=3)  # fmt: skip
    return [
        {
            "rate": str(Schedule.of({"schedule": draw(schedules)})),
            "kind": draw(st.sampled_from("ab")),
        }
        for _ in range(draw(st.integers(1, 7)))
    ]


def history(params, epoch):
    """What a training is after an epoch: all that it was given."""
    return params["kind"], tuple(Schedule.parse(params["rate"]).over(0, epoch + 1))


@given(trainings(), st.integers(0, 6), st.integers(1, 6), st.booleans())
@settings(max_examples=200)
def test_stages_are_the_union_of_what_is_trained_each_once(params, start, length, in_step):
    stop = start + length
    found = stages(params, ["rate"], start, stop, in_step=in_step)
    trained = [history(params[s.columns[0]], e) for s in found for e in range(s.start, s.stop)]
    assert len(trained) == len(set(trained))
    assert set(trained) == {history(p, e) for p in params for e in range(start, stop)}
    at = dict.fromkeys(range(len(params)), start)
    for stage in found:
        values = {at_epoch(params[stage.columns[0]], ["rate"], e)["rate"]
                  for e in range(stage.start, stage.stop)}  # fmt: skip
        assert len(values) == 1
        for column in stage.columns:
            assert at[column] == stage.start
            assert history(params[column], stage.stop - 1) == history(
                params[stage.columns[0]], stage.stop - 1
            )
            at[column] = stage.stop
    assert set(at.values()) == {stop}
    if in_step:
        assert len({(s.start, s.stop) for s in found}) == len({s.start for s in found})


@given(trainings(), st.integers(0, 6), st.data())
@settings(max_examples=200)
def test_the_epochs_of_a_union_are_counted(params, start, data):
    lasts = [data.draw(st.integers(1, 10)) for _ in params]
    wanted = {history(p, e) for p, last in zip(params, lasts, strict=True)
              for e in range(start, last)}  # fmt: skip
    assert count_epochs(params, ["rate"], start, np.array(lasts)) == len(wanted)
