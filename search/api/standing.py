"""How a sweep stands, in the words of ``packsweep status --json``."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from search.queue import DONE
from search.record import RunFolder
from search.schemas import Counts, StateName, Status
from search.service import Seen, config_of
from search.view import TrialTables
from search.watch import ENDED_EARLY, FINISHED, RunState, status_of


def sweep_status(seen: Seen, tables: TrialTables) -> Status:
    """Return how a sweep stands, by its run folder where it has one.

    Parameters
    ----------
    seen : Seen
    tables : TrialTables
        Have read its log before, or do so now.

    Raises
    ------
    StoreError
        If its log cannot be read.
    """
    row = seen.row
    folder = Path(row.folder)
    if not RunFolder(folder).began:
        return _before_its_start(seen)
    # The log after the summary, which a run writes last: so it has all the rows that this counts.
    run = RunState.read(folder)
    table = tables.get(folder, run.manifest)
    run = replace(run, in_memory=table.arrays)
    # The log is that of the table; the manifest never changes.
    of = run.summary, run.writer
    known, found = table.worked_out.get(Status, (None, None))
    if not isinstance(found, Status) or known != of:
        found = status_of(run)
        table.worked_out[Status] = of, found
    early = run.summary is not None and run.summary.ended_early
    ended = ENDED_EARLY if early else FINISHED
    # The command of a run folder would be refused, as the service writes there.
    changes = {"run": row.id, "state": ended if seen.state == DONE else seen.state}
    return found.model_copy(update={**changes, "continue_with": None})


def _before_its_start(seen: Seen) -> Status:
    row = seen.row
    config = config_of(row.settings, row.id)
    return Status(
        run=row.id,
        state=cast(StateName, seen.state),
        dataset=row.dataset["name"],
        fingerprint=row.dataset["fingerprint"],
        started_at=datetime.fromtimestamp(row.submitted_at, UTC).isoformat(),
        trials=Counts(total=row.total, finished=0, complete=0, pruned=0, failed=0),
        writer=None,
        trials_per_second=None,
        seconds_left=None,
        wall_s=None,
        objective=config.objective,
        readout=config.select,
        best=[],
        test=None,
        newest_links=[],
        continue_with=None,
    )
