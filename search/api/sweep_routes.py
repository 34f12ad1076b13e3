"""Submit sweeps, look at them, change and delete them."""

import pathlib
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Path, Query, Response

from search.api.answers import (
    SWEEP_ID,
    CloneIn,
    Count,
    ManyIn,
    Plan,
    SweepDetail,
    SweepIn,
    SweepList,
    SweepNews,
    SweepOut,
    SweepPatch,
)
from search.api.callers import Submitter, TheDesk, Viewer
from search.api.entrance import OneMeaning
from search.api.problems import PROBLEMS, ConflictError, UnknownSweepError
from search.api.standing import sweep_status
from search.ledger import Caller, SweepRow
from search.schemas import Status
from search.service import Desk
from search.session import plan_of, plan_text

router = APIRouter(tags=["sweeps"], responses=PROBLEMS, route_class=OneMeaning)

SweepId = Annotated[str, Path(pattern=SWEEP_ID)]
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key", max_length=200, pattern=r"^[\x21-\x7e]+$",
        description="The same request under the same key twice is one sweep.",
    ),
]  # fmt: skip


def row_of(desk: Desk, sweep: str) -> SweepRow:
    """Return a sweep.

    Raises
    ------
    UnknownSweepError
        If there is none.
    """
    try:
        return desk.ledger.sweeps.get(sweep)
    except KeyError:
        raise UnknownSweepError(sweep) from None


@router.post("/sweeps", status_code=201, responses={200: {"description": "It was there before."}})
def submit(
    sweep: SweepIn, desk: TheDesk, caller: Submitter, response: Response, key: Key = None
) -> SweepOut:
    """Submit a sweep."""
    return _submitted(desk, desk.submit(caller, sweep.request, key), response)


def _submitted(desk: Desk, submitted: tuple[SweepRow, bool], response: Response) -> SweepOut:
    row, is_new = submitted
    response.status_code = 201 if is_new else 200
    response.headers["Location"] = f"/v1/sweeps/{row.id}"
    return SweepOut.of(desk.see(row))


@router.post("/plan")
def plan(sweep: SweepIn, desk: TheDesk, caller: Submitter) -> Plan:
    """Return what a sweep would do, without submitting it."""
    del caller
    checked = desk.requests.check(sweep.request)
    planned = desk.requests.plan(checked, max(1, int(desk.board.cores)))
    return Plan(
        total=checked.config.total,
        dataset={"name": checked.data.name, "fingerprint": checked.data.fingerprint},
        text=plan_text(planned),
        plan=plan_of(planned, pathlib.Path(sweep.name or checked.config.name)),
        position=desk.place(sweep.priority),
    )


@router.get("/sweeps")
def page(
    desk: TheDesk,
    caller: Viewer,
    before: Annotated[Count | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    mine: Annotated[bool, Query(description="Only those of the token's person.")] = False,
    state: Annotated[
        Literal["live", "ended"] | None,
        Query(description="Only those that have not ended, or only those that have."),
    ] = None,
) -> SweepList:
    """Return sweeps, the newest first; with `state=ended` the last that has ended first."""
    person = caller.person if mine else None
    rows = desk.ledger.sweeps.page(before, limit + 1, person, state)
    shown = rows[:limit]
    more = shown[-1].place if len(rows) > limit else None
    return SweepList(sweeps=[SweepOut.of(desk.see(row)) for row in shown], before=more)


@router.get("/sweeps/{sweep}")
def get(sweep: SweepId, desk: TheDesk, caller: Viewer) -> SweepDetail:
    """Return a sweep with its settings and its newest links."""
    del caller
    row = row_of(desk, sweep)
    seen = desk.see(row)
    return SweepDetail(
        **SweepNews.of(seen).model_dump(),
        settings=row.settings,
        options=row.options,
        busy_seconds=desk.ledger.sweeps.busy_seconds(sweep),
        shared=desk.shared(row),
    )


@router.get("/sweeps/{sweep}/status")
def status(sweep: SweepId, desk: TheDesk, caller: Viewer) -> Status:
    """Return the state of a sweep, as ``packsweep status --json`` prints it."""
    del caller
    return sweep_status(desk.see(row_of(desk, sweep)), desk.tables)


@router.patch("/sweeps/{sweep}")
def change(sweep: SweepId, patch: SweepPatch, desk: TheDesk, caller: Submitter) -> SweepOut:
    """Change a sweep's requested state, priority, queue or name."""
    asked = patch.model_dump(exclude_none=True)
    return SweepOut.of(desk.see(_changed(desk, caller, sweep, asked)))


def _changed(desk: Desk, caller: Caller, sweep: str, asked: dict[str, Any]) -> SweepRow:
    try:
        return desk.change(caller, sweep, **asked)
    except KeyError:
        raise UnknownSweepError(sweep) from None
    except ValueError as error:
        raise ConflictError(str(error)) from error


@router.post("/sweeps/change")
def change_many(many: ManyIn, desk: TheDesk, caller: Submitter) -> SweepList:
    """Change several sweeps at once: all of them, or none if one cannot be changed."""
    with desk.ledger.transaction():
        rows = [_changed(desk, caller, sweep, {"wanted": many.wanted}) for sweep in many.ids]
    return SweepList(sweeps=[SweepOut.of(desk.see(row)) for row in rows], before=None)


@router.post(
    "/sweeps/{sweep}/clone", status_code=201,
    responses={200: {"description": "It was there before."}},
)  # fmt: skip
def clone(
    sweep: SweepId,
    changes: CloneIn,
    desk: TheDesk,
    caller: Submitter,
    response: Response,
    key: Key = None,
) -> SweepOut:
    """Submit a sweep again with other values; what the first has trained is taken over."""
    try:
        made = desk.clone(caller, sweep, changes.model_dump(exclude_none=True), key)
    except KeyError:
        row_of(desk, sweep)  # which tells where it is the sweep that is missing
        raise
    return _submitted(desk, made, response)


@router.delete("/sweeps/{sweep}")
def delete(
    sweep: SweepId, desk: TheDesk, caller: Submitter, *, dry_run: bool = False
) -> dict[str, int]:
    """Delete a sweep that has ended, with its files; tells the bytes that this frees."""
    try:
        return {"bytes": desk.remove(caller, sweep, dry_run=dry_run)}
    except KeyError:
        raise UnknownSweepError(sweep) from None
