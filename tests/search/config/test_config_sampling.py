"""Ranges, samplers and pruners in a config file: the round trip, and one message per mistake."""

import json
import math
import pickle
from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.config import AXES, Range, SweepConfig, load_config
from search.errors import ConfigError

LISTS = {
    "batch_size": "[8, 16]",
    "learning_rate": "[1e-7, 1e-6]",
    "epochs": "[5, 10]",
    "alpha": "[0, 1]",
}
TPE = '[sampler]\nname = "tpe"\ntrials = 10'
SETTINGS = {
    "name": "mine",
    "space": {"batch_size": [8], "learning_rate": [1e-6], "epochs": [5, 10], "alpha": [0.0, 0.1]},
}


def toml(tables: str = TPE, **axes: str) -> str:
    lines = [f"{key} = {value}" for key, value in (LISTS | axes).items()]
    return "\n".join(["[space]", *lines, tables])


@pytest.fixture
def load(tmp_path):
    """Return a function: the config of a file with this text."""

    def of(text: str) -> SweepConfig:
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return load_config(str(path))

    return of


@pytest.fixture
def message(load, tmp_path):
    """Return a function: the message for a file with this text, less the file's path."""

    def of(text: str) -> str:
        with pytest.raises(ConfigError) as caught:
            load(text)
        assert "Input should" not in str(caught.value)
        return str(caught.value).replace(str(tmp_path / "mine.toml"), "FILE")

    return of


# --- What is right


def test_tpe_grid():
    config = load_config("tpe")
    assert (config.sampler.name, config.total) == ("tpe", 256)
    assert config.sampler.options == {"multivariate": True}
    assert list(config.axes_by_name) == list(AXES)
    assert config.axes_by_name == {
        "batch_size": load_config("full").space.axes["batch_size"],
        "learning_rate": Range(5e-8, 1e-5, log=True),
        "epochs": Range(5, 40),
        "alpha": Range(0.01, 10000.0, log=True),
    }


def test_a_grid_has_its_own_number_of_trials():
    config = load_config("full")
    assert (config.sampler.name, config.pruner.name, config.total) == ("grid", "none", 4096)
    assert config.axes_by_name["epochs"] == config.space.axes["epochs"]


def test_ranges_are_no_grid():
    with pytest.raises(ValueError, match=r"learning_rate is a range \(5e-08 .. 1e-05, log\): only"):
        load_config("tpe").space  # noqa: B018


def test_ranges_hold_numbers_of_their_axis(load):
    config = load(
        toml(
            epochs="{low = 5, high = 40, step = 5}",
            alpha="{low = -0.0, high = 3}",
            learning_rate="{low = 1, high = 2, step = 1}",
        )
    )
    axes = config.axes_by_name
    assert [type(axes["epochs"].high), type(axes["alpha"].high)] == [int, float]
    assert str(axes["epochs"]) == "5 .. 40, step 5"
    assert str(axes["alpha"]) == "0.0 .. 3.0"
    assert str(axes["learning_rate"]) == "1.0 .. 2.0, step 1.0"


def test_lists_are_not_counted_where_a_sampler_chooses(load):
    axis = str(list(range(1, 257)))
    config = load(toml(batch_size=axis, learning_rate=axis, epochs=axis, alpha=axis))
    assert config.total == 10


def test_a_config_with_ranges_and_options_is_a_value():
    config = load_config("tpe")
    assert hash(config) == hash(load_config("tpe"))
    assert pickle.loads(pickle.dumps(config)) == config
    with pytest.raises(ValueError, match="frozen"):
        config.sampler.trials = 1


def test_options_are_a_copy():
    options = {"gamma": [1]}
    sampler = {"name": "tpe", "trials": 5, "options": options}
    config = SweepConfig.from_dict({**SETTINGS, "sampler": sampler})
    options["gamma"].append(2)
    assert config.sampler.options == {"gamma": [1]}


