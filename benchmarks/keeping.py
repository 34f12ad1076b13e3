"""What sweeps leave on the disk of a service: bytes of each trial, the ledger, what deletion frees.

Sweeps of 1,000, 10,000 and 100,000 trials on digits are trained for real through a service in this
process, the larger ones in more values of the same hyperparameters. The ledger's size is that of
its file after the service has ended, so that nothing waits in its write-ahead log. `freed_mib` is
what the deletion says, `gone_mib` by how much the folder of the service is smaller then.

    python benchmarks/keeping.py    some minutes
"""

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from harness import report

from cluster.executor import SerialExecutor
from search.ledger import Ledger
from search.service import Limits, Request, Service

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
    service = Service(root, SerialExecutor, Limits())
    people = service.ledger.people
    ann = people.caller(people.add_token("ann", "submitter"))
    assert ann
    service.start()
    try:
        row, _ = service.submit(ann, Request(grid=table), None)
        while not service.ledger.sweeps.get(row.id).ended:
            time.sleep(0.2)
        found = service.ledger.sweeps.get(row.id)
        assert found.ended == "done", found.reason
        assert found.result["finished"] == found.total
        return found
    finally:
        service.stop()


def deleted(root: Path, sweep: str) -> dict[str, float]:
    """Delete a sweep; return what that frees by its own words, and by the disk."""
    service = Service(root, SerialExecutor, Limits())
    people = service.ledger.people
    ann = people.caller(people.add_token("ann", "submitter"))
    assert ann
    service.start()
    try:
        before = bytes_of(root / "runs")
        said = service.remove(ann, sweep, dry_run=True)
        freed = service.remove(ann, sweep)
        gone = before - bytes_of(root / "runs")
    finally:
        service.stop()
    return {"said_before_mib": said / 2**20, "freed_mib": freed / 2**20, "gone_mib": gone / 2**20}


def bytes_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def ledger_kib(root: Path) -> float:
    root.mkdir(parents=True, exist_ok=True)
    Ledger(root / "ledger.sqlite").close()
    return sum(path.stat().st_size for path in root.glob("ledger.sqlite*")) / 1024


if __name__ == "__main__":
    os.chdir(Path(__file__).parents[1])
    main()
