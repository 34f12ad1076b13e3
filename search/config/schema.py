"""The keys of a grid file, each with its type and its rule."""

import json
import re
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SerializationInfo,
    ValidationInfo,
    field_serializer,
    field_validator,
)
from pydantic_core import PydanticCustomError, to_json

from model.data.found import ROLES, Reading
from model.metrics import metric_of
from search.config.axes import (
    AXES,
    LIMITS,
    MAX_EPOCHS,
    Alpha,
    Axes,
    BatchSize,
    Epochs,
    Positive,
    Strict,
)
from search.config.free_axes import FreeAxes
from search.config.objective import COST, METRICS_RULE, OBJECTIVE_RULE, objective_of
from search.config.space import Params

MAX_TRIALS = 2**31
UNKNOWN_METHOD = "unknown_method"
_TEXT = r"^[^\x00-\x1f]+$"

SAMPLERS: Mapping[str, str | None] = {
    "grid": None,
    "random": "optuna.samplers.RandomSampler",
    "qmc": "optuna.samplers.QMCSampler",
    "tpe": "optuna.samplers.TPESampler",
    "gp": "optuna.samplers.GPSampler",
    "cmaes": "optuna.samplers.CmaEsSampler",
}
"""Optuna's import path of each sampler by its short name; None for the grid, which needs none."""

PRUNERS: Mapping[str, str | None] = {
    "none": None,
    "median": "optuna.pruners.MedianPruner",
    "halving": "optuna.pruners.SuccessiveHalvingPruner",
    "hyperband": "optuna.pruners.HyperbandPruner",
}
"""Optuna's import path of each pruner by its short name; None where no trial is stopped."""


def _known_or_path(name: str, known: Collection[str]) -> str:
    parts = name.split(".")
    if name in known or (len(parts) > 1 and all(part.isidentifier() for part in parts)):
        return name
    raise PydanticCustomError(UNKNOWN_METHOD, "unknown method")


def _plain_copy(options: object) -> object:
    """Return a copy that nobody else changes, of what comes back from JSON as it went."""
    try:
        # Not json.dumps, which nests deeper than model_dump can follow.
        copy: object = json.loads(to_json(options, inf_nan_mode="null"))
        same = copy == options
    except (ValueError, RecursionError):
        same = False
    if not same:
        raise PydanticCustomError("not_plain", "not plain")
    return copy


def _arrays_by_role(keys: object) -> object:
    """Return a mapping of roles to names; refuse anything else as a whole."""
    names = keys.values() if isinstance(keys, dict) and set(keys) <= set(ROLES) else [None]
    if not all(isinstance(name, str) and name for name in names):
        raise PydanticCustomError("not_roles", "not roles")
    return keys


_Seed = Annotated[int, Field(ge=0, lt=2**63)]
_Trials = Annotated[int, Field(ge=1, le=MAX_TRIALS)]
_Sampler = Annotated[str, AfterValidator(lambda name: _known_or_path(name, SAMPLERS))]
_Pruner = Annotated[str, AfterValidator(lambda name: _known_or_path(name, PRUNERS))]
_Name = Annotated[str, Field(min_length=1, max_length=1000)]
_Keys = Annotated[dict[str, str], BeforeValidator(_arrays_by_role)]
_Options = Annotated[dict[str, Any], BeforeValidator(_plain_copy)]


class _Method(Strict):
    name: str

    # Options are a dict, which has no hash; what is equal has equal names too.
    def __hash__(self) -> int:
        return hash(self.name)


