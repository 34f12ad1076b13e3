"""The commands with ``--server``: what they do with a service in place of a folder."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from io import BytesIO
from pathlib import Path
from tarfile import TarError
from tarfile import open as open_tar
from tempfile import TemporaryDirectory
from typing import Any

from rich.filesize import decimal

from model.data.sources import KNOWN
from model.errors import PacksweepError
from search.client.client import ENDED, Client, ServiceError, client_of
from search.client.follow import follow, sweep_lines
from search.command import program
from search.config import SweepConfig, check_target_cost, read_grid
from search.errors import INTERRUPTED, NoResultError
from search.record import Summary
from search.result import result_text
from search.schemas import Listed, Runs
from search.storage import write_whole
from search.text import console, show, table_lines, text_width

_ASKED = (
    "trainer", "seed", "seeds", "sampler", "trials", "objective", "metrics", "products", "pruner",
    "target",
    "weights", "missing", "keys", "refits", "optimum", "budget",
    "target_value", "patience",
)  # fmt: skip


class LeftError(PacksweepError):
    """Somebody has stopped looking at a sweep of a service, which goes on."""

    exit_code = INTERRUPTED


def run(url: str, given: Mapping[str, Any]) -> None:
    """Submit a sweep to a service, show how it goes, and print its result.

    Parameters
    ----------
    url : str
    given : mapping
        The options of `search.run` that were given, by their names in `Options`.

    Raises
    ------
    PacksweepError
        If the service refuses, or the sweep ends without a result.
    """
    out, err = console(sys.stdout), console(sys.stderr)
    with closing(client_of(url)) as client:
        asked = _asked(client, given)
        if given.get("dry_run"):
            planned = client.plan(**asked)
            if given.get("json"):
                _print_json(planned["plan"])
            else:
                show(out, planned["text"])
            return
        sweep = client.submit(**asked)
        show(err, f"{sweep['name']} is sweep {sweep['id']} of {url}")
        try:
            sweep = follow(client, sweep["id"], err, quiet=not given.get("progress", True))
        except KeyboardInterrupt:
            command = f"{program('status')} {sweep['id']} --server {url}"
            raise LeftError(
                f"The sweep {sweep['id']} goes on. To see it again:\n  {command}"
            ) from None
        _tell_result(client, sweep)


def _asked(client: Client, given: Mapping[str, Any]) -> dict[str, Any]:
    asked: dict[str, Any] = {name: given[name] for name in _ASKED if name in given}
    grid, dataset = given.get("grid"), given.get("dataset")
    settings: Mapping[str, Any] = {}
    if grid is not None and ("/" in grid or grid.endswith(".toml")):
        settings = read_grid(grid, given.get("trainer"))  # told here what is wrong with it
        path = Path(grid).expanduser()
        asked |= {"toml": path.read_bytes().decode("utf-8-sig"), "name": settings["name"]}
        if dataset is None and settings["dataset"] not in KNOWN:
            dataset = str(path.parent / settings["dataset"])
    elif grid is not None:
        asked["grid"] = grid
    if (target := given.get("target_cost")) is not None:
        check_target_cost(given.get("objective") or settings.get("objective", "cost"), target)
        asked["target_value"] = target
    if dataset is not None:
        file = Path(dataset).expanduser()
        here = dataset not in KNOWN and file.is_file()
        asked["dataset"] = client.upload(file) if here else dataset
    return asked


def _tell_result(client: Client, sweep: Mapping[str, Any]) -> None:
    out = console(sys.stdout)
    if sweep["state"] == "failed":
        raise ServiceError(f"The sweep {sweep['id']} has failed: {sweep['reason']}")
    if sweep["state"] == "cancelled":
        raise NoResultError(f"The sweep {sweep['id']} was cancelled; what was logged is kept.")
    try:
        found = json.loads(client.file(sweep["id"], "summary"))
    except ServiceError as error:
        if error.status != 404:
            raise
        raise NoResultError(f"The sweep {sweep['id']} has no result: {sweep['reason']}.") from error
    settings = client.get(sweep["id"])["settings"]
    axes = SweepConfig.from_dict(settings, f"sweep {sweep['id']}").axes_by_name
    text = result_text(
        Summary.from_json(found), sweep["id"], axes, text_width(out), server=client.url
    )
    show(out, text)


def status(url: str, sweep: str | None, *, watch: bool, as_json: bool = False) -> None:
    """Print how a sweep of a service stands; the newest one where none is named."""
    out = console(sys.stdout)
    with closing(client_of(url)) as client:
        name = sweep or _newest(client)
        if as_json:
            _print_json(client.status(name))
            return
        if watch:
            follow(client, name, console(sys.stderr))
        show(out, "\n".join(sweep_lines(client.get(name))))


def _print_json(answer: Mapping[str, Any]) -> None:
    sys.stdout.write(f"{json.dumps(answer, indent=2, ensure_ascii=False)}\n")


def _newest(client: Client) -> str:
    for sweep in client.sweeps():
        return str(sweep["id"])
    raise ServiceError(f"There is no sweep in {client.url} yet.")


def runs(url: str, *, as_json: bool = False) -> None:
    """Print the sweeps of a service, the newest last."""
    out = console(sys.stdout)
    with closing(client_of(url)) as client:
        sweeps = list(client.sweeps())[::-1]
    if as_json:
        listed = Runs(folder=url, runs=list(map(_listed, sweeps)))
        _print_json(listed.model_dump(mode="json", by_alias=True))
        return
    if not sweeps:
        show(out, f"There is no sweep in {url} yet.")
        return
    header = ("sweep", "name", "person", "state", "trials", "cost", "data", "submitted (UTC)")
    spare = ("submitted (UTC)", "data", "person")
    rows = [_row(sweep) for sweep in sweeps]
    show(out, "\n".join(table_lines(header, rows, text_width(out), spare)))


def _listed(sweep: Mapping[str, Any]) -> Listed:
    best = sweep["best"] or {}
    state = sweep["state"]
    if state == "done":
        state = "finished" if sweep["finished"] == sweep["total"] else "ended early"
    return Listed(
        run=sweep["id"],
        state=state,
        dataset=sweep["dataset"]["name"],
        started_at=sweep["started_at"],
        trials=sweep["total"],
        finished=sweep["finished"],
        cost=best.get("cost"),
        params=best.get("params"),
    )


def prune(url: str, sweeps: Sequence[str], *, delete: bool) -> None:
    """Say what deleting sweeps of a service frees, or delete them.

    Parameters
    ----------
    url : str
    sweeps : sequence of str
    delete : bool
        Whether they are deleted; else it is only said what that would free.

    Raises
    ------
    ServiceError
        If the service refuses one; those before it are deleted then.
    """
    out = console(sys.stdout)
    with closing(client_of(url)) as client:
        sizes = [(sweep, client.delete(sweep, dry_run=not delete)) for sweep in sweeps]
    show(out, "\n".join(table_lines(("sweep", "size"), [(s, decimal(n)) for s, n in sizes])))
    total = decimal(sum(size for _, size in sizes))
    if delete:
        show(out, f"\nDeleted, which frees {total}.")
    else:
        show(out, f"\nNothing was deleted yet. --yes deletes them and frees {total}.")


def _row(sweep: Mapping[str, Any]) -> tuple[str, ...]:
    best = sweep["best"]
    cost = "-" if best is None or best["cost"] is None else f"{best['cost']:.4f}"
    done = f"{sweep['finished']}/{sweep['total']}"
    waits = sweep["state"] not in ENDED and sweep["position"]
    state = f"{sweep['state']} ({sweep['position']})" if waits else sweep["state"]
    when = sweep["submitted_at"][:16].replace("T", " ")
    return (
        sweep["id"], sweep["name"], sweep["person"], state, done, cost, sweep["dataset"]["name"],
        when,
    )  # fmt: skip


def report(url: str, sweep: str) -> Path:
    """Write the report of a sweep into the working directory, and return its path."""
    with closing(client_of(url)) as client:
        content = client.file(sweep, "report")
    path = Path(f"{sweep}.html")
    write_whole(path, content)
    return path


@contextmanager
def fetched(url: str, sweep: str) -> Iterator[Path]:
    """Give a copy of a sweep's run folder on this machine, as long as the context lasts.

    Raises
    ------
    ServiceError
        If there is no such sweep, or what comes is not a run.
    """
    with TemporaryDirectory(prefix="packsweep-") as target:
        with closing(client_of(url)) as client:
            archive = client.folder(sweep)
        try:
            with open_tar(fileobj=BytesIO(archive)) as tar:
                tar.extractall(target, filter="data")
        except (TarError, OSError) as error:
            raise ServiceError(f"The answer of {url} is not an archive: {error}.") from error
        yield next(iter(Path(target).iterdir()))
