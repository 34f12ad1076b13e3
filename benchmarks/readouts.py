"""The time for scoring every trial by averaged weights too, and the effect of sparser samples.

For each mini-batch size of the full grid, one pack of 64 columns on one core: an epoch, an epoch
that is averaged, and the scores of the validation images, in turn, several times. A trial every
five epochs, as in the grid, then costs five epochs and one scoring without averages; with them one
of the epochs is averaged, and there are two scorings. Processor seconds, the least of each, because
what disturbs a measurement only ever adds.

    python benchmarks/readouts.py            real data; minutes
    python benchmarks/readouts.py --short    fewer rows and rounds, no table of readings
"""

import argparse
import time
from collections.abc import Callable
from unittest.mock import patch

import numpy as np
from harness import report

from cluster.executor import one_blas_thread
from model.data.sources import load_dataset
from model.examples import Examples
from model.pack import PackState, advance, advance_averaging
from model.scoring import compile_kernels, score
from search.config import load_config
from search.plan import grid_plan, grid_widths

WIDTH, EPOCHS = 64, 5
READINGS = (1, 256, 512, 1024)
RATES = (5e-7, 1e-6, 5e-6)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--short", action="store_true")
    args = parser.parse_args()
    rows, rounds = (4096, 3) if args.short else (24_000, 7)
    examples = Examples.from_dataset(load_dataset("fashion-mnist", notify=print), 0.2, 0)
    with one_blas_thread():
        compile_kernels()
        figures = cost(examples, rows, rounds)
        if not args.short:
            figures["readings"] = sparser(examples, 8) | sparser(examples, 32)
    report("readouts", figures, keep=not args.short)


def cost(examples: Examples, rows: int, rounds: int) -> dict[str, object]:
    """Per cent that averaging and the second scores add, for each mini-batch size and in all."""
    config = load_config("full")
    plan = grid_plan(config, grid_widths(config, len(config.space.axes["batch_size"])))
    packs = {n: pack_seconds(examples, n, rows, rounds) for n in config.space.axes["batch_size"]}
    work = {
        n: sum(p.column_epochs for p in plan.packs if p.shared["batch_size"] == n) for n in packs
    }
    without, added = (
        sum(work[n] * pack[name] for n, pack in packs.items()) for name in ("without_s", "added_s")
    )
    return {
        "percent_of_the_sweep": 100 * added / without,
        "packs": {f"batch {n}": pack for n, pack in packs.items()},
    }


def pack_seconds(examples: Examples, batch_size: int, rows: int, rounds: int) -> dict[str, float]:
    """What a trial's five epochs take, and what is added to them."""
    X, y = examples.X[:rows], examples.y[:rows]
    X_val, y_val = examples.X[-rows // 4 :], examples.y[-rows // 4 :]  # as a fifth of all
    space = load_config("full").space
    columns = [
        (rate, alpha) for rate in space.axes["learning_rate"] for alpha in space.axes["alpha"]
    ][:WIDTH]
    rate, alpha = np.array(columns).T
    state = PackState.start(batch_size, rate, alpha, n_features=X.shape[1], n_classes=10, seed=0)
    state = advance(state, X[:2048], y[:2048], 1)
    parts = (
        lambda: advance(state, X, y, 2),
        lambda: advance_averaging(state, X, y, 2),
        lambda: score(state, X_val, y_val),
    )
    epoch, averaged, scored = np.min(
        [[seconds(part) for part in parts] for _ in range(rounds)], axis=0
    ).tolist()
    without = EPOCHS * epoch + scored
    return {
        "without_s": without,
        "added_s": averaged - epoch + scored,
        "averaging_percent": 100 * (averaged - epoch) / without,
        "scoring_percent": 100 * scored / without,
    }


def seconds(function: Callable[[], object]) -> float:
    """Of this process alone: others use the machine too."""
    start = time.process_time()
    function()
    return time.process_time() - start


def sparser(examples: Examples, batch_size: int) -> dict[str, dict[str, float]]:
    """Validation cost at epoch 5, alpha 1, by learning rate: of the last weights, and of averages
    with so many rows between two readings."""
    n, rate = examples.n_train, np.array(RATES)
    state = PackState.start(
        batch_size, rate, np.ones(len(rate)), n_features=examples.X.shape[1], n_classes=10, seed=0
    )
    state = advance(state, examples.X[:n], examples.y[:n], EPOCHS - 1)
    found = {}
    for rows in READINGS:
        with patch("model.average.READING_ROWS", rows):
            last, average = advance_averaging(state, examples.X[:n], examples.y[:n], EPOCHS)
        found[f"batch {batch_size}, every {rows} rows"] = by_rate(average, examples)
    return {f"batch {batch_size}, last weights": by_rate(last, examples)} | found


def by_rate(state: PackState, examples: Examples) -> dict[str, float]:
    costs = score(state, examples.X[examples.n_train :], examples.y[examples.n_train :]).cost
    return {f"rate {rate:g}": float(cost) for rate, cost in zip(RATES, costs, strict=True)}


if __name__ == "__main__":
    main()
