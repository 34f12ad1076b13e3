"""A run's folder: its layout, its manifest, and its one writer."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from search.durable import prepare_folder, write_atomically
from search.errors import RunFolderError, StoreError
from search.manifest import SCHEMA_VERSION, Manifest
from search.run_lock import lock, writer


class RunFolder:
    """Paths and small files of one run.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.moved_to: Path | None = None  # the run that --fresh found here
        self.trials = path / "trials"
        self.checkpoints = path / "checkpoints"
        self.resamples = path / "resamples"
        self.proposals = path / "proposals"
        self.reused = path / "reused"
        self.model = path / "best_model.npz"
        self.report = path / "report.html"
        self.log = path / "sweep.log"
        self._manifest = path / "manifest.json"
        self._summary = path / "summary.json"
        self._lock = path / ".lock"

    @classmethod
    @contextlib.contextmanager
    def locked(cls, path: Path, *, fresh: bool = False) -> Iterator[Self]:
        """Open a folder as its only writer, made where it is missing.

        Parameters
        ----------
        path : Path
        fresh : bool
            Move a run that is there aside first.

        Raises
        ------
        RunFolderError
            If the folder is something else than a run.
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
                folder._make(stack)
                if fresh and folder._manifest.exists():
                    folder.moved_to = path.rename(_aside(path))
                    folder._make(stack)
            except OSError as error:
                raise StoreError(
                    f"The run folder {path} cannot be used: {error.strerror}. Choose another "
                    "--run-dir."
                ) from error
            prepare_folder(path)
            yield folder

    def _make(self, stack: contextlib.ExitStack) -> None:
        if self.path.exists():
            self._check_is_run()
        self.path.mkdir(parents=True, exist_ok=True)
        stack.enter_context(lock(self._lock))

    def _check_is_run(self) -> None:
        foreign = not self.path.is_dir() or (
            not self._manifest.exists()
            and any(not entry.name.startswith(".") for entry in self.path.iterdir())
        )
        if foreign:
            raise RunFolderError(
                f"{self.path} is not a run folder: it has no manifest.json. Choose another "
                "--run-dir, or an empty folder."
            )

    @property
    def writer(self) -> str | None:
        """Which process is writing to it, in words; None where none is."""
        return writer(self._lock)

    def read_manifest(self) -> Manifest | None:
        """Return the manifest, or None in a new folder.

        Raises
        ------
        RunFolderError
            If it cannot be read or is of another version.
        """
        if not self._manifest.exists():
            return None
        try:
            data = json.loads(self._manifest.read_bytes())
            version = data["schema_version"]
            if version == SCHEMA_VERSION:
                return Manifest(**data)
            problem = f"has schema version {version}, this program reads {SCHEMA_VERSION}"
        except (OSError, ValueError, TypeError, KeyError) as error:
            problem = f"cannot be read ({type(error).__name__}: {error})"
        raise RunFolderError(
            f"{self._manifest} {problem}. Choose another --run-dir, or --fresh to move this run "
            "aside and start anew."
        )

    def existing_manifest(self) -> Manifest:
        """Return the manifest of a run that must be there.

        Raises
        ------
        RunFolderError
            If there is none.
        """
        try:
            manifest = self.read_manifest()
        except OSError as error:
            raise RunFolderError(f"{self.path} cannot be looked at: {error.strerror}.") from error
        if manifest is None:
            raise RunFolderError(
                f"There is no run in {self.path}: it has no manifest.json. Name a run's folder."
            )
        return manifest

    def write_manifest(self, manifest: Manifest) -> None:
        """Make the manifest durable."""
        self._write_json(self._manifest, asdict(manifest))

    def read_summary(self) -> dict[str, Any] | None:
        """Return the summary of a finished run, or None."""
        try:
            summary: dict[str, Any] = json.loads(self._summary.read_bytes())
        except (OSError, ValueError):
            return None
        return summary

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Make the summary durable."""
        self._write_json(self._summary, summary)

    @staticmethod
    def _write_json(path: Path, data: dict[str, Any]) -> None:
        text = json.dumps(data, indent=2) + "\n"
        write_atomically(path, lambda file: file.write(text.encode()))


def _aside(path: Path) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    return path.with_name(f"{path.name}.{stamp}")
