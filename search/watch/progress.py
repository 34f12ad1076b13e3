"""The progress of a sweep: counted, put into words, and printed as plain lines for pipes."""

import time
from typing import Self

from rich.console import Console

from search.config import Params, label_of
from search.plan import Link, Prediction
from search.record import FAIL, PRUNED, Standings
from search.text import duration, show, value_text

# Seconds between two plain lines.
PLAIN_INTERVAL = 10.0


class Progress:
    """Counts the events of an orchestrator, and puts the counts into words.

    Parameters
    ----------
    console : Console
    standings : Standings
    prediction : Prediction or None
        The prediction of all links to come; None where they are not known yet.
    """

    def __init__(
        self, console: Console, standings: Standings, prediction: Prediction | None
    ) -> None:
        self.console, self.standings, self._prediction = console, standings, prediction
        self._worked = self._submitted = 0.0
        self._start, self._finished_before = time.monotonic(), standings.finished
        self._under_way: dict[int, Link] = {}  # by their pack
        self._nodes: dict[int, str] = {}  # where each pack ran last
        self._retries = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        """Leave the terminal as it was."""

    def started(self, link: Link) -> None:
        """Count a link that has been handed out."""
        self._submitted += link.seconds
        self._under_way[link.pack.index] = link

    def advanced(self, link: Link, standings: Standings, node: str) -> None:
        """Count a link whose trials are in the log."""
        del standings
        self._worked += link.seconds
        self._under_way.pop(link.pack.index, None)
        self._nodes[link.pack.index] = node

    def lost(self, link: Link, reason: str) -> None:
        """Say that a link was lost; it is handed out again."""
        self._submitted -= link.seconds
        self._under_way.pop(link.pack.index, None)
        self._retries += 1
        text = f"'{link.name}' was lost ({reason}); it is tried again."
        show(self.console, text, style="yellow")

    def late(self, link: Link, how: str) -> None:
        """Say that a link takes much longer than it should."""
        show(self.console, f"'{link.name}' is late: {how}.", style="yellow")

    def idle(self) -> None:
        """Nothing has ended for a moment."""

    @property
    def done(self) -> str:
        """How many of the trials are done, in words."""
        return f"{self.standings.finished} of {self.standings.total} trials"

    @property
    def speed(self) -> str:
        """Trials per second and the time left, in words, by the work done in this command."""
        elapsed = time.monotonic() - self._start
        rate = (self.standings.finished - self._finished_before) / max(elapsed, 1e-9)
        return f"{rate:.0f} a second, {duration(self._seconds_left(elapsed))} left"

    def _seconds_left(self, elapsed: float) -> float:
        """Return the predicted time left at first, and later an estimate from the pace so far.

        Links under way count as half done. Without a prediction, the pace is that of the trials
        alone: nothing but their number is known yet.
        """
        prediction = self._prediction
        if prediction is None:
            now = self.standings.finished - self._finished_before
            return elapsed * (self.standings.total - self.standings.finished) / max(now, 1)
        fraction = (self._worked + self._submitted) / 2 / max(prediction.compute_s, 1e-9)
        if self._worked <= prediction.compute_s / 10:
            return max(prediction.training_s - elapsed, 0.0)
        return elapsed * max(1 / fraction - 1, 0.0)

    @property
    def setbacks(self) -> str:
        """Counts of pruned and failed trials and of retries, in words; often empty."""
        states, retries = self.standings.states, self._retries
        counts = {
            "pruned": states[PRUNED],
            "failed": states[FAIL],
            "retry" if retries == 1 else "retries": retries,
        }
        return ", ".join(f"{count} {name}" for name, count in counts.items() if count)

    @property
    def best(self) -> str:
        """Value and params of the best trial so far, in words."""
        return best_text(self.standings)

    @property
    def packs(self) -> list[str]:
        """What each pack under way is doing, and where it ran last."""
        # A copy at once, because another thread draws than the one that counts.
        links = sorted(list(self._under_way.values()), key=lambda link: link.pack.index)  # noqa: C414
        return [
            f"{link.pack.label}, epochs {link.start_epoch}-{link.epoch}, "
            f"width {link.width}" + (f", last on {node}" if node else "")
            for link in links
            for node in [self._nodes.get(link.pack.index)]
        ]


class PlainProgress(Progress):
    """Prints a line every few seconds, for pipes and logs."""

    _next = 0.0

    def advanced(self, link: Link, standings: Standings, node: str) -> None:
        """Count a link, and print a line when it is time or all is done."""
        super().advanced(link, standings, node)
        now = time.monotonic()
        if now >= self._next or self.standings.finished == self.standings.total:
            self._next = now + PLAIN_INTERVAL
            counts = ", ".join(filter(None, (self.done, self.speed, self.setbacks)))
            show(self.console, f"{counts}; {self.best}")


class QuietProgress(Progress):
    """Prints nothing except messages of lost workers."""


def best_text(standings: Standings) -> str:
    """Return value and params of the best trial in one line."""
    best, objective = standings.best_trial, standings.layout.objective
    if best is None:
        return "no trial yet"
    name = "" if objective.is_cost else f"{objective.title} "
    return f"best {name}{best.value:.4f}: {params_text(best.params)}"


def params_text(params: Params) -> str:
    """Return the hyperparameters of a trial in one line."""
    return ", ".join(
        f"{label_of(name).short} {value_text(value)}" for name, value in params.items()
    )
