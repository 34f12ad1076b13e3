"""Finished trials of other runs, which need not be trained again."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from model.examples import LAST
from search.config import COST
from search.errors import RunFolderError
from search.record.log import (
    COMPLETE,
    DIVERGED,
    FAIL,
    READOUTS,
    SOFTMAX_LAYOUT,
    Key,
    Layout,
    TrialLog,
    read_log,
    schema_of,
)
from search.record.manifest import REUSE_KEY, Manifest, layout_of
from search.record.run_folder import RunFolder
from search.storage import Place, place

_FROZEN = "trials"


class ReusedTrials:
    """The trials of other runs that were trained to their end, by their params.

    Parameters
    ----------
    rows : iterable of dict
        Rows of a log; where two have the same params, the first counts.
    layout : Layout
        The columns of the log that depend on the trainer.
    """

    def __init__(
        self, rows: Iterable[Mapping[str, Any]] = (), layout: Layout = SOFTMAX_LAYOUT
    ) -> None:
        self._rows: dict[Key, Mapping[str, Any]] = {}
        self._layout = layout
        for row in rows:
            # What has failed otherwise is trained again.
            if row["state"] == COMPLETE or row["error"] == DIVERGED:
                self._rows.setdefault(tuple(row[name] for name in layout.axes), row)

    @classmethod
    def of_runs(cls, folders: Iterable[Place], manifest: Manifest) -> Self:
        """Read what other runs have trained so far.

        A trial's result depends on its params, the data, the seed and the
        trainer: runs in which one of the others differs are refused.

        Parameters
        ----------
        folders : iterable of Path or RemotePath
            Folders of the other runs.
        manifest : Manifest
            The manifest of this run.

        Raises
        ------
        RunFolderError
            If there is no run, or one of other settings.
        StoreError
            If a log cannot be read.
        """
        rows = []
        for folder in folders:
            _check_same_key(folder, manifest)
            rows += _finished(folder, manifest)
        return cls(rows, layout_of(manifest.sweep_config))

    @classmethod
    def frozen(
        cls,
        folder: Place,
        manifest: Manifest,
        given: Iterable[Place],
        copy_resamples: Callable[[Sequence[Place]], None],
        tell: Callable[[Place, str, Place], None],
    ) -> Self:
        """Return what the other runs had when this one first asked, and keep it.

        A trial that they train later is trained here as well: a search that found its result
        halfway would propose other trials.

        Parameters
        ----------
        folder : Path or RemotePath
            The folder of this run to keep the rows in.
        manifest : Manifest
        given : iterable of Path or RemotePath
            The other runs as the command names them, perhaps with a login, which the manifest
            does not hold.
        copy_resamples : callable
            Copies the resampled costs of the other runs. Called before the rows are saved, so it
            may run twice after a kill, and never after that.
        tell : callable
            Told where the kept rows are not believed, and so are asked for again: their file, what
            is wrong with it, and where it is now.
        """
        layout = layout_of(manifest.sweep_config)
        if not manifest.reuse:
            return cls(layout=layout)
        trial_log = TrialLog(folder, run=manifest.run, once=False, layout=layout)
        for path, problem in list(trial_log.problems()):
            if problem:
                tell(path, problem, trial_log.set_aside(path))
        if not trial_log.has(_FROZEN):
            runs = _places(manifest.reuse, given)
            known = cls.of_runs(runs, manifest)
            copy_resamples(runs)
            trial_log.write(_FROZEN, as_columns(list(known._rows.values()), layout))
        return cls(trial_log.read().to_pylist(), layout)

    def rows(
        self, numbers: NDArray[np.int64], params: Mapping[str, NDArray[Any]]
    ) -> dict[str, Any]:
        """Return the log's columns for those trials that are known.

        Parameters
        ----------
        numbers : ndarray of shape (n,), int64
        params : mapping of str to ndarray of shape (n,)
            One entry for each hyperparameter.
        """
        if not self._rows:
            return as_columns([], self._layout)
        keys = zip(*(params[name].tolist() for name in self._layout.axes), strict=True)
        return as_columns(
            [
                {**self._rows[key], "number": number}
                for number, key in zip(numbers.tolist(), keys, strict=True)
                if key in self._rows
            ],
            self._layout,
        )


def copied(row: Mapping[str, Any], number: int, source: str) -> dict[str, Any]:
    """Return another trial's row under a new number; it took no time."""
    return {**row, "number": number, "seconds": 0.0, "pack": None, "source": source}


