"""What a poisoned sweep costs the others of a service: processor seconds alone, and beside one.

In pairs, each time with a service of its own in this process: the sweep alone, and with a poisoned
one of another person that is submitted just before it, whose 80 trials train next to nothing: what
the process does more is what dealing with it costs. `loud` raises ten megabytes of text at the
first epoch of each training; `unknown` has costs that are no numbers.

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
from search.service import Limits, Request, Service

PAIRS = 5
POISON = """
from model.trainers import Trainer


class Loud(Trainer):
    version = "1"
    metrics = ("cost", "accuracy")

    def advance(self, state, params, epochs, data):
        raise RuntimeError("x" * 10_000_000)

    def score(self, state, data):
        return {"cost": 1.0, "accuracy": 0.0}


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
BAD = {"dataset": "digits", "space": {"rate": [0.01 * i for i in range(1, 41)], "epochs": [1, 2]}}


def main() -> None:
    rows: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "poison.py").write_text(POISON)
        sys.path.insert(0, name)
        served(root / "first", None)  # compiles, and measures the speed of the machine
        served(root / "second", "poison:Loud")  # checks the trainers, once for each version
        served(root / "third", "poison:Unknown")
        for kind in ("Loud", "Unknown"):
            pairs = [
                (
                    served(root / f"{kind}-{number}-alone", None),
                    served(root / f"{kind}-{number}-beside", f"poison:{kind}"),
                )
                for number in range(PAIRS)
            ]
            rows[kind.lower()] = {
                "alone_s": statistics.median(alone for alone, _ in pairs),
                "beside_s": statistics.median(beside for _, beside in pairs),
                "lost_percent": 100 * (statistics.median(b / a for a, b in pairs) - 1),
            }
            print(rows[kind.lower()], flush=True)
    report("poison", {"cases": rows}, keep=True)


def served(root: Path, poison: str | None) -> float:
    """Return the processor seconds that a sweep takes, with a poisoned one beside it or without."""
    service = Service(root, SerialExecutor, Limits(trainers=("poison:Loud", "poison:Unknown")))
    people = service.ledger.people
    ann, eve = (people.caller(people.add_token(name, "submitter")) for name in ("ann", "eve"))
    assert ann
    assert eve
    service.start()
    try:
        began = time.process_time()
        rows = []
        if poison:
            rows.append(service.submit(eve, Request(grid={**BAD, "trainer": poison}), None)[0])
        rows.append(service.submit(ann, Request(grid=GRID), None)[0])
        while not all(service.ledger.sweeps.get(row.id).ended for row in rows):
            time.sleep(0.05)
        spent = time.process_time() - began
        found = [service.ledger.sweeps.get(row.id) for row in rows]
        assert [row.ended for row in found] == ["done"] * len(rows), [row.reason for row in found]
        assert found[-1].result["finished"] == found[-1].total
    finally:
        service.stop()
    return spent


if __name__ == "__main__":
    os.chdir(Path(__file__).parents[1])
    main()