@pytest.mark.parametrize(
    "name", ["random", "qmc", "tpe", "gp", "cmaes", "optuna.samplers.NSGAIISampler", "mine.Best_1"]
)
def test_samplers(load, name):
    assert load(toml(f'[sampler]\nname = "{name}"\ntrials = 3')).sampler.name == name


@pytest.mark.parametrize("name", ["none", "median", "halving", "hyperband", "a.b.C"])
def test_pruners(load, name):
    assert load(toml(f'[pruner]\nname = "{name}"')).pruner.name == name


# --- Through JSON


def ranges(numbers: st.SearchStrategy) -> st.SearchStrategy[dict]:
    ends = st.tuples(numbers, numbers).map(sorted)
    return st.tuples(ends, st.booleans()).map(
        lambda drawn: {
            "low": drawn[0][0],
            "high": drawn[0][1],
            "log": drawn[1] and drawn[0][0] > 0,
            "step": None,
        }
    )


def positive() -> st.SearchStrategy[float]:
    return st.floats(0, exclude_min=True, allow_infinity=False, allow_nan=False)


def spaces() -> st.SearchStrategy[dict]:
    numbers = {
        "batch_size": st.integers(1, 2**31 - 1),
        "learning_rate": positive(),
        "epochs": st.integers(1, 100_000),
        "alpha": st.floats(0, allow_infinity=False, allow_nan=False).map(abs),
    }
    return st.fixed_dictionaries(
        {
            name: st.lists(axis, min_size=1, max_size=4, unique=True) | ranges(axis)
            for name, axis in numbers.items()
        }
    )


def options() -> st.SearchStrategy[dict]:
    leaves = (
        st.none()
        | st.booleans()
        | st.integers(-(2**64), 2**64)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=5)
    )
    values = st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
        ),
        max_leaves=4,
    )
    return st.dictionaries(st.text(max_size=5), values, max_size=3)


def counts() -> st.SearchStrategy[int]:
    return st.integers(1, 2**31)


def configs() -> st.SearchStrategy[dict]:
    return st.fixed_dictionaries(
        {
            "name": st.just("mine"),
            "space": spaces(),
            "sampler": st.fixed_dictionaries(
                {
                    "name": st.sampled_from(["random", "tpe", "a.b"]),
                    "trials": counts(),
                    "batch": st.none() | counts(),
                    "seed": st.none() | st.integers(0, 2**63 - 1),
                    "options": options(),
                }
            ),
            "pruner": st.fixed_dictionaries(
                {
                    "name": st.sampled_from(["median", "halving", "a.b"]),
                    "interval": st.none() | st.integers(1, 100_000),
                    "options": options(),
                }
            ),
        }
    )


@given(configs())
def test_round_trip_through_json(settings):
    config = SweepConfig.from_dict(settings)
    assert config.to_dict().items() >= settings.items()
    again = SweepConfig.from_dict(json.loads(json.dumps(config.to_dict(), allow_nan=False)))
    assert again == config
    assert hash(again) == hash(config)
    for name, axis in config.axes_by_name.items():
        given = settings["space"][name]
        assert axis == (Range(**given) if isinstance(given, dict) else tuple(given))


# --- Ranges


@pytest.mark.parametrize("low", ["0", "-1", "1.5", "8.0", "true", '"8"', "nan", "2147483648"])
def test_wrong_ends_of_a_range_of_whole_numbers(message, low):
    text = message(toml(batch_size=f"{{low = {low}, high = 2147483647}}"))
    assert text.startswith("FILE: space.batch_size.low = ")
    assert text.endswith(": low must be a whole number from 1 to 2147483647")


