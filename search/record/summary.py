"""The result of a finished run: what summary.json says, as one value with one reader and writer."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from model.features import RAW
from model.results import FinalScore
from search.config import ACCURACY, BY_COST, COST, Objective, Params, objective_of
from search.record.confidence import FeatureSizes, Guessing, OptimumFigures, RefitStatistics, Ties
from search.record.log import READOUTS, Readout

FINISHED, ENDED_EARLY = "complete", "ended early"
"""The two states of a run with a summary."""

_NOT_ALWAYS = frozenset({
    "val_cost_std", "val_accuracy_std", "val_cost_avg_std", "val_accuracy_avg_std", "replicates",
    "trainings", "optimum", "guessing", "sizes", "val_cost_avg", "val_accuracy_avg", "average",
    "trainer", "why_failed", "metrics", "objective", "ended_early",
})  # fmt: skip
"""Keys that summary.json goes without where there is nothing to say; the others are null."""


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How many trials there are in all, and how they ended."""

    total: int
    complete: int
    pruned: int
    failed: int

    @property
    def ended(self) -> int:
        """How many have their row."""
        return self.complete + self.pruned + self.failed

    @property
    def why_none(self) -> str:
        """Why no trial is complete, as a sentence goes on."""
        if not self.pruned:
            return "every trial has failed"
        return f"every trial {'has failed or ' if self.failed else ''}was pruned"


@dataclass(frozen=True, kw_only=True)
class ReplicateFigures:
    """What one of several trainings of a trial gave.

    Attributes
    ----------
    seed : int
    fold : int or None
        The part that scored it; None without folds.
    val_cost, val_accuracy : float
        Figures of the last weights on the rows that scored it.
    val_cost_avg, val_accuracy_avg : float or None
        Figures of the averaged weights, where the trainer has them.
    """

    seed: int
    fold: int | None
    val_cost: float
    val_accuracy: float
    val_cost_avg: float | None = None
    val_accuracy_avg: float | None = None


@dataclass(frozen=True, kw_only=True)
class TopTrial:
    """One of the best trials, with the figures of both readouts.

    Attributes
    ----------
    number : int
    params : Params
    val_cost, val_accuracy : float
        The columns of the log with these names.
    val_cost_avg, val_accuracy_avg : float or None
        The same for the averaged weights, if the trainer has them.
    val_cost_std, val_accuracy_std, val_cost_avg_std, val_accuracy_avg_std : float or None
        Standard deviations over the trainings of the trial; None where it was trained once.
    replicates : tuple of ReplicateFigures or None
        The trainings of the trial; None where it was trained once.
    metrics : mapping of str to float, or None
        What else is known of it, by the readout that selects; None where nothing is.
    """

    number: int
    params: Params
    val_cost: float
    val_accuracy: float
    val_cost_avg: float | None = None
    val_accuracy_avg: float | None = None
    val_cost_std: float | None = None
    val_accuracy_std: float | None = None
    val_cost_avg_std: float | None = None
    val_accuracy_avg_std: float | None = None
    replicates: tuple[ReplicateFigures, ...] | None = None
    metrics: Mapping[str, float] | None = None

    def cost(self, readout: Readout) -> float:
        """Return the validation cost by a readout."""
        cost: float = getattr(self, readout.cost)
        return cost

    def cost_std(self, readout: Readout) -> float | None:
        """Return the standard deviation of that cost; None where the trial was trained once."""
        std: float | None = getattr(self, f"{readout.cost}_std")
        return std

    def accuracy(self, readout: Readout) -> float:
        """Return the fraction of validation rows that a readout classifies correctly."""
        accuracy: float = getattr(self, readout.accuracy)
        return accuracy

    def metric(self, name: str) -> float | None:
        """Return a metric beside cost and accuracy; None where it is not known."""
        return (self.metrics or {}).get(name)


