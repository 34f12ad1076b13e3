"""A service killed before each thing that it writes into its ledger, and started again.

The full form kills at every one of them, some 130, in a quarter of an hour:

    python -m pytest -m rehearsal tests/faults/test_ledger_kills.py
"""

import multiprocessing
import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from command_line import table
from searches import assert_same_log

from search.ledger import Ledger

SPACE = {"batch_size": [64, 256], "learning_rate": [1e-6], "epochs": [2, 4], "alpha": [0.1]}
GRIDS = [
    {"dataset": "digits", "space": SPACE},
    {"dataset": "digits", "space": {**SPACE, "learning_rate": [1e-6, 5e-6]}},  # half of it is there
]
OF_A_RUN = ["source", "pack", "attempt"]

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["numpy", "pyarrow", "search.service", "search.session"])


def _serve(root, fatal, written):
    """Do what somebody asks who asks again until it is done; die before one write."""
    from cluster.executor import SerialExecutor
    from search.ledger import database
    from search.service import Desk, Limits, Request, Service

    really_run = database.Database._run

    def run(self, statement, values=(), *connection):
        if not statement.startswith("select"):
            written.value += 1
            if written.value == fatal:
                os.kill(os.getpid(), signal.SIGKILL)
        return really_run(self, statement, values, *connection)

    database.Database._run = run
    service = Service(root, SerialExecutor, Limits())
    people = service.ledger.people
    ann = people.caller(people.add_token("ann", "submitter"))
    desk = Desk(root, service.ledger, service.limits, service)
    service.start()
    ids = [
        desk.submit(ann, Request(grid=grid), f"key {number}")[0].id
        for number, grid in enumerate(GRIDS)
    ]
    while not all(service.ledger.sweeps.get(sweep).ended for sweep in ids):
        time.sleep(0.02)
    service.stop()


def served(root, fatal=0):
    """Return how a process that serves has ended, and how often it has written."""
    written = _processes.RawValue("i", 0)  # one with a lock would stay locked by the dead
    process = _processes.Process(target=_serve, args=(root, fatal, written))
    process.start()
    process.join(120)
    assert not process.is_alive()
    return process.exitcode, written.value


def outcome(root):
    """Return the sweeps of a ledger with their logs; nothing else is left in it."""
    ledger = Ledger(root / "ledger.sqlite")
    rows = ledger.sweeps.page()[::-1]
    ended = Counter((e.sweep, e.kind) for e in ledger.events.after(0) if e.kind == "done")
    assert [row.ended for row in rows] == ["done", "done"]
    assert ended == {(row.id, "done"): 1 for row in rows}
    assert ledger.leases.all() == []
    ledger.close()
    return [table(Path(row.folder)).drop(columns=OF_A_RUN) for row in rows]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Return how often a service that is not killed writes, and the logs."""
    root = tmp_path_factory.mktemp("undisturbed")
    code, written = served(root)
    assert code == 0
    return written, outcome(root)


def _killed(tmp_path, fatal, logs):
    root = tmp_path / str(fatal)
    code, _ = served(root, fatal)
    assert code in {0, -signal.SIGKILL}  # 0: this time there were fewer
    assert served(root)[0] == 0
    for log, expected in zip(outcome(root), logs, strict=True):
        assert_same_log(log, expected)


@pytest.mark.parametrize("part", [0.1, 0.6, 0.95])
def test_killed_before_some_writes_it_goes_on(tmp_path, undisturbed, part):
    written, logs = undisturbed
    _killed(tmp_path, 1 + int(part * written), logs)


@pytest.mark.rehearsal
def test_killed_before_each_write_it_goes_on(tmp_path, undisturbed):
    written, logs = undisturbed
    for fatal in range(1, written + 1):
        _killed(tmp_path, fatal, logs)
