"""The caller of a sweep from Python, who gets its events and may stop it."""

import threading
from collections.abc import Callable
from signal import SIGINT
from types import FrameType
from typing import Self

from search.command import signals_caught
from search.plan import Link
from search.record import Standings
from search.session.sweep_result import SweepEvent
from search.watch import Interruption


class Call(Interruption):
    """The caller, who may press Ctrl-C and gets the events.

    The first Ctrl-C is noted, so that the sweep stops where nothing is lost; the second one is a
    KeyboardInterrupt. What a callback raises stops the sweep too, and is raised in the end.
    """

    def __init__(self, on_event: Callable[[SweepEvent], object] | None, total: int) -> None:
        super().__init__()
        self._on_event, self._total = on_event, total
        self._standings: Standings | None = None
        self.failure: BaseException | None = None

    def __call__(self) -> bool:
        """Whether the sweep should stop."""
        return self.failure is not None or super().__call__()

    def __enter__(self) -> Self:
        # Signals come to the main thread alone.
        if threading.current_thread() is threading.main_thread():
            self._signals.enter_context(signals_caught((SIGINT,), self._note))
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self():
            raise KeyboardInterrupt
        super()._note(number, frame)

    # --- As an observer.

    def started(self, link: Link) -> None:
        """Pass it on."""
        self._tell("started", link)

    def advanced(self, link: Link, standings: Standings, node: str) -> None:
        """Pass it on."""
        self._standings = standings
        self._tell("advanced", link, node)

    def lost(self, link: Link, reason: str) -> None:
        """Pass it on."""
        self._tell("lost", link, reason)

    def late(self, link: Link, how: str) -> None:
        """Pass it on."""
        self._tell("late", link, how)

    def idle(self) -> None:
        """Nothing has happened."""

    def _tell(self, kind: str, link: Link, detail: str = "") -> None:
        if self._on_event is None or self.failure is not None:
            return
        known = self._standings
        best = known.best_trial if known else None
        event = SweepEvent(
            kind,
            link.name,
            known.finished if known else 0,
            self._total,
            best.value if best else None,
            best.params if best else None,
            detail,
        )
        try:
            self._on_event(event)
        except BaseException as error:  # a callback may raise anything
            self.failure = error
