"""Looking at 1,000,000 trials: routes, page and memory of the service, and the report.

The log is made up: every link of a plan is logged through the real trial log, which is then merged
as that of a finished run. `report`: the data of report.html beside plotly's script, and the seconds
and the memory of writing it. `routes`: milliseconds of each route until its last byte, or until the
first one of what is downloaded as a whole, processor milliseconds of the service for it, and
kilobytes of the answer. `page`: seconds until charts and table of a sweep stand in Chromium, just
after the service has started and later, and the marks that are drawn. `clients`: the memory of the
service before and after as many requests as a client sends in an hour who asks once a second.
`decision`: milliseconds in which the queue decides with 100 people, 8 open sweeps, 64 free cores.

    python benchmarks/million.py            about ten minutes; page needs Chromium and Playwright
    python benchmarks/million.py --short    46,000 trials, a minute of requests
"""

import argparse
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
from harness import report
from ledger import log_all, make_chains
from served import started

from model.data.sources import load_dataset
from search.config import SearchSpace, SweepConfig
from search.queue import Person, Queue, Snapshot, Sweep, decide
from search.record import Arithmetic, RunFolder, Standings, Timing, TrialLog, new_manifest
from search.result import Findings, make_summary

# Learning rates, numbers of epochs and alphas, beside 8 batch sizes.
SIZES = {"4,096": (8, 8, 8), "46,000": (23, 10, 25), "1,000,000": (50, 20, 125)}
CLIENTS = 16  # that ask at the same time, with a token each, so that no limit of requests is met
BEST_OF = 30


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--short", action="store_true")
    args = parser.parse_args()
    sizes = [*SIZES][: 2 if args.short else 3]
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        runs = {size: make_run(root / size.replace(",", ""), space_of(size)) for size in sizes}
        figures: dict[str, Any] = {
            "report": {size: report_figures(run) for size, run in runs.items()},
            "decision": {"decide": decision_figures()},
        }
        with serving(root / "service", runs[sizes[-1]]) as served:
            cold = served.view()
            figures["routes"] = served.routes()
            figures["page"] = {"just started": cold, "later": served.view()}
            figures["clients"] = served.clients(600 if args.short else 3600)
    report("million", figures, keep=not args.short)


def space_of(size: str) -> SearchSpace:
    """Return a grid of so many trials."""
    rates, epochs, alphas = SIZES[size]
    return SearchSpace(
        batch_size=tuple(8 << i for i in range(8)),
        learning_rate=tuple(np.geomspace(5e-8, 1e-5, rates).tolist()),
        epochs=tuple(range(2, 2 + 2 * epochs, 2)),
        alpha=(0.0, *np.geomspace(0.01, 1e4, alphas - 1).tolist()),
    )


def make_run(path: Path, space: SearchSpace) -> RunFolder:
    """Write the folder of a finished run with made-up scores."""
    print(f"{len(space)} trials", flush=True)
    folder = RunFolder(path)
    folder.path.mkdir()
    axes = {name: list(values) for name, values in space.axes.items()}
    config = SweepConfig.from_dict({"name": "made-up", "dataset": "digits", "space": axes})
    data = load_dataset("digits", notify=print)
    folder.write_manifest(new_manifest(config, data))
    trial_log = TrialLog(folder.trials, run=folder.run)
    log_all(trial_log, make_chains(space)[1])
    trial_log.merge()
    standings = Standings(len(space))
    names = standings.layout.standings
    standings.count(dict(zip(names, trial_log.columns(*names), strict=True)))
    timing = Timing(
        wall_s=1.0, startup_s=0.0, training_s=1.0, predicted_training_s=1.0, workers=2,
        compute_s=1.0, gflops=1.0,
    )  # fmt: skip
    findings = Findings(
        timing=timing, arithmetic=Arithmetic(trained_epochs=1, unpruned_epochs=1), tests=[{}]
    )
    folder.write_summary(make_summary(standings, trial_log, config, data, findings))
    return folder


