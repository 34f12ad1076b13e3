"""The data set of a command: loaded, described, and the grid that suits it."""

from dataclasses import replace
from pathlib import Path

from rich.console import Console

from model.data.dataset import Dataset
from model.data.description import describe
from model.data.found import Reading
from model.data.sources import KNOWN, load_dataset
from search.config import SweepConfig, read_reading
from search.session.advice import advice
from search.session.options import DEFAULT_GRID, Options
from search.watch import DownloadProgress

TABULAR = "tabular"
"""The shipped grid that suits any table."""

# Largest value of images for whose scale the default grid is made.
_BYTES = (64, 255)


def load(dataset: str, reading: Reading, err: Console) -> Dataset:
    """Return a data set, and show its download where it takes one.

    Parameters
    ----------
    dataset : str
        Name or path of the data set.
    reading : Reading
    err : Console
        Where the download is shown.

    Raises
    ------
    PacksweepError
        As for `model.data.sources.load_dataset`.
    """
    with DownloadProgress(err) as progress:
        return load_dataset(dataset, reading, notify=progress.notify, progress=progress.update)


def choose_grid(options: Options, err: Console) -> tuple[Options, Dataset | None]:
    """Choose a grid for a data set of the user's own, where the command names none.

    Parameters
    ----------
    options : Options
    err : Console

    Returns
    -------
    options : Options
        With a grid.
    data : Dataset or None
        The data set, where it had to be loaded for this.

    Raises
    ------
    PacksweepError
        As for `load`.
    """
    if options.grid or options.trainer or options.resume or options.dataset in (None, *KNOWN):
        return options, None
    data = load(options.dataset, read_reading(options.reading).to_reading(), err)
    grid = suited_grid(data)
    named_after = options.dataset if grid != DEFAULT_GRID else None
    return replace(options, grid=grid, named_after=named_after), data


def suited_grid(data: Dataset) -> str:
    """Return the shipped grid whose learning rates are made for such features."""
    least, most = data.value_range
    like_bytes = least >= 0 and _BYTES[0] <= most <= _BYTES[1]
    return DEFAULT_GRID if data.image_shape and like_bytes else TABULAR


def description(config: SweepConfig, data: Dataset) -> str:
    """Return what was loaded, and what its user should know before it is trained on."""
    own = config.dataset not in KNOWN
    lines = [describe(data, Path(config.dataset).name if own else data.name)]
    return "\n".join([*lines, *(f"  {sentence}" for sentence in advice(config, data))])