@pytest.mark.parametrize(
    ("key", "table", "place", "rule"),
    [
        ("epochs", "{low = 1, high = 100001}", "high = 100001", "a whole number from 1 to 100000"),
        ("epochs", "{low = 1, high = 5, step = 0}", "step = 0", "a whole number from 1 to 100000"),
        ("epochs", "{low = 1, high = 5, step = 0.5}", "step = 0.5", "a whole number from 1"),
        ("learning_rate", "{low = 0, high = 1}", "low = 0", "a finite number greater than 0"),
        ("learning_rate", "{low = 1, high = inf}", "high = Infinity", "a finite number greater"),
        ("alpha", "{low = -1, high = 1}", "low = -1", "a finite number, 0 or greater"),
        ("alpha", "{low = 0, high = nan}", "high = NaN", "a finite number, 0 or greater"),
        ("alpha", "{low = 0, high = 1, step = 0}", "step = 0", "a finite number greater than 0"),
        ("alpha", "{low = 0, high = 1, step = -1}", "step = -1", "a finite number greater than 0"),
        ("alpha", "{low = 1, high = 2, log = 1}", "log = 1", "true or false"),
    ],
)
def test_wrong_value_in_a_range(message, key, table, place, rule):
    text = message(toml(**{key: table}))
    assert text.startswith(f"FILE: space.{key}.{place}: {place.split()[0]} must be {rule}")
    assert "\n" not in text


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("{low = 9, high = 8}", "low must not be greater than high; exchange the two"),
        ("{low = 1, high = 8, log = true, step = 7}", "log and step exclude each other"),
        ("{low = 5, high = 42, step = 5}", "a whole multiple of step; give high = 40, or another"),
        ("{low = 5, high = 8, step = 1000}", "a whole multiple of step; give high = 5, or another"),
    ],
)
@pytest.mark.parametrize("key", ["batch_size", "epochs"])
def test_a_range_that_is_none(message, key, table, expected):
    text = message(toml(**{key: table}))
    assert text.startswith(f'FILE: space.{key} = {{"low": ')
    assert expected in text
    assert "\n" not in text


def test_log_needs_a_low_above_0(message):
    text = message(toml(alpha="{low = 0, high = 1, log = true}"))
    assert "a range with log must have a low greater than 0; raise it, or leave log out" in text


@pytest.mark.parametrize(
    ("high", "step", "expected"),
    [
        ("1", "1e-300", "step is so small that its multiples cannot be told apart; give at least "),
        ("1e308", "1e-300", "cannot be told apart; give at least 2e+292, or leave it out"),
        ("1", "5e-324", "cannot be told apart; give at least 2e-16, or leave it out"),
        ("1", "1e-16", "cannot be told apart"),
        ("1", "1e300", "must be a whole multiple of step; give high = 0.0, or another step"),
        ("1e-300", "1", "must be a whole multiple of step; give high = 0.0, or another step"),
        ("1.7e308", "1.7e308", "high and step must have a finite sum; give a lower high"),
    ],
)
def test_a_step_at_the_ends_of_float64_is_refused_in_one_line(message, high, step, expected):
    text = message(toml(alpha=f"{{low = 0, high = {high}, step = {step}}}"))
    assert text.startswith('FILE: space.alpha = {"low": ')
    assert expected in text
    assert "\n" not in text


def test_a_step_of_floats_that_misses_high(message):
    text = message(toml(alpha="{low = 0.1, high = 1.05, step = 0.3}"))
    assert "high - low must be a whole multiple of step; give high = 1.0, or another step" in text


@pytest.mark.parametrize(
    ("low", "high", "step"),
    [
        ("0.1", "0.7", "0.1"),
        ("0", "1", "0.3333333333333333"),
        ("0.1", "1000000.1", "0.001"),
        ("3", "3", "5"),
    ],
)
def test_a_step_of_floats_that_meets_high_but_for_rounding(load, low, high, step):
    axis = load(toml(alpha=f"{{low = {low}, high = {high}, step = {step}}}")).axes_by_name["alpha"]
    assert axis == Range(float(low), float(high), step=float(step))


