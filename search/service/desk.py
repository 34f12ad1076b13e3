"""What people ask of a service: written down, for whoever runs the sweeps to act on."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from search.errors import ConfigError
from search.ledger import ADMIN, Caller, Ledger, SweepRow
from search.queue import CANCEL, PAUSE, RUN, STOP, Queue
from search.record import RunFolder
from search.service.board import Board, Seen
from search.service.datasets import DataSets
from search.service.errors import ForbiddenError
from search.service.forgetting import size_of
from search.service.hooks import Hooks
from search.service.limits import Limits
from search.service.progress import Progress, read_progress
from search.service.requests import KEPT, Checked, Request, Requests, digest_of
from search.view import TrialTables

PRIORITIES = range(-1000, 1001)
"""What a priority may be."""

# Why what has not ended is not deleted, by what is wanted of it.
_NOT_ENDED = {
    RUN: "has not ended; cancel it first.",
    PAUSE: "has not ended; cancel it first.",
    STOP: "is being stopped: its last tasks and the training of its model may take minutes. Wait "
    "for its end, or cancel it first.",
    CANCEL: "is still ending. Try again in a moment.",
}


class Runner(Protocol):
    """Who runs the sweeps, as a `Desk` knows it: a `Service`, here or in another process.

    Any thread may call it.
    """

    def board(self) -> Board:
        """Return how what is open goes; what has just happened may be missing."""

    def wake(self, sweep: str | None = None) -> None:
        """Take notice that the ledger has changed; a sweep that was held up is tried at once."""

    def remove(self, caller: Caller, sweep: str) -> int:
        """Delete a sweep with its files; return the bytes that are free now.

        Raises
        ------
        PacksweepError
            If it cannot be deleted, or not now.
        """


class Desk:
    """Takes what people ask, and shows them how it stands.

    What is asked for is a row of the ledger, and so outlives this process and the other one.

    Parameters
    ----------
    root : Path
        Folder of the service.
    ledger : Ledger
    limits : Limits
    runner : Runner
    """

    def __init__(self, root: Path, ledger: Ledger, limits: Limits, runner: Runner) -> None:
        self.ledger, self.limits, self._runner = ledger, limits, runner
        self._runs = root.absolute() / "runs"
        self.data_sets = DataSets(root.absolute() / "data", limits)
        self.requests = Requests(self.data_sets, limits)
        self.tables = TrialTables()
        self.hooks = Hooks(ledger, limits.hooks)
        # What was read of sweeps that the runner has not opened yet, by their identity.
        self._read: dict[str, Progress] = {}

    @property
    def board(self) -> Board:
        """How what is open goes."""
        return self._runner.board()

    def submit(self, caller: Caller, request: Request, key: str | None) -> tuple[SweepRow, bool]:
        """Write a sweep down; the same request under the same key twice is the same sweep.

        Returns
        -------
        row : SweepRow
        is_new : bool

        Raises
        ------
        UsageError
            If it cannot be trained, or is not allowed.
        """
        known = self.ledger.sweeps.repeated(caller.person, key, request.digest)
        if known:
            return known, False
        self._check_place(caller, request)
        return self._submit(caller, self.requests.check(request), key)

    def clone(
        self, caller: Caller, sweep: str, changes: Mapping[str, Any], key: str | None
    ) -> tuple[SweepRow, bool]:
        """Submit a sweep again with changes; see `cloned`.

        The same changes of the same sweep under the same key are the same clone, whatever has
        become of the first sweep since.

        Returns
        -------
        row : SweepRow
        is_new : bool

        Raises
        ------
        KeyError
            If there is no such sweep.
        UsageError
            If the clone cannot be trained, or is not allowed.
        """
        asked = f"clone {sweep} {json.dumps(changes, sort_keys=True)}"
        known = self.ledger.sweeps.repeated(caller.person, key, digest_of(asked))
        if known:
            return known, False
        request = replace(self.cloned(self.ledger.sweeps.get(sweep), changes), asked=asked)
        return self.submit(caller, request, key)

    def _check_place(self, caller: Caller, request: Request) -> None:
        self.ledger.queues.check(request.queue)
        _check_priority(request.priority)
        waiting = self.ledger.sweeps.live_of(caller.person)
        if waiting >= self.limits.sweeps:
            raise ConfigError(
                f"{caller.person} has {waiting} sweeps that have not ended, which is the most that "
                "the service takes. Wait for one, or cancel one."
            )

    def _submit(self, caller: Caller, checked: Checked, key: str | None) -> tuple[SweepRow, bool]:
        name = checked.request.name or checked.config.name

        def folder(sweep: str) -> str:
            return str(self._runs / f"{name}-{sweep}")

        with self.ledger.transaction():
            # Again: what was checked before may be another now, and the same request have come.
            known = self.ledger.sweeps.repeated(caller.person, key, checked.request.digest)
            if known:
                return known, False
            self._check_place(caller, checked.request)
            self._enter(caller.person)
            row, _ = self.ledger.sweeps.submit(checked.submission(caller.person, key, folder))
            self.ledger.events.record(caller, "submit", row.id)
            self.ledger.events.add(row.id, row.person, "submitted", total=row.total)
        self._runner.wake()
        return row, True

    def _enter(self, person: str) -> None:
        """Count to somebody who had nothing to run what others have used meanwhile."""
        active = {row.person for row in self.ledger.sweeps.live() if row.wanted == RUN}
        if person not in active and active:
            self.ledger.people.enter(person, active)

    def change(
        self, caller: Caller, sweep: str, *, wanted: str | None = None, **moved: Any
    ) -> SweepRow:
        """Change a sweep's requested state, priority, queue or name.

        Parameters
        ----------
        caller : Caller
        sweep : str
        wanted : str, optional
            `RUN`, `PAUSE`, `STOP` or `CANCEL`.
        **moved
            ``priority``, ``queue`` and ``name``, where they change.

        Raises
        ------
        KeyError
            If there is no such sweep.
        ForbiddenError
            If it is somebody else's.
        ValueError, UsageError
            If that cannot be.
        """
        if moved.get("priority") is not None:
            _check_priority(moved["priority"])
        said = {
            name: value for name, value in {"wanted": wanted, **moved}.items() if value is not None
        }
        with self.ledger.transaction():
            row = before = self.ledger.sweeps.get(sweep)
            self._allow(caller, before, "change")
            if moved.get("queue") is not None:
                self.ledger.queues.check(moved["queue"])
            # What is so already is not written: nobody is told of it.
            is_held_up = before.ended is None and before.reason
            if wanted is not None and (wanted != before.wanted or is_held_up):
                if wanted == RUN != before.wanted:
                    self._enter(before.person)
                row = self.ledger.sweeps.want(sweep, wanted)
            if any(name in said and said[name] != getattr(before, name) for name in moved):
                row = self.ledger.sweeps.move(sweep, **moved)
            if row != before:
                self.ledger.events.record(caller, f"change {said}", sweep)
                self.ledger.events.add(sweep, row.person, "changed", by=caller.person, **said)
        if said:
            self._runner.wake(sweep)
        return row

    def _allow(self, caller: Caller, row: SweepRow, verb: str) -> None:
        if caller.person != row.person and not caller.may(ADMIN):
            raise ForbiddenError(
                f"The sweep {row.id} is {row.person}'s; {caller.person} cannot {verb} it. Ask "
                f"{row.person}, or an administrator.",
                verb,
                row.id,
            )

    def remove(self, caller: Caller, sweep: str, *, dry_run: bool = False) -> int:
        """Delete a sweep that has ended, with its run folder; return how many bytes that frees.

        Parameters
        ----------
        caller : Caller
        sweep : str
        dry_run : bool
            Whether nothing is deleted: what it would free is counted.

        Raises
        ------
        KeyError
            If there is no such sweep.
        ForbiddenError
            If it is somebody else's.
        ConfigError
            If it has not ended, or another sweep is about to copy from it.
        PacksweepError
            If its files cannot be deleted.
        """
        row = self.ledger.sweeps.get(sweep)
        self._allow(caller, row, "delete")
        if row.ended is None:
            raise ConfigError(f"The sweep {sweep} {_NOT_ENDED[row.wanted]}")
        if dry_run:
            return size_of(Path(row.folder))
        freed = self._runner.remove(caller, sweep)
        self._read.pop(sweep, None)
        return freed

    def cloned(self, row: SweepRow, changes: Mapping[str, Any]) -> Request:
        """Return the request of a sweep with changes.

        Parameters
        ----------
        row : SweepRow
        changes : mapping
            ``space`` with hyperparameters that have other values, in each table of the space that
            has them, or with all tables, ``settings`` with other keys of the grid file, ``name``,
            ``queue`` and ``priority``; what is left out stays.

        Raises
        ------
        ConfigError
            If no table has a hyperparameter that is to have other values.
        """
        # Its name may be another than that which it was submitted by.
        kept = {**row.settings, "name": row.name, "dataset": row.dataset["named"]}
        table = {**kept, **changes.get("settings", {})}
        name = table.pop("name")
        trainer = table.get("trainer")
        if isinstance(trainer, Mapping):
            table["trainer"] = trainer.get("name", "")
        if space := changes.get("space"):
            table["space"] = _changed_space(table["space"], space)
        return Request(
            grid=table,
            name=changes.get("name", name),
            **{option: row.options[option] for option in KEPT if option in row.options},
            queue=changes.get("queue", row.queue),
            priority=changes.get("priority", row.priority),
        )

    def remove_upload(self, caller: Caller, name: str) -> int:
        """Remove an uploaded data set; return how many bytes that frees.

        Raises
        ------
        DataError
            If there is none of this name.
        ConfigError
            If a sweep that has not ended needs it.
        """
        if not caller.may(ADMIN):
            raise ForbiddenError(
                f"Only an administrator may remove uploads such as {name}.", "remove", name
            )
        needing = [row.id for row in self.ledger.sweeps.live() if row.dataset["named"] == name]
        if needing:
            raise ConfigError(f"{name} is needed by {', '.join(needing)}, which have not ended.")
        freed = self.data_sets.remove(name)
        self.ledger.events.record(caller, "remove", name)
        return freed

    def weigh(self, caller: Caller, name: str, weight: float) -> None:
        """Change somebody's weight."""
        with self.ledger.transaction():
            self.ledger.people.set_weight(name, weight)
            self.ledger.events.record(caller, f"weight {weight:g}", name)
        self._runner.wake()

    def put_queue(self, caller: Caller, queue: Queue) -> None:
        """Make a queue, or change its quota."""
        with self.ledger.transaction():
            self.ledger.queues.put(queue)
            self.ledger.events.record(caller, f"quota {queue.cores:g} {queue.most:g}", queue.name)
        self._runner.wake()

    def remove_queue(self, caller: Caller, name: str) -> None:
        """Remove a queue that no sweep was submitted to."""
        with self.ledger.transaction():
            self.ledger.queues.remove(name)
            self.ledger.events.record(caller, "remove queue", name)

    def shared(self, row: SweepRow) -> dict[str, Any]:
        """Return how many trials of a sweep were taken over from others, and from how many."""
        folder = Path(row.folder)
        if not RunFolder(folder).began:
            return {"trials": 0, "from": []}
        return self.tables.small(folder, "shared", lambda: self._shared(folder))

    def _shared(self, folder: Path) -> dict[str, Any]:
        manifest = RunFolder(folder).existing_manifest()
        if not manifest.reuse:  # which is so of most: their logs need not be read
            return {"trials": 0, "from": []}
        # A sampler's repeated trials have a source too, which is no path.
        sources = {
            source: count
            for source, count in self.tables.get(folder, manifest).sources().items()
            if "/" in source
        }
        runs = {Path(source.partition(",")[0]).name for source in sources}
        return {"trials": sum(sources.values()), "from": sorted(runs)}

    def place(self, priority: int) -> int:
        """Return the place that a sweep would have among those that wait, were it submitted now."""
        return self.board.ahead(self.ledger.sweeps.live(), priority) + 1

    def see(self, row: SweepRow) -> Seen:
        """Return a sweep as people see it."""
        board = self.board
        return Seen.of(row, board, self._progress(row, board))

    def _progress(self, row: SweepRow, board: Board) -> Progress:
        if row.ended is not None:
            return Progress.of_result(row.result)
        if found := board.progress.get(row.id):
            return found
        known = self._read.get(row.id)
        if known is None:
            self._read[row.id] = known = read_progress(Path(row.folder))
        return known


def _changed_space(space: Any, changes: Any) -> Any:
    """Return a space, which is a table or several, with other values of some hyperparameters."""
    if not isinstance(changes, Mapping) or not isinstance(space, Mapping | list | tuple):
        return changes  # all of it; whether it is a space is said where grids are checked
    if isinstance(space, Mapping):
        return {**space, **changes}
    tables = [dict(table) for table in space]
    known = dict.fromkeys(name for table in tables for name in table)
    if unknown := [name for name in changes if name not in known]:
        lacking, they = (
            ("1 table, which has no", "it has") if len(tables) == 1
            else (f"{len(tables)} tables, and none of them has", "they have")
        )  # fmt: skip
        raise ConfigError(
            f"The space has {lacking} {', '.join(unknown)}; {they} {', '.join(known)}. Change one "
            "of these, or give all tables as a list."
        )
    return [{name: changes.get(name, values) for name, values in t.items()} for t in tables]


def _check_priority(priority: int) -> None:
    if priority not in PRIORITIES:
        least, most = PRIORITIES[0], PRIORITIES[-1]
        raise ConfigError(f"priority {priority} is not a whole number from {least} to {most}.")
