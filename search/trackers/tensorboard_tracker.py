"""A folder of event files as a tracker, in which TensorBoard finds a session for each trial."""

import os
import re
import shutil
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from model.user_folders import expanded
from search.errors import ConfigError, StoreError
from search.extras import missing
from search.storage import read_whole, write_whole
from search.trackers.values import Run, Trial

# The file that names the folder's owner.
_OWNER = "packsweep-run.txt"

# TensorBoard reads the files of a folder in the order of their names, so they begin with a time.
_FILE = re.compile(r"events\.out\.tfevents\.\d{10}\.packsweep\.([0-9a-f]{16})")
_FOLDER = re.compile(r"trial-(\d+)")
_TEMPORARY = ".tmp-"

# Files that are flushed to the disk together.
_AT_ONCE = 512


class TensorboardTracker:
    """Keeps a run in a folder; see `search.trackers.protocol.Tracker`.

    A trial is a folder with one file, whose name has its mark.

    Parameters
    ----------
    folder : str
        A folder, in which the run gets one of its own.
    run : Run

    Raises
    ------
    MissingLibraryError
        If TensorBoard is not installed.
    ConfigError
        If the folder has something else under that name.
    StoreError
        If it cannot be written.
    """

    def __init__(self, folder: str, run: Run) -> None:
        # Late, as it may not be installed.
        try:
            from search.trackers import tensorboard_events
        except ImportError as error:
            raise missing("tensorboard", "An export to TensorBoard", error.name) from error
        self._events = tensorboard_events
        _check_name(folder, run.name_there)
        self._run, self._folder = run, Path(expanded(folder), run.name_there)
        self._check_owner()

    def known(self) -> Mapping[int, str]:
        """Return the mark of each trial, by its number."""
        known = {}
        with _told(self._folder):
            for number, folder in self._trials():
                files = _files(folder)
                known[number] = files[0][1] if len(files) == 1 else ""
        return known

    def remove(self, numbers: Collection[int]) -> None:
        """Remove the folders of trials."""
        gone = set(numbers)
        with _told(self._folder):
            for number, folder in list(self._trials()):
                if number in gone:
                    shutil.rmtree(folder)

    def add(self, trials: Sequence[Trial]) -> None:
        """Write a file for each trial, whole or not at all."""
        with _told(self._folder):
            self._own()
            for start in range(0, len(trials), _AT_ONCE):
                _publish([self._staged(trial) for trial in trials[start : start + _AT_ONCE]])

    def conclude(self, run: Run) -> bool:
        """Write the file of the sweep: hyperparameters, metrics, settings and figures."""
        with _told(self._folder):
            self._own()
            old = _files(self._folder)
            if [mark for _, mark in old] == [run.mark]:
                return False
            metrics = [*run.layout.figures, "last_cost", "seconds"]
            name = _file_name(time.time(), run.mark)
            write_whole(self._folder / name, self._events.run_events(run, metrics))
            for path, _ in old:
                if path.name != name:
                    path.unlink()
        return True

    def close(self) -> None:
        """Do nothing: every file is closed."""

    def _check_owner(self) -> None:
        owner = read_whole(self._folder / _OWNER)
        with _told(self._folder):
            others = owner is None and self._folder.exists() and any(self._folder.iterdir())
        if others or owner not in (None, self._run.id.encode()):
            raise ConfigError(
                f"{self._folder} is not of this run. Give another --name, or another folder."
            )

    def _own(self) -> None:
        if read_whole(self._folder / _OWNER) is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_whole(self._folder / _OWNER, self._run.id.encode())

    def _trials(self) -> Iterator[tuple[int, Path]]:
        if not self._folder.exists():
            return
        for entry in os.scandir(self._folder):
            if found := _FOLDER.fullmatch(entry.name):
                yield int(found[1]), Path(entry.path)

    def _staged(self, trial: Trial) -> tuple[Path, Path]:
        """Write a file under a name that TensorBoard takes no notice of; return it and its own."""
        name = f"trial-{trial.number:0{len(str(self._run.total - 1))}}"
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        for left in folder.glob(f"{_TEMPORARY}*"):  # by a command that was killed
            left.unlink()
        temporary = folder / f"{_TEMPORARY}{trial.mark}"
        temporary.write_bytes(self._events.trial_events(trial, name))
        return temporary, folder / _file_name(trial.finished_at.timestamp(), trial.mark)


def _publish(staged: Sequence[tuple[Path, Path]]) -> None:
    # Flushed all at once: one by one, thousands of small files would take a minute.
    os.sync()
    for temporary, path in staged:
        temporary.rename(path)


def _files(folder: Path) -> list[tuple[Path, str]]:
    """Return the event files of a folder, each with its mark."""
    if not folder.exists():
        return []
    found = [(Path(e.path), _FILE.fullmatch(e.name)) for e in os.scandir(folder)]
    return [(path, match[1]) for path, match in found if match]


def _file_name(at: float, mark: str) -> str:
    return f"events.out.tfevents.{max(int(at), 0):010d}.packsweep.{mark}"


def _check_name(folder: str, name: str) -> None:
    if "://" in folder:
        raise ConfigError(f"{folder!r} is not a folder: event files can only be written to a disk.")
    if not name or Path(name).name != name or name.startswith(".") or not name.isprintable():
        raise ConfigError(
            f"{name!r} cannot be the name of a folder. Give a --name without '/', which does not "
            "begin with a dot."
        )


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Say what the disk refuses.

    Raises
    ------
    StoreError
    """
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{folder} cannot be used: {error.strerror or error}. Give the same command again to "
            "complete it, or name another folder."
        ) from error
