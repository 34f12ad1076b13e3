"""Advice on a data set and a grid before anything is trained."""

import numpy as np

from model.data.dataset import Dataset
from model.data.labels import shown
from model.data.listing import listed
from model.features import UNIT, fit_features, lost_columns
from model.shuffle import fold_rows, split_order
from search.config import Range, SweepConfig
from search.result import rates_warning, sizes_of
from search.text import number_text


def advice(config: SweepConfig, data: Dataset) -> list[str]:
    """Return what is likely to surprise, a sentence or two each; nothing where all is well.

    Parameters
    ----------
    config : SweepConfig
    data : Dataset
    """
    return [*_rare_classes(config, data), *_lost(config, data), *_divisor(config, data),
            *_rates(config, data)]  # fmt: skip


def _rare_classes(config: SweepConfig, data: Dataset) -> list[str]:
    """Name the classes that have no row in one of the parts."""
    parts = _folds(config, data) if config.folds else _split(config, data)
    found = []
    for name, y in parts:
        missing = np.flatnonzero(np.bincount(y, minlength=data.n_classes) == 0).tolist()
        if missing:
            labels = listed([shown(data.classes[place]) for place in missing])
            one = len(missing) == 1
            rows = int((data.y == missing[0]).sum())
            having = f", which has {rows:,} in all" if one else ""
            found.append(
                f"No row of the {name} is of class{'' if one else 'es'} {labels}{having}: "
                f"{_MEANS[name.split()[0]]}"
            )
    return found


_MEANS = {
    "training": "a class that is not trained is never predicted.",
    "validation": "the trials are compared without it.",
    "test": "the test figures say nothing of it.",
}


def _split(config: SweepConfig, data: Dataset) -> list[tuple[str, np.ndarray]]:
    n_train, _ = data.parts(config.validation_fraction)
    y = data.y[split_order(len(data.y), config.seed)]
    parts = [("training part", y[:n_train])]
    parts.append(("validation part", y[n_train:] if data.y_val is None else data.y_val))
    return parts if data.y_test is None else [*parts, ("test set", data.y_test)]


def _folds(config: SweepConfig, data: Dataset) -> list[tuple[str, np.ndarray]]:
    """Return what trains in the fold that lacks most, as all rows score some time."""
    y, n = data.y[split_order(len(data.y), config.seed)], len(data.y)
    trained = [np.delete(y, fold_rows(n, config.folds, fold)) for fold in range(config.folds)]
    fewest = min(trained, key=lambda part: len(np.unique(part)))
    parts = [("training part of one fold", fewest)]
    return parts if data.y_test is None else [*parts, ("test set", data.y_test)]


def _lost(config: SweepConfig, data: Dataset) -> list[str]:
    columns = [data.feature(column) for column in lost_columns(config.features, data.X)]
    if not columns:
        return []
    verb, its = ("is", "its") if len(columns) == 1 else ("are", "their")
    return [
        f"{listed(columns)} {verb} large compared with {its} spread, so float32 loses {its} "
        f'differences under features = "{config.features}"; features = "standardized" does not.'
    ]


def _divisor(config: SweepConfig, data: Dataset) -> list[str]:
    if config.features != UNIT:
        return []
    found = unit_divisor(config, data)
    divisor = "nothing, as all of them are 0" if found is None else number_text(found, 6)
    each = ", or the largest of each fold" if config.folds else ""
    return [f'Under features = "unit" all values are divided by {divisor}{each}.']


def unit_divisor(config: SweepConfig, data: Dataset) -> float | None:
    """Return by what all values are divided under unit features; None where all of them are 0."""
    n_train, _ = data.parts(config.scoring_fraction)
    rows = split_order(len(data.y), config.seed)[: None if config.folds else n_train]
    scale = float(fit_features(UNIT, data.X, rows).scale[0])
    return 1 / scale if scale else None


def _rates(config: SweepConfig, data: Dataset) -> list[str]:
    if not config.trainer.is_softmax:
        return []
    rates, sizes = config.axes_by_name["learning_rate"], sizes_of(data, config.features)
    low, high = (rates.low, rates.high) if isinstance(rates, Range) else (min(rates), max(rates))
    of_source = (sizes.low, sizes.high)
    warning = rates_warning(config.features, sizes.squared_norm, low, high, of_source)
    return [warning] if warning else []
