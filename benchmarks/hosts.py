"""The same sweep on one host, and on three hosts with as many cores in total.

The hosts are namespaces of this machine: each has an address, processes and an object store of its
own, so whatever goes between two of them goes through Ray's network code. The wire itself costs
nothing here. The command runs on the first host, and shares its cores with the tasks there.

Both clusters run one sweep each by turns, and the ratio is that of the medians. Its grid has the
full one's batch sizes and half of its other values; a grid of one epoch
goes before, so that the speed model is measured and the workers are warm.

    python benchmarks/hosts.py            about seven minutes, as root, with the machine to itself
    python benchmarks/hosts.py --short    one pair on small data, to see that it works
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from harness import report, trials_of

from search.config import load_config

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tests" / "hosts"))  # where the hosts are made for the tests, too

from network import Network, why_not  # noqa: E402
from ray_cluster import RayCluster  # noqa: E402

EPOCHS = (10, 20, 30, 40)
CORES, PAIRS = 3, 3


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--short", action="store_true")
    short = parser.parse_args().short
    cores = sorted(os.sched_getaffinity(0))[:CORES]
    if reason := why_not() or (len(cores) < CORES and f"takes {CORES} cores"):
        sys.exit(f"No hosts can be made here: {reason}")
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")  # one speed model for both
        trials = write_grid(folder / "grid.toml", EPOCHS, short=short)
        write_grid(folder / "warm.toml", (1,), short=short)
        clusters = {
            "one host": make_cluster(stack, folder / "one", [cores]),
            "three hosts": make_cluster(stack, folder / "three", [[core] for core in cores]),
        }
        for place, cluster in clusters.items():
            sweep(cluster, folder, "warm", f"{place} warm")
        runs: dict[str, list[dict[str, float]]] = {place: [] for place in clusters}
        for number in range(1 if short else PAIRS):
            for place, cluster in clusters.items():
                runs[place].append(sweep(cluster, folder, "grid", f"{place} {number}"))
        figures = {
            "grid": f"{trials} trials on {'digits' if short else 'fashion-mnist'}, epochs {EPOCHS}",
            **compared(*runs.values()),
            "costs_bitwise_equal": costs(folder / "one host 0") == costs(folder / "three hosts 0"),
            "seconds": {place: by_run(timings) for place, timings in runs.items()},
        }
    report("hosts", figures, keep=not short)


def write_grid(path: Path, epochs: Sequence[int], *, short: bool) -> int:
    """Write a grid, in short mode with few columns on the digits; return its trials."""
    step = 4 if short else 2
    space = load_config("full").to_dict()["space"] | {"epochs": epochs}
    space |= {name: space[name][::step] for name in ("learning_rate", "alpha")}
    lines = [f"{name} = {json.dumps(values)}" for name, values in space.items()]
    dataset = "digits" if short else "fashion-mnist"
    path.write_text("\n".join([f'dataset = "{dataset}"', "[space]", *lines]))
    return len(load_config(str(path)).space)


def make_cluster(stack: ExitStack, folder: Path, parts: Sequence[Sequence[int]]) -> RayCluster:
    """Return a cluster with a host for each part of the cores; the first is its head."""
    folder.mkdir()
    network = stack.enter_context(Network([folder.parent, ROOT, Path(sys.prefix)]))
    head, *others = [network.host(part) for part in parts]
    cluster = stack.enter_context(RayCluster(network, folder, head, len(parts[0])))
    for host, part in zip(others, parts[1:], strict=True):
        cluster.join(host, len(part))
    cluster.wait_for_cores({host: len(parts[1]) for host in others})
    return cluster


def sweep(cluster: RayCluster, folder: Path, grid: str, run: str) -> dict[str, float]:
    """Run the command on the head and return its seconds: in all, and from link to link."""
    start = time.monotonic()
    cluster.head.run(
        sys.executable, "-m", "search.run", "--grid", folder / f"{grid}.toml",
        "--run-dir", folder / run, "--address", cluster.address, "--no-progress",
        cwd=ROOT, env=cluster.env, check=True,
    )  # fmt: skip
    command = time.monotonic() - start
    timing = json.loads((folder / run / "summary.json").read_text())["timing"]
    return {"command": command, "training": timing["training_s"]}


def compared(one: list[dict[str, float]], three: list[dict[str, float]]) -> dict[str, float]:
    """Return the medians of both places, and how they compare."""
    figures = {}
    for name in ("command", "training"):
        alone, apart = (median(run[name] for run in runs) for runs in (one, three))
        figures |= {
            f"{name}_one_host_s": alone,
            f"{name}_three_hosts_s": apart,
            f"{name}_ratio": apart / alone,
        }
    return figures


def by_run(timings: list[dict[str, float]]) -> dict[str, float]:
    return {f"{name} {i}": t[name] for name in timings[0] for i, t in enumerate(timings)}


def costs(run: Path) -> list[float]:
    """Return the costs of a run, in the order of its trials."""
    found: list[float] = trials_of(run)["val_cost"].tolist()
    return found


if __name__ == "__main__":
    main()
