"""Where tasks run, and which machines are gone.

Ray learns within about a minute that a machine is silent, but what its driver has asked of that
machine waits for an answer for many minutes: nothing closes the connection when power or network
fail. So every task writes down where it has started, in the cluster's own table, and whoever waits
for tasks looks which machines the cluster has given up.
"""

import math
import time
import uuid
from typing import Any

import ray
from ray.experimental.internal_kv import (
    _internal_kv_del,
    _internal_kv_get,
    _internal_kv_put,
)

_NAMESPACE = "packsweep"

# How many seconds the list of machines is believed.
_SECONDS = 1.0


def record_start(ticket: str) -> None:
    """Write down on which node this task runs; the task itself calls it, as its first act."""
    node = ray.get_runtime_context().get_node_id()
    _internal_kv_put(ticket, node, namespace=_NAMESPACE)


class Whereabouts:
    """Follows the tasks of one driver and the nodes of its cluster."""

    def __init__(self) -> None:
        # What begins all tickets of this driver, and how many there are.
        self._driver, self._tickets = uuid.uuid4().hex, 0
        # The nodes that were alive when Ray was asked last, and when that was: a node is
        # reported once, when it leaves this set.
        self._alive: set[str] = set()
        self._asked_at = -math.inf

    def ticket(self) -> str:
        """Return a name for a task that is new in the whole cluster."""
        self._tickets += 1
        return f"{self._driver}-{self._tickets}"

    def node_of(self, ticket: str) -> str | None:
        """Return the node on which a task has started; None if it has not."""
        node: bytes | None = _internal_kv_get(ticket, namespace=_NAMESPACE)
        return node.decode() if node else None

    def forget(self, ticket: str) -> None:
        """Remove a task that has ended from the cluster's table."""
        _internal_kv_del(ticket, namespace=_NAMESPACE)

    def newly_gone(self) -> set[str]:
        """Return the nodes that have gone since the last call; no node is returned twice."""
        now = time.monotonic()
        if now < self._asked_at + _SECONDS:
            return set()
        nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
        before, self._asked_at = self._alive, now
        self._alive = {node["NodeID"] for node in nodes if node["Alive"]}
        return before - self._alive
