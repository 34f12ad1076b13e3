"""Disk space of a service's sweeps: bytes per trial, the ledger, and space freed by deletion.

Sweeps of 1,000, 10,000 and 100,000 trials on digits are trained for real through a service in this
process, the larger ones in more values of the same hyperparameters. The ledger's size is that of
its file after the service has ended, so that nothing waits in its write-ahead log. `freed_mib` is
what the deletion says, `gone_mib` by how much the folder of the service is smaller then.

    python benchmarks/keeping.py    some minutes
"""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from harness import report

from cluster.executor import SerialExecutor
from search.ledger import Caller, Ledger
from search.service import Desk, Limits, Request, Service

# Learning rates and alphas, beside two batch sizes and ten numbers of epochs.
SIZES = {"1,000": (10, 5), "10,000": (25, 20), "100,000": (100, 50)}


def main() -> None:
    rows: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "service"
        sizes_before = ledger_kib(root)
        kept = {}
        for size, (rates, alphas) in SIZES.items():
            row = trained(root, grid(rates, alphas))
            kept[size] = row
            after = ledger_kib(root)
            total = bytes_of(Path(row.folder))
            rows[size] = {
                "run_mib": total / 2**20, "bytes_per_trial": total / row.total,
                "log_bytes_per_trial": bytes_of(Path(row.folder) / "trials") / row.total,
                "ledger_grew_kib": after - sizes_before,
            }  # fmt: skip
            sizes_before = after
            print(size, rows[size], flush=True)
        for size, row in kept.items():
            rows[size] |= deleted(root, row.id)
    report("keeping", {"sweeps": rows}, keep=True)


def grid(rates: int, alphas: int) -> dict[str, Any]:
    space = {
        "batch_size": [512, 1024],
        "learning_rate": np.geomspace(1e-7, 1e-5, rates).tolist(),
        "epochs": list(range(1, 11)),
        "alpha": np.geomspace(0.01, 1e3, alphas).tolist(),
    }
    return {"dataset": "digits", "space": space}


def trained(root: Path, table: dict[str, Any]) -> Any:
    """Train a grid through a service that ends then; return its row."""
    with served(root) as (service, desk, ann):
        row, _ = desk.submit(ann, Request(grid=table), None)
        while not service.ledger.sweeps.get(row.id).ended:
            time.sleep(0.2)
        found = service.ledger.sweeps.get(row.id)
        assert found.ended == "done", found.reason
        assert found.result["finished"] == found.total
        return found


def deleted(root: Path, sweep: str) -> dict[str, float]:
    """Delete a sweep; return what that frees by its own words, and by the disk."""
    with served(root) as (_, desk, ann):
        before = on_disk(root / "runs")
        said = desk.remove(ann, sweep, dry_run=True)
        start, spent = time.perf_counter(), time.process_time()
        freed = desk.remove(ann, sweep)
        took, spent = time.perf_counter() - start, time.process_time() - spent
        gone = before - on_disk(root / "runs")
    return {
        "said_before_mib": said / 2**20, "freed_mib": freed / 2**20, "gone_mib": gone / 2**20,
        "deletion_s": took, "deletion_cpu_s": spent,
    }  # fmt: skip


@contextmanager
def served(root: Path) -> Iterator[tuple[Service, Desk, Caller]]:
    """Give a service that runs, its desk and somebody who has a token."""
    service = Service(root, SerialExecutor, Limits())
    desk = Desk(root, service.ledger, Limits(), service)
    people = service.ledger.people
    ann = people.caller(people.add_token("ann", "submitter"))
    assert ann
    service.start()
    try:
        yield service, desk, ann
    finally:
        desk.close()
        service.stop()


def bytes_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def on_disk(folder: Path) -> int:
    """Return the bytes that a folder takes of its disk, its own entries included."""
    return 512 * sum(path.lstat().st_blocks for path in [folder, *folder.rglob("*")])


def ledger_kib(root: Path) -> float:
    root.mkdir(parents=True, exist_ok=True)
    Ledger(root / "ledger.sqlite").close()
    return sum(path.stat().st_size for path in root.glob("ledger.sqlite*")) / 1024


if __name__ == "__main__":
    os.chdir(Path(__file__).parents[1])
    main()