class SamplerSettings(_Method):
    """The table [sampler]: the sampler that proposes the trials.

    Attributes
    ----------
    name : str
        One of `SAMPLERS`, or the import path of an Optuna sampler.
    trials : int or None
        Number of trials to run; None for the grid, which has its own number.
    batch : int or None
        Number of trials asked for at once; None leaves it to the search.
    seed : int or None
        The seed of the sampler alone; None takes the run's.
    options : dict
        Keyword arguments of the sampler, plain values of JSON.
    """

    name: _Sampler = Field(
        default="grid",
        description=f"{', '.join(SAMPLERS)} or an import path such as "
        '"optuna.samplers.NSGAIISampler"',
    )
    trials: _Trials | None = Field(
        default=None, description=f"a whole number from 1 to {MAX_TRIALS}, such as 500"
    )
    batch: _Trials | None = Field(
        default=None, description=f"a whole number from 1 to {MAX_TRIALS}, such as 32"
    )
    seed: _Seed | None = Field(default=None, description=f"a whole number from 0 to {2**63 - 1}")
    options: _Options = Field(
        default_factory=dict,
        description="a table of finite numbers, text, true or false, lists and tables, "
        "such as {multivariate = true}; a seed is given beside it, as sampler.seed",
    )


class PrunerSettings(_Method):
    """The table [pruner]: the pruner that stops trials that promise little.

    Attributes
    ----------
    name : str
        One of `PRUNERS`, or the import path of an Optuna pruner.
    interval : int or None
        Epochs between two reports of a trial's cost; None leaves it to the search.
    options : dict
        Keyword arguments of the pruner, plain values of JSON.
    """

    name: _Pruner = Field(
        default="none",
        description=f"{', '.join(PRUNERS)} or an import path such as "
        '"optuna.pruners.PercentilePruner"',
    )
    interval: Epochs | None = Field(
        default=None, description=f"a whole number from 1 to {MAX_EPOCHS}, such as 5"
    )
    options: _Options = Field(
        default_factory=dict,
        description="a table of finite numbers, text, true or false, lists and tables, "
        "such as {reduction_factor = 3}",
    )


_COST = "a finite number, 0 or greater, such as 0.4336"
_Cost = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Reference(Strict):
    """The table [reference]: what was reported elsewhere for the same sweep.

    The report shows it beside the result of a run on the same data set. Nothing else depends on
    it.

    Attributes
    ----------
    dataset : str
        Name of the data set that it was reported for.
    epochs, alpha, learning_rate, batch_size : float
        The best hyperparameters.
    val_cost : float
        Their validation cost.
    test_cost, test_accuracy : float
        Test cost and the fraction of test images correct, after a final training on all images.
    note : str
        Where it was reported, in a few words for the report.
    """

    dataset: str = Field(
        pattern=_TEXT, description='the name of a data set, such as "fashion-mnist"'
    )
    epochs: Epochs = Field(description=f"a whole number {LIMITS['epochs']}, such as 35")
    alpha: Alpha = Field(description="a finite number, 0 or greater, such as 1")
    learning_rate: Positive = Field(description="a finite number greater than 0, such as 5e-7")
    batch_size: BatchSize = Field(description=f"a whole number {LIMITS['batch_size']}, such as 32")
    val_cost: _Cost = Field(description=_COST)
    test_cost: _Cost = Field(description=_COST)
    test_accuracy: float = Field(ge=0, le=1, description="a number from 0 to 1, such as 0.8426")
    note: str = Field("", max_length=500, description="text of 500 characters at most")

    @property
    def params(self) -> Params:
        """The best hyperparameters."""
        return Params({name: getattr(self, name) for name in AXES})


class ReadingSettings(Strict):
    """The table [reading]: what the file of a data set does not say itself.

    Attributes
    ----------
    target : str or None
        Column of a table that holds the labels.
    weights : str or None
        Column or array that holds the weights of the rows.
    missing : str
        ``refuse`` missing values, or put the ``mean`` of their column in their place.
    keys : dict of str to str
        Name of the array for each role, such as ``X_test``.
    """

    target: _Name | None = Field(
        default=None, description='the name of the column with the labels, such as "species"'
    )
    weights: _Name | None = Field(
        default=None, description='the name of the column or array with the weights, such as "w"'
    )
    missing: Literal["refuse", "mean"] = Field(
        default="refuse",
        description='"refuse" or "mean": what to do with a missing value in a table',
    )
    keys: _Keys = Field(
        default_factory=dict,
        description='a table such as {X = "images", y = "labels"} with names of arrays for '
        f"{', '.join(ROLES)}",
    )

    # Keys are a dict, which has no hash; what is equal has equal targets too.
    def __hash__(self) -> int:
        return hash(self.target)

    def to_reading(self) -> Reading:
        """Return them as the readers take them."""
        return Reading(self.target, self.weights, self.missing, self.keys)


