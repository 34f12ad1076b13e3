"""What a dry run says."""

import re

import numpy as np

from model.data.dataset import Dataset
from model.speed import TYPICAL
from search.config import load_config
from search.plan import (
    LinkCutter,
    grid_plan,
    grid_widths,
    nothing_reached,
    open_chains,
    predict,
    refit_seconds,
)
from search.record import Standings
from search.session.dry_run import Planned, plan_of, plan_text
from search.text import duration

CONFIG = load_config("full")
DATA = Dataset(
    "zeros",
    np.broadcast_to(np.uint8(0), (60_000, 784)),
    np.arange(60_000, dtype=np.int64) % 10,
    image_shape=(28, 28),
)


def dry_run(workers=4, speed=TYPICAL):
    plan = grid_plan(CONFIG, grid_widths(CONFIG, workers))
    cutter = LinkCutter.for_data(plan, speed=speed, config=CONFIG, data=DATA, workers=workers)
    chains = open_chains(plan, Standings(CONFIG.total).closed, nothing_reached, cutter)
    return plan_text(Planned(CONFIG, DATA, plan, chains, speed, workers)), chains


def figures(text):
    return dict(re.split(r"\s{2,}", line, maxsplit=1) for line in text.splitlines()[:10])


def test_a_dry_run_of_the_full_grid_shows_the_plan_and_what_it_takes():
    text, chains = dry_run()
    assert [line.split("  ")[0] for line in text.splitlines()[:11]] == [
        "trials", "trajectories", "epochs", "packs", "links", "workers", "operations", "training",
        "final training", "memory", "",
    ]  # fmt: skip
    told = figures(text)
    links = [link for chain in chains for link in chain]
    assert told["trials"] == "4096"
    assert told["trajectories"].startswith("512,")
    assert told["epochs"] == "20,480; without sharing 92,160"
    assert told["packs"] == "8, of 64 trajectories"
    assert len(links) == 64
    assert told["links"] == f"64, the longest {max(link.seconds for link in links):.1f} s"
    prediction = predict(chains, 4)
    assert told["workers"] == f"4, busy {prediction.busy:.0%} of the training"
    assert told["training"] == duration(prediction.training_s)
    slowest = max(refit_seconds(TYPICAL, params, 60_000) for params in CONFIG.space)
    assert told["final training"] == f"up to {duration(slowest)}"
    assert told["memory"].startswith("179 MiB of images")
    assert "1.7 MiB for a pack's state" in text
    assert re.search(r"at most \d+ MiB of this process, 13\d MiB of each worker", text)


def test_the_shares_of_the_batch_sizes_are_the_whole():
    text, _ = dry_run()
    shares = re.findall(r"^  batch size (\d+) +(\d+)%$", text, re.MULTILINE)
    assert [int(batch_size) for batch_size, _ in shares] == list(CONFIG.space.axes["batch_size"])
    assert abs(sum(int(share) for _, share in shares) - 100) <= len(shares)


def test_more_workers_get_more_packs():
    assert dry_run(64)[0] != dry_run(4)[0]
    assert int(figures(dry_run(64)[0])["packs"].split(",")[0]) >= 64


def test_rows_that_stay_in_place_take_no_memory():
    half = np.broadcast_to(np.float16(0), (600_000, 784))
    data = Dataset("zeros", half, np.arange(600_000) % 10)
    plan = grid_plan(CONFIG, grid_widths(CONFIG, 1))
    cutter = LinkCutter.for_data(plan, speed=TYPICAL, config=CONFIG, data=data, workers=1)
    chains = open_chains(plan, Standings(CONFIG.total).closed, nothing_reached, cutter)
    planned = Planned(CONFIG, data, plan, chains, TYPICAL, 1, here=True)
    told = plan_of(planned)
    assert told.rows_bytes == 0
    assert told.worker_bytes is None
    # Resamples of 120,000 rows, labels and order, and a link.
    assert told.process_bytes > 120_000 * 1000 + 2 * 8 * 600_000 + told.link_bytes
    assert "none for rows: 897 MiB of float16 are read where they are" in plan_text(planned)
