"""Costs on resamples of the validation rows, kept of the trials that are near the best."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from model.bootstrap import RESAMPLES, near
from model.examples import LAST
from model.results import LinkResult
from search.plan import NO_TRIAL, Leg, Link
from search.record.log import SOFTMAX_LAYOUT, Key
from search.record.manifest import Manifest
from search.record.run_folder import RunFolder
from search.storage import Place, listed, load_arrays, prepare_folder, save_arrays, seal_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Resampled:
    """Costs of some trials on the resamples.

    Attributes
    ----------
    params : ndarray of shape (m, 4), float64
        The hyperparameters of the softmax trainer, in their order. They name a trial in every run
        that takes it over, where its number may be another.
    cost : ndarray of shape (m,), float64
        Costs on the validation rows, by the readout that selects.
    resampled : ndarray of shape (m, B), float32
    """

    params: NDArray[np.float64]
    cost: NDArray[np.float64]
    resampled: NDArray[np.float32]

    def near(self, best: float) -> Self:
        """Return the trials that may be as good as one with the best cost."""
        kept = near(self.cost, self.resampled, best)
        return type(self)(self.params[kept], self.cost[kept], self.resampled[kept])

    @property
    def keys(self) -> list[Key]:
        """The params of each trial, as it is looked up."""
        return [tuple(row) for row in self.params.tolist()]


class Resamples:
    """What one run keeps, a file for each link that had trials near the best so far.

    Parameters
    ----------
    folder : Path or RemotePath
        Folder of the files; made where it is missing.
    run : str
        Identity of the run, for the seals.

    Attributes
    ----------
    damaged : int
        How many files were of no use when they were read last.
    """

    damaged = 0

    def __init__(self, folder: Place, run: str = "") -> None:
        self.folder, self._run = folder, run
        prepare_folder(folder)

    def save(self, name: str, part: Resampled, best: float) -> None:
        """Make durable what may be as good as the best trial so far.

        Called before the rows of the same link are published. The best cost only falls from then
        on, so no trial is left out that is near the best in the end.

        Parameters
        ----------
        name : str
            Name of the link. A link that is written twice is one file.
        part : Resampled
        best : float
            The lowest cost so far, with the costs of the part.

        Raises
        ------
        StoreError
            If it cannot be written.
        """
        kept = part.near(best)
        if len(kept.cost):
            self._write(self.folder / f"{name}.npz", kept)

    def _write(self, path: Place, part: Resampled) -> None:
        save_arrays(path, part, seal_of(path, self._run))

    def parts(self) -> Iterator[Resampled]:
        """Yield what is kept, a file at a time, the run's own files first.

        The trials of a damaged file are not compared with the best; this is not an error.

        Raises
        ------
        StoreError
            If a file cannot be fetched.
        """
        self.damaged = 0
        for path in listed(self.folder, "[!.]*.npz"):
            part = _read(path, self._run)
            if part is None:
                self.damaged += 1
                log.warning("not used: %s is damaged, or not of this run", path)
            else:
                yield part

    def take_over(self, runs: Iterable[Place], manifest: Manifest) -> None:
        """Copy the costs of reused runs that compare by the same readout.

        Their resamples are the same images: data, split and seed are those of this run.

        Parameters
        ----------
        runs : iterable of Path or RemotePath
            Folders of the reused runs.
        manifest : Manifest
            The manifest of this run.

        Raises
        ------
        StoreError
            If a file cannot be read or written.
        """
        for index, path in enumerate(runs):
            other = RunFolder(path)
            theirs = other.read_manifest()
            if theirs and theirs.config.get("select", LAST) == manifest.config.get("select", LAST):
                for source in listed(other.resamples, "[!.]*.npz"):
                    part = _read(source, other.run)
                    if part is not None:
                        self._write(self.folder / f"reused-{index:03d}-{source.name}", part)


def _read(path: Place, run: str) -> Resampled | None:
    part = load_arrays(path, Resampled, seal_of(path, run))
    return part if part and _fits(part) else None


def _fits(part: Resampled) -> bool:
    """Whether the arrays have the shapes that this version reads."""
    m = np.size(part.cost)
    shapes = np.shape(part.params), np.shape(part.cost), np.shape(part.resampled)
    return shapes == ((m, len(SOFTMAX_LAYOUT.axes)), (m,), (m, RESAMPLES))


def resampled_of(link: Link, result: LinkResult, select: str) -> Resampled:
    """Return the resampled costs of the trials that end in a link, at least one."""
    parts = [
        (leg, ended.scores[select], leg.numbers != NO_TRIAL)
        for leg, ended in zip(link.legs, result.legs, strict=True)
        if ended.scores
    ]
    params = [_params_of(leg, done) for leg, _, done in parts]
    return Resampled(
        np.concatenate(params),
        np.concatenate([scores.cost[done] for _, scores, done in parts]),
        np.concatenate([scores.resampled[done] for _, scores, done in parts]),
    )


def _params_of(leg: Leg, done: NDArray[np.bool_]) -> NDArray[np.float64]:
    columns = leg.scored[done]
    params = leg.pack.params(columns, np.full(len(columns), leg.position))
    return np.column_stack([params[name] for name in SOFTMAX_LAYOUT.axes]).astype(np.float64)
