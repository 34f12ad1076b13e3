"""What may stand in [sampler] and [pruner]: who proposes trials, and who stops them early."""

import json
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError, to_json

from search.range_schema import MAX_EPOCHS, Epochs
from search.strict import Strict

MAX_TRIALS = 2**31
SAMPLERS = ("grid", "random", "qmc", "tpe", "gp", "cmaes")
PRUNERS = ("none", "median", "halving", "hyperband")
UNKNOWN_METHOD = "unknown_method"


def _known_or_path(name: str, known: tuple[str, ...]) -> str:
    parts = name.split(".")
    if name in known or (len(parts) > 1 and all(part.isidentifier() for part in parts)):
        return name
    raise PydanticCustomError(UNKNOWN_METHOD, "unknown method")


def _plain(options: object) -> object:
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


_Seed = Annotated[int, Field(ge=0, lt=2**63)]
_Trials = Annotated[int, Field(ge=1, le=MAX_TRIALS)]
_Sampler = Annotated[str, AfterValidator(lambda name: _known_or_path(name, SAMPLERS))]
_Pruner = Annotated[str, AfterValidator(lambda name: _known_or_path(name, PRUNERS))]
_Options = Annotated[dict[str, Any], BeforeValidator(_plain)]


class _Method(Strict):
    name: str

    # Options are a dict, which has no hash; what is equal has equal names too.
    def __hash__(self) -> int:
        return hash(self.name)


class SamplerSettings(_Method):
    """The table [sampler]: who proposes the trials.

    Attributes
    ----------
    name : str
        One of `SAMPLERS`, or the import path of an Optuna sampler.
    trials : int or None
        How many trials to run; None for the grid, which has its own number.
    batch : int or None
        Trials asked for at once; None leaves it to the search.
    seed : int or None
        Of the sampler alone; None takes the run's.
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
        "such as {multivariate = true}; a seed stands beside it, as sampler.seed",
    )


class PrunerSettings(_Method):
    """The table [pruner]: who stops trials that promise little.

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
