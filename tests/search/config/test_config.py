"""Grids: the shipped ones, the round trip, and one clear message per mistake."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import search.config.grids
from model.errors import PacksweepError, UsageError
from search import errors
from search.config import Params, SweepConfig, load_config
from search.config.grids import known_grids
from search.errors import ConfigError

ROOT = Path(search.config.grids.__file__).parents[2]
AXES = {
    "batch_size": "[8, 16]",
    "learning_rate": "[1e-7, 1e-6]",
    "epochs": "[5, 10]",
    "alpha": "[0, 1]",
}
GOOD = {
    "name": "mine",
    "dataset": "digits",
    "seed": 7,
    "validation_fraction": 0.25,
    "space": {"batch_size": [8], "learning_rate": [1e-6], "epochs": [5, 10], "alpha": [0.0, 0.1]},
}


def toml(top: str = "", **axes: str) -> str:
    lines = [f"{key} = {value}" for key, value in (AXES | axes).items() if value]
    return "\n".join([top, "[space]", *lines])


@pytest.fixture
def message(tmp_path):
    """Return a function: the message for a file with this text, less the file's path."""

    def of(text: str | bytes, name: str = "mine.toml") -> str:
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        with pytest.raises(ConfigError) as caught:
            load_config(str(path))
        assert str(path) in str(caught.value)
        assert "pydantic" not in str(caught.value).lower()
        assert "Input should" not in str(caught.value)
        return str(caught.value).replace(str(path), "FILE")

    return of


