"""An experiment of MLflow as a tracker: a run for the sweep, and within it one for each trial."""

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from search.errors import ConfigError
from search.logins import without_login
from search.trackers.mlflow_entries import (
    FINISHED,
    MARK,
    NUMBER,
    RUN,
    RUNNING,
    Entry,
    entry_of_trial,
    figures_of_run,
    milliseconds,
    params_of,
    tags_of,
)
from search.trackers.mlflow_opening import is_server, open_client, told
from search.trackers.mlflow_tables import Tables
from search.trackers.values import Run, Trial

T = TypeVar("T")

# Requests to a server at the same time: while one waits, another is written.
_THREADS = 8

# Runs of one answer.
_PAGE = 1000

# Values of one request.
_BATCH = 100


class MlflowTracker:
    """Keeps a run in an experiment; see `search.trackers.protocol.Tracker`.

    Parameters
    ----------
    uri : str
        A server, or a database.
    run : Run

    Raises
    ------
    MissingLibraryError
        If MLflow is not installed.
    ConfigError
        If the URI is none, the login is refused or the experiment was deleted.
    StoreError
        If the place does not answer.
    """

    def __init__(self, uri: str, run: Run) -> None:
        self._uri, self._run = uri, run
        with told(uri):
            self._client = open_client(uri)
            self._experiment = self._experiment_called(run.name_there)
        self._parent: Any = None
        self._there: dict[int, list[Any]] = {}

    def known(self) -> Mapping[int, str]:
        """Return the mark of each trial that has ended there, by its number."""
        with told(self._uri):
            self._parent, self._there = None, defaultdict(list)
            for found in self._search():
                number = found.data.tags.get(NUMBER)
                if number is None:
                    self._parent = found
                else:
                    self._there[int(number)].append(found)
        return {number: _mark(found) for number, found in self._there.items()}

    def remove(self, numbers: Collection[int]) -> None:
        """Delete the runs of trials, as far as MLflow deletes: they can be restored there."""
        doomed = [found for number in numbers for found in self._there.pop(number, ())]
        with told(self._uri):
            self._each(lambda found: self._client.delete_run(found.info.run_id), doomed)

    def add(self, trials: Sequence[Trial]) -> None:
        """Write runs of trials, and that of the sweep before them where there is none."""
        with told(self._uri):
            parent = self._made_parent().info.run_id
            entries = [entry_of_trial(trial, self._run, parent) for trial in trials]
            try:
                if is_server(self._uri):
                    raise LookupError  # its tables are elsewhere
                Tables(self._client, self._experiment).write(entries)
            except LookupError:
                self._each(self._write, entries)

    def conclude(self, run: Run) -> bool:
        """Write figures, settings and files of the sweep, and whether it is finished."""
        with told(self._uri):
            parent = self._made_parent()
            status = FINISHED if run.finished else RUNNING
            if parent.data.tags.get(MARK) == run.mark and parent.info.status == status:
                return False
            self._say(parent, run)
            self._attach(parent, run)
            # The last: whoever comes after a kill begins again without it.
            self._client.set_tag(parent.info.run_id, MARK, run.mark)
            self._end(parent, run, status)
            self._parent = None
        return True

    def close(self) -> None:
        """Do nothing: every call has come to its end."""

    def _experiment_called(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is None:
            return str(self._client.create_experiment(name))
        if found.lifecycle_stage != "active":
            raise ConfigError(
                f"The experiment {name!r} in {without_login(self._uri)} is deleted. Restore it, or "
                "give another --name."
            )
        return str(found.experiment_id)

    def _search(self) -> Iterator[Any]:
        token = None
        while True:
            page = self._client.search_runs(
                [self._experiment],
                f"tags.`{RUN}` = '{self._run.id}'",
                max_results=_PAGE,
                page_token=token,
            )
            yield from page
            token = page.token
            if not token:
                return

    def _made_parent(self) -> Any:
        if self._parent is None:
            found = [run for run in self._search() if NUMBER not in run.data.tags]
            self._parent = found[0] if found else self._client.create_run(
                self._experiment,
                start_time=milliseconds(self._run.started_at),
                tags={RUN: self._run.id, "mlflow.source.name": "packsweep"},
                run_name=self._run.name,
            )  # fmt: skip
        return self._parent

    def _write(self, entry: Entry) -> None:
        """Write one run by MLflow's calls; it counts from the last of them on."""
        made = self._client.create_run(
            self._experiment, start_time=entry.start, tags=dict(entry.tags), run_name=entry.name
        )
        self._log(made.info.run_id, entry.params, [vars(point) for point in entry.points], {})
        self._client.set_terminated(made.info.run_id, entry.status, entry.end)

    def _say(self, parent: Any, run: Run) -> None:
        figures, tags = figures_of_run(run)
        now, old = time.time_ns() // 1_000_000, parent.data.metrics
        points = [
            {"key": key, "value": value, "timestamp": now, "step": run.ended}
            for key, value in figures.items()
            if old.get(key) != value
        ]
        # Params of MLflow cannot be changed; a tag says what a run that was extended has now.
        settings, known = params_of(run.settings), parent.data.params
        params = {key: text for key, text in settings.items() if key not in known}
        changed = {key: text for key, text in settings.items() if known.get(key, text) != text}
        tags |= tags_of({f"now.{key}": text for key, text in changed.items()})
        self._log(parent.info.run_id, params, points, tags)

    def _log(
        self,
        run: str,
        params: Mapping[str, str],
        points: Sequence[Mapping[str, Any]],
        tags: Mapping[str, str],
    ) -> None:
        # Late, as all of MLflow.
        from mlflow.entities import Metric, Param, RunTag

        values = {
            "params": [Param(key, value) for key, value in params.items()],
            "metrics": [Metric(**point) for point in points],
            "tags": [RunTag(key, value) for key, value in tags.items()],
        }
        while any(values.values()):
            self._client.log_batch(run, **{kind: of[:_BATCH] for kind, of in values.items()})
            values = {kind: of[_BATCH:] for kind, of in values.items()}

    def _attach(self, parent: Any, run: Run) -> None:
        with tempfile.TemporaryDirectory(prefix="packsweep-") as folder:
            for name, content in run.contents.items():
                path = Path(folder, name)
                path.write_bytes(content)
                self._client.log_artifact(parent.info.run_id, str(path))

    def _end(self, parent: Any, run: Run, status: str) -> None:
        if run.ended_at is not None:
            self._client.set_terminated(parent.info.run_id, status, milliseconds(run.ended_at))
        elif parent.info.status != status:
            self._client.update_run(parent.info.run_id, status)

    def _each(self, call: Callable[[T], object], of: Iterable[T]) -> None:
        """Make a call for each of some things; several at a time to a server."""
        if not is_server(self._uri):  # whose database takes one writer at a time
            for one in of:
                call(one)
            return
        pool = ThreadPoolExecutor(_THREADS)
        try:
            for done in [pool.submit(call, one) for one in of]:
                done.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _mark(found: Sequence[Any]) -> str:
    """Return the mark of a trial; none where it is there twice, or not to its end."""
    if len(found) > 1 or found[0].info.status == RUNNING:
        return ""
    return str(found[0].data.tags.get(MARK, ""))
