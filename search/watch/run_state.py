"""The state of a run, read from its files; nothing in its folder is changed."""

import errno
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from search.config import SweepConfig, short_text
from search.errors import ObjectStoreError, RunFolderError
from search.record import Layout, Manifest, RunFolder, Standings, Summary, layout_of, read_columns
from search.storage import Place, Writer

StateName = Literal["running", "finished", "ended early", "interrupted"]

RUNNING: StateName = "running"
FINISHED: StateName = "finished"
INTERRUPTED: StateName = "interrupted"
ENDED_EARLY: StateName = "ended early"

_NEWEST = 5
_TIMES = ("finished_at", "started_at", "pack", "last_epoch", "node", "source")


@dataclass(frozen=True)
class EndedLink:
    """A link whose trials are in the log.

    Attributes
    ----------
    finished_at : float
        Seconds since 1970.
    label : str
        What its trajectories have in common.
    epoch : int
        The last epoch of its trials.
    trials : int
    node : str
        The node that it ran on.
    """

    finished_at: float
    label: str
    epoch: int
    trials: int
    node: str


@dataclass(frozen=True)
class RunState:
    """The state of a run at one moment, as its files had it.

    Attributes
    ----------
    folder : RunFolder
    manifest : Manifest
    config : SweepConfig
    summary : Summary or None
        The result of a finished run.
    writer : Writer or None
        The process that is writing to it; None where none is.
    in_memory : callable, optional
        Returns columns of the log by their names, for who has read it before.
    """

    folder: RunFolder
    manifest: Manifest
    config: SweepConfig
    summary: Summary | None
    writer: Writer | None
    in_memory: Callable[..., tuple[NDArray[Any], ...]] | None = None

    @classmethod
    def read(cls, path: Place) -> Self:
        """Read a run, which may be running.

        Parameters
        ----------
        path : Path or RemotePath

        Raises
        ------
        RunFolderError
            If there is no run, or its manifest or its summary cannot be read.
        ConfigError
            If the manifest's settings break a rule.
        """
        folder = RunFolder(path)
        manifest = folder.existing_manifest()
        config = SweepConfig.from_dict(manifest.config, str(path / "manifest.json"))
        # The writer first: one that ends in between has written its summary by then.
        writer = folder.find_writer()
        return cls(folder, manifest, config, folder.read_summary(), writer)

    @property
    def name(self) -> StateName:
        """`RUNNING`, `FINISHED`, `ENDED_EARLY` or `INTERRUPTED`."""
        if self.summary and not self.summary.ended_early:
            return FINISHED
        if self.writer:
            return RUNNING
        return ENDED_EARLY if self.summary else INTERRUPTED

    @cached_property
    def layout(self) -> Layout:
        """The columns of its log that depend on the trainer."""
        return layout_of(self.config)

    @cached_property
    def standings(self) -> Standings:
        """The counts and the best trials of the log.

        Raises
        ------
        StoreError
            If the log cannot be read.
        """
        standings = Standings(self.config.total, self.layout)
        columns = self.columns(*self.layout.standings)
        standings.count(dict(zip(self.layout.standings, columns, strict=True)))
        return standings

    def columns(self, *names: str) -> tuple[NDArray[Any], ...]:
        """Return some columns of the log; see `search.record.read_columns`."""
        if self.in_memory is not None:
            return self.in_memory(*names)
        return read_columns(self.folder.trials, *names, run=self.manifest.run, layout=self.layout)

    @cached_property
    def _links(self) -> dict[str, NDArray[Any]]:
        """Columns of the trials that were trained in this run."""
        names = (*_TIMES, *self.config.pack_by)
        columns = dict(zip(names, self.columns(*names), strict=True))
        trained = np.array([source is None for source in columns["source"].tolist()], bool)
        mine = {name: values[trained] for name, values in columns.items()}
        for name in ("started_at", "finished_at"):
            mine[name] = mine[name].astype("datetime64[us]").astype(np.int64) / 1e6
        return mine

    @property
    def rate(self) -> float | None:
        """Trials per second of the command that is running, or else of the whole log."""
        started, finished = self._links["started_at"], self._links["finished_at"]
        mine = started >= (self.writer.started_at if self.writer else -np.inf)
        if not mine.any():
            return None
        elapsed = finished[mine].max() - started[mine].min()
        return float(mine.sum() / elapsed) if elapsed > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """Seconds for the other trials at `rate`; a guess, because short trials end first."""
        rate = self.rate
        return (self.standings.total - self.standings.finished) / rate if rate else None

    @property
    def newest_links(self) -> list[EndedLink]:
        """The links that ended last, the newest first."""
        links = self._links
        time, pack = links["finished_at"], links["pack"]
        order = np.lexsort([pack, time])[::-1]
        changes = (np.diff(time[order]) != 0) | (np.diff(pack[order]) != 0)
        parts = np.split(order, np.flatnonzero(changes) + 1)[:_NEWEST]
        return [self._link(rows) for rows in parts if len(rows)]

    def _link(self, rows: NDArray[np.intp]) -> EndedLink:
        links, first = self._links, rows[0]
        shared = {name: links[name][first] for name in self.config.pack_by}
        return EndedLink(
            links["finished_at"][rows[0]].item(),
            short_text(shared),
            links["last_epoch"][rows].max().item(),
            len(rows),
            links["node"][rows[0]] or "",
        )


def run_folders(parent: Place) -> list[Place]:
    """Return the folders of the runs in a folder, readable or not, the newest last.

    What cannot be read may be a run, and whoever reads it is told why not. It is taken for as
    old as the last change of its folder, as far as that is known.

    Raises
    ------
    RunFolderError
        If there is none, or the folder cannot be read.
    """
    try:
        paths = [path for path in parent.iterdir() if not path.name.startswith(".")]
        began = [(at, path) for path in paths if (at := _began_at(path)) is not None]
    except (FileNotFoundError, NotADirectoryError) as error:
        raise RunFolderError(
            f"There are no runs in {parent.resolve()}: {error.strerror}. Name a folder of runs."
        ) from error
    except OSError as error:
        raise RunFolderError(
            f"{parent.resolve()} cannot be read: {error.strerror}. Fix this, or name another "
            "folder of runs."
        ) from error
    if not began:
        raise RunFolderError(f"There is no run in {parent.resolve()}. Name a folder of runs.")
    return [path for _, path in sorted(began)]


def _began_at(path: Place) -> int | None:
    """Return when a run began, in nanoseconds; None of what is not a run."""
    manifest = path / "manifest.json"  # which is written once
    try:
        at = manifest.stat().st_mtime_ns
        return at if manifest.is_file() else None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ObjectStoreError:  # which has refused its folder
        raise
    except OSError as error:
        return None if error.errno == errno.ELOOP else _changed_at(path)


def _changed_at(path: Place) -> int:
    """Return when something was last put into a folder, in nanoseconds; 0 where nobody knows."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
