"""By which metric trials are compared, and which others are kept."""

from collections.abc import Iterable
from dataclasses import dataclass

from model.metrics import known_metrics, metric_of
from search.errors import ConfigError

COST, ACCURACY = "cost", "accuracy"

_DIRECTIONS = {"max": True, "min": False}
_ITS_WAY = {COST: "min", ACCURACY: "max"}

METRICS_RULE = f"a list of {', '.join(known_metrics())}, where K is a number from 2 on"
OBJECTIVE_RULE = (
    f'"cost", "accuracy", one of {", ".join(known_metrics())}, or "max:NAME" or "min:NAME" of a '
    "trainer that returns a metric of that name"
)


@dataclass(frozen=True)
class Objective:
    """The metric by which trials are compared.

    Attributes
    ----------
    name : str
        Its name, without ``max:`` or ``min:``.
    greater : bool
        Whether the greater value is the better one.
    title : str
        Its name for people.
    own : bool
        Whether it is a metric that the trainer returns of itself.
    """

    name: str = COST
    greater: bool = False
    title: str = COST
    own: bool = False

    @property
    def is_cost(self) -> bool:
        """Whether it is the validation cost."""
        return self.name == COST

    @property
    def worst(self) -> float:
        """The value reported for a diverged trial."""
        return float("-inf") if self.greater else float("inf")


BY_COST = Objective()
"""The metric that compares trials by default."""


def objective_of(text: str) -> Objective | None:
    """Return what a grid file names as objective; None if it is no such name.

    Examples
    --------
    >>> objective_of("f1_macro").greater
    True
    >>> objective_of("min:margin")
    Objective(name='margin', greater=False, title='margin', own=True)
    """
    if text in (COST, ACCURACY):
        return Objective(text, text == ACCURACY, text)
    direction, _, name = text.partition(":")
    if name in (COST, ACCURACY):  # which have one direction that makes sense
        return objective_of(name) if direction == _ITS_WAY[name] else None
    if name and direction in _DIRECTIONS:
        return Objective(name, _DIRECTIONS[direction], name, own=True)
    found = metric_of(text)
    return Objective(text, found.greater, found.title) if found else None


def title_of(name: str) -> str:
    """Return what people call a metric; its name where it is a trainer's own."""
    found = metric_of(name)
    return found.title if found else name


def asked(metrics: Iterable[str], objective: str) -> tuple[str, ...]:
    """Return the metrics that are computed beside cost and accuracy, each once."""
    names = dict.fromkeys(metrics)
    if metric_of(objective):
        names[objective] = None
    return tuple(names)


def check_target_cost(objective: str, target: float) -> None:
    """Refuse a cost as the target where trials are compared by something else.

    Raises
    ------
    ConfigError
        With the option that is meant.
    """
    found = objective_of(objective)
    if found is not None and not found.is_cost:
        raise ConfigError(
            f"--target-cost is for trials that are compared by their cost, and these are by "
            f"{objective}. Give --target-value {target:g} if that is meant."
        )