SOFTMAX = "softmax"
"""The name of the trainer that is meant where none is named."""


class TrainerSettings(Strict):
    """The trainer, and what of it the plan, the log and a later command must know.

    A grid file names it. The rest is found when it is imported, and is in the manifest.

    Attributes
    ----------
    name : str
        ``softmax``, or what `model.trainers.load_trainer` takes.
    version : str
        Its own version; that of the softmax trainer stands elsewhere in the manifest.
    exact : bool
        Whether training may be cut into links anywhere.
    metrics : tuple of str
        The figures that it returns.
    pack_by : tuple of str or None
        Hyperparameters that all columns of a pack have in common; None where each trajectory is
        trained alone.
    widest : int
        Columns of a pack at most.
    live : tuple of str or None
        Hyperparameters that may have schedules; None where it was not asked.
    """

    name: str = Field(
        default=SOFTMAX,
        pattern=_TEXT,
        max_length=500,
        description='the name of a trainer, such as "softmax", "xgboost" or "mypackage.train:Mine"',
    )
    version: str = Field(default="", description="text")
    exact: bool = Field(default=True, description="true or false")
    metrics: tuple[str, ...] = Field(default=("cost", "accuracy"), description="a list of names")
    pack_by: tuple[str, ...] | None = Field(default=("batch_size",), description="a list of names")
    widest: int = Field(default=64, ge=1, description="a whole number")
    live: tuple[str, ...] | None = Field(default=None, description="a list of names")

    @field_validator("metrics", "pack_by", "live", mode="before")
    @classmethod
    def _tuple(cls, values: object) -> object:
        return tuple(values) if isinstance(values, list) else values

    @property
    def is_softmax(self) -> bool:
        """Whether it is the trainer that the others are compared with: softmax regression."""
        return self.name == SOFTMAX


_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([KMGT]i?B|B)", re.IGNORECASE)
_UNITS = {"b": 1, **{f"{c}{i}b": (1024 if i else 1000) ** n for n, c in enumerate("kmgt", 1)
                    for i in ("", "i")}}  # fmt: skip
_MEMORY = 'a text such as "8 GiB" or "500 MB"'


def _size(text: object) -> object:
    """Return a size in bytes; a number is one already."""
    if type(text) is int:
        return text
    found = _SIZE.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        raise PydanticCustomError("no_size", "no size")
    return int(float(found[1]) * _UNITS[found[2].lower()])


class ResourceSettings(Strict):
    """The table [resources]: what a machine keeps free for each training, as Ray counts it.

    Attributes
    ----------
    cpus : float
        Cores, in which a trainer computes; a part of one lets several trainings share it.
    gpus : float
        GPUs, or a part of one.
    memory : int
        Bytes of memory.
    """

    cpus: float = Field(
        default=1.0, ge=0.1, le=2**16, allow_inf_nan=False,
        description="a whole number, such as 4, or a part of one core, 0.1 or more",
    )  # fmt: skip
    gpus: float = Field(
        default=0.0, ge=0, le=2**16, allow_inf_nan=False,
        description="a whole number, such as 1, or a part of one GPU, such as 0.5",
    )  # fmt: skip
    memory: Annotated[int, Field(ge=0, lt=2**60), BeforeValidator(_size)] = Field(
        default=0, description=_MEMORY
    )

    @field_validator("cpus", "gpus")
    @classmethod
    def _whole_above_one(cls, count: float) -> float:
        if count > 1 and count != int(count):
            raise PydanticCustomError("no_part", "more than one, and not whole")
        return count


MAX_REPLICATES = 1000
"""Seeds and folds of a config at most."""


