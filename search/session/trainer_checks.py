"""A trainer is tried before the first sweep of its version, on some rows of the data set."""

import hashlib
import inspect
import json
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

import numpy as np

from model.data.dataset import Dataset
from model.errors import TrainerError
from model.features import fit_features
from model.shuffle import split_order
from model.trainers import KNOWN, PROTOCOL, Params, Rows, Trainer
from model.trainers.checking import CheckReport, check_trainer
from model.trainers.reference import TrainerName
from model.user_folders import cache_folder
from search.command import program
from search.config import SweepConfig, some_params
from search.errors import StoreError
from search.storage import is_there

# Rows of a check: enough that an epoch does something, and few enough that it takes no time.
_TRAINING, _SCORING = 300, 150


def check_before_first_sweep(
    config: SweepConfig, data: Dataset, code: Path | None, notify: Callable[[str], None]
) -> None:
    """Try the trainer of a run, unless this version of it has passed before.

    Parameters
    ----------
    config : SweepConfig
    data : Dataset
    code : Path or None
        Folder with the trainer's modules.
    notify : callable
        Takes a sentence for the user.

    Raises
    ------
    TrainerError
        If it breaks a promise that results depend on.
    """
    if config.trainer.is_softmax or config.trainer.name in KNOWN:
        return
    named = TrainerName.here(config.trainer.name, code)
    passed = _mark(named, config)
    if _has_passed(passed):
        return
    notify(f"Checking the trainer {named.name}, once for this version of it ...")
    report = check_rows(named, some_params(config), data, config.features, config.seed)
    for found in report.failures:
        if found not in report.broken:
            notify(f"The trainer {named.name}: {found.message}")
    if report.broken:
        told = "\n  ".join(f"{found.check}: no. {found.message}" for found in report.broken)
        raise TrainerError(
            f"The trainer {named.name} fails the checks for shared epochs:\n  {told}\n"
            f"{program('check-trainer')} {named.name} tries it again. If it cannot be exact, set "
            "exact = False; it is then split only at the plan's own stops."
        )
    if not report.failures:
        _remember(passed)


def check_rows(
    named: TrainerName, params: Sequence[Params], data: Dataset, features: str, seed: int
) -> CheckReport:
    """Try a trainer on some rows of a data set.

    Parameters
    ----------
    named : TrainerName
    params : sequence of mapping
    data : Dataset
    features : str
        What it sees: ``raw``, ``unit`` or ``standardized``.
    seed : int
    """
    order = _rows_of_all_classes(data, seed)
    seen = fit_features(features, data.X, order).apply(data.X, order)
    y, weights = data.y[order], None if data.weights is None else data.weights[order]
    n = max(1, len(order) * _TRAINING // (_TRAINING + _SCORING))
    parts = [
        Rows(seen[part], y[part], data.n_classes, None if weights is None else weights[part], seed)
        for part in (slice(None, n), slice(n, None))
    ]
    return check_trainer(named, params, *parts)


def _rows_of_all_classes(data: Dataset, seed: int) -> np.ndarray:
    """Return rows in random order, but for one of each class, which come first."""
    order = split_order(len(data.y), seed)
    _, first = np.unique(data.y[order], return_index=True)
    rest = np.delete(order, first)
    return np.concatenate([order[first], rest])[: max(_TRAINING + _SCORING, 2 * len(first))]


def _mark(named: TrainerName, config: SweepConfig) -> Path:
    """Return the file that says that this trainer, as it is, has passed."""
    trainer = named.load()
    about = [
        PROTOCOL, named.name, trainer.version, sorted(config.axes_by_name), _source(trainer),
        hashlib.sha256(named.code).hexdigest(), metadata.version("scikit-learn"),
    ]  # fmt: skip
    digest = hashlib.sha256(json.dumps(about).encode()).hexdigest()
    return cache_folder() / "checked-trainers" / digest


def _source(trainer: Trainer) -> str:
    """Return the text of the file that a trainer comes from; nothing where there is none."""
    try:
        return inspect.getsource(inspect.getmodule(type(trainer)) or type(trainer))
    except (OSError, TypeError):  # such as of one that was made by hand
        return ""


def _has_passed(passed: Path) -> bool:
    try:
        return is_there(passed)
    except StoreError:  # then it is checked again
        return False


def _remember(passed: Path) -> None:
    try:
        passed.parent.mkdir(parents=True, exist_ok=True)
        passed.touch()
    except OSError:  # then it is checked again
        pass
