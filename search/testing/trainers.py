"""The suite for trainers: that each keeps its promises, on a few rows."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from model.trainers import Params, Rows
from model.trainers.checking import CheckReport, check_trainer
from model.trainers.reference import TrainerName


class TrainerSuite:
    """What every trainer must pass: that its epochs may be cut anywhere, and what else it promises.

    Attributes
    ----------
    trainer : str
        Its name, as ``--trainer`` takes it.
    params : sequence of mapping
        Hyperparameters to try, alike in `pack_by` where it packs; most tests take the first.

    Examples
    --------
    In a file of tests::

        from search.testing import TrainerSuite

        class TestMine(TrainerSuite):
            trainer = "mymodule:MyTrainer"
            params = ({"learning_rate": 0.1},)
    """

    trainer: ClassVar[str]
    params: ClassVar[Sequence[Params]] = ({},)
    _found: ClassVar[CheckReport]

    def rows(self) -> tuple[Rows, Rows]:
        """Return rows that train and rows that score; three blurred classes, where none are given.

        A trainer that needs others, such as images of some size, has its own.
        """
        return blurred(120, 0), blurred(60, 1)

    @classmethod
    def _report(cls) -> CheckReport:
        """Return what the checks have found; they are made once for all tests of the class."""
        report: CheckReport | None = cls.__dict__.get("_found")
        if report is None:
            training, scoring = cls().rows()
            named = TrainerName.here(cls.trainer)
            report = check_trainer(named, cls.params, training, scoring)
            cls._found = report
        return report

    def _assert_kept(self, check: str) -> None:
        (found,) = (found for found in self._report().findings if found.check == check)
        assert found.passed is not False, found.message

    def test_it_trains_and_is_scored(self) -> None:
        """It returns what it announces, and a cost that is a number."""
        self._assert_kept("it trains, and is scored")

    def test_a_state_can_be_written_down(self) -> None:
        """A state that is written and read scores the same."""
        self._assert_kept("a state can be written down")

    def test_twice_the_same_is_the_same(self) -> None:
        """All randomness comes from the epoch."""
        self._assert_kept("twice the same is the same")

    def test_epochs_may_be_cut_anywhere(self) -> None:
        """One range of epochs gives what its parts give."""
        self._assert_kept("epochs may be cut anywhere")

    def test_another_process_goes_on(self) -> None:
        """Nothing lives outside of the state."""
        self._assert_kept("another process continues")

    def test_inputs_are_left_alone(self) -> None:
        """Rows, hyperparameters and scored states stay as they were."""
        self._assert_kept("inputs are not changed")

    def test_it_knows_its_past(self) -> None:
        """As of an epoch it is what training to that epoch gives, where it promises so."""
        self._assert_kept("it knows its past")

    def test_a_pack_is_as_each_alone(self) -> None:
        """Models side by side cost what each costs alone, where it promises so."""
        self._assert_kept("a pack gives what separate training gives")

    def test_it_follows_schedules(self) -> None:
        """A hyperparameter that may change is taken up when it does, where it promises so."""
        self._assert_kept("it follows schedules")

    def test_time_does_not_grow(self) -> None:
        """A late epoch takes as long as an early one."""
        self._assert_kept("time does not grow")


def blurred(n: int, seed: int, classes: int = 3) -> Rows:
    """Return rows of some classes that overlap.

    Parameters
    ----------
    n : int
        Number of rows, of five features.
    seed : int
    classes : int
    """
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    X = (rng.normal(size=(n, 5)) + 2 * np.eye(5)[y]).astype(np.float32)
    return Rows(X, y, classes, seed=7)
