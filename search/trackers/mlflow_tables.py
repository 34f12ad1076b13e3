"""Many runs at once in a database of MLflow.

By MLflow's own calls a run takes six transactions, and 4096 trials take minutes. What the calls
would write is put into the same tables here, by MLflow's own classes, some hundred runs in one
transaction.
"""

import uuid
from collections.abc import Sequence
from functools import partial
from typing import Any

from search.trackers.mlflow_entries import Entry

# Runs of one transaction: enough that its flush to the disk counts little.
_AT_ONCE = 500


class Tables:
    """The tables of a database that MLflow writes to itself, in this process.

    Parameters
    ----------
    client : MlflowClient
    experiment : str
        Identity of the experiment.

    Raises
    ------
    LookupError
        If this version of MLflow has no such tables; then its calls do the same, slowly.
    """

    def __init__(self, client: Any, experiment: str) -> None:
        try:
            # Late, as all of MLflow; inner parts of it, which another version may not have.
            from mlflow.store.tracking.dbmodels import models
            from mlflow.utils.uri import append_to_uri_path

            store = client._tracking_client.store
            self._session = store.ManagedSessionMaker
            self._tables = {
                "runs": models.SqlRun.__table__,
                "tags": models.SqlTag.__table__,
                "params": models.SqlParam.__table__,
                "metrics": models.SqlMetric.__table__,
                "latest": models.SqlLatestMetric.__table__,
            }
        except (ImportError, AttributeError) as error:
            raise LookupError(str(error)) from error
        location = client.get_experiment(experiment).artifact_location
        self._experiment = int(experiment)
        self._artifacts = partial(append_to_uri_path, location)

    def write(self, entries: Sequence[Entry]) -> None:
        """Write runs, each whole or not at all."""
        for start in range(0, len(entries), _AT_ONCE):
            rows = self._rows(entries[start : start + _AT_ONCE])
            with self._session(read_only=False) as session:
                for name, table in self._tables.items():
                    if rows[name]:
                        session.execute(table.insert(), rows[name])

    def _rows(self, entries: Sequence[Entry]) -> dict[str, list[dict[str, Any]]]:
        rows: dict[str, list[dict[str, Any]]] = {name: [] for name in self._tables}
        for entry in entries:
            run = uuid.uuid4().hex
            rows["runs"].append(self._run(entry, run))
            tags = {"mlflow.runName": entry.name, **entry.tags}
            rows["tags"] += [_pair(run, *pair) for pair in tags.items()]
            rows["params"] += [_pair(run, *pair) for pair in entry.params.items()]
            points = [_point(run, point) for point in dict.fromkeys(entry.points)]
            rows["metrics"] += points
            rows["latest"] += _latest(points)
        return rows

    def _run(self, entry: Entry, run: str) -> dict[str, Any]:
        return {
            "run_uuid": run,
            "name": entry.name,
            "artifact_uri": self._artifacts(run, "artifacts"),
            "experiment_id": self._experiment,
            "source_type": "UNKNOWN",
            "source_name": "",
            "entry_point_name": "",
            "user_id": "unknown",  # as MLflow's client has it
            "status": entry.status,
            "start_time": entry.start,
            "end_time": entry.end,
            "source_version": "",
            "lifecycle_stage": "active",
        }


def _pair(run: str, key: str, value: str) -> dict[str, Any]:
    return {"run_uuid": run, "key": key, "value": value}


def _point(run: str, point: Any) -> dict[str, Any]:
    return {
        "run_uuid": run,
        "key": point.key,
        "value": point.value,
        "timestamp": point.timestamp,
        "step": point.step,
        "is_nan": False,
    }


def _latest(points: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the last point of each metric: of the highest step, then time, then value."""
    ordered = sorted(points, key=lambda p: (p["step"], p["timestamp"], p["value"]))
    return list({point["key"]: point for point in ordered}.values())
