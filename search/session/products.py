"""How a run multiplies: as it began, as is asked for, or as is fastest here."""

from cluster.executor import one_blas_thread
from model.data.dataset import Dataset
from model.features import RAW
from model.products import NUMPY, available_products, fits, products_named
from model.speed import fastest
from search.config import SweepConfig
from search.errors import ConfigError
from search.record import RunFolder
from search.session.options import Options

AUTO = "auto"

UNCHECKED = (AUTO, NUMPY.name)
"""What needs no library of its own, or is chosen among what is there."""


def with_products(options: Options, config: SweepConfig, data: Dataset) -> SweepConfig:
    """Return the settings with a way of multiplying in place of ``auto``.

    A run that is there keeps its own. Nothing is chosen unless it is asked for: a choice by
    measurement may be another one tomorrow, and the same command gives the same result.

    Parameters
    ----------
    options : Options
    config : SweepConfig
    data : Dataset

    Raises
    ------
    RunFolderError
        If the run's manifest cannot be read.
    """
    if config.products != AUTO:
        return config
    manifest = None if options.fresh else RunFolder(options.run_path).read_manifest()
    products = manifest.sweep_config.products if manifest else chosen_products(config, data)
    return config.model_copy(update={"products": products})


def chosen_products(config: SweepConfig, data: Dataset) -> str:
    """Return the way of multiplying that a new run would have on this machine."""
    if config.products != AUTO:
        return config.products
    able = [way for way in available_products() if _why_not(way.name, config, data) is None]
    if len(able) == 1:
        return able[0].name
    with one_blas_thread():  # as the workers will have
        return fastest(able, config.batch_sizes, data.X.shape[1], data.n_classes).name


def check_products(config: SweepConfig, data: Dataset) -> None:
    """Refuse a way of multiplying for features that are not numbers that it multiplies.

    Raises
    ------
    ConfigError
        With the first of them.
    """
    reason = _why_not(config.products, config, data)
    if reason:
        raise ConfigError(
            f'products = "{config.products}" {reason}. Use "numpy", or "onednn" if it is installed.'
        )


def check_library(options: Options, config: SweepConfig) -> None:
    """Refuse to train where this machine lacks what the products need.

    Raises
    ------
    MissingProductsError
        With the way to install it; machines of a cluster say it themselves.
    """
    if config.products not in UNCHECKED and not options.joins:
        products_named(config.products)


def _why_not(name: str, config: SweepConfig, data: Dataset) -> str | None:
    """Say what of the data keeps it from being multiplied so; None where nothing does."""
    if name != "fixed":
        return None
    if config.features != RAW:
        return (
            'takes features as they are (features = "raw" in the grid), and '
            f'features = "{config.features}" changes them'
        )
    parts = [data.X] if data.X_val is None else [data.X, data.X_val]
    return next(filter(None, map(fits, parts)), None)
