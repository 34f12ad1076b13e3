"""Who calls from Python is told of arguments, and never of options of a command."""

import re

import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier

import search
from model.errors import PacksweepError
from search.by_arguments import in_arguments
from search.estimators import PackSweepSearchCV
from search.session.call_checks import ARGUMENTS, FLAGS

TRAINING = {"batch_size": [256], "learning_rate": [1e-6], "epochs": [1], "alpha": [0.0]}
QUIET = {"executor": "serial", "progress": False}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("choose another --run-dir.", "choose another folder."),
        ("Give --run-dir a full path", "Give folder a full path"),
        ("or use --fresh to move it", "or use fresh=True to move it"),
        ("Leave --optimum out, or folds.", "Leave optimum out, or folds."),
        ("such as --sampler tpe --trials 500;", "such as sampler='tpe' trials=500;"),
        ("--refits 4 compares", "refits=4 compares"),
        ("--target names the column", "target names the column"),
        ("--target COLUMN, such as --target kind", "target=COLUMN, such as target='kind'"),
        ("--dataset 'dogs': expected", "data='dogs': expected"),
        ("such as --target 'd'. The", "such as target='d'. The"),
        ("say which: --keys X=NAME,y=NAME,... In", "say which: keys={'X': 'NAME', 'y': 'NAME'} In"),
        ("Give less, or --address of a cluster", "Give less, or address of a cluster"),
        ("With --resume it goes on", "With --resume it goes on"),
        ("`ray start --address X`, or --address", "`ray start --address X`, or address"),
        ("command line: seed = -1", "the call: seed = -1"),
        ("runs/a--fresh and /x/--fresh", "runs/a--fresh and /x/--fresh"),
    ],
)  # fmt: skip
def test_options_become_arguments(said, told):
    assert in_arguments(said, ARGUMENTS, FLAGS) == told


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file"
    path.write_text("not a folder")
    return path


def swept(folder, **given):
    return search.sweep({"space": TRAINING}, "digits", folder=folder, **QUIET, **given)


WRONG = {
    "a file for a folder": swept,
    "other settings": lambda file: [swept(file.parent / "run"), swept(file.parent / "run", seed=9)],
    "refits without test rows": lambda _: search.sweep(
        TRAINING, load_iris(return_X_y=True), refits=3, **QUIET
    ),
    "no such data": lambda _: search.sweep(TRAINING, "dogs", **QUIET),
    "labels nowhere": lambda file: search.sweep(TRAINING, csv(file), **QUIET),
    "a range for an optimum": lambda _: search.sweep(
        {**TRAINING, "alpha": {"low": 0.1, "high": 1.0}}, "digits",
        sampler="random", trials=2, optimum=True, **QUIET,
    ),
    "a range without a sampler": lambda _: search.sweep(
        {**TRAINING, "alpha": {"low": 0.1, "high": 1.0}}, "digits", **QUIET
    ),
    "a file that is there": lambda file: swept(None).export_model(joblib(file)),
    "no such form": lambda file: swept(None).export_model(file.parent / "model.xyz"),
    "a search in a file": lambda file: PackSweepSearchCV(
        RandomForestClassifier(), {"n_estimators": [1, 2]}, resource="n_estimators", folder=file
    ).fit(*load_iris(return_X_y=True)),
    "a search below a file": lambda file: PackSweepSearchCV(
        RandomForestClassifier(), {"n_estimators": [1, 2]}, resource="n_estimators",
        folder=file / "below",
    ).fit(*load_iris(return_X_y=True)),
}  # fmt: skip


def csv(file):
    path = file.with_suffix(".csv")
    path.write_text("a,b\n" + "1,2\n3,4\n" * 20)
    return path


def joblib(file):
    path = file.with_suffix(".joblib")
    path.touch()
    return path


@pytest.mark.parametrize("what", WRONG)
def test_no_message_names_an_option(what, file):
    with pytest.raises(PacksweepError) as caught:
        WRONG[what](file)
    assert re.findall(r"(?<!\w)--[a-z]+", str(caught.value)) == [], str(caught.value)