def as_columns(
    rows: Sequence[Mapping[str, Any]], layout: Layout = SOFTMAX_LAYOUT
) -> dict[str, Any]:
    """Turn rows of the log into the columns that it stores."""
    columns = {name: [row[name] for row in rows] for name in schema_of(layout).names}
    numbers = {"number": np.int64, **dict.fromkeys(layout.figures, np.float64)}
    arrays = {name: np.array(columns[name], kind) for name, kind in numbers.items()}
    times = {
        name: [time.timestamp() for time in columns[name]] for name in ("started_at", "finished_at")
    }
    return {**columns, **arrays, **times, "state": np.array(columns["state"], object)}


def _places(texts: Iterable[str], given: Iterable[Place]) -> list[Place]:
    """Return the paths that texts name; a path that is given too is returned as it is given."""
    known = {str(path): path for path in given}
    return [known.get(text) or place(text) for text in texts]


def _check_same_key(folder: Place, manifest: Manifest) -> None:
    other = RunFolder(folder).existing_manifest()
    mine, theirs = manifest.settings(), other.settings()
    differences = [
        f"{name}: {theirs[name]} there, {mine[name]} here"
        for name in REUSE_KEY
        if mine[name] != theirs[name]
    ]
    if differences:
        raise RunFolderError(
            "\n  ".join([f"The trials of {folder} cannot be reused:", *differences])
            + "\nGive the same settings, or leave --reuse and --extend out."
        )


def _of_other_readout(row: Mapping[str, Any], cost: str) -> dict[str, Any]:
    """Return what a row says in a run that selects by a cost of this name."""
    return {"train_cost": None, "last_cost": row[cost]}


def _finished(folder: Place, manifest: Manifest) -> list[dict[str, Any]]:
    """Return the rows of trials that were trained to their end.

    What was reported to a pruner by another readout or objective than this run's is left out.
    """
    other = RunFolder(folder).existing_manifest()
    select = manifest.config.get("select", LAST)
    same_readout = select == other.config.get("select", LAST)
    compared_alike = manifest.config.get("objective", COST) == other.config.get("objective", COST)
    reported = {} if same_readout and compared_alike else {"reports": None}
    mine, theirs = layout_of(manifest.sweep_config), layout_of(other.sweep_config)
    rows = read_log(RunFolder(folder).trials, run=other.run, layout=theirs).to_pylist()
    is_held = _held_by(mine, theirs)
    # Logs of earlier versions say so too of a trial that had a cost, and no value of its objective.
    says_why = compared_alike or theirs.objective.is_cost or other.sweep_config.trainer.is_softmax
    return [
        dict.fromkeys(mine.axes)
        | copied(row, row["number"], row["source"] or f"{folder.resolve()}, trial {row['number']}")
        | ({} if same_readout else _of_other_readout(row, READOUTS[select].cost))
        | reported
        for row in rows
        if is_held(row)
        and (
            (row["state"] == FAIL and says_why)
            or (row["state"] == COMPLETE and row[mine.compared] is not None)
        )
    ]


def _held_by(mine: Layout, theirs: Layout) -> Callable[[Mapping[str, Any]], bool]:
    """Return what tells whether the params of another run's row can be those of a trial of this.

    Not where they have a hyperparameter that this run lacks, or one of another kind: 1 is another
    value than 1.0, and a log with floats would take it for that.
    """
    kinds = dict(theirs.dtypes)
    alike = [name for name, kind in mine.dtypes if np.dtype(kind).kind == _kind(kinds.get(name))]
    others = [name for name in theirs.axes if name not in alike]
    ends = {
        name: (np.iinfo(kind).min, np.iinfo(kind).max)
        for name, kind in mine.dtypes
        if name in alike and np.dtype(kind).kind == "i"
    }

    def is_held(row: Mapping[str, Any]) -> bool:
        whole = ((row[name], low, high) for name, (low, high) in ends.items())
        return all(row[name] is None for name in others) and all(
            value is None or low <= value <= high for value, low, high in whole
        )

    return is_held


def _kind(dtype: str | None) -> str | None:
    return None if dtype is None else np.dtype(dtype).kind
