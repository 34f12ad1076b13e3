"""Response times of light requests next to a heavy one, during a sweep.

A service that trains a sweep in one worker knows a finished one of 200,000 trials besides. Someone
asks four times a second, in turn, how the sweep stands, for its list and for a page of trials of
the large one, with one token. Alone, and while each of two others downloads that one's whole log
again and again, with a token each; the last one asks with the token of the first, too.

`answer_p50_ms`, `answer_p95_ms` and `worst_ms` are of the light requests; `downloads` says how many
logs were sent meanwhile, `refused` how many were told to come later.

    python benchmarks/beside.py    about five minutes; needs Fashion-MNIST
"""

import json
import os
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
from harness import report
from million import make_run
from served import started

from search.client import Client
from search.config import SearchSpace

SECONDS = float(os.environ.get("BESIDE_SECONDS", "30"))
PAUSE, PAUSE_BETWEEN = 0.25, 30.0


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        rows = measure(Path(name))
    report("beside", {"light requests": rows}, keep=True)


def measure(root: Path) -> dict[str, dict[str, Any]]:
    space = SearchSpace(
        batch_size=tuple(8 << i for i in range(8)),
        learning_rate=tuple(np.geomspace(5e-8, 1e-5, 25).tolist()),
        epochs=tuple(range(2, 42, 2)),
        alpha=(0.0, *np.geomspace(0.01, 1e4, 49).tolist()),
    )
    run = make_run(root / "large", space)
    with (
        started(root / "service", 3, "submitter", "--workers", "1", finished=run) as served,
        Client(served.url, served.tokens[0], timeout=120) as ann,
    ):
        sweep, large = ann.submit("full")["id"], served.sweep
        while ann.get(sweep)["finished"] < 1:
            time.sleep(0.5)
        list(zip(ann.trials(large), range(1), strict=False))  # its log is read once
        mine, *others = served.tokens
        cases = {
            "alone": [], "beside one": others[:1], "beside two": others, "beside one's own": [mine],
        }  # fmt: skip
        rows = {}
        for name, tokens in cases.items():
            time.sleep(PAUSE_BETWEEN)  # nobody owes anything any more
            rows[name] = span(served.url, mine, [sweep, large], tokens)
            print(name, json.dumps(rows[name]), flush=True)
        ann.change(sweep, wanted="cancel")
    return rows


def span(url: str, token: str, sweeps: list[str], others: list[str]) -> dict[str, Any]:
    """Ask for so long beside others; return how long that took."""
    ended, seen = threading.Event(), Counter[str]()
    threads = [
        threading.Thread(target=download, args=(url, other, sweeps[1], ended, seen), daemon=True)
        for other in others
    ]
    for thread in threads:
        thread.start()
    paths = [
        f"sweeps/{sweeps[0]}", "sweeps?limit=50", f"sweeps/{sweeps[1]}/trials?limit=50&order=alpha"
    ]  # fmt: skip
    seconds, until = [], time.monotonic() + SECONDS
    with client(url, token) as http:
        while (began := time.monotonic()) < until:
            answer = http.get(paths[len(seconds) % len(paths)])
            assert answer.status_code == 200, answer.text
            seconds.append(time.monotonic() - began)
            time.sleep(PAUSE)
    ended.set()
    for thread in threads:
        thread.join(120)
    p50, p95, worst = (1000 * float(np.quantile(seconds, q)) for q in (0.5, 0.95, 1.0))
    return {
        "answers": len(seconds), "answer_p50_ms": p50, "answer_p95_ms": p95, "worst_ms": worst,
        "downloads": seen["whole"], "refused": seen["refused"], "load": os.getloadavg()[0],
    }  # fmt: skip


def download(url: str, token: str, sweep: str, ended: threading.Event, seen: Counter[str]) -> None:
    with client(url, token) as http:
        while not ended.is_set():
            with http.stream("GET", f"sweeps/{sweep}/log?form=csv") as answer:
                for _ in answer.iter_raw(2**20):
                    pass
            seen["whole" if answer.status_code == 200 else "refused"] += 1
            ended.wait(0.1 if answer.status_code == 200 else 2.0)


def client(url: str, token: str) -> httpx2.Client:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx2.Client(base_url=f"{url}/v1/", headers=headers, timeout=600)


if __name__ == "__main__":
    os.chdir(Path(__file__).parents[1])
    main()
