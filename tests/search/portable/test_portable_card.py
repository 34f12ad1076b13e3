"""The card and the figures: true to the summary, readable as YAML, Markdown, TOML and JSON."""

import json
import re
import tomllib

import numpy as np
import pytest
import yaml

import search
from search.config import SweepConfig
from search.portable import load_winner, model_card
from search.portable.card import _library
from search.portable.figures import figures

SPACE = {"batch_size": [8], "learning_rate": [0.05, 0.2], "epochs": [1, 3], "alpha": [0.0]}
HOSTILE = ["a|b", "`` ```\n# c", "<script>d\x1b[2J", "---\ne: 1"]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """Return a run whose labels try to leave their place in the card."""
    rng = np.random.default_rng(0)
    y = np.arange(160) % 4
    X = rng.normal(size=(160, 3)) + y[:, None]
    labels = np.array(HOSTILE)[y]
    return search.sweep(
        SPACE, (X[:120], labels[:120], X[120:], labels[120:]), executor="serial", progress=False,
        refits=3, folder=tmp_path_factory.mktemp("hostile") / "run",
    )  # fmt: skip


def blocks(card, language):
    return re.findall(rf"^```{language}\n(.*?)\n^```$", card, re.MULTILINE | re.DOTALL)


def test_the_head_is_what_hugging_face_reads(hostile):
    card = model_card(load_winner(hostile.folder))
    _, head, _ = re.split(r"^---$", card, maxsplit=2, flags=re.MULTILINE)
    read = yaml.safe_load(head)
    assert "license" not in read  # which is the user's to say
    (model,) = read["model-index"]
    (result,) = model["results"]
    assert result["task"]["type"] == read["pipeline_tag"] == "tabular-classification"
    assert result["dataset"]["revision"] == hostile.summary.dataset.fingerprint
    found = {metric["type"]: metric["value"] for metric in result["metrics"]}
    test = hostile.summary.test
    assert found == {"accuracy": test.accuracy, "cross_entropy": test.cost}


def test_the_labels_stand_in_the_card_and_nothing_of_them_leaves_its_place(hostile):
    card = model_card(load_winner(hostile.folder))
    (labels,) = blocks(card, "json")
    assert json.loads(labels) == sorted(HOSTILE)
    body = card.split("---", 2)[2]
    headings = re.findall(r"^#.*$", re.sub(r"```.*?```", "", body, flags=re.DOTALL), re.MULTILINE)
    assert headings[1:] == [f"## {name}" for name in (
        "Results", "How sure", "Input and output", "Training", "Intended use", "Limits"
    )]  # fmt: skip
    assert "\x1b" not in card
    for line in card.splitlines():  # no row of a table has a cell too many
        if line.startswith("| best"):
            assert len(re.findall(r"(?<!\\)\|", line)) == 3


def test_the_figures_are_those_of_the_summary(hostile):
    found = figures(load_winner(hostile.folder))
    told = hostile.summary.to_json()
    for name in ("best", "test", "refits", "dataset"):
        assert found[name] == json.loads(json.dumps(told[name]))
    assert found["model"]["classes"] == sorted(HOSTILE)
    assert len(found["refits"]["seeds"]) == 3
    json.dumps(found, allow_nan=False)


def test_spread_stands_in_the_card(hostile):
    card = model_card(load_winner(hostile.folder))
    std = hostile.summary.refits.last.accuracy.std
    assert f"| {100 * std:.2f} % |" in card
    assert "3 final trainings" in card


def test_the_grid_in_the_card_trains_the_same_model_again(hostile, tmp_path):
    card = model_card(load_winner(hostile.folder))
    (text,) = blocks(card, "toml")
    recipe = tomllib.loads(text)
    SweepConfig.from_dict(recipe | {"name": "winner"})
    rng = np.random.default_rng(0)
    y = np.arange(160) % 4
    X, labels = rng.normal(size=(160, 3)) + y[:, None], np.array(HOSTILE)[y]
    again = search.sweep(
        recipe,
        (X[:120], labels[:120], X[120:], labels[120:]), executor="serial", progress=False,
    )  # fmt: skip
    assert again.best_params == hostile.best_params
    np.testing.assert_array_equal(again.model.W, hostile.model.W)


def test_the_metric_that_decided_stands_in_the_card(tmp_path):
    rng = np.random.default_rng(0)
    y = np.arange(120) % 2
    X = rng.normal(size=(120, 3)) + y[:, None]
    found = search.sweep(
        {"space": SPACE, "objective": "f1_macro"}, (X[:80], y[:80], X[80:], y[80:]),
        executor="serial", progress=False, folder=tmp_path / "run",
    )  # fmt: skip
    card = model_card(load_winner(found.folder))
    assert f"by {found.summary.compared_by.title} on validation rows" in card
    head = yaml.safe_load(card.split("---")[1])
    metrics = {m["type"]: m["value"] for m in head["model-index"][0]["results"][0]["metrics"]}
    assert metrics["f1_macro"] == found.summary.test.metrics["f1_macro"]
    assert "paired bootstrap" not in card


def test_a_run_that_has_ended_early_says_so(tmp_path):
    space = {"batch_size": [64, 128, 256], "learning_rate": [1e-7, 1e-6], "epochs": [1, 2, 3],
             "alpha": [0.0]}  # fmt: skip
    found = search.sweep(
        space, "digits", executor="serial", progress=False, folder=tmp_path / "run", budget=1e-9
    )
    card = model_card(load_winner(found.folder))
    ended, total = found.summary.trials.ended, found.summary.trials.total
    assert ended < total
    assert f"The best of {ended} combinations" in card
    assert f"tested once. {total - ended} more were left out, because the budget" in card


@pytest.mark.parametrize(
    ("trainer", "said"),
    [
        ("softmax", ["library_name: sklearn"]),
        ("warm_start:sklearn.ensemble.RandomForestClassifier", ["library_name: sklearn"]),
        ("xgboost", ["library_name: xgboost"]),
        ("mine.nets:Net", []),
    ],
)
def test_the_library_is_named_where_it_is_known(trainer, said):
    assert _library(trainer) == said
