"""The progress of a sweep, live on a terminal; and the choice of the view that fits the output."""

from typing import Self

from rich.console import Console
from rich.text import Text

from search.plan import Link, Prediction
from search.record import Standings
from search.watch.interruption import STOPPING, Interruption
from search.watch.progress import PlainProgress, Progress, QuietProgress
from search.watch.screen import LiveLines, bar, can_move_cursor


class LiveProgress(Progress):
    """Draws a few lines over themselves again and again, and removes them at the end.

    Parameters
    ----------
    console : Console
    standings : Standings
    prediction : Prediction or None
        The prediction of all links to come; None where they are not known yet.
    interrupted : Interruption
    """

    def __init__(
        self, console: Console, standings: Standings, prediction: Prediction | None,
        interrupted: Interruption,
    ) -> None:  # fmt: skip
        super().__init__(console, standings, prediction)
        self._interrupted, self._live = interrupted, LiveLines(console, self._lines)

    def __enter__(self) -> Self:
        self._interrupted.drawn_over = True
        self._live.__enter__()
        return self

    def __exit__(self, *reason: object) -> None:
        self._live.__exit__(*reason)
        self._interrupted.drawn_over = False

    def lost(self, link: Link, reason: str) -> None:
        """Say above the lines that a link was lost; it is handed out again."""
        with self._live.above():
            super().lost(link, reason)

    def late(self, link: Link, how: str) -> None:
        """Say above the lines that a link takes much longer than it should."""
        with self._live.above():
            super().late(link, how)

    def draw(self) -> None:
        """Draw the lines once."""
        self._live.draw()

    def _lines(self, columns: int, rows: int) -> list[Text]:
        fraction = self.standings.finished / max(self.standings.total, 1)
        lines = [bar(self.console, columns, fraction), Text(f"{self.done}, {self.speed}")]
        if self.setbacks:
            lines.append(Text(self.setbacks, style="yellow"))
        lines.append(Text(self.best, style="bold"))
        if self._interrupted():
            lines.append(Text(STOPPING, style="yellow"))
        return [*lines, *_shortened(self.packs, rows - len(lines))]


def _shortened(packs: list[str], rows: int) -> list[Text]:
    """Return a line for each pack, as many as there is room for."""
    if len(packs) > rows:
        shown = max(rows - 1, 0)
        packs = [*packs[:shown], f"and {len(packs) - shown} more"]
    return [Text(f"  {text}", style="dim") for text in packs]


def make_progress(
    console: Console,
    standings: Standings,
    prediction: Prediction | None,
    interrupted: Interruption,
    *,
    quiet: bool,
) -> Progress:
    """Return the view that fits where the output goes."""
    if quiet:
        return QuietProgress(console, standings, prediction)
    if can_move_cursor(console):
        return LiveProgress(console, standings, prediction, interrupted)
    return PlainProgress(console, standings, prediction)
