"""Two people for a minute: one with two sweeps, one with one sweep and twice the weight.

The service and both workers are on this machine. Each sweep is a grid of one pack for each of many
seeds, so that its links are short, as many as fit may run, and it outlasts the minute. The minute
begins when every sweep is open, both people have had links, and what they have used, by weight, is
less than a link apart: data sets are shared and speeds measured by then. The core-seconds are those
of the links of each within it; `off_percent` is how far the second person is from two thirds of
them. Between the first person's two sweeps the earlier one comes first.

Nothing is kept where a sweep has ended within the minute, or where the longest link is a tenth of
what somebody had: then one link more or less would decide.

    python benchmarks/weights.py    about two minutes
"""

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from harness import report
from service import service

from search.client import Client, ServiceError

SECONDS = 60.0
PEOPLE = {"ann": 1.0, "bob": 2.0}

# 64 trajectories of a second or less for each seed.
GRID = {
    "dataset": "digits",
    "space": {
        "batch_size": [64],
        "learning_rate": [5e-8, 1e-7, 2e-7, 5e-7, 1e-6, 2e-6, 5e-6, 1e-5],
        "epochs": [4],
        "alpha": [0.0, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0, 10_000.0],
    },
}
SEEDS = 1000

# Of one person the other may be ahead so far: the length of a link, by weight.
_LEVEL_SECONDS = 2.0
_LEVEL_AFTER = 300.0


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        report("weights", measure(Path(folder) / "weights"), keep=True)


def measure(root: Path) -> dict[str, Any]:
    with service(root) as people:
        for name, weight in PEOPLE.items():
            people["root"].ask("PATCH", f"people/{name}", json={"weight": weight})
        sweeps = {
            people[name].submit(GRID, name=f"of-{name}", seed=seed, seeds=SEEDS)["id"]: name
            for name, seed in (("ann", 1000), ("ann", 3000), ("bob", 5000))
        }
        wait_until_level(people["root"], sweeps)
        start = time.time()
        time.sleep(SECONDS)
        end = time.time()
        states = {people["root"].get(sweep)["state"] for sweep in sweeps}
        if not states <= {"running", "queued"}:
            raise SystemExit(f"A sweep has ended within the minute ({states}): raise SEEDS.")
        # What runs at its end is written down when it ends.
        for sweep in sweeps:
            people["root"].change(sweep, wanted="pause")
        while any(people["root"].get(sweep)["state"] != "paused" for sweep in sweeps):
            time.sleep(0.2)
        links = [(link, who) for sweep, who in sweeps.items()
                 for link in links_of(people["root"], sweep)]  # fmt: skip
        for sweep in sweeps:
            people["root"].change(sweep, wanted="cancel")
    return figures(links, start, end)


def wait_until_level(root: Client, sweeps: dict[str, str]) -> None:
    """Wait until shares are level, so that nobody has something to catch up with."""
    until = time.monotonic() + _LEVEL_AFTER
    while time.monotonic() < until:
        told = [root.get(sweep) for sweep in sweeps]
        use = [who["use"] / who["weight"] for who in root.ask("GET", "people")
               if who["name"] in PEOPLE]  # fmt: skip
        have_begun = {who for sweep, who in sweeps.items() if links_of(root, sweep)} == set(PEOPLE)
        are_open = all(sweep["running"] or sweep["position"] for sweep in told)
        if have_begun and are_open and max(use) - min(use) < _LEVEL_SECONDS:
            return
        time.sleep(0.2)
    raise SystemExit(f"The shares are not level after {_LEVEL_AFTER:g} s.")


def figures(links: list[tuple[dict[str, Any], str]], start: float, end: float) -> dict[str, Any]:
    """Return what each has had between two times, of links with whose they are."""
    had, counts, longest = dict.fromkeys(PEOPLE, 0.0), dict.fromkeys(PEOPLE, 0), 0.0
    for link, who in links:
        inside = min(end, link["finished_at"]) - max(start, link["started_at"])
        if inside > 0:
            had[who] += inside
            counts[who] += 1
            longest = max(longest, link["finished_at"] - link["started_at"])
    if not longest < 0.1 * min(had.values()):
        raise SystemExit(
            f"A link took {longest:.1f} s, too long a part of {had} in {counts} links."
        )
    fair = PEOPLE["bob"] / sum(PEOPLE.values())
    return {
        "first_core_s": had["ann"], "second_core_s": had["bob"],
        "first_links": counts["ann"], "second_links": counts["bob"], "longest_link_s": longest,
        "off_percent": 100 * abs(had["bob"] / sum(had.values()) / fair - 1),
        "load": os.getloadavg()[0],
    }  # fmt: skip


def links_of(client: Client, sweep: str) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in client.file(sweep, "links").splitlines()]
    except ServiceError:  # it has none yet
        return []


if __name__ == "__main__":
    os.chdir(Path(__file__).parents[1])
    main()
