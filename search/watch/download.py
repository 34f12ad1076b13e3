"""A progress bar for the download of a data set."""

from typing import Self

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn

from search.output import visible
from search.text import show
from search.watch.screen import can_move_cursor


class DownloadProgress:
    """Shows bars once a download begins, on a terminal only; notices are always printed.

    Parameters
    ----------
    console : Console
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            console=console,
            disable=not can_move_cursor(console),
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        if self._tasks:
            self._bars.stop()

    def notify(self, text: str) -> None:
        """Print what the user should know."""
        show(self._console, text)

    def update(self, name: str, done: int, total: int | None) -> None:
        """Move the bar of one file."""
        if not self._tasks:
            self._bars.start()
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(visible(name), total=total)
        self._bars.update(self._tasks[name], completed=done, total=total)
