"""Ranges and lists of other trainers' hyperparameters: what none of them can be is told at once."""

from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.config import Range, SweepConfig
from search.errors import ConfigError

WHOLE = st.integers(-(2**63), 2**63 - 1)
EXACT = st.integers(-(2**53), 2**53)


def config_of(*tables, sampler="random"):
    """Return the config of another trainer, of one table or several."""
    method = {"name": "grid"} if sampler == "grid" else {"name": sampler, "trials": 3}
    space = [{"epochs": [1], **table} for table in tables]
    trainer = {"name": "mine:Trainer", "pack_by": None}
    settings = {"name": "made", "trainer": trainer, "sampler": method}
    return SweepConfig.from_dict(settings | {"space": space if len(space) > 1 else space[0]})


def axis_of(values, name="m"):
    return config_of({name: values}).axes_by_name[name]


def refused(values, name="m"):
    with pytest.raises(ConfigError) as caught:
        config_of({name: values})
    text = str(caught.value)
    assert text.startswith(f"manifest: space.{name}") or name == "epochs"
    assert "Input should" not in text
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"low": 1, "high": 9, "step": 0}, "step must be a finite number greater than 0"),
        ({"low": 1, "high": 9, "step": -5}, "step must be a finite number greater than 0"),
        ({"low": 1.0, "high": 9.0, "step": -0.5}, "step must be a finite number greater than 0"),
        ({"low": 1.0, "high": 9.0, "step": inf}, "step must be a finite number greater than 0"),
        ({"low": 1.0, "high": 9.0, "step": nan}, "step must be a finite number greater than 0"),
        ({"low": 1, "high": 9, "step": 0.5}, "step must be a whole number too"),
        ({"low": 1, "high": 9, "step": inf}, "step must be a whole number too"),
        ({"low": 1.0, "high": 9, "step": True}, "step must be a number"),
        ({"low": -1.0, "high": 1.0, "log": True}, "must have a low greater than 0"),
        ({"low": -4, "high": -1, "log": True}, "must have a low greater than 0"),
        ({"low": 0, "high": 9, "log": True}, "must have a low greater than 0"),
        ({"low": 1, "high": 9, "log": 1}, "log must be true or false"),
        ({"low": 1, "high": inf}, "low and high must be finite numbers"),
        ({"low": nan, "high": 1.0}, "low and high must be finite numbers"),
        ({"low": -inf, "high": 1.0, "step": 1.0}, "low and high must be finite numbers"),
        ({"low": -1e308, "high": 1e308}, "high - low must be a finite number"),
        ({"low": 1, "high": 10**20}, "high must be from -2**63 to 2**63 - 1"),
        ({"low": -(2**63) - 1, "high": 0}, "low must be from -2**63 to 2**63 - 1"),
        ({"low": 2**53 + 1, "high": 2**53 + 1}, "low and high must be from -2**53 to 2**53"),
        ({"low": -(2**53) - 1, "high": 0}, "low and high must be from -2**53 to 2**53"),
        ({"low": 1.5, "high": 10**400}, "a whole number beside one with a point is a float too"),
        ({"low": 2**53 + 1, "high": 1e17}, "a whole number beside one with a point is a float too"),
        ({"low": 1, "high": 9, "steps": 2}, "unknown key 'steps'; a range has low, high, log, st"),
        ({"low": True, "high": 3}, "a range needs low and high, both numbers"),
        ([2**63], "whole numbers must be from -2**63 to 2**63 - 1"),
        ([10**5000], "whole numbers must be from -2**63 to 2**63 - 1"),
        ([2**53 + 1, 0.5], "a whole number beside one with a point is a float too"),
    ],
)
def test_what_is_no_range_and_no_list_is_one_message(given, said):
    assert said in refused(given)


@pytest.mark.parametrize(
    "given", [{"low": 1, "high": 3, "step": 0.5}, {"low": 1.0, "high": 3}, {"low": 1, "high": 1e9}]
)
def test_epochs_are_whole(given):
    assert "whole number" in refused(given, "epochs")


@given(WHOLE)
def test_whole_numbers_of_64_bits_are_kept_in_a_list(value):
    assert axis_of([value]) == (value,)


@given(EXACT, EXACT, st.integers(1, 2**40))
def test_a_range_keeps_the_whole_numbers_that_floats_hold(one, other, step):
    low, high = sorted((one, other))
    axis = axis_of({"low": low, "high": high})
    assert (axis, type(axis.low), type(axis.high)) == (Range(low, high), int, int)
    high -= (high - low) % step
    if (high - low) // step <= 2**52:
        stepped = axis_of({"low": low, "high": high, "step": step})
        assert (stepped, type(stepped.step)) == (Range(low, high, step=step), int)


def test_a_whole_step_of_earlier_versions_was_written_as_a_float():
    axis = axis_of({"low": 1, "high": 9, "step": 2.0})
    assert (axis, type(axis.step)) == (Range(1, 9, step=2), int)


def test_a_list_may_have_any_float():
    assert axis_of([1e300, -1e20, 3]) == (1e300, -1e20, 3.0)


@given(
    st.one_of(
        st.fixed_dictionaries(
            {"low": st.one_of(WHOLE, st.floats()), "high": st.one_of(WHOLE, st.floats())},
            optional={
                "log": st.booleans(),
                "step": st.one_of(st.integers(-2, 2**64), st.floats()),
            },
        ),
        st.lists(st.one_of(st.integers(), st.floats()), min_size=1, max_size=4),
    )
)
def test_what_is_taken_can_be_drawn_from_and_comes_back_from_a_manifest(given):
    from search.tuning.tuner import make_tuner

    try:
        config = config_of({"m": given})
    except ConfigError:
        return
    again = SweepConfig.from_dict(config.to_dict())
    assert repr(again.axes_by_name) == repr(config.axes_by_name)
    axis = config.axes_by_name["m"]
    for name in ("random", "qmc"):
        settings = config.to_dict() | {"sampler": {"name": name, "trials": 3}}
        proposal = make_tuner(SweepConfig.from_dict(settings)).ask(0, 3)
        for params in proposal.params:
            value = params["m"]
            if isinstance(axis, Range):
                assert axis.low <= value <= axis.high
                assert type(value) is type(axis.low)
            else:
                assert value in axis


def test_where_one_table_has_floats_all_tables_have_them():
    """They share a column, and a trainer is called with what the column holds."""
    config = config_of({"m": [1, 2], "k": [1]}, {"m": [0.5], "k": [2]}, sampler="grid")
    assert [repr(params["m"]) for params in config.space] == ["1.0", "2.0", "0.5"]
    assert {repr(params["k"]) for params in config.space} == {"1", "2"}
    assert config.space.columns()["m"].tolist() == [1.0, 2.0, 0.5]
    config = config_of({"m": [1]}, {"m": [1.0]}, sampler="grid")
    assert config.space.columns()["m"].dtype == float


def test_a_grid_may_have_more_hyperparameters_than_arrays_have_dimensions():
    names = [f"m{k}" for k in range(100)]
    space = config_of({name: [1, 2] if k in (0, 99) else [3] for k, name in enumerate(names)},
                      sampler="grid").space  # fmt: skip
    columns = space.columns()
    assert list(columns) == list(space.axes)
    assert [{n: columns[n][i].item() for n in columns} for i in range(4)] == [*map(dict, space)]
