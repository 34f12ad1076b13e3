"""Sweeps that are poison: each says why in few words, leaves little, and the others are trained."""

import sys

import pytest
from command_line import table
from serving import grid, serving

from model.errors import LONGEST

OWN = '''
import numpy as np

from model.trainers import Trainer


class Loud(Trainer):
    """Raises ten megabytes."""

    version = "1"
    metrics = ("cost", "accuracy")

    def advance(self, state, params, epochs, data):
        raise RuntimeError("no luck: " + "x" * 10_000_000)

    def score(self, state, data):
        return {"cost": 1.0, "accuracy": 0.0}


class Unknown(Loud):
    """Has costs that are not numbers."""

    def advance(self, state, params, epochs, data):
        return 1

    def score(self, state, data):
        return {"cost": float("nan"), "accuracy": float("nan")}
'''
SMALL = {"space": {"rate": [0.1, 0.2], "epochs": [1, 2]}, "dataset": "digits"}
MOST = LONGEST + 200  # with what stands around it


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Make a module with trainers that only harm."""
    (tmp_path / "poison.py").write_text(OWN)
    (tmp_path / "brokenimport.py").write_text("raise RuntimeError('z' * 10_000_000)")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield ("poison:Loud", "poison:Unknown", "brokenimport:X")
    for name in ("poison", "brokenimport"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("trainer", "said"), [("poison:Loud", "no luck: xxx"), ("poison:Unknown", "diverged")]
)
def test_it_ends_with_a_sentence_and_leaves_little(tmp_path, own, trainer, said):
    with serving(tmp_path / "root", trainers=own) as served:
        bad = served.submit("eve", grid={**SMALL, "trainer": trainer}, name="bad")
        good = served.submit("ann")
        assert served.ended(good).state == "done"
        assert len(table(served.folder(good))) == 16
        seen = served.ended(bad)
        assert seen.state == "done"
        assert said in seen.reason
        assert len(seen.reason) <= MOST
        events = served.service.ledger.events.after(0, bad)
        assert sum(len(str(event.detail)) for event in events) < 5 * MOST
        log = table(served.folder(bad))
        assert (log.state == "FAIL").all()
        assert log.error.str.len().max() <= MOST
        files = [path for path in served.folder(bad).rglob("*") if path.is_file()]
        assert {path.name for path in files if path.stat().st_size > 100_000} <= {"report.html"}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"grid": {**SMALL, "trainer": "brokenimport:X"}}, "brokenimport"),
        ({"grid": grid(alpha=[])}, "space.alpha"),
        (
            {"grid": grid(**{
                name: [10.0 ** -(2 + i / 20) for i in range(180)]
                for name in ("alpha", "learning_rate")
            }, epochs=list(range(1, 181)), batch_size=list(range(1, 181)))},
            "has 1,049,760,000 trials",
        ),
    ],
)  # fmt: skip
def test_what_can_be_seen_before_is_refused_in_a_sentence(tmp_path, own, asked, said):
    with serving(tmp_path / "root", trainers=own) as served:
        with pytest.raises(Exception, match=said) as caught:
            served.submit("eve", **asked)
        assert caught.value.exit_code == 2
        assert len(str(caught.value)) <= MOST
        assert served.service.ledger.sweeps.page() == []
