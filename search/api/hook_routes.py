"""Addresses that are told of what happens."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Path

from search.api.answers import DeliveryOut, HookIn, HookMade, HookOut
from search.api.callers import Submitter, TheService
from search.api.problems import PROBLEMS
from search.ledger import ADMIN, Caller, Hook
from search.service import Service

router = APIRouter(tags=["hooks"], responses=PROBLEMS)

Number = Annotated[int, Path(ge=1, lt=2**63)]


def _hook(service: Service, caller: Caller, number: int) -> Hook:
    try:
        return service.hooks.get(caller, number)
    except KeyError:
        raise HTTPException(404, f"There is no hook {number}.") from None


@router.get("/hooks")
def hooks(service: TheService, caller: Submitter) -> list[HookOut]:
    """Return one's own hooks; an administrator sees everybody's."""
    person = None if caller.may(ADMIN) else caller.person
    return [HookOut.of(hook) for hook in service.ledger.hooks.all(person)]


@router.post("/hooks", status_code=201)
def add(hook: HookIn, service: TheService, caller: Submitter) -> HookMade:
    """Have an address told of the events of one's own sweeps; the secret is shown this once."""
    made = service.hooks.add(caller, hook.url, hook.kinds)
    return HookMade(**HookOut.of(made).model_dump(), secret=made.secret)


@router.delete("/hooks/{number}", status_code=204)
def remove(number: Number, service: TheService, caller: Submitter) -> None:
    """Remove a hook; nothing more is sent to it."""
    service.hooks.remove(caller, _hook(service, caller, number))


@router.post("/hooks/{number}/test")
def send_test(number: Number, service: TheService, caller: Submitter) -> DeliveryOut:
    """Send an event of the kind `test` now, once, and return how that went."""
    return DeliveryOut.of(service.hooks.test(_hook(service, caller, number)))


@router.get("/hooks/{number}/deliveries")
def deliveries(number: Number, service: TheService, caller: Submitter) -> list[DeliveryOut]:
    """Return what was sent to a hook, and what is on its way, the newest first."""
    hook = _hook(service, caller, number)
    return [DeliveryOut.of(delivery) for delivery in service.ledger.hooks.deliveries(hook.id)]
