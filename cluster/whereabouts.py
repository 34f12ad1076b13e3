"""Where tasks run, and which machines are gone.

Ray learns within about a minute that a machine is silent, but what its driver has asked of that
machine waits for an answer for many minutes: nothing closes the connection when power or network
fail. So every task writes down where it has started, in the cluster's own table, and whoever waits
for tasks looks which machines the cluster has given up.
"""

import math
import os
import time
import uuid
from collections.abc import Sequence
from typing import Any

import ray
from ray.experimental.internal_kv import _internal_kv_del, _internal_kv_get, _internal_kv_put

_NAMESPACE = "packsweep"

# How many seconds the list of machines is believed.
_SECONDS = 1.0

# Seconds between two looks at which tasks have begun: most end within less, and are never asked of.
_LOOK_SECONDS = 5.0


def record_start(ticket: str) -> None:
    """Write down which process of which node runs this task, as the task's own first act."""
    node = ray.get_runtime_context().get_node_id()
    _internal_kv_put(ticket, f"{node} {os.getpid()}", namespace=_NAMESPACE)


class Whereabouts:
    """Follows the tasks of one driver and the nodes of its cluster."""

    def __init__(self) -> None:
        # What begins all tickets of this driver, and how many there are.
        self._driver, self._tickets = uuid.uuid4().hex, 0
        # All nodes that there are or were, by their ids, and when Ray was asked for them last.
        self._nodes: dict[str, dict[str, Any]] = {}
        self._asked_at = -math.inf
        self._refresh()
        # Nodes that have gone and were told of.
        self._told_gone = self._gone()
        # The tickets at the last look and when that was; where tasks have begun, and when a look
        # has found it.
        self._seen: set[str] = set()
        self._looked_at = -math.inf
        self._begun: dict[str, tuple[str, float]] = {}
        # Seconds in which this process was awake, and when they were counted last.
        self._awake, self._counted_at = 0.0, time.monotonic()

    def ticket(self) -> str:
        """Return a name for a task that is new in the whole cluster."""
        self._tickets += 1
        return f"{self._driver}-{self._tickets}"

    def node_of(self, ticket: str) -> str | None:
        """Return the node on which a task has started; None if it has not."""
        process = self.process_of(ticket)
        return process[0] if process else None

    def process_of(self, ticket: str) -> tuple[str, int] | None:
        """Return node and process id of a task that has started; None if it has not."""
        found: bytes | None = _internal_kv_get(ticket, namespace=_NAMESPACE)
        if not found:
            return None
        node, _, process = found.decode().partition(" ")
        return node, int(process)

    def begun(self, tickets: Sequence[str]) -> dict[str, tuple[str, float]]:
        """Return the node, and the seconds so far, of each task that is known to have begun.

        Only of those that have been under way for a few seconds: each costs a question.
        """
        now = self._count_awake()
        if now >= self._looked_at + _LOOK_SECONDS:
            for ticket in self._seen.intersection(tickets) - self._begun.keys():
                if node := self.node_of(ticket):
                    self._begun[ticket] = node, now
            self._seen, self._looked_at = set(tickets), now
        found = ((ticket, self._begun.get(ticket)) for ticket in tickets)
        return {ticket: (begun[0], now - begun[1]) for ticket, begun in found if begun}

    def _count_awake(self) -> float:
        """Return the seconds so far, without those in which this process was stopped.

        Its workers may have been stopped with it: by Ctrl-Z, or as their container was.
        """
        now = time.monotonic()
        self._awake += min(now - self._counted_at, _LOOK_SECONDS)
        self._counted_at = now
        return self._awake

    def forget(self, ticket: str) -> None:
        """Remove a task that has ended from the cluster's table."""
        self._begun.pop(ticket, None)
        _internal_kv_del(ticket, namespace=_NAMESPACE)

    def newly_gone(self) -> set[str]:
        """Return the nodes that have gone since the last call; no node is returned twice.

        Those too that came and went between two calls.
        """
        self._refresh()
        gone = self._gone() - self._told_gone
        self._told_gone |= gone
        return gone

    def workplaces(self) -> set[str]:
        """Return the nodes that are alive and have cores."""
        self._refresh()
        alive = {node: about for node, about in self._nodes.items() if about["Alive"]}
        return {node for node, about in alive.items() if about["Resources"].get("CPU", 0) >= 1}

    def address_of(self, node: str | None) -> str | None:
        """Return the address of a node, alive or not; None where it is not known."""
        self._refresh()
        address: str | None = self._nodes.get(node or "", {}).get("NodeManagerAddress")
        return address

    def _refresh(self) -> None:
        now = time.monotonic()
        if now < self._asked_at + _SECONDS:
            return
        nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
        # One that the cluster has forgotten has gone too.
        before = {node: about | {"Alive": False} for node, about in self._nodes.items()}
        self._nodes, self._asked_at = before | {node["NodeID"]: node for node in nodes}, now

    def _gone(self) -> set[str]:
        return {node for node, about in self._nodes.items() if not about["Alive"]}
