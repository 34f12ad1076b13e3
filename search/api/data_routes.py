"""Data sets: what may be named, and what was uploaded."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.concurrency import run_in_threadpool

from model.data.sources import KNOWN
from search.api.callers import Submitter, TheDesk, Viewer
from search.api.problems import PROBLEMS
from search.api.uploads import Uploads

router = APIRouter(tags=["data sets"], responses=PROBLEMS)

FileName = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


@router.get("/datasets")
def listed(desk: TheDesk, caller: Viewer) -> dict[str, Any]:
    """Return what a sweep may name: known data sets, uploads, and folders whose files it may."""
    del caller
    return {
        "known": list(KNOWN),
        "uploads": [vars(upload) for upload in desk.data_sets.uploads()],
        "folders": [str(folder) for folder in desk.limits.folders],
        "most_bytes": desk.limits.upload_bytes,
    }


@router.put(
    "/datasets/{name}",
    status_code=201,
    openapi_extra={
        "requestBody": {
            "content": {"application/octet-stream": {"schema": {"format": "binary"}}},
            "required": True,
        }
    },
)
async def upload(
    name: FileName, request: Request, desk: TheDesk, caller: Submitter
) -> dict[str, Any]:
    """Upload a file in a format of docs/data.md; its ending says which. Twice is once."""
    sets = desk.data_sets
    declared = request.headers.get("content-length", "0")
    sets.check_size(int(declared) if declared.isdecimal() else 0)
    uploads: Uploads = request.app.state.uploads
    with uploads.entered(caller.token), sets.receiving(name) as (path, digest):
        size = 0
        with path.open("xb") as file:
            async for part in uploads.parts(request.stream()):
                size += len(part)
                sets.check_size(size)
                digest.update(part)
                await run_in_threadpool(file.write, part)
        async with uploads.checking:
            kept = await run_in_threadpool(sets.keep, path, digest.hexdigest())
    desk.ledger.events.record(caller, "upload", kept.name)
    return vars(kept)


@router.delete("/datasets/{name}")
def remove(name: FileName, desk: TheDesk, caller: Submitter) -> dict[str, int]:
    """Remove an upload; sweeps that have not ended need it still."""
    freed = desk.remove_upload(caller, name)
    return {"bytes": freed}
