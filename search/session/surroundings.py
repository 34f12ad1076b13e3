"""The surroundings of a sweep: where its tasks run, who may stop it, and who is told."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial

from rich.console import Console

from cluster.executor import Executor
from model.data.dataset import Dataset
from search.command import Start
from search.config import SweepConfig
from search.engine import Observer
from search.session.options import Options
from search.session.preparation import make_executor
from search.text import show
from search.watch import Interruption


@dataclass(frozen=True)
class Surroundings:
    """What the code of a sweep does not choose itself: a command, or a service, gives it.

    Attributes
    ----------
    executor : callable
        Returns where the tasks of the sweep run; closed at its end. Called once, and only where
        something is left to do.
    interruption : callable
        Returns who may ask the sweep to stop; entered while tasks may be running.
    err : Console
        What is told on the way.
    began : Start
        When it was asked for.
    observer : Observer or None
        Who else is told of its links.
    asked_to_end : callable
        Returns why the sweep should end with the trials that it has; None where it should not. No
        more is started then, and the best trial is trained.
    spent : callable or None
        Returns the seconds of the sweep's budget that are used up, by earlier commands too; None
        where each command has the whole of it.
    """

    executor: Callable[[], Executor]
    interruption: Callable[[], AbstractContextManager[Interruption]]
    err: Console
    began: Start = field(default_factory=Start)
    observer: Observer | None = None
    asked_to_end: Callable[[], str | None] = lambda: None
    spent: Callable[[], float] | None = None

    def say(self, text: str) -> None:
        """Tell a sentence."""
        show(self.err, text)


def of_command(
    options: Options, config: SweepConfig, data: Dataset, err: Console, began: Start
) -> Surroundings:
    """Return the surroundings of a command: its own executor, and Ctrl-C."""
    executor = partial(make_executor, options, config, data, partial(show, err))
    return Surroundings(executor, Interruption, err, began)
