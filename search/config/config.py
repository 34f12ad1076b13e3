"""The settings of a sweep, checked, and what follows from them."""

import math
from typing import Any, Self, TypeVar

import numpy as np
from pydantic import Field, ValidationError, model_validator

from search.config.axes import RANGE_RULES, Axes, Strict, broken
from search.config.free_axes import FreeAxes
from search.config.messages import conflicts, explain
from search.config.objective import BY_COST, Objective, asked, objective_of
from search.config.own_code import is_own_method, is_own_trainer
from search.config.schema import (
    GridFile,
    PrunerSettings,
    ReadingSettings,
    Reference,
    ResourceSettings,
    SamplerSettings,
    TrainerSettings,
)
from search.config.space import EPOCHS, Axis, Range, SearchSpace, dtype_of
from search.errors import ConfigError

_MAX_LINES = 8
# Mistakes that are put into words; a file can have a hundred thousand.
_MAX_EXPLAINED = 100

# A sampler is asked for this many trials at once unless the settings say otherwise: enough for
# wide packs, and few enough that it hears of results before it is asked for the rest.
_WAVES, _SMALLEST_WAVE, _LARGEST_WAVE = 4, 32, 128

# A trial is reported this often on its way unless the settings say otherwise.
_REPORTS = 8

SEEDS = 2**63
"""All seeds are below this."""


