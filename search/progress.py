"""How a sweep shows its progress: a live line on a terminal, plain lines elsewhere."""

import time
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.text import Text

from search.prediction import Prediction
from search.schedule import Link
from search.study import Study

# Seconds between two plain lines.
PLAIN_INTERVAL = 10.0


class Progress:
    """Counts what an orchestrator tells, and puts it into words.

    Parameters
    ----------
    console : Console
    study : Study
    prediction : Prediction or None
        Of all links to come; None where they are not known yet.
    """

    def __init__(self, console: Console, study: Study, prediction: Prediction | None) -> None:
        self.console, self.study, self._prediction = console, study, prediction
        self._worked = self._submitted = 0.0
        self._start, self._finished_before = time.monotonic(), study.finished

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        """Leave the terminal as it was."""

    def started(self, link: Link) -> None:
        """Count a link that has been handed out."""
        self._submitted += link.seconds

    def advanced(self, link: Link, study: Study) -> None:
        """Count a link whose trials are in the log."""
        del study
        self._worked += link.seconds

    def lost(self, link: Link, reason: str) -> None:
        """Say that a worker was lost; its link is handed out again."""
        self._submitted -= link.seconds
        self.console.print(
            f"A worker was lost on '{link.name}' ({reason}); the link is tried again.",
            style="yellow", markup=False,
        )  # fmt: skip

    def idle(self) -> None:
        """Nothing has ended for a moment."""

    @property
    def done(self) -> str:
        """Trials done of all."""
        return f"{self.study.finished} of {self.study.total} trials"

    @property
    def speed(self) -> str:
        """Trials per second and the time left, by the work done in this command."""
        elapsed = time.monotonic() - self._start
        rate = (self.study.finished - self._finished_before) / max(elapsed, 1e-9)
        return f"{rate:.0f} a second, {duration(self._seconds_left(elapsed))} left"

    def _seconds_left(self, elapsed: float) -> float:
        """Return the predicted time at first, then what the pace so far says.

        Links under way count as half done. Of trials that nobody has asked for
        yet only their number is known.
        """
        prediction = self._prediction
        if prediction is None:
            now = self.study.finished - self._finished_before
            return elapsed * (self.study.total - self.study.finished) / max(now, 1)
        fraction = (self._worked + self._submitted) / 2 / max(prediction.compute_s, 1e-9)
        if self._worked <= prediction.compute_s / 10:
            return max(prediction.training_s - elapsed, 0.0)
        return elapsed * max(1 / fraction - 1, 0.0)

    @property
    def best(self) -> str:
        """Value and params of the best trial so far."""
        best = self.study.best_trial
        if best is None:
            return "no trial yet"
        params = best.params
        return (
            f"best {best.value:.4f}: batch {params.batch_size}, rate {params.learning_rate:g}, "
            f"epochs {params.epochs}, alpha {params.alpha:g}"
        )


class LiveProgress(Progress):
    """Three lines that are drawn over themselves, cut to the width of the terminal."""

    def __enter__(self) -> Self:
        self._live = Live(
            get_renderable=self._render, console=self.console, refresh_per_second=4, transient=True
        )
        self._live.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._live.stop()

    def _render(self) -> RenderableType:
        lines = (f"{self.done}, {self.speed}", self.best)
        bar = ProgressBar(total=self.study.total, completed=self.study.finished)
        return Group(bar, *(Text(line, no_wrap=True, overflow="ellipsis") for line in lines))


class PlainProgress(Progress):
    """A line every few seconds, for pipes and logs."""

    _next = 0.0

    def advanced(self, link: Link, study: Study) -> None:
        """Count a link, and print a line when it is time or all is done."""
        super().advanced(link, study)
        now = time.monotonic()
        if now >= self._next or study.finished == study.total:
            self._next = now + PLAIN_INTERVAL
            self.console.print(
                f"{self.done}, {self.speed}; {self.best}", soft_wrap=True, markup=False,
                highlight=False,
            )  # fmt: skip


class QuietProgress(Progress):
    """Tells nothing but lost workers."""


def make_progress(
    console: Console, study: Study, prediction: Prediction | None, *, quiet: bool
) -> Progress:
    """Return the view that fits where the output goes."""
    kind = QuietProgress if quiet else LiveProgress if console.is_terminal else PlainProgress
    return kind(console, study, prediction)


def duration(seconds: float) -> str:
    """Return seconds as people say them: 42 s, 1:35 min, 3:07 h.

    Examples
    --------
    >>> duration(95)
    '1:35 min'
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02d} h"
