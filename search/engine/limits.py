"""When a sweep has had enough, before all its trials are trained."""

from collections.abc import Callable
from dataclasses import dataclass

from search.record import Standings
from search.text import duration


@dataclass(frozen=True)
class Limits:
    """The limits that end a sweep early; each is enough.

    Attributes
    ----------
    seconds : float or None
        How long the command may take before the final training.
    value : float or None
        A value of the objective with which the best trial is good enough.
    patience : int or None
        So many trials in a row that are no better than the best one.
    """

    seconds: float | None = None
    value: float | None = None
    patience: int | None = None

    @property
    def any(self) -> bool:
        """Whether there is one."""
        return self != Limits()

    def reached(
        self, standings: Standings, elapsed: float, new: int, since_best: int
    ) -> str | None:
        """Return which limit is reached, as a sentence goes on; None where none is.

        A budget ends nothing before this command has brought a trial to its end: a sweep that ends
        early has a model, and each command gets on.

        Parameters
        ----------
        standings : Standings
        elapsed : float
            Seconds since the command was started.
        new : int
            Trials that this command has brought to their end.
        since_best : int
            Trials that have ended since the best one.

        Examples
        --------
        >>> Limits(seconds=60).reached(Standings(4), elapsed=100.0, new=0, since_best=0) is None
        True
        """
        best = standings.best_trial
        if best is not None and self.is_good_enough(best.value, standings.layout.sign):
            return f"the best trial has reached {self.value:g}"
        if best is not None and self.patience is not None and since_best >= self.patience:
            return f"{since_best} trials in a row were no better than the best one"
        if best is not None and self.seconds is not None and new and elapsed >= self.seconds:
            return f"the budget of {duration(self.seconds)} is used up"
        return None

    def is_good_enough(self, value: float, sign: float) -> bool:
        """Whether a value of the objective is what is asked for.

        Parameters
        ----------
        value : float
        sign : float
            -1 where the greater value is the better one, else 1; see `Layout.sign`.
        """
        return self.value is not None and sign * value <= sign * self.value


class Enough:
    """Tells an orchestrator between two waits whether its sweep has had enough.

    Parameters
    ----------
    limits : Limits
    standings : Standings
        They change while the sweep goes on.
    elapsed : callable
        Returns the seconds since the command was started.
    since_best : int
        Trials of earlier commands that have ended since the best one.
    whole : bool
        Whether the seconds are those of the sweep, and not of this command alone, so that trials
        of earlier ones count as brought to their end.
    """

    def __init__(
        self,
        limits: Limits,
        standings: Standings,
        elapsed: Callable[[], float],
        since_best: int = 0,
        *,
        whole: bool = False,
    ) -> None:
        self._limits, self._standings, self._elapsed = limits, standings, elapsed
        # The best trial when last looked at, and how many trials had ended when it became that; how
        # many had before this command.
        self._best, self._before = standings.best_trial, 0 if whole else standings.finished
        self._ended_then = standings.finished - since_best

    def __call__(self) -> str | None:
        """Return which limit is reached; None where none is."""
        standings = self._standings
        if standings.best_trial != self._best:
            self._best, self._ended_then = standings.best_trial, standings.finished
        new, since_best = standings.finished - self._before, standings.finished - self._ended_then
        return self._limits.reached(standings, self._elapsed(), new, since_best)