@dataclass(frozen=True, kw_only=True)
class DatasetName:
    """Which data set a run was trained on.

    Attributes
    ----------
    name, fingerprint : str
    rows : str
        What its rows are: ``images`` or ``rows``. Earlier versions knew images alone.
    """

    name: str
    fingerprint: str
    rows: Literal["images", "rows"] = "images"


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Where the time of a run went.

    Attributes
    ----------
    wall_s : float
        Seconds of the command that finished the run.
    startup_s, training_s : float
        Seconds of that command until its first link started, and from there to the end of its
        last link; both 0 where it trained nothing.
    predicted_training_s : float or None
        The prediction of `training_s`; None where there was none.
    workers : int
        Workers of that command.
    compute_s : float
        Seconds that all workers trained, in whatever commands the run took.
    gflops : float or None
        Rate of each worker over the whole run; None where all was reused.
    """

    wall_s: float
    startup_s: float
    training_s: float
    predicted_training_s: float | None
    workers: int
    compute_s: float
    gflops: float | None


@dataclass(frozen=True, kw_only=True)
class Arithmetic:
    """How much was trained, in epochs of all trajectories together.

    Attributes
    ----------
    trained_epochs : int
        Epochs that were trained.
    unpruned_epochs : int
        Epochs that would have been trained without a pruner.
    """

    trained_epochs: int
    unpruned_epochs: int

    @property
    def saved(self) -> float:
        """The fraction that pruning has saved."""
        return 1 - self.trained_epochs / self.unpruned_epochs if self.unpruned_epochs else 0.0


@dataclass(frozen=True, kw_only=True)
class Trainings:
    """That each trial was trained several times.

    Attributes
    ----------
    each : int
        How often.
    by : str
        In what its trainings differ, such as "2 seeds and 3 folds".
    """

    each: int
    by: Annotated[str, Field(alias="with")]


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The result of a finished run, in the order of summary.json.

    The fields with a default are those that runs of earlier versions go without.

    Attributes
    ----------
    trials : Counts
    best : TopTrial or None
        The best trial; None where every trial failed.
    top : tuple of TopTrial
        The best trials, the best one first.
    select : str
        Name of the readout by which trials are compared.
    test : FinalScore or None
        Test figures of the final model; None without test rows or without a best trial.
    tests : mapping of str to FinalScore
        Test figures of the final training by each readout; empty where `test` is None.
    dataset : DatasetName
    timing : Timing
    arithmetic : Arithmetic
    trainings : Trainings or None
        None where each trial was trained once.
    indistinguishable : Ties or None
        None where no trial is complete or each was trained several times.
    features : str
        What the trainer saw of the features.
    refits : RefitStatistics or None
        None where there is one final training at most.
    optimum : OptimumFigures or None
        None where no optima were asked for.
    guessing : Guessing or None
        None where an earlier version made the summary.
    sizes : FeatureSizes or None
        None where an earlier version made the summary, or for another trainer.
    trainer : str or None
        Name of the trainer; None for the softmax trainer.
    why_failed : str or None
        The commonest reason why trials of another trainer have failed; None where none has.
    objective : str or None
        The metric by which trials are compared, as a grid file names it; None for the cost.
    ended_early : str or None
        Why trials were left out, as a sentence goes on; None where none was.
    state : str
        `FINISHED` or `ENDED_EARLY`.
    """

    state: str = FINISHED
    trials: Counts
    best: TopTrial | None
    top: tuple[TopTrial, ...]
    select: Annotated[str, Field(pattern=f"^({'|'.join(READOUTS)})$")]
    test: FinalScore | None
    tests: Mapping[str, FinalScore]
    dataset: DatasetName
    timing: Timing
    arithmetic: Arithmetic
    trainings: Trainings | None = None
    indistinguishable: Ties | None = None
    features: str = RAW
    refits: RefitStatistics | None = None
    optimum: OptimumFigures | None = None
    guessing: Guessing | None = None
    sizes: FeatureSizes | None = None
    trainer: str | None = None
    why_failed: str | None = None
    objective: str | None = None
    ended_early: str | None = None

    @property
    def compared_by(self) -> Objective:
        """The metric by which trials are compared."""
        return objective_of(self.objective or COST) or BY_COST

    @property
    def readout(self) -> Readout:
        """The readout by which trials are compared."""
        return READOUTS[self.select]

    def value_of(self, trial: TopTrial) -> float:
        """Return the value by which a trial is compared; not a number where it is not known."""
        name = self.compared_by.name
        known = {COST: trial.cost(self.readout), ACCURACY: trial.accuracy(self.readout)}
        value = known.get(name, trial.metric(name))
        return math.nan if value is None else value

    @staticmethod
    def from_json(data: object) -> "Summary":
        """Return what `to_json` was called on, now or in an earlier version.

        Raises
        ------
        ValueError
            If it is not a summary; its text names the first place that is wrong.
        """
        try:
            return _reader().validate_python(data)
        except ValidationError as error:
            raise ValueError(_wrong_place(error)) from error

    def to_json(self) -> dict[str, Any]:
        """Return the contents of summary.json as plain values."""
        data = asdict(self, dict_factory=_as_object)
        data["arithmetic"]["saved"] = self.arithmetic.saved
        return data


@cache
def _reader() -> TypeAdapter[Summary]:
    return TypeAdapter(Summary)


def _wrong_place(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    place = ".".join(map(str, first["loc"]))
    if not place:
        return "it is not a table"
    return f"{place} is missing" if first["type"] == "missing" else f"{place} is of another kind"


def _as_object(items: list[tuple[str, Any]]) -> dict[str, Any]:
    return {
        "with" if name == "by" else name: dict(value) if isinstance(value, Params) else value
        for name, value in items
        if value is not None or name not in _NOT_ALWAYS
    }
