"""Whether each part of the rows has one that counts, by the weights of rows."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from model.data.dataset import Dataset
from model.errors import DataError
from model.shuffle import fold_rows, split_order


def check_parts_count(data: Dataset, fraction: float, seed: int, folds: int = 0) -> None:
    """Refuse a split in which every row of a part has the weight 0: it trains or compares nothing.

    Of the parts that a source sets apart itself `Dataset` sees to it.

    Parameters
    ----------
    data : Dataset
    fraction : float
        The part of the training rows that compares trials, without folds.
    seed : int
        The seed of the split.
    folds : int
        Number of parts that compare trials in turn; 0 for one part.

    Raises
    ------
    DataError
        With the part.
    """
    if data.weights is None:
        return
    # In the precision of the trainer, for which a weight may be too small.
    counts = data.weights[split_order(len(data.y), seed)].astype(np.float32) > 0
    for part, size in _weightless(data, counts, fraction, folds):
        rows = "the only row" if size == 1 else f"all {size:,} rows"
        have = "has" if size == 1 else "have"
        larger = int(counts.sum())
        mend = "fewer folds" if folds else "another validation_fraction"
        raise DataError(
            f"{data.name}: {rows} of {part} {have} weight 0; in the whole data set {larger:,} of "
            f"{len(counts):,} rows {'has' if larger == 1 else 'have'} a larger weight. Give "
            f"{mend}, another seed, other weights, or leave out rows of weight 0."
        )


def _weightless(
    data: Dataset, counts: NDArray[np.bool_], fraction: float, folds: int
) -> Iterator[tuple[str, int]]:
    """Give each part in which no row counts, with its size."""
    n, in_all = len(counts), int(counts.sum())
    if not folds:
        n_train = n if data.y_val is not None else data.parts(fraction)[0]
        if not counts[:n_train].any():
            yield "the training part", n_train
        if data.y_val is None and not counts[n_train:].any():
            yield "the validation part", n - n_train
        return
    for fold in range(folds):
        rows = fold_rows(n, folds, fold)
        size, here = rows.stop - rows.start, int(counts[rows].sum())
        if not here:
            yield f"fold {fold + 1} of {folds}, which compares trials,", size
        if here == in_all:
            yield f"the training part of fold {fold + 1} of {folds}", n - size
