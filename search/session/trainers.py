"""The trainer that a command names: imported, asked what it is, and shown the hyperparameters."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from cluster.resources import Resources
from model.errors import TrainerError, cut, told
from model.trainers import KNOWN, Packs, Params, TakesSchedules, Trainer, at_epoch, schedule_of
from model.trainers.reference import TrainerName
from model.trainers.tasks import TrainerTasks
from search.config import EPOCHS, Range, SweepConfig, some_params
from search.errors import ConfigError

# Combinations that a trainer is shown before anything is trained: it may train a little for each.
_SHOWN = 200


def with_trainer(config: SweepConfig, source: str, code: Path | None = None) -> SweepConfig:
    """Return settings with what the trainer that they name says of itself.

    Parameters
    ----------
    config : SweepConfig
    source : str
        Where the settings come from, for messages.
    code : Path, optional
        Folder with the trainer's modules.

    Raises
    ------
    TrainerError
        If it cannot be imported.
    ConfigError
        If it needs no code.
    """
    if code is not None and config.trainer.name in KNOWN:
        raise ConfigError(
            f"--code {code} holds the modules of your own trainer, but the trainer is "
            f"{config.trainer.name!r}. Name yours by --trainer, or leave --code out."
        )
    if config.trainer.is_softmax:
        return config
    trainer = TrainerName.here(config.trainer.name, code).load()
    facts = {
        "name": config.trainer.name,
        "version": trainer.version,
        "exact": trainer.exact,
        "metrics": trainer.metrics,
        "pack_by": trainer.pack_by if isinstance(trainer, Packs) else None,
        "widest": trainer.widest if isinstance(trainer, Packs) else 1,
        "live": trainer.live if isinstance(trainer, TakesSchedules) else (),
    }
    return SweepConfig.from_dict({**config.to_dict(), "trainer": facts}, source)


def trainer_tasks(config: SweepConfig, code: Path | None) -> TrainerTasks | None:
    """Return what workers do for the trainer of a run; None for the softmax trainer."""
    if config.trainer.is_softmax:
        return None
    threads = Resources(config.resources.cpus).threads
    named = TrainerName.here(config.trainer.name, code)
    return TrainerTasks(named, threads, config.asked_metrics)


def check_params(config: SweepConfig, code: Path | None) -> None:
    """Show a trainer the hyperparameters of the trials, before anything is started.

    Raises
    ------
    ConfigError
        If it refuses some.
    """
    if config.trainer.is_softmax:
        return
    trainer = TrainerName.here(config.trainer.name, code).load()
    axis = config.axes_by_name[EPOCHS]
    most = int(axis.high if isinstance(axis, Range) else max(axis))
    shown = (now for params in _each_value(config) for now in _at_turns(params, config.live, most))
    for params in islice(shown, _SHOWN):
        _check(trainer, config.trainer.name, params)


def _check(trainer: Trainer, name: str, params: Params) -> None:
    try:
        trainer.check(dict(params))
    except ValueError as error:
        raise ConfigError(
            f"The trainer {name} refuses {dict(params)}: {cut(str(error))}"
        ) from error
    except Exception as error:  # a trainer may raise anything
        raise TrainerError(
            f"The trainer {name} cannot check {dict(params)}: {told(error)}."
        ) from error


def _at_turns(params: dict[str, Any], live: Sequence[str], most: int) -> list[dict[str, Any]]:
    """Return hyperparameters as they are where their schedules turn, or the longest trial ends."""
    schedules = [schedule_of(params[name]) for name in live if name in params]
    turns = [0, *(epoch for found in schedules for epoch in found.turns)]
    epochs = dict.fromkeys(min(epoch, most - 1) for epoch in turns)
    return [at_epoch(params, live, epoch) for epoch in epochs]


def _each_value(config: SweepConfig) -> Iterator[dict[str, Any]]:
    """Yield hyperparameters in which each value occurs; some of them where there are ranges."""
    if any(isinstance(axis, Range) for axis in config.axes_by_name.values()):
        yield from map(dict, some_params(config))
        return
    for table in config.space.tables:
        first = {name: values[0] for name, values in table.items() if name != EPOCHS}
        yield first
        for name in first:
            yield from ({**first, name: value} for value in table[name][1:])