def report_figures(run: RunFolder) -> dict[str, Any]:
    command = [sys.executable, "-m", "search.report", str(run.path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    assert status == 0
    html = run.report.read_text()
    data = html[html.index('id="specs">') :].partition("</script>")[0]
    return {
        "data_kb": len(data) / 1e3, "html_kb": len(html) / 1e3,
        "written_in_cpu_s": used.ru_utime, "peak_memory_mib": used.ru_maxrss / 1024,
    }  # fmt: skip


def decision_figures() -> dict[str, float]:
    people = tuple(Person(f"p{i}", 1.0 + i % 3, float(i)) for i in range(100))
    queues = tuple(Queue(f"q{i}", cores=4.0) for i in range(8))
    sweeps = tuple(
        Sweep(f"s{i}", f"p{i}", f"q{i % 8}", i, priority=i % 2, links=5488) for i in range(8)
    )
    snapshot = Snapshot(64.0, people, queues, sweeps)
    seconds = []
    for _ in range(BEST_OF):
        began = time.perf_counter()
        assert len(decide(snapshot).starts) == 64
        seconds.append(time.perf_counter() - began)
    return {"median_ms": 1000 * sorted(seconds)[BEST_OF // 2], "worst_ms": 1000 * max(seconds)}


class Served:
    """A service that runs as a process, with one sweep that is done.

    Parameters
    ----------
    url : str
    pid : int
    tokens : list of str
    sweep : str
    """

    def __init__(self, url: str, pid: int, tokens: list[str], sweep: str) -> None:
        self.url, self.pid, self.tokens, self.sweep = url, pid, tokens, sweep

    def view(self) -> dict[str, Any]:
        """Return when a sweep stands in the browser; nothing where there is no browser."""
        try:
            from playwright.sync_api import sync_playwright
        except ImportError:
            return {}
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        if chromium is None:
            return {}
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page()
            page.set_default_timeout(120_000)
            page.goto(self.url)
            page.evaluate(f"sessionStorage.setItem('packsweep-token', {self.tokens[0]!r})")
            page.reload()
            page.get_by_role("heading", name="Sweeps").wait_for()
            began = time.perf_counter()
            page.goto(f"{self.url}/#/sweeps/{self.sweep}")
            page.locator("svg .ribbon").first.wait_for(state="attached")
            page.get_by_role("region", name="Trials").wait_for()
            seconds = time.perf_counter() - began
            marks = page.evaluate("document.querySelectorAll('svg *').length")
            browser.close()
        return {"first_view_s": seconds, "marks": marks}

    def routes(self) -> dict[str, dict[str, float]]:
        """Ask each route in turn, so that each comes after all others."""
        paths = {**bounded(self.sweep), **downloads(self.sweep)}
        seconds: dict[str, list[float]] = {name: [] for name in paths}
        sizes, processor = {}, dict.fromkeys(paths, 0.0)
        with self._client(0) as http:
            turns = itertools.count()
            for turn in range(BEST_OF):
                # A download of all that there is takes seconds.
                for name, path in (paths if turn < 5 else bounded(self.sweep)).items():
                    number = next(turns)
                    spent, began = processor_s(self.pid), time.perf_counter()
                    with http.stream("GET", path.format(number % 7)) as answer:
                        assert answer.status_code == 200, answer.read()
                        if name in downloads(self.sweep):
                            next(answer.iter_raw(1))
                            seconds[name].append(time.perf_counter() - began)
                        else:
                            sizes[name] = len(answer.read()) / 1e3
                            seconds[name].append(time.perf_counter() - began)
                    processor[name] += processor_s(self.pid) - spent
        return {
            name: {
                "median_ms": 1000 * float(np.median(found)),
                "p95_ms": 1000 * float(np.quantile(found, 0.95)),
                "processor_ms": 1000 * processor[name] / len(found),
                **({"answer_kb": sizes[name]} if name in sizes else {}),
            }
            for name, found in seconds.items()
        }

    def _client(self, number: int) -> httpx2.Client:
        headers = {"Authorization": f"Bearer {self.tokens[number]}"}
        # A connection of its own for each download that is left half-way.
        return httpx2.Client(base_url=f"{self.url}/v1/", headers=headers, timeout=60)

    def clients(self, most: int) -> dict[str, dict[str, float]]:
        """Send so many requests, each as soon as one before it is answered."""
        counts = {"warm": most // 10, "half of them": most // 2, "all": most}
        turns, rows = itertools.count(), {}
        errors: list[int] = []
        for label, count in counts.items():
            threads = [
                threading.Thread(target=self._ask, args=(n, turns, count, errors))
                for n in range(CLIENTS)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            rows[label] = {
                "requests": count, "errors": len(errors), "memory_mib": memory_mib(self.pid),
            }  # fmt: skip
        return rows

    def _ask(self, client: int, turns: Iterator[int], most: int, errors: list[int]) -> None:
        paths = list(bounded(self.sweep).values())
        with self._client(client) as http:
            while (number := next(turns)) < most:
                status = http.get(paths[number % len(paths)].format(number % 7)).status_code
                if status != 200:
                    errors.append(status)


def bounded(sweep: str) -> dict[str, str]:
    """Return the routes with answers of bounded size; a number makes some requests differ."""
    one = f"sweeps/{sweep}"
    return {
        "sweeps": "sweeps", "a sweep": one,
        "trials by cost": f"{one}/trials?order=val_cost&limit=50",
        "trials by cost, falling": f"{one}/trials?order=-val_cost&limit=50",
        "1,000 trials by number": f"{one}/trials?limit=1000",
        "trials by accuracy": f"{one}/trials?order=-val_accuracy&columns=number,alpha",
        "bins": f"{one}/bins",
        "bins, a brush": f"{one}/bins?ranges=alpha:0-{{0}}",
        "bins, a brush on cost": f"{one}/bins?ranges=val_cost:0-{{0}},epochs:0-3",
        "summary": f"{one}/files/summary", "manifest": f"{one}/files/manifest",
        "events": f"events/past?sweep={sweep}", "me": "me", "people": "people", "queues": "queues",
        "datasets": "datasets", "hooks": "hooks", "acts": "acts", "OpenAPI": "openapi.json",
    }  # fmt: skip


def downloads(sweep: str) -> dict[str, str]:
    """Return the routes that send all there is, whose first byte counts."""
    one = f"sweeps/{sweep}"
    return {
        "log as CSV": f"{one}/log", "log as Arrow": f"{one}/log?form=arrow",
        "folder": f"{one}/folder", "report": f"{one}/files/report",
    }  # fmt: skip


def processor_s(pid: int) -> float:
    """Return the processor seconds that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mib(pid: int) -> float:
    """Return what a process has in memory."""
    fields = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s*(\d+)", fields)[1]) / 1024  # type: ignore[index]


@contextmanager
def serving(root: Path, run: RunFolder) -> Iterator[Served]:
    """Give a service that knows a finished sweep, as soon as it answers."""
    with started(root, CLIENTS, "admin", "--executor", "serial", finished=run) as service:
        while True:
            with suppress(httpx2.TransportError):
                httpx2.get(service.url)
                break
        yield Served(service.url, service.process.pid, service.tokens, service.sweep)


if __name__ == "__main__":
    os.chdir(Path(__file__).parents[1])
    main()
