"""A service as a process of its own, for the benchmarks that ask it over HTTP."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from search.ledger import Ledger, Submission
from search.record import RunFolder
from search.service.service import read_progress


@dataclass(frozen=True)
class Started:
    """A service that listens.

    Attributes
    ----------
    process : psutil.Process
    url : str
    tokens : list of str
        Of as many people, whose names are p0, p1 and so on.
    sweep : str
        Of the first person, and done; empty where no run was given.
    """

    process: psutil.Process
    url: str
    tokens: list[str]
    sweep: str


@contextmanager
def started(
    root: Path, people: int, role: str, *options: str, finished: RunFolder | None = None
) -> Iterator[Started]:
    """Start a service in a new folder, and end it.

    Parameters
    ----------
    root : Path
    people : int
    role : str
        Of all of them.
    options : str
        Of `search.serve`.
    finished : RunFolder, optional
        The run of a sweep that it knows as done.
    """
    root.mkdir(parents=True)
    with closing(Ledger(root / "ledger.sqlite")) as ledger:
        tokens = [ledger.people.add_token(f"p{n}", role) for n in range(people)]
        sweep = _known(ledger, finished) if finished else ""
    process = subprocess.Popen(
        [sys.executable, "-m", "search.serve", "--root", str(root), "--port", "0", *options],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        url = re.search(r"http://[\d.:]+", process.stderr.readline())[0]  # type: ignore[union-attr, index]
        yield Started(psutil.Process(process.pid), url, tokens, sweep)
    finally:
        process.terminate()
        process.wait()


def _known(ledger: Ledger, run: RunFolder) -> str:
    """Write down a finished run as a sweep of the first person; return its name."""
    manifest = run.existing_manifest()
    sweep = ledger.sweeps.submit(Submission(
        person="p0", queue="all", priority=0, name="made-up", settings=manifest.config,
        options={"refits": 1}, dataset={**manifest.dataset, "named": "digits"},
        total=manifest.sweep_config.total, folder=lambda _: str(run.path), request_digest=b"1",
    ))[0].id  # fmt: skip
    ledger.sweeps.end(sweep, "done", "", read_progress(run.path).result)
    return sweep
