"""A minute of two people: one with two sweeps, and one with a sweep and twice the weight.

The service and both workers are on this machine. The core-seconds are those of the links of each in
the minute after both have had a link; `off_percent` is how far the second person is from two
thirds of them. A link takes seconds, so that a minute has some tens of them. Of the first person's
two sweeps the later one begins when the earlier one has no link left that could start.

    python benchmarks/weights.py    about three minutes; needs Fashion-MNIST
"""

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from harness import report
from service import grid, service

from search.client import Client, ServiceError

SECONDS = 60.0

# In which a link comes to its end that runs when the minute is over.
_LONGEST_SECONDS = 60.0


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        report("weights", measure(Path(folder) / "weights"), keep=True)


def measure(root: Path) -> dict[str, Any]:
    with service(root) as people:
        people["root"].ask("PATCH", "people/bob", json={"weight": 2.0})
        asked = [("ann", 1), ("ann", 2), ("bob", 3)]
        sweeps = {
            people[name].submit(grid(), name=f"of-{name}", seed=seed)["id"]: name
            for name, seed in asked
        }
        while {n for s, n in sweeps.items() if links_of(people["ann"], s)} != {"ann", "bob"}:
            time.sleep(0.5)
        start = time.time()
        time.sleep(SECONDS)
        end = time.time()
        time.sleep(_LONGEST_SECONDS)
        had, count = dict.fromkeys(("ann", "bob"), 0.0), 0
        for sweep, name in sweeps.items():
            for link in links_of(people["ann"], sweep):
                inside = min(end, link["finished_at"]) - max(start, link["started_at"])
                had[name] += max(0.0, inside)
                count += inside > 0
        for sweep in sweeps:
            people["root"].change(sweep, wanted="cancel")
        of_bob = had["bob"] / (had["ann"] + had["bob"])
        return {
            "first_core_s": had["ann"], "second_core_s": had["bob"],
            "links": count,
            "off_percent": 100 * abs(of_bob / (2 / 3) - 1),
        }  # fmt: skip


def links_of(client: Client, sweep: str) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in client.file(sweep, "links").splitlines()]
    except ServiceError:  # it has none yet
        return []


if __name__ == "__main__":
    os.chdir(Path(__file__).parents[1])
    main()
