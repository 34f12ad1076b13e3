"""Trials to packs to links, and which runs next: decisions alone.

It knows numbers, epochs and seconds, and answers the same to the same question. It never touches
a file, a clock or a worker.
"""

from search.plan.alone import shorter_than_a_start
from search.plan.lateness import patience, slowness
from search.plan.legs import Leg
from search.plan.links import Chain, Link, LinkCutter, Speed, nothing_reached, open_chains
from search.plan.packs import NO_TRIAL, Pack, Plan, Widths, kind_of, make_plan, replicated
from search.plan.prediction import (
    Memory,
    Prediction,
    Simulated,
    array_mib,
    epochs_flops,
    link_mib,
    memory,
    optimum_seconds,
    predict,
    refit_seconds,
    rows_bytes,
    rows_stay,
    simulate,
    trials_bytes,
)
from search.plan.waiting import WaitingLinks
from search.plan.widths import (
    WIDEST,
    choose_widths,
    even_width,
    grid_plan,
    grid_widths,
    widest_pack,
    workers_each,
)

__all__ = [
    "NO_TRIAL",
    "WIDEST",
    "Chain",
    "Leg",
    "Link",
    "LinkCutter",
    "Memory",
    "Pack",
    "Plan",
    "Prediction",
    "Simulated",
    "Speed",
    "WaitingLinks",
    "Widths",
    "array_mib",
    "choose_widths",
    "epochs_flops",
    "even_width",
    "grid_plan",
    "grid_widths",
    "kind_of",
    "link_mib",
    "make_plan",
    "memory",
    "nothing_reached",
    "open_chains",
    "optimum_seconds",
    "patience",
    "predict",
    "refit_seconds",
    "replicated",
    "rows_bytes",
    "rows_stay",
    "shorter_than_a_start",
    "simulate",
    "slowness",
    "trials_bytes",
    "widest_pack",
    "workers_each",
]
