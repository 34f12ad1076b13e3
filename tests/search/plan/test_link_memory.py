"""What is said of the memory of a link, against what its task takes."""

import tracemalloc

import numpy as np
import pytest

from model.block import block_rows
from model.examples import Examples
from model.features import Features
from model.pack import PackState
from model.results import LegTask
from model.seen_rows import SeenRows
from model.tasks import run_link
from search.plan import WIDEST, link_mib, widest_pack


@pytest.mark.parametrize(
    ("n_features", "n_classes", "width", "batch_size", "in_place"),
    [
        (512, 400, 8, 32, False),
        (512, 400, 8, 256, False),
        (2048, 100, 16, 64, False),
        (300, 1000, 4, 512, False),
        (512, 400, 8, 32, True),
    ],
)
def test_a_link_takes_the_memory_that_is_told(n_features, n_classes, width, batch_size, in_place):
    rng, n = np.random.default_rng(0), 600
    X = rng.normal(size=(n, n_features)).astype(np.float32)
    if in_place:
        half = (X.astype(np.float16),)
        X = SeenRows(half, rng.permutation(n), Features(np.ones(1), np.full(1, 0.5)))
    examples = Examples(X, rng.integers(n_classes, size=n), n_train=540, n_classes=n_classes)
    columns = np.arange(width)
    legs = [LegTask(epoch, columns, columns) for epoch in (1, 2)]

    def start():
        return PackState.start(
            batch_size, np.full(width, 1e-3), np.zeros(width),
            n_features=n_features, n_classes=n_classes, seed=0,
        )  # fmt: skip

    run_link(examples, start(), columns, legs)  # what is loaded and compiled once
    tracemalloc.start()
    try:
        state = start()  # as whoever gives the task keeps it
        run_link(examples, state, columns, legs)
        taken = tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()
    batch = min(batch_size, 540)
    block = max(batch, block_rows(n_classes - 1, width))
    told = link_mib(batch, block, n_features, width, n_classes - 1)
    assert taken == pytest.approx(told, rel=0.1)


@pytest.mark.parametrize(
    ("n_features", "n_classes"), [(784, 10), (64, 2), (2048, 1000), (20_000, 5000), (10**6, 10**4)]
)
def test_a_pack_is_as_wide_as_its_state_may_be_large(n_features, n_classes):
    width, column = widest_pack(n_features, n_classes), 4 * n_features * (n_classes - 1)
    assert 1 <= width <= WIDEST
    assert width == 1 or width * column <= 64 * 2**20
    assert width == WIDEST or (width + 1) * column > 64 * 2**20
