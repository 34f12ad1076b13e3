"""A run's folder: its layout, its manifest, and its one writer."""

import contextlib
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Self, TypeVar

from model.errors import PacksweepError
from model.seal import Seal
from search.errors import ObjectStoreError, RunFolderError, StoreError
from search.record.log import SOFTMAX_LAYOUT, Layout
from search.record.manifest import Manifest, layout_of, parse_manifest
from search.record.move_aside import MOVED, delete_run, finish_move, move_aside
from search.record.summary import Summary
from search.storage import (
    NO_BUCKET,
    Place,
    RemotePath,
    Writer,
    find_writer,
    is_there,
    json_content,
    listed,
    lock,
    parse_json,
    prepare_folder,
    read_whole,
    remove,
    say_nothing,
    write_whole,
)

log = logging.getLogger(__name__)

DELETED = ".deleted-"
"""How the name of a folder begins that is not a run any more, while its files are deleted."""


class RunFolder:
    """Paths and small files of one run.

    Parameters
    ----------
    path : Path or RemotePath
    """

    def __init__(self, path: Place) -> None:
        self.path = path
        self.moved_to: Place | None = None  # the run that --fresh found here
        self.trials = path / "trials"
        self.checkpoints = path / "checkpoints"
        self.resamples = path / "resamples"
        self.optimum = path / "optimum"
        self.proposals = path / "proposals"
        self.reused = path / "reused"
        self.model = path / "best_model.npz"
        self.refits = path / "refits.json"
        self.report = path / "report.html"
        self.log = path / "sweep.log"
        self.links = path / "links.jsonl"
        self._manifest = path / "manifest.json"
        self._summary = path / "summary.json"
        self._lock = path / ".lock"

    @classmethod
    @contextlib.contextmanager
    def locked(
        cls, path: Place, *, fresh: bool = False, notify: Callable[[str], None] = say_nothing
    ) -> Iterator[Self]:
        """Open a folder as its only writer, made where it is missing.

        Parameters
        ----------
        path : Path or RemotePath
        fresh : bool
            Move a run that is there aside first.
        notify : callable
            Gets a sentence for the user when something may take some seconds.

        Raises
        ------
        RunFolderError
            If the folder is something else than a run, or its store cannot be used.
        LockedError
            If another process is writing to it.
        StoreError
            If the system refuses.
        """
        # Absolute, because --fresh may move the working directory itself aside.
        path = path.absolute()
        with contextlib.ExitStack() as stack:
            folder = cls(path)
            try:
                folder._make(stack, notify)
                if fresh and folder._manifest.exists():
                    folder._move(stack, notify)
                prepare_folder(path)
            except OSError as error:
                raise _unusable(path, error) from error
            yield folder

    def _make(self, stack: contextlib.ExitStack, notify: Callable[[str], None]) -> None:
        if self.path.exists():
            self._check_is_run()
        if isinstance(self.path, RemotePath):
            stack.enter_context(lock(self._lock, notify))
            finish_move(self.path)
        else:
            _target(self.path).mkdir(parents=True, exist_ok=True)
            stack.enter_context(lock(self._lock))

    def _move(self, stack: contextlib.ExitStack, notify: Callable[[str], None]) -> None:
        """Move the run that is there aside."""
        if isinstance(self.path, RemotePath):  # the lease stays
            self.moved_to = move_aside(self.path, _aside(self.path))
        else:
            target = _target(self.path)
            self.moved_to = target.rename(_aside(target))
            self._make(stack, notify)

    def delete(self) -> None:
        """Delete the run, as its only writer; nothing of it can be used any more.

        Killed at any moment, it is whole or no run to anybody.

        Raises
        ------
        StoreError
            If the system refuses.
        """
        left = ""
        try:
            if isinstance(self.path, RemotePath):
                delete_run(self.path)
                return
            target = _target(self.path)
            stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
            doomed = target.rename(target.with_name(f"{DELETED}{target.name}.{stamp}"))
            left = f" What is left of it is in {doomed}, and is no longer a run."
            if self.path.is_symlink():
                self.path.unlink()
            shutil.rmtree(doomed)
        except OSError as error:
            raise StoreError(f"{self.path} cannot be deleted: {error.strerror}.{left}") from error

    def _check_is_run(self) -> None:
        names = {entry.name for entry in self.path.iterdir()} if self.path.is_dir() else {""}
        # A command that ended before it had a manifest may have logged why.
        others = any(not name.startswith(".") for name in names - {self.log.name})
        if others and not names & {self._manifest.name, MOVED}:
            self._check_manifest_is_gone(names)
            raise RunFolderError(
                f"{self.path} is not a run folder: it has no manifest.json. Choose another "
                "--run-dir, or an empty folder."
            )

    def _check_manifest_is_gone(self, names: set[str]) -> None:
        """Tell a run whose manifest is gone from what never was one."""
        if MOVED in names:  # and the manifest would be deleted again
            raise RunFolderError(
                f"The run in {self.path} was deleted or moved aside. What is left of it goes as "
                "soon as a command begins a run there."
            )
        # For a name that other programs use too, the contents decide.
        ours = [self.links.name] if self.links.name in names else []
        if self.trials.name in names and listed(self.trials, "*.parquet"):
            ours.append(self.trials.name)
        if ours:
            raise RunFolderError(
                f"The manifest of the run in {self.path} is gone: it holds {', '.join(ours)} and "
                f"no {self._manifest.name}, which says what they are. Put that file back from a "
                "copy, and the same command continues; or move the folder away to begin again."
            )

    def find_writer(self) -> Writer | None:
        """Return the process that is writing to it; None where none is."""
        return find_writer(self._lock)

    @property
    def began(self) -> bool:
        """Whether a run has begun in it."""
        return is_there(self._manifest)

    @property
    def has_result(self) -> bool:
        """Whether it has a summary, as a finished run does; it need not be readable."""
        return is_there(self._summary)

    def read_manifest(self) -> Manifest | None:
        """Return the manifest, or None in a new folder.

        Raises
        ------
        RunFolderError
            If it is damaged or of another version.
        StoreError
            If it cannot be fetched.
        """
        content = read_whole(self._manifest)
        if content is None:
            return None
        try:
            return parse_manifest(content, self._manifest.name)
        except ValueError as error:
            raise RunFolderError(
                f"{self._manifest} cannot be believed: {error}. Put the file back as it was, "
                "choose another --run-dir, or --fresh to move this run aside and start again."
            ) from error

    def existing_manifest(self) -> Manifest:
        """Return the manifest of a run that must be there.

        Raises
        ------
        RunFolderError
            If there is none.
        """
        try:
            manifest = self.read_manifest()
        except ObjectStoreError as error:
            raise RunFolderError(f"{self.path} cannot be looked at: {error.strerror}.") from error
        except StoreError as error:
            raise RunFolderError(f"There is no run that can be read: {error}") from error
        if manifest is None:
            self._check_bucket()
            with contextlib.suppress(StoreError):
                self._check_manifest_is_gone({path.name for path in listed(self.path)})
            raise RunFolderError(
                f"There is no run in {self.path}: it has no manifest.json. Name a run's folder."
            )
        self.run = manifest.run  # so that who needs it next does not read again
        return manifest

    @cached_property
    def run(self) -> str:
        """The identity of the run, which all its files carry.

        Raises
        ------
        RunFolderError
            If there is no run.
        """
        return self.existing_manifest().run

    @property
    def layout(self) -> Layout:
        """The columns of the log that depend on the trainer; without a manifest the softmax's."""
        manifest = self.read_manifest()
        return layout_of(manifest.sweep_config) if manifest else SOFTMAX_LAYOUT

    def seal(self, path: Place) -> Seal:
        """Return the seal of a file that is in the folder itself."""
        return Seal(self.run, path.name)

    def _check_bucket(self) -> None:
        if isinstance(self.path, RemotePath) and self.path.store.lacks_bucket():
            raise RunFolderError(f"{self.path} cannot be looked at: {NO_BUCKET}.")

    def write_manifest(self, manifest: Manifest) -> None:
        """Make the manifest durable."""
        seal = Seal(manifest.run, self._manifest.name)
        write_whole(self._manifest, json_content(asdict(manifest), seal))
        self.run = manifest.run

    def restore_manifest(self, manifest: Manifest) -> None:
        """Write the manifest again where it was removed: without it the rest is not a run.

        Raises
        ------
        StoreError
            If the system refuses.
        """
        if not self.began:
            self.write_manifest(manifest)

    @contextlib.contextmanager
    def keeping(self, manifest: Manifest) -> Iterator[None]:
        """Let the manifest be there in the end, however what is inside ends."""
        try:
            yield
        finally:
            # How it has ended is told, and nothing else: not that a store's lease is lost either.
            with contextlib.suppress(PacksweepError):
                self.restore_manifest(manifest)

    def read_summary(self) -> Summary | None:
        """Return the summary of a finished run; None where there is none that can be believed.

        Raises
        ------
        RunFolderError
            If another program has written it.
        StoreError
            If it cannot be fetched.
        """
        content = read_whole(self._summary)
        if content is None:
            return None
        try:
            data = parse_json(content, self.seal(self._summary))
        except ValueError as error:
            log.warning("not believed: %s: %s", self._summary, error)
            return None
        try:
            return Summary.from_json(data)
        except ValueError as error:
            raise RunFolderError(
                f"{self._summary} cannot be read: {error}. Remove it, and the run is finished "
                "again from its log."
            ) from error

    def remove_summary(self) -> None:
        """Take the summary away of a run that is gone on with: its model may become another one.

        Raises
        ------
        StoreError
            If the system refuses.
        """
        remove(self._summary)

    def write_summary(self, summary: Summary) -> None:
        """Make the summary durable."""
        content = json_content(summary.to_json(), self.seal(self._summary))
        write_whole(self._summary, content)


def _unusable(path: Place, error: OSError) -> PacksweepError:
    text = f"The run folder {path} cannot be used: {error.strerror}."
    if isinstance(path, RemotePath):  # most often a name or a login that is wrong
        return RunFolderError(text)
    return StoreError(f"{text} Choose another --run-dir.")


def _target(path: Path) -> Path:
    """Return where a folder is in truth: a link to another disk stays, with the new run behind."""
    return Path(os.path.realpath(path))


_AnyPlace = TypeVar("_AnyPlace", Path, RemotePath)


def _aside(path: _AnyPlace) -> _AnyPlace:
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    return path.with_name(f"{path.name}.{stamp}")
