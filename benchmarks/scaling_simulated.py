"""Sweeps of up to a million trials on up to 1024 workers, simulated.

The links are those that the planner and the cutter make for so many workers, their seconds those of
the speed model measured on this machine with all cores at work, in the order in which they wait.
What is not simulated: starting, reading the data, the refit, lost workers, slower machines.

The driver handles one link after the other; `DriverCost` is what that takes here, with the state as
large as the plan's packs are on average. The network: a state goes to the worker and comes back, so

    transfer = 2 x state bytes / bandwidth + latency.

All states pass the head node's own link, which the workers share, and it moves at most
bandwidth / (2 x state bytes) links a second. So the time for which a link occupies the head is

    handling = max(measured handling, 2 x state bytes / bandwidth).
"""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from model.speed import SpeedModel
from search.config import SweepConfig, load_config
from search.plan import (
    Chain,
    LinkCutter,
    Simulated,
    grid_plan,
    grid_widths,
    nothing_reached,
    open_chains,
    simulate,
)
from search.record import Standings

WORKERS = (1, 4, 16, 64, 256, 1024)
GBIT = {"1_gbit": 1, "10_gbit": 10, "25_gbit": 25}
LATENCY_S = 0.5e-3

# Fashion-MNIST after the split, with the nine stored classes.
N_TRAIN, N_VALIDATION, N_FEATURES, N_STORED = 48_000, 12_000, 784, 9

# A part of the time from which on it is said to limit a sweep.
LIMIT = 0.9


@dataclass(frozen=True)
class DriverCost:
    """Seconds of the driver for one link: a line in the pack's width."""

    fixed: float
    column: float

    def handling(self, width: float) -> float:
        return self.fixed + self.column * width


@dataclass(frozen=True)
class Planned:
    """A grid's links for some number of workers."""

    chains: list[Chain]
    workers: int
    plan_s: float

    @property
    def links(self) -> int:
        return sum(len(chain) for chain in self.chains)

    @property
    def width(self) -> float:
        """Columns of a link's pack, the mean over all links."""
        return sum(len(chain) * chain[0].pack.width for chain in self.chains) / self.links

    @property
    def state_bytes(self) -> float:
        return N_FEATURES * N_STORED * self.width * 4


def planned(
    config: SweepConfig,
    speed: SpeedModel,
    workers: int,
    n_train: int = N_TRAIN,
    n_validation: int = N_VALIDATION,
) -> Planned:
    """Plan and cut a grid as the command does."""
    start = time.perf_counter()
    plan = grid_plan(config, grid_widths(config, workers))
    cutter = LinkCutter.for_plan(
        plan, speed=speed, n_train=n_train, n_validation=n_validation, workers=workers
    )
    chains = open_chains(plan, Standings(plan.trials).closed, nothing_reached, cutter)
    return Planned(chains, workers, time.perf_counter() - start)


def grids(*, short: bool) -> dict[int, SweepConfig]:
    """The full grid, and grids of the same ranges with more values, by their number of trials."""
    configs = [_full(8, 8, 8), _full(16, 8, 64)]
    if not short:
        configs.append(_full(50, 20, 125))
    return {len(config.space): config for config in configs}


def _full(rates: int, epochs: int, alphas: int) -> SweepConfig:
    full = load_config("full").to_dict()
    space = {
        "batch_size": full["space"]["batch_size"],
        "learning_rate": np.geomspace(5e-8, 1e-5, rates).tolist(),
        "epochs": [40 * i // epochs for i in range(1, epochs + 1)],
        "alpha": [0.0, *np.geomspace(1e-2, 1e4, alphas - 1).tolist()],
    }
    return SweepConfig.from_dict({**full, "space": space})


def simulated(
    speed: SpeedModel, driver: DriverCost, *, short: bool
) -> dict[str, dict[str, dict[str, Any]]]:
    """One table for each network: a row for each number of trials and workers."""
    tables: dict[str, dict[str, dict[str, Any]]] = {f"simulated_{name}": {} for name in GBIT}
    for trials, config in grids(short=short).items():
        alone = None
        for workers in WORKERS:
            plan = planned(config, speed, workers)
            alone = alone or run_locally(plan, driver).makespan
            for name, gbit in GBIT.items():
                row = _row(plan, driver, gbit * 1e9 / 8)
                row["efficiency"] = alone / workers / row["seconds"]
                tables[f"simulated_{name}"][f"{trials} trials, {workers} workers"] = row
    return tables


def run_locally(plan: Planned, driver: DriverCost) -> Simulated:
    """Simulate workers beside the driver."""
    return simulate(plan.chains, plan.workers, handling=driver.handling(plan.width))


def _row(plan: Planned, driver: DriverCost, bandwidth: float) -> dict[str, Any]:
    on_the_link = 2 * plan.state_bytes / bandwidth
    transfer = on_the_link + LATENCY_S
    own = driver.handling(plan.width)
    result = simulate(plan.chains, plan.workers, transfer=transfer, handling=max(own, on_the_link))
    head = "driver" if own >= on_the_link else "network"
    limit, share = _limit(plan, result, transfer, head)
    return {
        "packs": len(plan.chains),
        "width": plan.width,
        "links": plan.links,
        "plan_s": plan.plan_s,
        "seconds": result.makespan,
        "limit": limit,
        "share": share,
    }


def _limit(plan: Planned, result: Simulated, transfer: float, head: str) -> tuple[str, float]:
    """Return what limits a sweep and its share of the time.

    The workers' share is the part of their time in which they work; the longest
    pack's its links' seconds over the makespan; the driver's the part in which it
    handles links, the network's instead where the head's link takes longer than
    the driver, or the part of the workers' time in which states are on their way.
    The first one above `LIMIT` counts, else the largest.
    """
    longest = max(sum(link.seconds for link in chain) for chain in plan.chains)
    waiting = transfer * plan.links / plan.workers
    shares = {
        "workers": result.busy,
        "longest pack": longest / result.makespan,
        "driver": result.driver if head == "driver" else 0.0,
        "network": max(result.driver if head == "network" else 0.0, waiting / result.makespan),
    }
    above = [name for name, share in shares.items() if share > LIMIT]
    name = above[0] if above else max(shares, key=lambda name: shares[name])
    return name, shares[name]
