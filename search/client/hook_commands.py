"""The commands for hooks: ``search.serve hook ACT --server URL``."""

import sys
from collections.abc import Sequence
from contextlib import closing

from search.client.client import ServiceError, client_of
from search.text import console, show, table_lines, text_width


def hooks(url: str) -> None:
    """Print the hooks that there are."""
    with closing(client_of(url)) as client:
        found = client.hooks.list()
    rows = [(str(hook["id"]), hook["person"], ", ".join(hook["kinds"]), hook["url"])
            for hook in found]  # fmt: skip
    _table(("hook", "person", "told of", "address"), rows, "There is no hook.")


def add_hook(url: str, address: str, kinds: Sequence[str]) -> None:
    """Add a hook and print its secret, which is shown this once."""
    with closing(client_of(url)) as client:
        made = client.hooks.add(address, kinds)
    sys.stderr.write(f"Hook {made['id']}. Its secret, which is shown this once:\n")
    sys.stdout.write(f"{made['secret']}\n")


def test_hook(url: str, hook: int) -> None:
    """Send something to a hook now, and print how that went.

    Raises
    ------
    ServiceError
        If it did not arrive.
    """
    with closing(client_of(url)) as client:
        outcome = client.hooks.test(hook)["outcome"]
    if not outcome.startswith("answered 2"):
        raise ServiceError(f"Hook {hook} did not get the event: {outcome}.")
    show(console(sys.stdout), f"The hook {hook} {outcome}.")


def remove_hook(url: str, hook: int) -> None:
    """Remove a hook."""
    with closing(client_of(url)) as client:
        client.hooks.remove(hook)
    show(console(sys.stdout), f"Hook {hook} is removed.")


def deliveries(url: str, hook: int) -> None:
    """Print what was sent to a hook and what is on its way."""
    with closing(client_of(url)) as client:
        found = client.hooks.deliveries(hook)
    rows = [
        (one["id"], one["kind"], str(one["attempts"]), (one["next_attempt_at"] or "-")[:19],
         one["outcome"])
        for one in found
    ]  # fmt: skip
    header = ("delivery", "event", "attempts", "next (UTC)", "last outcome")
    _table(header, rows, "Nothing was sent to it yet.")


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], none: str) -> None:
    out = console(sys.stdout)
    show(out, "\n".join(table_lines(header, rows, text_width(out))) if rows else none)