class SweepConfig(GridFile):
    """The settings of a sweep: made by `load_config` or `from_dict`, then fixed.

    Attributes
    ----------
    name : str
        The grid's name, safe as the name of a folder.
    dataset : str
        ``auto``, ``fashion-mnist``, ``digits`` or a path.
    seed : int
        The seed of the split, the shuffles and the sampler.
    validation_fraction : float
        The part of the training rows that scores the trials, if there are no folds.
    seeds : int
        Number of shuffles with which every trial is trained.
    folds : int
        Number of parts that score every trial in turn; 0 if `validation_fraction` decides.
    select : str
        ``last`` or ``average``: the weights by whose validation cost trials are compared.
    objective : str
        The metric by which trials are compared; see `search.config.objective`.
    metrics : tuple of str
        Metrics in the log besides cost and accuracy.
    products : str
        ``numpy``, ``onednn`` or ``fixed``: how the softmax trainer multiplies; ``auto`` becomes
        one of them before anything is trained.
    sampler : SamplerSettings
        The sampler that proposes the trials, and their number.
    pruner : PrunerSettings
        The pruner that stops trials early.
    trainer : TrainerSettings
        The trainer, and what the plan and the log must know about it.
    resources : ResourceSettings
        What a machine keeps free for each training, of another trainer than the softmax trainer.
    reading : ReadingSettings
        Information that the data set's file does not contain.
    reference : Reference or None
        A result reported elsewhere for the same sweep.
    """

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
        description="up to 100 of A-Z, a-z, 0-9, '.', '_' and '-', a letter or digit first, "
        "because the run's folder is called after it; rename the grid's file",
    )

    @model_validator(mode="after")
    def _settings_go_together(self) -> Self:
        found = conflicts(self)
        if found:
            raise broken("\n".join(found))  # one error, because pydantic takes one; see _lines
        return self

    @property
    def is_grid(self) -> bool:
        """Whether every combination is tried, and no sampler asked."""
        return self.sampler.name == "grid"

    @property
    def compared_by(self) -> Objective:
        """The metric by which trials are compared."""
        return objective_of(self.objective) or BY_COST

    @property
    def asked_metrics(self) -> tuple[str, ...]:
        """Metrics computed besides cost and accuracy, except those returned by a trainer itself."""
        return asked(self.metrics, self.objective)

    @property
    def own_methods(self) -> list[str]:
        """Import paths of sampler, pruner and trainer, where they are code of the user's own."""
        methods = dict.fromkeys((self.sampler.name, self.pruner.name))
        found = [name for name in methods if is_own_method(name)]
        return [*found, *([self.trainer.name] if is_own_trainer(self.trainer.name) else [])]

    @property
    def replicates(self) -> int:
        """Number of trainings of every trial: with each seed, on all but each fold."""
        return self.seeds * (self.folds or 1)

    @property
    def scoring_fraction(self) -> float:
        """The part of the training rows that scores one training."""
        return 1 / self.folds if self.folds else self.validation_fraction

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """Batch sizes whose cost is measured: all of a list, three of a range."""
        axis = self.axes_by_name["batch_size"]
        if not isinstance(axis, Range):
            return tuple(map(int, axis))
        low, high = int(axis.low), int(axis.high)
        return tuple(sorted({low, round(math.sqrt(low * high)), high}))

    @property
    def space(self) -> SearchSpace:
        """The grid of all combinations; a ValueError where an axis is a range."""
        return self.axes.search_space()

    @property
    def axes_by_name(self) -> dict[str, Axis]:
        """The values or the range of each hyperparameter, slowest axis of the grid first."""
        return self.axes.by_name()

    @property
    def dtypes(self) -> dict[str, np.dtype[Any]]:
        """The type of each hyperparameter's values, as the log stores them."""
        return {name: dtype_of(name, axis) for name, axis in self.axes_by_name.items()}

    @property
    def pack_by(self) -> tuple[str, ...]:
        """The hyperparameters that all columns of a pack have in common, in their order."""
        shared, others = self.trainer.pack_by, {EPOCHS, *self.live}
        return tuple(
            name
            for name in self.axes_by_name
            if name not in others and (shared is None or name in shared)
        )

    @property
    def live(self) -> tuple[str, ...]:
        """The hyperparameters that have schedules."""
        return tuple(
            name
            for name, axis in self.axes_by_name.items()
            if name in (self.trainer.live or ()) and isinstance(axis, tuple)
            and any(isinstance(value, str) for value in axis)
        )  # fmt: skip

    @property
    def total(self) -> int:
        """Number of trials: all of the grid, or those asked of the sampler."""
        return self.sampler.trials or len(self.space)

    @property
    def wave_size(self) -> int:
        """Number of trials that a sampler is asked for at once."""
        quarter = math.ceil(self.total / _WAVES)
        default = min(max(_SMALLEST_WAVE, quarter), _LARGEST_WAVE)
        return min(self.sampler.batch or default, self.total)

    @property
    def rungs(self) -> tuple[int, ...]:
        """Epochs at which trials are reported to the pruner, increasing; none without a pruner.

        The multiples of the pruner's interval, below the most epochs that there can be. Without
        an interval they are a grid's own epochs, at which its trials are scored anyway, and an
        eighth of the longest way elsewhere.
        """
        if self.pruner.name == "none":
            return ()
        epochs, interval = self.axes_by_name["epochs"], self.pruner.interval
        if isinstance(epochs, Range):
            most, own = int(epochs.high), []
        else:
            most, own = int(max(epochs)), sorted(map(int, epochs))[:-1]
        if own and interval is None:
            return tuple(own)
        step = interval or max(1, most // _REPORTS)
        return tuple(range(step, most, step))

    def in_order_of(self, other: "SweepConfig") -> Self:
        """Return the same settings with the hyperparameters in the order of another config.

        Their order numbers the trials, and decides what a sampler draws for which of them.
        """
        if not (isinstance(self.axes, FreeAxes) and isinstance(other.axes, FreeAxes)):
            return self
        return self.model_copy(update={"axes": self.axes.in_order_of(other.axes)})

    def refit_seeds(self, count: int) -> list[int]:
        """Return the seeds of the final trainings: the run's own and those that follow it."""
        return [(self.seed + i) % SEEDS for i in range(count)]

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain values, ready for JSON; see `from_dict`."""
        # Without a reference there is no key of it, as in grids that know of none.
        left_out = {"reference"} if self.reference is None else set()
        # The same holds where nothing is said of the data set's file.
        if self.reading == ReadingSettings():
            left_out.add("reading")
        if self.trainer == TrainerSettings():
            left_out.add("trainer")
        if self.resources == ResourceSettings():
            left_out.add("resources")
        if not self.metrics:
            left_out.add("metrics")
        if self.products == "numpy":
            left_out.add("products")
        if self.compared_by.is_cost:
            left_out.add("objective")
        return self.model_dump(mode="json", by_alias=True, exclude=left_out)

    @classmethod
    def from_dict(cls, data: object, source: str = "manifest") -> Self:
        """Make a config from what `to_dict` returned, perhaps with settings replaced.

        Parameters
        ----------
        data : object
            The dictionary; anything else is refused like any other mistake.
        source : str
            Where it comes from, for the message.

        Returns
        -------
        SweepConfig

        Raises
        ------
        ConfigError
            If a setting is missing, unknown or breaks a rule.
        """
        return validated(cls, data, source)


_Model = TypeVar("_Model", bound=Strict)


def validated(model: type[_Model], data: object, source: str) -> _Model:
    """Return checked settings.

    Parameters
    ----------
    model : type
        The type of the settings.
    data : object
        The table that holds them.
    source : str
        Where it comes from, for the message.

    Raises
    ------
    ConfigError
        If they break a rule; one message tells all mistakes.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        lines = _lines(error)
    if len(lines) == 1:
        raise ConfigError(f"{source}: {lines[0]}")
    shown = [f"{source}: {len(lines)} mistakes", *lines[:_MAX_LINES]]
    if len(lines) > _MAX_LINES:
        shown.append(f"and {len(lines) - _MAX_LINES} more")
    raise ConfigError("\n  ".join(shown))


def _lines(error: ValidationError) -> list[str]:
    errors = error.errors(include_url=False, include_context=False)
    told = [line for e in errors[:_MAX_EXPLAINED] for line in explain(e, _RULES).split("\n")]
    return told + [""] * (len(errors) - _MAX_EXPLAINED)  # counted, and never shown


_TABLES: dict[str, type[Strict]] = {
    "": SweepConfig,
    "space.": Axes,
    "sampler.": SamplerSettings,
    "pruner.": PrunerSettings,
    "reading.": ReadingSettings,
    "reference.": Reference,
    "trainer.": TrainerSettings,
    "resources.": ResourceSettings,
}
_RULES = {
    f"{table}{field.alias or name}": field.description or ""
    for table, model in _TABLES.items()
    for name, field in model.model_fields.items()
} | RANGE_RULES
