"""How much people who look at a service slow down its training.

A service of two workers trains the full grid, each trial with two seeds, so that it lasts, and
clients of `crowd_clients.py` come for a minute and go for a minute, in turns, so that each minute
with them lies beside minutes without. They come first for some seconds that are not counted: the
first answers, like the first links, have a start in them.

- `pages`: 30 pages of the sweep and 20 of the list, as the browser has them, and 5 who submit.
- `flood`: 50 who ask without a pause with one token, whatever the answer is.
- `many_floods`: the same with 50 tokens.

`slower_percent` is what the workers have trained in a second with them against the minutes beside
without, as the median over the turns, with the least and the most of them, which show how far it
can be believed: epochs by their rows and columns, weighed by what they take at best. It
follows all that goes on in the machine. So `service_percent` says it too: the part of the
processors that the processes of the service have had beyond what they have without clients, and
`clients_percent` that of the clients, which are elsewhere in life. `load` is that of the machine,
all who use it among them.

    python benchmarks/crowd.py    about fifteen minutes; needs Fashion-MNIST

`CROWD_TURNS`, `CROWD_SECONDS` and `CROWD_WARM_SECONDS` say how often, how long, and how long
before.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from harness import report
from served import started

from search.client import Client

# Pages, lists, floods, submitters, and tokens among them.
CASES = {
    "pages": ((30, 20, 0, 5), 10),
    "flood": ((0, 0, 50, 0), 1),
    "many_floods": ((0, 0, 50, 0), 50),
}
TURNS = int(os.environ.get("CROWD_TURNS", "2"))
SECONDS = float(os.environ.get("CROWD_SECONDS", "60"))
WARM_SECONDS = float(os.environ.get("CROWD_WARM_SECONDS", "20"))


def main() -> None:
    rows = {}
    wanted = sys.argv[1:] or list(CASES)
    for name in wanted:
        counts, tokens = CASES[name]
        with tempfile.TemporaryDirectory() as folder:
            rows[name] = measure(Path(folder) / "s", counts, tokens)
        print(name, json.dumps(rows[name]), flush=True)
    report("crowd", {"clients": rows}, keep=True)


def measure(root: Path, counts: tuple[int, ...], tokens: int) -> dict[str, Any]:
    with (
        started(root, tokens, "submitter", "--workers", "2") as served,
        Client(served.url, served.tokens[0]) as ann,
    ):
        while ann.me()["cores"] < 2:
            time.sleep(0.1)
        sweep = ann.submit("full", seeds=2)["id"]
        folder = root / "runs" / f"full-{sweep}"
        while ann.get(sweep)["finished"] < 1:
            time.sleep(0.5)
        come = partial(_clients, served.url, sweep, counts, served.tokens)
        come(WARM_SECONDS)
        spans, seen = [], []
        for turn in range(2 * TURNS + 1):
            if turn % 2:
                spans.append(_span(served.process, lambda: seen.append(come(SECONDS))))
            else:
                spans.append(_span(served.process, lambda: time.sleep(SECONDS)))
        if ann.get(sweep)["state"] != "running":
            raise SystemExit("The sweep has ended before the last minute. Take fewer turns.")
        links = [json.loads(line) for line in (folder / "links.jsonl").read_text().splitlines()]
        ann.change(sweep, wanted="cancel")
    rates = [_rate(links, start, end) for start, end, _ in spans]
    cpu = [seconds / (end - start) for start, end, seconds in spans]
    without, during = range(0, len(spans), 2), range(1, len(spans), 2)
    slower = [
        100 * (1 - rates[turn] / statistics.mean(rates[turn - 1 : turn + 2 : 2])) for turn in during
    ]
    before, now = (statistics.mean(cpu[turn] for turn in turns) for turns in (without, during))
    if seen[0]["first_errors"]:
        print(seen[0]["first_errors"], flush=True)
    return {
        **{key: sum(one[key] for one in seen) for key in ("answers", "events", "errors")},
        "refused": sum(one["statuses"].get("429", 0) for one in seen),
        **{key: statistics.median(one[key] for one in seen)
           for key in ("answer_p50_ms", "answer_p95_ms")},
        "slower_percent": statistics.median(slower),
        "slower_least_percent": min(slower),
        "slower_most_percent": max(slower),
        "service_percent": 100 * (now - before) / psutil.cpu_count(),
        "service_without_percent": 100 * before / psutil.cpu_count(),
        "clients_percent": 100 * statistics.mean(one["clients_cpu_s"] for one in seen)
        / SECONDS / psutil.cpu_count(),
        "load": os.getloadavg()[1],
    }  # fmt: skip


def _span(process: psutil.Process, act: Any) -> tuple[float, float, float]:
    """Return when something began and ended, and what CPU seconds the service had meanwhile."""
    before, start = _cpu(process), time.time()
    act()
    return start, time.time(), _cpu(process) - before


def _cpu(process: psutil.Process) -> float:
    """CPU seconds of a service and of what answers for it, without those of its cluster."""
    ours = [process] + [
        child for child in process.children() if "search" in " ".join(child.cmdline()[:3])
    ]
    return sum(sum(one.cpu_times()[:2]) for one in ours)


def _clients(
    url: str, sweep: str, counts: tuple[int, ...], tokens: list[str], seconds: float
) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("crowd_clients.py")), url, sweep,
         str(seconds), *map(str, counts)],
        input="\n".join(tokens), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


def _rate(links: list[dict[str, Any]], start: float, end: float) -> float:
    """Return how much was trained in a second: epochs by their rows and columns, per second."""
    speed: dict[str, list[float]] = {link["label"]: [] for link in links}
    for link in links:
        work = link["width"] * link["trained_epochs"]
        speed[link["label"]].append((link["finished_at"] - link["started_at"]) / work)
    typical = {label: min(found) for label, found in speed.items()}
    done = 0.0
    for link in links:
        inside = min(end, link["finished_at"]) - max(start, link["started_at"])
        if inside > 0:
            whole = link["finished_at"] - link["started_at"]
            work = link["width"] * link["trained_epochs"] * inside / whole
            done += work * typical[link["label"]]
    return done / (end - start)


if __name__ == "__main__":
    os.chdir(Path(__file__).parents[1])
    main()
