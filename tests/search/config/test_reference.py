"""The table [reference]: what was reported elsewhere, checked like all settings."""

import json

import pytest

from search.config import Params, SweepConfig, load_config
from search.errors import ConfigError
from search.record import Manifest

GOOD = {
    "dataset": '"fashion-mnist"', "epochs": "35", "alpha": "1", "learning_rate": "5e-7",
    "batch_size": "32", "val_cost": "0.4336", "test_cost": "0.4558", "test_accuracy": "0.8426",
}  # fmt: skip
SPACE = "[space]\nbatch_size = [8]\nlearning_rate = [1e-6]\nepochs = [5]\nalpha = [0]\n"


def load(tmp_path, **changed):
    lines = [f"{key} = {value}" for key, value in (GOOD | changed).items() if value]
    path = tmp_path / "mine.toml"
    path.write_text("\n".join([SPACE, "[reference]", *lines]))
    return load_config(str(path))


def test_the_full_grid_has_what_was_reported_for_it():
    reference = load_config("full").reference
    assert reference.params == Params(batch_size=32, learning_rate=5e-7, epochs=35, alpha=1.0)
    assert (reference.val_cost, reference.test_cost) == (0.4336, 0.4558)
    assert (reference.dataset, reference.test_accuracy) == ("fashion-mnist", 0.8426)


def test_it_goes_round_through_a_manifest(tmp_path):
    config = load(tmp_path)
    stored = json.loads(json.dumps(config.to_dict()))
    assert SweepConfig.from_dict(stored) == config
    assert stored["reference"]["alpha"] == 1.0


def test_a_grid_without_one_says_nothing_of_it():
    config = load_config("smoke")
    assert config.reference is None
    assert "reference" not in config.to_dict()


def test_it_is_none_of_the_settings_that_decide_the_results(tmp_path):
    one, other = load(tmp_path), load(tmp_path, val_cost="0.5").to_dict()
    other_config = {key: value for key, value in other.items() if key != "reference"}
    manifests = [
        Manifest(config, {"name": "x", "fingerprint": "y"}, {}, 1, {}, "now")
        for config in (one.to_dict(), other, other_config)
    ]
    assert manifests[0].differences(manifests[1]) == manifests[0].differences(manifests[2]) == []


@pytest.mark.parametrize(("key", "value", "rule"), [
    ("dataset", "3", 'dataset must be the name of a data set, such as "fashion-mnist"'),
    ("epochs", "0", "epochs must be a whole number from 1 to 100000"),
    ("alpha", "-1", "alpha must be a finite number, 0 or greater"),
    ("learning_rate", "0", "learning_rate must be a finite number greater than 0"),
    ("batch_size", "1.5", "batch_size must be a whole number from 1 to"),
    ("val_cost", "nan", "val_cost must be a finite number, 0 or greater"),
    ("test_cost", '"low"', "test_cost must be a finite number, 0 or greater"),
    ("test_accuracy", "84.26", "test_accuracy must be a number from 0 to 1, such as 0.8426"),
    ("note", "3", "note must be text of 500 characters at most"),
])  # fmt: skip
def test_each_mistake_is_one_clear_message(tmp_path, key, value, rule):
    with pytest.raises(ConfigError) as told:
        load(tmp_path, **{key: value})
    assert f": reference.{key} = " in str(told.value)
    assert f": {rule}" in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("key", GOOD)
def test_a_missing_key_is_named(tmp_path, key):
    with pytest.raises(ConfigError, match=f"reference.{key} is missing: it must be "):
        load(tmp_path, **{key: ""})


def test_unknown_keys_get_a_hint_at_their_place(tmp_path):
    with pytest.raises(ConfigError, match=r'"val_cots" in \[reference\]. Did you mean val_cost'):
        load(tmp_path, val_cots="1")
    path = tmp_path / "mine.toml"
    path.write_text("test_cost = 1\n" + SPACE)
    with pytest.raises(ConfigError, match=r'"test_cost". Move it below \[reference\]'):
        load_config(str(path))
    path.write_text("reference = 3\n" + SPACE)
    with pytest.raises(ConfigError, match="reference must be a table with the keys dataset, epoch"):
        load_config(str(path))
