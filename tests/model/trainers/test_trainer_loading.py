"""From a name to a trainer: each mistake is one message."""

import sys

import pytest

from model.errors import TrainerError
from model.trainers.loading import load_trainer

SOURCE = """
from model.trainers import Trainer

class Good(Trainer):
    version = "1"
    def advance(self, state, params, epochs, data):
        return epochs.stop
    def score(self, state, data):
        return {"cost": 1 / state}

good = Good()

class NoVersion(Good):
    version = None

class NoCost(Good):
    metrics = ("loss",)

class Half(Trainer):
    version = "1"

class Raises(Good):
    def __init__(self):
        raise RuntimeError("no GPU")

stranger = 3
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_trainers.py").write_text(SOURCE)
    (tmp_path / "broken_trainers.py").write_text("1 / 0")
    (tmp_path / "needy_trainers.py").write_text("import not_there_at_all")
    yield
    sys.modules.pop("own_trainers", None)


@pytest.mark.parametrize("name", ["Good", "good"])
def test_a_class_and_an_object_are_trainers(own, name):
    assert load_trainer(f"own_trainers:{name}").advance(None, {}, range(3), None) == 3


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("own_trainers:NoVersion", "has no version"),
        ("own_trainers:NoCost", "cost and accuracy must be among them"),
        ("own_trainers:Half", "abstract"),
        ("own_trainers:Raises", "RuntimeError: no GPU"),
        ("own_trainers:stranger", "is neither a subclass"),
        ("own_trainers:nothing", "has no nothing"),
        ("no_such_module:X", "there is no module no_such_module"),
        ("broken_trainers:X", "ZeroDivisionError"),
        ("needy_trainers:X", "needs not_there_at_all, which is not installed"),
        ("xgbost", "There is no trainer 'xgbost'"),
        ("own_trainers", "Known trainers"),
        ("partial_fit", "needs the import path"),
        ("partial_fit:SGD", "needs the import path"),
        ("", "There is no trainer ''"),
    ],
)
def test_what_is_no_trainer_is_one_message(own, name, message):
    with pytest.raises(TrainerError, match=message):
        load_trainer(name)
