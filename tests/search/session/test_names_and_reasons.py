"""What a trial's row says: under any names of hyperparameters, and of any reason to fail."""

import ast
import re
from pathlib import Path

import pytest

import search
from model.trainers import Trainer, classification_figures
from search.config import RESERVED, SweepConfig
from search.errors import ConfigError
from search.record import SOFTMAX_LAYOUT, layout_of
from search.record.log.reading import schema_of

SOURCE = Path(search.__file__).parent


class Told(Trainer):
    """Takes any hyperparameters, and does as the one that is called `does` says."""

    version = "1"
    metrics = ("cost", "accuracy", "margin")

    def advance(self, state, params, epochs, data):
        if params.get("does") == "raise":
            raise RuntimeError("no luck")
        return (0 if state is None else state[0]) + len(epochs), params.get("does")

    def score(self, state, data):
        p = data.rng(None).random((len(data.y), data.n_classes)) + state[0]
        found = classification_figures(p / p.sum(axis=1, keepdims=True), data) | {"margin": 0.5}
        lost = {"no margin": ("margin",), "no cost": ("cost",), "neither": ("cost", "margin")}
        return found | dict.fromkeys(lost.get(state[1], ()), float("nan"))


def swept(folder, space, **options):
    """Sweep a space in this process."""
    grid = {
        "dataset": "digits",
        "trainer": f"{__name__}:Told",
        "space": {**space, "epochs": [1, 2]},
    }
    return search.sweep(grid, folder=folder, executor="serial", progress=False, **options)


# --- Names


def words(*rooms):
    """Return each name that some files have, in whatever role."""
    found = set()
    for path in (path for room in rooms for path in (SOURCE / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            for of in ("value", "arg", "attr", "id", "name"):
                word = getattr(node, of, None)
                if isinstance(word, str) and re.fullmatch(r"[A-Za-z_]\w{0,40}", word, re.ASCII):
                    found.add(word)
    return sorted(found)


def test_a_hyperparameter_may_have_any_name_that_is_no_column(tmp_path):
    """One sweep has them all: whatever the program calls its own things."""
    names = [
        name
        for name in words("record", "engine", "plan")
        if name not in RESERVED and not name.startswith("val_") and name != "epochs"
    ]
    assert {"column", "columns", "params", "trial", "pack_by", "self"} <= set(names)
    space = {name: [k] for k, name in enumerate(names)} | {"column": [1, 2]}
    result = swept(tmp_path, space)
    log = result.log()
    assert result.summary.trials.complete == len(log) == 4
    assert log.column.tolist() == [1, 1, 2, 2]
    for k, name in enumerate(names):
        assert name == "column" or log[name].tolist() == [k] * 4


def test_the_columns_of_the_log_are_all_reserved():
    trainer = {"name": "mine:Trainer", "pack_by": None, "metrics": ("cost", "accuracy", "other")}
    settings = {"name": "made", "trainer": trainer, "space": {"m": [1], "epochs": [1]}}
    layouts = [SOFTMAX_LAYOUT, layout_of(SweepConfig.from_dict(settings))]
    own = {
        name for layout in layouts for name in schema_of(layout).names if name not in layout.axes
    }
    assert {name for name in own if not name.startswith("val_")} == RESERVED
    for name in own:
        with pytest.raises(ConfigError, match=f"{name} is a column of the log already"):
            SweepConfig.from_dict(settings | {"space": {name: [1], "epochs": [1]}})


# --- Reasons

DOES = ["as it should", "raise", "no margin", "no cost", "neither"]
WITHOUT = "margin has no value on the validation rows"


def reasons(log):
    """Return why trials have failed, by what they were asked to do; None where they have not."""
    return {
        does: {why if isinstance(why, str) else None for why in rows.error}
        for does, rows in log.groupby("does")
    }


@pytest.mark.parametrize("options", [{}, {"seeds": 2}, {"sampler": "random", "trials": 40}])
def test_a_trial_without_a_value_to_be_compared_by_is_not_said_to_have_diverged(tmp_path, options):
    log = swept(tmp_path, {"does": DOES}, objective="max:margin", **options).log()
    found = reasons(log)
    [why] = found.pop("raise")
    assert "no luck" in why
    assert found == {
        "as it should": {None}, "no margin": {WITHOUT}, "no cost": {"diverged"},
        "neither": {"diverged"},
    }  # fmt: skip
    assert (log.state == "COMPLETE").tolist() == (log.does == "as it should").tolist()


def test_it_is_tried_again_where_that_is_asked_for(tmp_path):
    before = swept(tmp_path, {"does": DOES}, objective="max:margin").log()
    told = []
    again = swept(
        tmp_path, {"does": DOES}, objective="max:margin", retry_failed=True, on_event=told.append
    ).log()
    assert reasons(again) == reasons(before)
    tried = again.started_at > before.finished_at.max()
    assert set(again.does[tried]) == {"raise", "no margin"}


def test_a_run_that_is_compared_by_cost_has_its_cost(tmp_path):
    swept(tmp_path / "one", {"does": DOES}, objective="max:margin")
    log = swept(tmp_path / "other", {"does": DOES}, reuse=[tmp_path / "one"]).log()
    alone = swept(tmp_path / "alone", {"does": DOES}).log()
    assert log.val_cost.equals(alone.val_cost)
    assert log.error.equals(alone.error)
    assert set(log.does[log.source.notna()]) == {"as it should"}


def test_a_reason_that_an_earlier_version_has_made_up_is_not_taken_over(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("search.record.rows._reasons", lambda ended, *_: ended.errors)
        log = swept(tmp_path / "one", {"does": ["no margin"]}, objective="max:margin").log()
    assert set(log.error) == {"diverged"}
    log = swept(tmp_path / "other", {"does": ["no margin"]}, reuse=[tmp_path / "one"]).log()
    assert (log.state == "COMPLETE").all()
