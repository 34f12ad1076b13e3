"""A data set as a sweep would read it, before any sweep."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.filesize import decimal

from model.data.dataset import Dataset
from model.data.sources import KNOWN, kind_of
from model.errors import UsageError
from model.features import UNIT
from search.config import SweepConfig
from search.plan import rows_bytes
from search.schemas import ClassRows, DataSet, Memory, Part, Scaling
from search.session.advice import advice, unit_divisor
from search.session.checks import check_enough_images, check_memory
from search.session.datasets import choose_grid, load
from search.session.options import Options, resolve_config
from search.text import table_lines, wrapped

_PARTS = ("training", "validation", "test")

# Classes in the table at most; --json has all.
_SHOWN = 30


def inspect_data(options: Options, err: Console) -> tuple[SweepConfig, Dataset]:
    """Return a data set, and the settings of the sweep that the same options begin.

    Parameters
    ----------
    options : Options
    err : Console
        Where a download is shown.

    Raises
    ------
    PacksweepError
        As a sweep of this data set has it.
    """
    options, data = choose_grid(options, err)
    config = resolve_config(options)
    return config, data or load(config.dataset, config.reading.to_reading(), err)


def data_set_of(config: SweepConfig, data: Dataset) -> DataSet:
    """Return what there is to know of a data set.

    Parameters
    ----------
    config : SweepConfig
        The settings, which say how rows are scaled and parted.
    data : Dataset
    """
    own = config.dataset not in KNOWN
    low, high = data.value_range
    return DataSet(
        name=data.name,
        path=str(Path(config.dataset).expanduser().absolute()) if own else None,
        kind=kind_of(data.name if config.dataset == "auto" else config.dataset),
        fingerprint=data.fingerprint,
        features=data.X.shape[1],
        feature_names=list(data.features),
        dtype=data.X.dtype.name,
        smallest=low,
        largest=high,
        image_shape=list(data.image_shape),
        parts=_parts(config, data),
        classes=_classes(data),
        missing=data.missing,
        scaling=_scaling(config, data),
        memory=Memory(source=_source_bytes(data), training=rows_bytes(config, data)),
        remarks=list(data.remarks),
        unused=list(data.unused),
        refused=_refused(config, data),
        advice=advice(config, data),
    )


def _refused(config: SweepConfig, data: Dataset) -> str | None:
    """Return why a sweep would not train on the data; None where it would."""
    try:
        check_enough_images(config, data)
        check_memory(config, data, 1)
    except UsageError as error:
        return str(error)
    return None


def _parts(config: SweepConfig, data: Dataset) -> list[Part]:
    training, scoring = data.parts(config.scoring_fraction)
    weighted = data.weights is not None
    if config.folds:
        training = scoring = len(data.y)
    found = [Part(part="training", rows=training, origin="own", weighted=weighted)]
    if data.y_val is not None:
        own = data.weights_val is not None
        found.append(Part(part="validation", rows=scoring, origin="own", weighted=own))
    else:
        origin: Literal["folds", "split"] = "folds" if config.folds else "split"
        found.append(Part(part="validation", rows=scoring, origin=origin, weighted=weighted))
    if data.y_test is not None:
        own = data.weights_test is not None
        found.append(Part(part="test", rows=len(data.y_test), origin="own", weighted=own))
    return found


def _classes(data: Dataset) -> list[ClassRows]:
    counts = [_counts(y, data.n_classes) for y in (data.y, data.y_val, data.y_test)]
    return [
        ClassRows(label=label, training=training or 0, validation=validation, test=test)
        for label, training, validation, test in zip(data.classes, *counts, strict=True)
    ]


def _counts(y: NDArray[np.int64] | None, classes: int) -> Sequence[int | None]:
    return [None] * classes if y is None else np.bincount(y, minlength=classes).tolist()


def _scaling(config: SweepConfig, data: Dataset) -> Scaling:
    divisor = unit_divisor(config, data) if config.features == UNIT else None
    return Scaling(features=config.features, grid=config.name, divisor=divisor)


def _source_bytes(data: Dataset) -> int:
    return sum(X.nbytes for X in (data.X, data.X_val, data.X_test) if X is not None)


_SEEN = {
    "raw": "the values as they are",
    "unit": "all values over the largest one",
    "standardized": "each feature less its mean, over its standard deviation",
}


def data_set_lines(found: DataSet, width: int | None) -> list[str]:
    """Return what there is to know of a data set in words, below its description.

    Parameters
    ----------
    found : DataSet
    width : int, optional
        Columns of the terminal.
    """
    scaling, memory = found.scaling, found.memory
    facts = [
        ("kind", found.kind),
        ("parts", _parts_text(found.parts)),
        ("missing values", f"{found.missing:,}, replaced by the mean" if found.missing else "none"),
        ("scaling", f"{scaling.features}: {_SEEN[scaling.features]} (grid {scaling.grid})"),
        ("memory", f"{decimal(memory.source)} as read, {decimal(memory.training)} as trained on"),
        ("fingerprint", found.fingerprint),
    ]
    lines = [line for name, said in facts for line in _fact(name, said, width)]
    refused = [f"A sweep refuses it. {found.refused}"] if found.refused else []
    told = [line for text in refused for line in ("", *wrapped(text, width))]
    return [*lines, "", *_class_lines(found, width), *told]


def _fact(name: str, said: str, width: int | None) -> list[str]:
    first, *more = wrapped(said, None if width is None else width - 16)
    return [f"{name:<15} {first}", *(f"{'':<15} {line}" for line in more)]


def _parts_text(parts: Sequence[Part]) -> str:
    said = {"own": "", "split": " (a part of the training rows)", "folds": " (in folds)"}
    return ", ".join(
        f"{part.rows:,} {part.part}{said[part.origin]}{', weighted' * part.weighted}"
        for part in parts
    )


def _class_lines(found: DataSet, width: int | None) -> list[str]:
    names = [
        n for n in ("training", "validation", "test") if getattr(found.classes[0], n) is not None
    ]
    rows = [
        (str(row.label), *(f"{getattr(row, name)}" for name in names))
        for row in found.classes[:_SHOWN]
    ]
    more = len(found.classes) - len(rows)
    rest = [f"... and {more:,} more classes; --json has all"] if more else []
    return [*table_lines(("class", *names), rows, width), *rest]