def refusal(argument: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(argument)
    return str(caught.value)


# --- Grids that are right


def test_full_grid():
    config = load_config("full")
    assert (config.name, config.dataset, config.seed) == ("full", "auto", 0)
    assert config.validation_fraction == 0.2
    assert [len(values) for values in config.space.axes.values()] == [8, 8, 8, 8]
    assert config.space[0] == Params(batch_size=8, learning_rate=5e-8, epochs=5, alpha=0.0)
    assert config.space[4095] == Params(
        batch_size=1024, learning_rate=1e-5, epochs=40, alpha=10000.0
    )
    assert config.space[2 * 512 + 3 * 64 + 6 * 8 + 3] == Params(
        batch_size=32, learning_rate=5e-7, epochs=35, alpha=1.0
    )


def test_smoke_grid():
    config = load_config("smoke")
    assert (config.name, config.dataset, len(config.space)) == ("smoke", "digits", 16)


def test_the_averaged_grid_is_the_full_one_but_for_what_selects():
    full, averaged = (load_config(name).to_dict() for name in ("full", "full-average"))
    # What was reported elsewhere is the cost of last weights.
    assert full.pop("reference")["val_cost"] == 0.4336
    assert averaged == full | {"name": "full-average", "select": "average"}
    assert full["select"] == "last"


def test_the_standardized_grid_is_as_large_as_the_full_one():
    full, standardized = load_config("full"), load_config("full-standardized")
    assert (full.features, standardized.features) == ("raw", "standardized")
    assert standardized.select == "average"
    assert len(standardized.space) == len(full.space) == 4096


def test_known_grids():
    assert known_grids() == ["full", "full-average", "full-standardized", "smoke", "tabular", "tpe"]


def test_names_work_from_any_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_config("smoke").name == "smoke"


def test_an_installed_package_holds_its_grids(tmp_path, monkeypatch):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/stranger.toml").write_text("")
    (tmp_path / "search/configs").mkdir(parents=True)
    (tmp_path / "search/configs/shipped.toml").write_text(toml())
    monkeypatch.setattr(search.config.grids, "__file__", str(tmp_path / "search/config/grids.py"))
    assert known_grids() == ["shipped"]
    assert load_config("shipped").name == "shipped"


def test_path_with_defaults(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.v2.toml").write_text(toml())
    config = load_config("mine.v2.toml")
    assert config == load_config("./mine.v2.toml")
    assert (config.name, config.dataset, config.seed) == ("mine.v2", "auto", 0)
    assert config.validation_fraction == 0.2


def test_integers_are_fine_where_floats_are_asked(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(toml(learning_rate="[1]", alpha="[-0.0, 3]"))
    space = load_config(str(path)).space
    assert [type(v) for v in space.axes["learning_rate"] + space.axes["alpha"]] == [float] * 3
    assert str(space.axes["alpha"]) == "(0.0, 3.0)"


def test_byte_order_mark_and_windows_lines(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xef\xbb\xbf" + toml().replace("\n", "\r\n").encode())
    assert len(load_config(str(path)).space) == 16


def test_a_config_is_a_value():
    config = load_config("smoke")
    assert hash(config) == hash(load_config("smoke"))
    assert pickle.loads(pickle.dumps(config)) == config
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 1


# --- Through JSON


def configs() -> st.SearchStrategy[dict]:
    def axis(values: st.SearchStrategy) -> st.SearchStrategy:
        return st.lists(values, min_size=1, max_size=4, unique=True)

    return st.fixed_dictionaries(
        {
            "name": st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z"),
            "dataset": st.text(st.characters(exclude_categories=["C"]), min_size=1),
            "seed": st.integers(0, 2**63 - 1),
            "validation_fraction": st.floats(0, 1, exclude_min=True, exclude_max=True),
            "select": st.sampled_from(["last", "average"]),
            "space": st.fixed_dictionaries(
                {
                    "batch_size": axis(st.integers(1, 2**31 - 1)),
                    "learning_rate": axis(
                        st.floats(0, exclude_min=True, allow_infinity=False, allow_nan=False)
                    ),
                    "epochs": axis(st.integers(1, 100_000)),
                    "alpha": axis(st.floats(0, allow_infinity=False, allow_nan=False)),
                }
            ),
        }
    )


@given(configs())
def test_round_trip_through_json(settings):
    config = SweepConfig.from_dict(settings)
    assert config.to_dict().items() >= settings.items()
    assert SweepConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize("grid", known_grids())
def test_shipped_grids_go_round(grid):
    config = load_config(grid)
    assert SweepConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize("data", [None, [], "full", 3])
def test_from_dict_of_something_else(data):
    with pytest.raises(ConfigError, match="manifest: must be a table with the keys dataset"):
        SweepConfig.from_dict(data)


def test_from_dict_names_its_source_and_the_key():
    with pytest.raises(ConfigError, match=r"^--seed: seed = -1: seed must be a whole number"):
        SweepConfig.from_dict({**GOOD, "seed": -1}, source="--seed")


def test_from_dict_needs_a_name():
    with pytest.raises(ConfigError, match=r"^manifest: name is missing"):
        SweepConfig.from_dict({key: GOOD[key] for key in GOOD if key != "name"})


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".hidden", "-x", "a/b", "a b", "a\n", "x" * 101, 3]
)
def test_names_are_safe_for_folders(name):
    with pytest.raises(ConfigError, match=r"name = .*: name must be up to 100 of A-Z"):
        SweepConfig.from_dict({**GOOD, "name": name})


# --- Which file


def test_unknown_name_suggests_and_lists():
    message = refusal("smok")
    assert 'no grid "smok"' in message
    assert "Did you mean smoke?" in message
    assert "full, full-average, full-standardized, smoke" in message
    assert "./my.toml" in message


@pytest.mark.parametrize("name", ["", ".", "..", "zzz", "~"])
def test_unknown_name_that_is_close_to_none(name):
    message = refusal(name)
    assert "Did you mean" not in message
    assert "full, full-average, full-standardized, smoke" in message


def test_unknown_name_without_any_grid(tmp_path, monkeypatch):
    monkeypatch.setattr(search.config.grids, "__file__", str(tmp_path / "search/config/grids.py"))
    assert "Known grids: none" in refusal("full")


def test_missing_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert refusal("mine.toml") == "There is no file mine.toml. Check the path."
    assert "The shipped grid is called full, without .toml" in refusal("full.toml")


def test_directory(tmp_path):
    assert refusal(f"{tmp_path}/") == f"{tmp_path} is a directory; give the path of a .toml file."


def test_unreadable_file(tmp_path):
    loop = tmp_path / "loop.toml"
    loop.symlink_to(loop)
    assert f"{loop} cannot be read: Too many levels of symbolic links" in refusal(str(loop))
    assert "cannot be read" in refusal("a\0b.toml")


def test_permission_denied(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert "mine.toml cannot be read: Permission denied" in refusal("mine.toml")


def test_file_name_that_is_no_folder_name(message):
    text = message(toml(), name="my grid.toml")
    assert 'FILE: name = "my grid": name must be' in text
    assert "rename the grid's file" in text


# --- What stands in it


def test_toml_syntax(message):
    text = message("seed = 0\n[space]\nbatch_size = [8, 16\nepochs = [5]")
    assert text.startswith("FILE is not valid TOML: ")
    assert "line 4" in text


def test_toml_that_ends_too_soon(message):
    assert "at the end, line 3" in message("seed = 0\n[space]\nbatch_size = [8,\n")


def test_toml_key_twice(message):
    assert "line 2" in message("seed = 0\nseed = 1\n" + toml())


@pytest.mark.parametrize("value", ["9" * 5000, "[" * 100_000])
def test_toml_beyond_reason(message, value):
    assert "too long, or brackets are nested too deep" in message(f"seed = {value}")


def test_not_utf8(message):
    text = message(b'# line 1\ndataset = "caf\xe9"\n')
    assert text == "FILE is not UTF-8 text (line 2); save it as UTF-8."


def test_empty_file(message):
    assert message("") == (
        "FILE: space is missing: it must be a table with the keys "
        "batch_size, learning_rate, epochs, alpha"
    )


@pytest.mark.parametrize(
    ("top", "axes", "expected"),
    [
        ("sed = 1", {}, 'unknown key "sed". Did you mean seed?'),
        ("Seed = 1", {}, 'unknown key "Seed". Did you mean seed?'),
        ("colour = 1", {}, 'unknown key "colour". The keys here are dataset, seed,'),
        ('name = "x"', {}, 'unknown key "name". The keys here are dataset, seed,'),
        ("epochs = [5]", {}, 'unknown key "epochs". Move it below [space].'),
        ('"a\\nb" = 1', {}, r'unknown key "a\nb".'),
        ("", {"batchsize": "[8]"}, 'unknown key "batchsize" in [space]. Did you mean batch_size?'),
        ("", {"zzz": "[8]"}, 'unknown key "zzz" in [space]. The keys here are batch_size,'),
        ("", {"seed": "1"}, 'unknown key "seed" in [space]. Move it to the top of the file.'),
    ],
)
def test_unknown_key(message, top, axes, expected):
    text = message(toml(top, **axes))
    assert text.startswith(f"FILE: {expected}")
    assert "\n" not in text


@pytest.mark.parametrize("key", AXES)
def test_missing_key(message, key):
    text = message(toml(**{key: ""}))
    assert text.startswith(f"FILE: space.{key} is missing: it must be a list of one or more")
    assert "such as [" in text


@pytest.mark.parametrize("key", AXES)
@pytest.mark.parametrize("value", ["8", "{}", '"8"', "true", "[]"])
def test_no_list_or_an_empty_one(message, key, value):
    text = message(toml(**{key: value}))
    assert text.startswith(f"FILE: space.{key} = {value}: {key} must be a list of one or more")
    assert "\n" not in text


INTEGERS = ["true", '"8"', "8.5", "8.0", "0", "-1", "2147483648", "1979-05-27", "[8]"]
REALS = ["true", '"1"', "-1", "nan", "inf", "-inf", "1e999", "9" * 400, "0x" + "f" * 9000]


@pytest.mark.parametrize(
    ("key", "value"),
    [("batch_size", value) for value in INTEGERS]
    + [("epochs", value) for value in [*INTEGERS, "100001"]]
    + [("learning_rate", value) for value in [*REALS, "0", "0.0", "1e-400"]]
    + [("alpha", value) for value in [*REALS, "-1e-9"]],
)
def test_wrong_value_in_a_list(message, key, value):
    text = message(toml(**{key: f"[3, {value}]"}))
    assert text.startswith(f"FILE: space.{key}[1] = ")
    assert f": {key} must be a list of one or more " in text
    assert "\n" not in text
    assert len(text) < 250


def test_the_value_is_shown_as_it_was_written(message):
    assert 'space.epochs[1] = "8":' in message(toml(epochs='[5, "8"]'))
    assert "space.epochs[0] = true:" in message(toml(epochs="[true]"))
    assert "space.epochs[0] = 8.5:" in message(toml(epochs="[8.5]"))


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("seed", "-1", "a whole number from 0 to 9223372036854775807"),
        ("seed", "9223372036854775808", "a whole number from 0 to 9223372036854775807"),
        ("seed", "1.0", "a whole number from 0"),
        ("seed", "true", "a whole number from 0"),
        ("seed", '"0"', "a whole number from 0"),
        ("validation_fraction", "0", "a number between 0 and 1, both excluded"),
        ("validation_fraction", "1", "a number between 0 and 1, both excluded"),
        ("validation_fraction", "1.5", "a number between 0 and 1, both excluded"),
        ("validation_fraction", "true", "a number between 0 and 1"),
        ("select", "true", '"last" or "average": the weights by whose validation cost trials are'),
        ("select", '"mean"', '"last" or "average": the weights by whose validation cost trials'),
        ("dataset", "3", '"auto", "fashion-mnist", "digits" or the path'),
        ("dataset", '""', '"auto", "fashion-mnist", "digits" or the path'),
    ],
)
def test_wrong_setting(message, key, value, rule):
    text = message(toml(f"{key} = {value}"))
    assert text.startswith(f"FILE: {key} = {value}: {key} must be {rule}")


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_fraction_that_is_not_finite(message, value):
    text = message(toml(f"validation_fraction = {value}"))
    assert "validation_fraction must be a number between 0 and 1" in text


@pytest.mark.parametrize("value", ["3", "[]", '"x"'])
def test_space_is_a_table(message, value):
    text = message(f"space = {value}")
    assert text.startswith(f"FILE: space = {value}: space must be a table with the keys batch_size")


@pytest.mark.parametrize(
    ("key", "values", "twice"),
    [
        ("batch_size", "[8, 16, 8, 16, 32]", "[8, 16]"),
        ("epochs", "[5, 5]", "[5]"),
        ("learning_rate", "[1e-6, 0.000001]", "[1e-06]"),
        ("alpha", "[1, 2, 1.0]", "[1]"),
        ("alpha", "[0, -0.0]", "[0]"),
    ],
)
def test_duplicates(message, key, values, twice):
    text = message(toml(**{key: values}))
    assert text == f"FILE: space.{key} has duplicate values, {twice}: give each value once"


def test_too_many_combinations(message):
    axis = str(list(range(1, 257)))
    text = message(toml(batch_size=axis, learning_rate=axis, epochs=axis, alpha=axis))
    assert text == (
        "FILE: space has 256 x 256 x 256 x 256 = 4294967296 combinations, "
        "more than 2147483648 (2**31): give fewer values"
    )


def test_as_many_combinations_as_allowed(tmp_path):
    axis = str(list(range(1, 257)))
    path = tmp_path / "big.toml"
    path.write_text(
        toml(batch_size=axis, learning_rate=axis, epochs=axis, alpha=str(list(range(128))))
    )
    assert len(load_config(str(path)).space) == 2**31


def test_several_mistakes_in_one_message(message):
    text = message(toml("sed = 1\nvalidation_fraction = 2", epochs='[5, "ten"]', alpha=""))
    lines = text.splitlines()
    assert lines[0] == "FILE: 4 mistakes"
    assert all(line.startswith("  ") for line in lines[1:])
    body = "\n".join(lines[1:])
    for part in ["validation_fraction = 2", 'space.epochs[1] = "ten"', "space.alpha is missing"]:
        assert part in body
    assert 'unknown key "sed"' in body


def test_at_most_eight_mistakes_are_listed(message):
    lines = message(toml(batch_size=str([0] * 11))).splitlines()
    assert lines[0] == "FILE: 11 mistakes"
    assert len(lines) == 1 + 8 + 1
    assert lines[-1] == "  and 3 more"


def test_exactly_eight_mistakes(message):
    lines = message(toml(batch_size=str([0] * 8))).splitlines()
    assert len(lines) == 1 + 8
    assert lines[-1].startswith("  space.batch_size[7] = 0")


def test_the_traceback_shows_nothing_of_the_checker():
    code = (
        "from search.config import SweepConfig\n"
        "from search.errors import ConfigError\n"
        "try:\n    SweepConfig.from_dict({})\n"
        "except ConfigError as error:\n    assert error.__context__ is None\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


# --- Exceptions


@pytest.mark.parametrize("name", ["ConfigError", "RunFolderError", "LockedError"])
def test_usage_errors_leave_with_2(name):
    assert issubclass(getattr(errors, name), UsageError)
    assert getattr(errors, name).exit_code == 2


def test_other_errors():
    assert issubclass(errors.StoreError, PacksweepError)
    assert errors.StoreError.exit_code == 1
    assert errors.InterruptedSweepError.exit_code == 130
    assert not issubclass(errors.InterruptedSweepError, UsageError)