@given(st.integers(1, 50_000), st.integers(0, 1000), st.integers(1, 50))
def test_steps_of_whole_numbers_are_exact(low, span, step):
    table = {"low": low, "high": low + span, "step": step}
    settings = {
        **SETTINGS,
        "space": {**SETTINGS["space"], "epochs": table},
        "sampler": {"name": "tpe", "trials": 5},
    }
    if span % step == 0:
        assert SweepConfig.from_dict(settings).axes_by_name["epochs"].step == step
    else:
        with pytest.raises(ConfigError, match=rf"give high = {low + span // step * step}, or"):
            SweepConfig.from_dict(settings)


@given(st.decimals(0, 100, places=3), st.integers(0, 1000), st.decimals("0.001", 10, places=3))
def test_decimals_that_meet_high_are_steps(low, count, step):
    high = float(Fraction(low) + count * Fraction(step))
    table = {"low": abs(float(low)), "high": high, "step": float(step)}
    settings = {
        **SETTINGS,
        "space": {**SETTINGS["space"], "alpha": table},
        "sampler": {"name": "tpe", "trials": 5},
    }
    assert SweepConfig.from_dict(settings).axes_by_name["alpha"].high == high


def test_missing_and_unknown_keys_of_a_range(message):
    text = message(toml(alpha="{low = 0}"))
    assert text == "FILE: space.alpha.high is missing: it must be a finite number, 0 or greater"
    text = message(toml(alpha="{low = 0, high = 1, lof = true}"))
    assert text.startswith('FILE: unknown key "lof" in space.alpha. Did you mean lo')
    text = message(toml(alpha="{low = 0, high = 1, mean = 2}"))
    assert text.endswith('"mean" in space.alpha. The keys here are low, high, log, step.')


@pytest.mark.parametrize("key", LISTS)
def test_what_is_neither_list_nor_range_is_told_of_both(message, key):
    for value in ("{}", "3"):
        text = message(toml(**{key: value}))
        assert f"space.{key} = {value}: {key} must be a list of one or more " in text
        assert "or a range such as {low = " in text


def test_ranges_need_a_sampler(message):
    text = message(toml("", alpha="{low = 0.5, high = 1}"))
    assert text == (
        'FILE: space.alpha = {"low": 0.5, "high": 1.0}: ranges need a sampler, such as '
        "--sampler tpe --trials 500; give one, or a list of values"
    )


# --- Samplers and pruners


@pytest.mark.parametrize("table", ["sampler", "pruner"])
@pytest.mark.parametrize("name", ["crystal-ball", "", ".", "a.", ".a", "a..b", "a.1", "os;rm.x"])
def test_unknown_method(message, table, name):
    text = message(toml(f'[{table}]\nname = "{name}"'))
    assert text.startswith(f'FILE: {table}.name = "{name}": name must be ')
    assert "an import path such as " in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("table", "name", "meant"),
    [("sampler", "TPE", "tpe"), ("sampler", "cmaes_", "cmaes"), ("pruner", "hyper", "hyperband")],
)
def test_a_name_that_is_close_to_a_known_one(message, table, name, meant):
    assert message(toml(f'[{table}]\nname = "{name}"')).endswith(f" Did you mean {meant}?")


@pytest.mark.parametrize("table", ["sampler", "pruner"])
@pytest.mark.parametrize("value", ['"tpe"', "3", "[]"])
def test_a_method_is_a_table(message, table, value):
    text = message(f"{table} = {value}\n{toml('')}")
    assert f"{table} = {value}: {table} must be a table such as {{name = " in text


@pytest.mark.parametrize("value", ["0", "-1", "2147483649", "1.0", "true", '"9"'])
@pytest.mark.parametrize("key", ["trials", "batch"])
def test_wrong_count(message, key, value):
    counts = {"trials": "5", key: value}
    lines = "\n".join(f"{name} = {count}" for name, count in counts.items())
    text = message(toml(f'[sampler]\nname = "tpe"\n{lines}'))
    assert text.startswith(
        f"FILE: sampler.{key} = {value}: {key} must be a whole number from 1 to 2147483648, such as"
    )


