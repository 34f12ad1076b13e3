"""Addresses that get events."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Path

from search.api.answers import DeliveryOut, HookIn, HookMade, HookOut
from search.api.callers import Submitter, TheDesk
from search.api.entrance import OneMeaning
from search.api.problems import PROBLEMS
from search.ledger import ADMIN, Caller, Hook
from search.service import Desk

router = APIRouter(tags=["hooks"], responses=PROBLEMS, route_class=OneMeaning)

Number = Annotated[int, Path(ge=1, lt=2**63)]


def _hook(desk: Desk, caller: Caller, number: int) -> Hook:
    try:
        return desk.hooks.get(caller, number)
    except KeyError:
        raise HTTPException(404, f"There is no hook {number}.") from None


@router.get("/hooks")
def hooks(desk: TheDesk, caller: Submitter) -> list[HookOut]:
    """Return your own hooks; an administrator sees everybody's."""
    person = None if caller.may(ADMIN) else caller.person
    return [HookOut.of(hook) for hook in desk.ledger.hooks.all(person)]


@router.post("/hooks", status_code=201)
def add(hook: HookIn, desk: TheDesk, caller: Submitter) -> HookMade:
    """Send the events of your own sweeps to an address; the secret is shown only this once."""
    made = desk.hooks.add(caller, hook.url, hook.kinds)
    return HookMade(**HookOut.of(made).model_dump(), secret=made.secret)


@router.delete("/hooks/{number}", status_code=204)
def remove(number: Number, desk: TheDesk, caller: Submitter) -> None:
    """Remove a hook; nothing more is sent to it."""
    desk.hooks.remove(caller, _hook(desk, caller, number))


@router.post("/hooks/{number}/test")
def send_test(number: Number, desk: TheDesk, caller: Submitter) -> DeliveryOut:
    """Send an event of the kind `test` now, once, and return how that went."""
    return DeliveryOut.of(desk.hooks.test(_hook(desk, caller, number)))


@router.get("/hooks/{number}/deliveries")
def deliveries(number: Number, desk: TheDesk, caller: Submitter) -> list[DeliveryOut]:
    """Return what was sent to a hook, and what is on its way, the newest first."""
    hook = _hook(desk, caller, number)
    return [DeliveryOut.of(delivery) for delivery in desk.ledger.hooks.deliveries(hook.id)]
