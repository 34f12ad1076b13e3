"""Processor time of a service with a misbehaving sweep, beyond that with a harmless one.

In pairs, each time with a service of its own in this process: processor seconds until a sweep and
one of another person have ended, which was submitted just before it. The other one has 80 trials
that train next to nothing: harmless ones, or poison. `loud` raises ten megabytes of text at the
first epoch of each training; `unknown` has costs that are not numbers.

    python benchmarks/poison.py    a few minutes
"""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from harness import report

from cluster.executor import SerialExecutor
from search.service import Desk, Limits, Request, Service

PAIRS = 5
KINDS = ("Loud", "Unknown")
POISON = """
from model.trainers import Trainer


class Loud(Trainer):
    version = "1"
    metrics = ("cost", "accuracy")

    def advance(self, state, params, epochs, data):
        raise RuntimeError("x" * 10_000_000)

    def score(self, state, data):
        return {"cost": 1.0, "accuracy": 0.0}


class Harmless(Loud):
    def advance(self, state, params, epochs, data):
        return 1


class Unknown(Loud):
    def advance(self, state, params, epochs, data):
        return 1

    def score(self, state, data):
        return {"cost": float("nan"), "accuracy": float("nan")}
"""
GRID = {
    "dataset": "digits",
    "space": {
        "batch_size": [32, 64],
        "learning_rate": [1e-7, 2e-7, 5e-7, 1e-6, 2e-6, 5e-6],
        "epochs": [5, 10, 20, 40],
        "alpha": [0.0, 0.1, 1.0, 10.0, 100.0, 1000.0],
    },
}
OTHER = {"dataset": "digits", "space": {"rate": [0.01 * i for i in range(1, 41)], "epochs": [1, 2]}}


def main() -> None:
    rows: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "poisoned.py").write_text(POISON)
        sys.path.insert(0, name)
        for kind in ("Harmless", *KINDS):  # compiles, measures the speed, checks the trainers
            served(root / f"first-{kind}", kind)
        for kind in KINDS:
            pairs = [
                (
                    served(root / f"{kind}-{number}-harmless", "Harmless"),
                    served(root / f"{kind}-{number}-poison", kind),
                )
                for number in range(PAIRS)
            ]
            rows[kind.lower()] = {
                "harmless_s": statistics.median(harmless for harmless, _ in pairs),
                "poison_s": statistics.median(poison for _, poison in pairs),
                "lost_percent": 100 * (statistics.median(b / a for a, b in pairs) - 1),
            }
            print(rows[kind.lower()], flush=True)
    report("poison", {"cases": rows}, keep=True)


def served(root: Path, other: str) -> float:
    """Return the processor seconds that a sweep and another one take."""
    trainers = tuple(f"poisoned:{kind}" for kind in ("Harmless", *KINDS))
    service = Service(root, SerialExecutor, Limits(trainers=trainers))
    desk = Desk(root, service.ledger, service.limits, service)
    people = service.ledger.people
    ann, eve = (people.caller(people.add_token(name, "submitter")) for name in ("ann", "eve"))
    assert ann
    assert eve
    service.start()
    try:
        began = time.process_time()
        grids = ((eve, {**OTHER, "trainer": f"poisoned:{other}"}), (ann, GRID))
        rows = [desk.submit(who, Request(grid=grid), None)[0] for who, grid in grids]
        while not all(service.ledger.sweeps.get(row.id).ended for row in rows):
            time.sleep(0.05)
        spent = time.process_time() - began
        found = [service.ledger.sweeps.get(row.id) for row in rows]
        assert [row.ended for row in found] == ["done"] * len(rows), [row.reason for row in found]
        assert found[-1].result["finished"] == found[-1].total
    finally:
        desk.close()
        service.stop()
    return spent


if __name__ == "__main__":
    os.chdir(Path(__file__).parents[1])
    main()
