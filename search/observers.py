"""Several observers of one sweep, which need not know each other."""

from search.orchestrator import Observer
from search.plan.links import Link
from search.record.standings import Study


class Observers:
    """Tells all of its observers what it is told, in their order.

    Parameters
    ----------
    *observers : Observer
    """

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def started(self, link: Link) -> None:
        """Tell that a link was handed to the executor."""
        for observer in self._observers:
            observer.started(link)

    def advanced(self, link: Link, study: Study, node: str) -> None:
        """Tell that a link is in the log."""
        for observer in self._observers:
            observer.advanced(link, study, node)

    def lost(self, link: Link, reason: str) -> None:
        """Tell that a worker was lost and its link will be tried again."""
        for observer in self._observers:
            observer.lost(link, reason)

    def idle(self) -> None:
        """Tell that nothing has ended for a moment."""
        for observer in self._observers:
            observer.idle()