class GridFile(Strict):
    """The keys of a grid file."""

    dataset: str = Field(
        "auto",
        pattern=_TEXT,
        description='"auto", "fashion-mnist", "digits" or the path of a data set',
    )
    seed: int = Field(0, ge=0, lt=2**63, description=f"a whole number from 0 to {2**63 - 1}")
    validation_fraction: float = Field(
        0.2, gt=0, lt=1, description="a number between 0 and 1, both excluded, such as 0.2"
    )
    seeds: int = Field(
        1, ge=1, le=MAX_REPLICATES, description=f"a whole number from 1 to {MAX_REPLICATES}"
    )
    folds: int = Field(
        0,
        ge=0,
        le=MAX_REPLICATES,
        description=f"a whole number from 2 to {MAX_REPLICATES}, or 0 for none",
    )
    select: Literal["last", "average"] = Field(
        "last",
        description='"last" or "average": the weights by whose validation cost trials are compared',
    )
    objective: str = Field(COST, description=OBJECTIVE_RULE)
    metrics: tuple[str, ...] = Field((), max_length=20, description=METRICS_RULE)
    features: Literal["raw", "unit", "standardized"] = Field(
        "raw",
        description='"raw", "unit" or "standardized": features as they are, scaled to 1 at most, '
        "or each less its mean and over its standard deviation",
    )
    products: Literal["auto", "numpy", "onednn", "fixed"] = Field(
        "numpy",
        description='"numpy", "onednn", "fixed" or "auto": how the softmax trainer multiplies',
    )
    # Before the axes, whose rules depend on it.
    trainer: TrainerSettings = Field(
        default_factory=TrainerSettings,
        description='the name of a trainer, such as "softmax", "xgboost" or "mypackage.train:Mine"',
    )
    axes: Axes | FreeAxes = Field(
        alias="space", description=f"a table with the keys {', '.join(AXES)}"
    )
    sampler: SamplerSettings = Field(
        default_factory=SamplerSettings,
        description='a table such as {name = "tpe", trials = 500}',
    )
    pruner: PrunerSettings = Field(
        default_factory=PrunerSettings,
        description='a table such as {name = "halving", interval = 5}',
    )
    resources: ResourceSettings = Field(
        default_factory=ResourceSettings,
        description='a table such as {cpus = 4, gpus = 0.5, memory = "8 GiB"}',
    )
    reading: ReadingSettings = Field(
        default_factory=ReadingSettings,
        description='a table such as {target = "species", missing = "mean"}',
    )
    reference: Reference | None = Field(
        default=None,
        description=f"a table with the keys {', '.join(Reference.model_fields)}",
    )

    @field_validator("trainer", mode="before")
    @classmethod
    def _named(cls, trainer: object) -> object:
        if not isinstance(trainer, str):
            return trainer
        return {"name": trainer} if trainer == SOFTMAX else {"name": trainer, "pack_by": None}

    @field_validator("axes", mode="plain")
    @classmethod
    def _of_trainer(cls, axes: Any, found: ValidationInfo) -> Axes | FreeAxes:
        trainer = found.data.get("trainer")  # None where it is told of itself
        if trainer is None or trainer.is_softmax:
            return Axes.model_validate(axes)
        return FreeAxes.of(axes)

    @field_serializer("axes")
    def _plain(self, axes: Axes | FreeAxes, info: SerializationInfo) -> Any:
        mode = "json" if info.mode == "json" else "python"
        found: Any = axes.model_dump(mode=mode)
        return found[0] if isinstance(axes, FreeAxes) and len(found) == 1 else found

    @field_validator("objective")
    @classmethod
    def _known_objective(cls, name: str) -> str:
        if objective_of(name) is None:
            raise PydanticCustomError("no_objective", "no objective")
        return name

    @field_validator("metrics", mode="before")
    @classmethod
    def _list(cls, names: object) -> object:
        return tuple(names) if isinstance(names, list) else names

    @field_validator("metrics")
    @classmethod
    def _known_metrics(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not all(map(metric_of, names)):
            raise PydanticCustomError("no_metric", "no metric")
        return tuple(dict.fromkeys(names))

    @field_validator("folds")
    @classmethod
    def _none_or_several(cls, folds: int) -> int:
        if folds == 1:
            raise PydanticCustomError("one_fold", "one fold")
        return folds
