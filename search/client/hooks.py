"""A service's hooks: addresses that get the events of your own sweeps."""

from collections.abc import Sequence
from typing import Any, Protocol

Told = list[dict[str, Any]]
"""A list of answers."""

KINDS = ("submitted", "changed", "state", "done", "failed", "cancelled", "deleted")
"""The kinds of events that an address can get."""


class Asking(Protocol):
    """Who asks a service: a `Client`."""

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """Send a request, and return what the JSON of its answer says."""


class Hooks:
    """The hooks of the client's user; an administrator has everybody's.

    Parameters
    ----------
    client : Client
    """

    def __init__(self, client: Asking) -> None:
        self._client = client

    def list(self) -> Told:
        """Return the hooks: ``id``, ``person``, ``url``, ``kinds``, ``created_at``."""
        found: Told = self._client.ask("GET", "hooks")
        return found

    def add(self, url: str, kinds: Sequence[str] = ()) -> dict[str, Any]:
        """Have an address told of events; return the hook with its ``secret``, shown this once.

        Parameters
        ----------
        url : str
            At a host that the administrator has allowed.
        kinds : sequence of str
            Of `KINDS`; the ends of sweeps where none is named.

        Raises
        ------
        ServiceError
            If the service refuses. Where an answer was lost, look at the list before another try:
            this one request is not sent twice by itself.
        """
        body = {"url": url, **({"kinds": list(kinds)} if kinds else {})}
        made: dict[str, Any] = self._client.ask("POST", "hooks", json=body, again=False)
        return made

    def test(self, hook: int) -> dict[str, Any]:
        """Send something to a hook now, once; return the delivery with its ``outcome``."""
        sent: dict[str, Any] = self._client.ask("POST", f"hooks/{hook}/test")
        return sent

    def remove(self, hook: int) -> None:
        """Remove a hook; nothing more is sent to it."""
        self._client.ask("DELETE", f"hooks/{hook}")

    def deliveries(self, hook: int) -> Told:
        """Return what was sent to a hook and what is on its way, the newest first."""
        found: Told = self._client.ask("GET", f"hooks/{hook}/deliveries")
        return found
