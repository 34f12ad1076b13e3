"""A sweep of a service on the terminal: live while it runs, and its result in the end."""

import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from search.client.client import ENDED, Client
from search.text import counted, duration, show, value_text
from search.watch import Screen, can_move_cursor

# Seconds between two plain lines.
_PLAIN_INTERVAL = 10.0


def sweep_lines(sweep: Mapping[str, Any]) -> list[str]:
    """Return the lines that tell how a sweep of a service stands."""
    trials = counted(sweep["total"], "trial")
    done = f"{sweep['finished']} of {trials} on {sweep['dataset']['name']}"
    counts = ", ".join(f"{n} {state.lower()}" for state, n in sweep["states"].items() if n)
    lines = [
        f"{sweep['name']} ({sweep['id']}), {sweep['person']}'s: {sweep['state']}{_where(sweep)}",
        f"{done}: {counts}" if counts else done,
    ]
    if sweep["reason"]:
        lines.append(sweep["reason"])
    if best := sweep["best"]:
        params = ", ".join(f"{name} {value_text(v)}" for name, v in best["params"].items())
        cost = "no cost" if best["cost"] is None else f"{best['cost']:.4f}"
        value = f"{best['objective']} {best['value']:.4f}, cost " if best.get("objective") else ""
        lines.append(f"best {value}{cost}: {params}")
    return lines


def _where(sweep: Mapping[str, Any]) -> str:
    running = sweep["running"]
    parts = []
    if running:
        parts.append(f"{running} {'task' if running == 1 else 'tasks'} under way")
    if sweep["position"] is not None:
        parts.append(f"no. {sweep['position']} of those that wait")
    return f", {', '.join(parts)}" if parts else ""


def follow(client: Client, sweep: str, err: Console, *, quiet: bool = False) -> dict[str, Any]:
    """Show how a sweep goes until it has ended, and return it.

    Parameters
    ----------
    client : Client
    sweep : str
    err : Console
    quiet : bool
        Whether nothing is shown.
    """
    view = _Quiet() if quiet else _Live(err) if can_move_cursor(err) else _Plain(err)
    with view:
        newest = client.me()["event"]  # before the look, so that nothing falls in between
        found = client.get(sweep)
        view.show(found)
        if found["state"] not in ENDED:
            for told in client.events(sweep, newest):
                found = told.data if told.kind == "progress" else client.get(sweep)
                view.show(found)
                if found["state"] in ENDED:
                    break
    return found


class _Quiet:
    def __enter__(self) -> "_Quiet":
        return self

    def __exit__(self, *reason: object) -> None:
        """Leave the terminal as it was."""

    def show(self, sweep: Mapping[str, Any]) -> None:
        """Show how the sweep stands."""


class _Plain(_Quiet):
    """Prints a line now and then, for pipes and logs."""

    def __init__(self, err: Console) -> None:
        self._err, self._next, self._state = err, 0.0, ""

    def show(self, sweep: Mapping[str, Any]) -> None:
        now = time.monotonic()
        if now >= self._next or sweep["state"] != self._state:
            self._next, self._state = now + _PLAIN_INTERVAL, sweep["state"]
            show(self._err, "; ".join(sweep_lines(sweep)))


class _Live(_Quiet):
    """Draws the state of the sweep where it stood before."""

    def __init__(self, err: Console) -> None:
        self._screen, self._began = Screen(err), time.monotonic()

    def __exit__(self, *reason: object) -> None:
        self._screen.clear()

    def show(self, sweep: Mapping[str, Any]) -> None:
        lines = [*sweep_lines(sweep), f"{duration(time.monotonic() - self._began)} since here"]
        lines.append("Ctrl-C leaves; the sweep goes on.")
        self._screen.draw([Text(line) for line in lines])
