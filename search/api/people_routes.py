"""People, queues, and what was done by whom."""

import math
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from search.api.answers import NAME, Count, PersonIn, PersonOut, QueueIn, QueueOut, time_text
from search.api.callers import Admin, TheDesk, Viewer
from search.api.entrance import OneMeaning
from search.api.problems import PROBLEMS
from search.queue import Queue

router = APIRouter(tags=["people and queues"], responses=PROBLEMS, route_class=OneMeaning)

Name = Annotated[str, Path(pattern=NAME)]


@router.get("/me")
def me(desk: TheDesk, caller: Viewer) -> dict[str, Any]:
    """Return the owner of the token, the queues to share, and the number of the newest event.

    A reader who follows the events after that number misses none.
    """
    return {
        "person": caller.person, "role": caller.role, "cores": desk.board.cores,
        "cluster": desk.board.failure or "works", "event": desk.ledger.events.newest,
    }  # fmt: skip


@router.get("/people")
def people(desk: TheDesk, caller: Viewer) -> list[PersonOut]:
    """Return whose sweeps share the cluster, and what they have used."""
    del caller
    return [PersonOut(**asdict(person)) for person in desk.ledger.people.all()]


@router.patch("/people/{name}")
def weigh(name: Name, change: PersonIn, desk: TheDesk, caller: Admin) -> PersonOut:
    """Change somebody's weight."""
    desk.weigh(caller, name, change.weight)
    return next(
        PersonOut(**asdict(person)) for person in desk.ledger.people.all() if person.name == name
    )


@router.get("/queues")
def queues(desk: TheDesk, caller: Viewer) -> list[QueueOut]:
    """Return the queues, their quotas, and what of them is used."""
    del caller
    used = desk.board.used
    return [
        QueueOut(
            name=queue.name, cores=queue.cores,
            most=None if math.isinf(queue.most) else queue.most, used=used.get(queue.name, 0.0),
        )
        for queue in desk.ledger.queues.all()
    ]  # fmt: skip


@router.put("/queues/{name}")
def put_queue(name: Name, queue: QueueIn, desk: TheDesk, caller: Admin) -> QueueIn:
    """Make a queue, or change its quota."""
    most = math.inf if queue.most is None else queue.most
    desk.put_queue(caller, Queue(name, queue.cores, most))
    return queue


@router.delete("/queues/{name}", status_code=204)
def remove_queue(name: Name, desk: TheDesk, caller: Admin) -> None:
    """Remove a queue that no sweep was submitted to."""
    desk.remove_queue(caller, name)


@router.get("/acts")
def acts(
    desk: TheDesk,
    caller: Admin,
    before: Annotated[Count | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[dict[str, Any]]:
    """Return what people have done, the newest first."""
    del caller
    found = desk.ledger.events.acts(before, limit)
    return [{**asdict(act), "at": time_text(act.at)} for act in found]