@pytest.mark.parametrize("value", ["0", "100001", "2.5", "true"])
def test_wrong_interval(message, value):
    text = message(toml(f'[pruner]\nname = "median"\ninterval = {value}'))
    assert f"pruner.interval = {value}: interval must be a whole number from 1 to 100000" in text


@pytest.mark.parametrize("value", ["3", '"x"', "[1]", "{a = 1979-05-27}", "{a = [nan]}", "{a=inf}"])
@pytest.mark.parametrize("table", ["sampler", "pruner"])
def test_wrong_options(message, table, value):
    text = message(toml(f'[{table}]\nname = "a.b"\noptions = {value}'))
    assert text.startswith(f"FILE: {table}.options = ")
    assert ": options must be a table of finite numbers, text, true or false, lists" in text


def test_a_seed_among_the_options_is_refused(message):
    table = '[sampler]\nname = "tpe"\ntrials = 9\noptions = {seed = 1}'
    assert "give it beside them, as seed below [sampler]" in message(toml(table))


def nested(depth: int) -> list:
    return [nested(depth - 1)] if depth else []


@pytest.mark.parametrize(
    "value", [math.nan, date(2000, 1, 1), (1, 2), {1: 2}, {1}, b"x", object(), nested(300)]
)
def test_options_hold_nothing_that_json_would_change(value):
    sampler = {"name": "tpe", "trials": 5, "options": {"a": value}}
    with pytest.raises(ConfigError, match=r"^manifest: sampler.options = .*must be a table of"):
        SweepConfig.from_dict({**SETTINGS, "sampler": sampler})


def test_a_sampler_needs_trials(message):
    assert message(toml('[sampler]\nname = "a.B"')) == (
        'FILE: sampler.trials is missing: the sampler "a.B" needs a whole number from 1 to '
        "2147483648; give trials = 500 below [sampler], or --trials 500"
    )


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("trials", "5", "5"),
        ("batch", "5", "5"),
        ("seed", "5", "5"),
        ("options", "{a = 1}", '{"a": 1}'),
    ],
)
def test_the_grid_takes_nothing(message, key, value, shown):
    text = message(toml(f"[sampler]\n{key} = {value}"))
    assert text == (
        f'FILE: sampler.{key} = {shown}: the sampler "grid" tries every combination and takes '
        f"no {key}; leave it out, or name another sampler, such as --sampler tpe"
    )


@pytest.mark.parametrize(
    ("key", "value", "shown"), [("interval", "5", "5"), ("options", "{a = 1}", '{"a": 1}')]
)
def test_no_pruner_takes_nothing(message, key, value, shown):
    text = message(toml(f"[pruner]\n{key} = {value}"))
    assert text == (
        f'FILE: pruner.{key} = {shown}: the pruner "none" stops no trial and takes no {key}; '
        "leave it out, or name another pruner, such as --pruner halving"
    )


def test_settings_that_do_not_go_together_are_told_at_once(message):
    text = message(toml("[sampler]\ntrials = 5\n[pruner]\ninterval = 5", alpha="{low=1, high=2}"))
    lines = text.splitlines()
    assert lines[0] == "FILE: 3 mistakes"
    for line, start in zip(lines[1:], ["sampler.trials", "space.alpha", "pruner"], strict=True):
        assert line.startswith(f"  {start}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("trials = 5\n" + toml(""), 'unknown key "trials". Move it below [sampler].'),
        (toml("interval = 5"), 'unknown key "interval" in [space]. Move it below [pruner].'),
        (
            toml('[sampler]\ndataset = "x"'),
            '"dataset" in [sampler]. Move it to the top of the file.',
        ),
        (toml("[sampler]\ntrails = 1"), '"trails" in [sampler]. Did you mean trials?'),
        (toml("[pruner]\nzzz = 1"), "in [pruner]. The keys here are name, interval, options."),
    ],
)
def test_unknown_keys(message, text, expected):
    assert message(text).endswith(expected)
