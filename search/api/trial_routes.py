"""The trials of a sweep: page by page, in bins, and as files."""

import base64
import io
import json
import pathlib
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import FileResponse, StreamingResponse

from search.api.answers import TrialPage
from search.api.callers import TheDesk, Viewer
from search.api.problems import PROBLEMS
from search.api.sweep_routes import SweepId, row_of
from search.errors import ConfigError, RunFolderError
from search.record import RunFolder, arrow_parts, csv_lines
from search.service import Desk
from search.storage import all_within
from search.view import Bins, TrialTable, among, binned

router = APIRouter(tags=["trials"], responses=PROBLEMS)

_MOST_COLUMNS = 200
_PART = 2**20
_FILES = {
    "model": ("best_model.npz", "application/octet-stream"),
    "report": ("report.html", "text/html; charset=utf-8"),
    "summary": ("summary.json", "application/json"),
    "manifest": ("manifest.json", "application/json"),
    "messages": ("sweep.log", "text/plain; charset=utf-8"),
    "links": ("links.jsonl", "application/x-ndjson"),
}
# A report draws with the library that it carries.
_REPORT_POLICY = "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; " + (
    "style-src 'unsafe-inline'; img-src data: blob:; font-src data:"
)

Ranges = Annotated[
    str,
    Query(max_length=2000, description="The bins of axes that count, such as alpha:0-3,epochs:5-7"),
]


def _table(desk: Desk, sweep: str) -> TrialTable:
    row = row_of(desk, sweep)
    folder = pathlib.Path(row.folder)
    if not RunFolder(folder).began:
        raise RunFolderError(f"The sweep {sweep} has no trials yet.")
    return desk.tables.get(folder)


@router.get("/sweeps/{sweep}/trials")
def trials(
    sweep: SweepId,
    desk: TheDesk,
    caller: Viewer,
    order: Annotated[
        str, Query(max_length=200, description="A column; the greatest first with a minus.")
    ] = "number",
    after: Annotated[str | None, Query(max_length=2000)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    columns: Annotated[
        str, Query(max_length=5000, description="Names separated by commas; by default all.")
    ] = "",
    ranges: Ranges = "",
) -> TrialPage:
    """Return trials that have a row, page by page.

    With ranges only those in some bins, which are the bins of this moment: they change as the log
    grows.
    """
    del caller
    names = [name for name in columns.split(",") if name]
    if len(names) > _MOST_COLUMNS:
        raise ConfigError(f"{len(names)} columns are more than {_MOST_COLUMNS}.")
    table, picked = _table(desk, sweep), _ranges(ranges)
    chosen = among(table, picked) if picked else None
    page = table.page(order, _cursor(after), limit, names, chosen)
    return TrialPage(
        columns=list(page.columns),
        rows=[list(row) for row in page.rows],
        after=None if page.after is None else _cursor_text(page.after),
        total=page.total,
        within=page.within,
    )


def _cursor_text(after: list[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(after).encode()).decode().rstrip("=")


def _cursor(text: str | None) -> list[Any] | None:
    if text is None:
        return None
    try:
        found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{text!r} is not a cursor; take it from the page before.") from error
    if not isinstance(found, list):
        raise ConfigError(f"{text!r} is not a cursor; take it from the page before.")
    return found


@router.get(
    "/sweeps/{sweep}/log",
    response_class=Response,
    responses={200: {"content": {"text/csv": {}, "application/vnd.apache.arrow.stream": {}}}},
)
def log(
    sweep: SweepId,
    desk: TheDesk,
    caller: Viewer,
    form: Annotated[Literal["csv", "arrow"], Query()] = "csv",
) -> Response:
    """Return the whole log, by number, as CSV or as a stream of Arrow."""
    del caller
    folder = RunFolder(pathlib.Path(row_of(desk, sweep).folder))
    if not folder.began:
        raise RunFolderError(f"The sweep {sweep} has no trials yet.")
    if form == "csv":
        return StreamingResponse(_begun(csv_lines(folder)), media_type="text/csv; charset=utf-8")
    return StreamingResponse(
        _begun(arrow_parts(folder)), media_type="application/vnd.apache.arrow.stream"
    )


def _begun(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Return parts of which the first is there, so that what cannot be read is a problem."""
    return chain([next(parts)], parts)


@router.get("/sweeps/{sweep}/bins", response_model=Bins)
def bins(
    sweep: SweepId,
    desk: TheDesk,
    caller: Viewer,
    ranges: Ranges = "",
    best: Annotated[int, Query(ge=0, le=1000)] = 1000,
) -> Response:
    """Return the trials in bins, in an answer whose size does not grow with their number."""
    del caller
    found = binned(_table(desk, sweep), _ranges(ranges), best)
    # Thousands of small lists, which nobody needs to check or to copy before they are written.
    told = {**vars(found), "axes": [vars(axis) for axis in found.axes]}
    text = json.dumps(told, allow_nan=False, separators=(",", ":"))
    return Response(text, media_type="application/json")


def _ranges(text: str) -> dict[str, tuple[int, int]]:
    found = {}
    for part in filter(None, text.split(",")):
        name, _, bounds = part.rpartition(":")
        first, _, last = bounds.partition("-")
        if not (name and first.isdecimal() and last.isdecimal() and len(bounds) < 20):
            raise ConfigError(f"{part!r} is not a range of bins, such as alpha:0-3.")
        found[name] = int(first), int(last)
    return found


@router.get(
    "/sweeps/{sweep}/folder",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-tar": {}}}},
)
def folder(sweep: SweepId, desk: TheDesk, caller: Viewer) -> StreamingResponse:
    """Return the run folder as an archive, without the states with which training goes on."""
    del caller
    row = row_of(desk, sweep)
    if not RunFolder(pathlib.Path(row.folder)).began:
        raise RunFolderError(f"The sweep {sweep} has no trials yet.")
    path = pathlib.Path(row.folder)
    files = sorted(all_within(path))  # before it begins: a refusal is an answer then
    return StreamingResponse(_archive(path, files), media_type="application/x-tar")


def _archive(path: pathlib.Path, files: Sequence[pathlib.Path]) -> Iterator[bytes]:
    """Yield an archive file by file, so that neither memory nor a disk has to hold all of it."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w|", bufsize=_PART) as tar:
        for found in files:
            with suppress(FileNotFoundError):  # merged or deleted meanwhile
                name = pathlib.PurePath(path.name, found.relative_to(path))
                tar.add(found, str(name), recursive=False, filter=_taken)
            yield sink.getvalue()
            sink.seek(0)
            sink.truncate()
    yield sink.getvalue()


def _taken(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    parts = pathlib.PurePath(entry.name).parts[1:]
    left_out = any(part == "checkpoints" or part.startswith(".") for part in parts)
    return None if left_out else entry


@router.get("/sweeps/{sweep}/files/{name}", response_class=FileResponse)
def file(
    sweep: SweepId,
    name: Literal["model", "report", "summary", "manifest", "messages", "links"],
    desk: TheDesk,
    caller: Viewer,
) -> FileResponse:
    """Return a file of the run."""
    del caller
    row = row_of(desk, sweep)
    path, kind = _FILES[name]
    found = pathlib.Path(row.folder) / path
    if not found.is_file():
        raise RunFolderError(f"The sweep {sweep} has no {name} yet.")
    headers = {"Content-Security-Policy": _REPORT_POLICY} if name == "report" else {}
    return FileResponse(found, media_type=kind, filename=f"{row.name}-{path}", headers=headers)
