"""What every trainer that comes with it promises, to the bit."""

import pickle
import random
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trainer_cases import CASES, dumped, loaded, rows, trained

from model.trainers import KeepsPast, Trainer

HERE = [name for name, case in CASES.items() if find_spec(case.library)]
SCORING = rows(50)

# scikit-learn announces that one of them will be another's option.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Class PassiveAggressive:FutureWarning"),
    pytest.mark.filterwarnings("ignore:divide by zero encountered in log:RuntimeWarning"),
]


def _marked(name):
    case = CASES[name]
    missing = find_spec(case.library) is None
    return pytest.param(case, id=name, marks=pytest.mark.skipif(missing, reason=case.library))


each = pytest.mark.parametrize("case", [_marked(name) for name in CASES])
keeping = pytest.mark.parametrize(
    "case", [_marked(name) for name, case in CASES.items() if case.keeps_past]
)


@st.composite
def trainings(draw, case):
    """Draw rows, how many epochs, and where they are cut."""
    data = rows(
        seed=draw(st.integers(0, 2**63 - 1)),
        n_classes=draw(st.sampled_from([2, 3])),
        weighted=draw(st.booleans()) and case.weighs,
    )
    total = draw(st.integers(1, case.rounds))
    cuts = draw(st.sets(st.integers(1, total), max_size=3))
    return data, total, sorted({*cuts, total})


def scoring(data):
    return rows(50, n_classes=data.n_classes)


@each
@given(st.data())
@settings(max_examples=6)
def test_cut_ranges_give_what_one_range_gives(case, draw):
    data, total, stops = draw.draw(trainings(case))
    trainer = case.trainer
    before = data.X.copy(), data.y.copy()
    whole = trainer.advance(None, case.params, range(total), data)
    np.random.seed(total)  # noqa: NPY002 - nobody draws from these
    random.seed(total)
    cut = trained(trainer, case.params, stops, data)
    for others in (scoring(data), data):
        assert trainer.score(cut, others) == trainer.score(whole, others)
    assert all(np.array_equal(a, b) for a, b in zip(before, (data.X, data.y), strict=True))


@keeping
@given(st.data())
@settings(max_examples=6)
def test_as_of_an_epoch_is_trained_to_it(case, draw):
    trainer = case.trainer
    assert isinstance(trainer, KeepsPast)
    data, total, stops = draw.draw(trainings(case))
    later = trained(trainer, case.params, stops, data)
    epoch = draw.draw(st.integers(1, total))
    alone = trainer.advance(None, case.params, range(epoch), data)
    others = scoring(data)
    assert trainer.score_at(later, epoch, others) == trainer.score(alone, others)
    assert trainer.score_at(later, total, others) == trainer.score(later, others)


@each
def test_scoring_changes_nothing(case):
    trainer, data, half = case.trainer, rows(), case.rounds // 2
    first = trained(trainer, case.params, [half], data)
    second = loaded(trainer, dumped(trainer, first))
    assert trainer.score(first, SCORING) == trainer.score(first, SCORING)
    states = [
        trained(trainer, case.params, [case.rounds], data, state, half) for state in (first, second)
    ]
    assert trainer.score(states[0], SCORING) == trainer.score(states[1], SCORING)


@each
def test_it_learns_and_its_seed_matters(case):
    trainer = case.trainer
    found = [
        trainer.score(trained(trainer, case.params, [case.rounds], rows(300, seed)), rows(200))
        for seed in (1, 2)
    ]
    assert all(figures["accuracy"] > 0.5 for figures in found)
    assert all(np.isfinite(figures["cost"]) for figures in found)
    if case.draws:
        assert found[0] != found[1]


@each
def test_a_missing_class_is_never_predicted(case):
    data = rows(n_classes=2)
    three = type(data)(data.X, data.y, 3, seed=1)
    figures = case.trainer.score(
        trained(case.trainer, case.params, [case.rounds], three), rows(50, n_classes=3)
    )
    assert set(figures) == set(case.trainer.metrics)


@each
def test_what_it_takes_is_not_refused(case):
    case.trainer.check(case.params)


@each
def test_wrong_parameters_are_refused_with_a_reason(case):
    for params, message in case.wrong:
        with pytest.raises(ValueError, match=r"\.\n?$") as refused:
            case.trainer.check(params)
        assert message in str(refused.value), params
        assert len(str(refused.value)) < 1500


@each
def test_a_trainer_travels(case):
    again = pickle.loads(pickle.dumps(case.trainer))
    assert isinstance(again, Trainer)
    data = rows()
    states = [one.advance(None, case.params, range(2), data) for one in (case.trainer, again)]
    assert again.score(states[0], SCORING) == again.score(states[1], SCORING)


CHILD = """
import json, pickle, sys, warnings
warnings.simplefilter("ignore")
from trainer_cases import CASES, loaded, rows, trained
states = pickle.load(open(sys.argv[1], "rb"))
found = {}
for name, content in states.items():
    case = CASES[name]
    trainer, half = case.trainer, case.rounds // 2
    state = loaded(trainer, content)
    state = trained(trainer, case.params, [case.rounds], rows(), state, half)
    found[name] = trainer.score(state, rows(50))
pickle.dump(found, open(sys.argv[2], "wb"))
"""


def test_a_fresh_process_goes_on_to_the_bit(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent)
    states, whole = {}, {}
    for name in HERE:
        case = CASES[name]
        trainer, data = case.trainer, rows()
        half = trainer.advance(None, case.params, range(case.rounds // 2), data)
        states[name] = dumped(trainer, half)
        state = trainer.advance(None, case.params, range(case.rounds), data)
        whole[name] = trainer.score(state, SCORING)
    (tmp_path / "states").write_bytes(pickle.dumps(states))
    subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path / "states"), str(tmp_path / "found")],
        check=True,
        cwd=Path(__file__).parent,
        timeout=120,
    )
    assert pickle.loads((tmp_path / "found").read_bytes()) == whole
