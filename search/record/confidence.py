"""How sure a result is, as a summary has it: ties, final trainings, optima, and mere guessing."""

from dataclasses import dataclass

from search.config import Params


@dataclass(frozen=True, kw_only=True)
class TiedTrial:
    """A trial that cannot be told from the best one.

    Attributes
    ----------
    number : int
    params : Params
    cost : float
        Its cost on the validation rows themselves.
    difference : float
        Its cost less that of the best trial.
    interval : tuple of float
        That difference over the resamples, from its 5 % to its 95 % quantile.
    chance : float
        Fraction of the resamples in which it is at least as good as the best one.
    """

    number: int
    params: Params
    cost: float
    difference: float
    interval: tuple[float, float]
    chance: float


@dataclass(frozen=True, kw_only=True)
class Ties:
    """The trials that cannot be told from the best one.

    Attributes
    ----------
    level : float
        Confidence at which a trial is told from the best one.
    resamples, images : int
        How many resamples of how many validation rows compare them.
    count : int or None
        How many trials cannot be told from the best one; None where the best one has no
        resampled costs.
    not_compared : int or None
        How many trials of such costs have no resampled costs; None where the best one has none.
    reused : int
        How many of those were taken over from another run.
    damaged : int
        How many files of resampled costs are damaged, and count as none.
    trials : tuple of TiedTrial
        The best of them, the lowest cost first.
    simplest : TiedTrial or None
        The simplest of them all, the best trial included.
    """

    level: float
    resamples: int
    images: int
    count: int | None
    not_compared: int | None
    trials: tuple[TiedTrial, ...]
    simplest: TiedTrial | None
    reused: int = 0
    damaged: int = 0


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """A figure of several final trainings; the standard deviation is that of the sample."""

    mean: float
    std: float
    smallest: float
    largest: float
    values: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class ScoreStatistics:
    """The test figures of several final trainings by one readout."""

    cost: Statistics
    accuracy: Statistics


@dataclass(frozen=True, kw_only=True)
class RefitStatistics:
    """The final trainings, where there are several.

    Attributes
    ----------
    seeds : tuple of int
        Their seeds; the first one is the run's.
    last : ScoreStatistics
        Their test figures.
    average : ScoreStatistics or None
        The test figures of the averaged weights, if the trainer has them.
    """

    seeds: tuple[int, ...]
    last: ScoreStatistics
    average: ScoreStatistics | None = None

    def by(self, name: str) -> ScoreStatistics | None:
        """Return the test figures by a readout, given its name in `READOUTS`."""
        found: ScoreStatistics | None = getattr(self, name)
        return found


@dataclass(frozen=True, kw_only=True)
class AlphaFigures:
    """The optimum of one alpha; see `model.optima.AlphaOptimum`, which has its weights too.

    Attributes
    ----------
    test_cost, test_accuracy : float or None
        Its figures on the test rows; None where the data set has none.
    """

    alpha: float
    cost: float
    gradient_norm: float
    converged: bool
    val_cost: float
    val_accuracy: float
    seconds: float
    test_cost: float | None
    test_accuracy: float | None


@dataclass(frozen=True, kw_only=True)
class OptimumFigures:
    """The optima of the alphas, and what is known of the trials' training costs.

    Attributes
    ----------
    alphas : tuple of AlphaFigures
    best_train_cost : float or None
        Training cost of the best trial; None where it is not known.
    with_train_cost, without_train_cost : int
        How many complete trials have a training cost, and how many have none.
    """

    alphas: tuple[AlphaFigures, ...]
    best_train_cost: float | None
    with_train_cost: int
    without_train_cost: int

    def of(self, alpha: float) -> AlphaFigures:
        """Return the optimum of an alpha."""
        return next(row for row in self.alphas if row.alpha == alpha)


@dataclass(frozen=True, kw_only=True)
class Guessing:
    """What the validation part gives to one who guesses.

    Attributes
    ----------
    cost : float
        The cost of giving each of c classes the same probability, ln c.
    accuracy : float
        The share of the largest class.
    """

    cost: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class FeatureSizes:
    """How large the features are.

    Attributes
    ----------
    squared_norm : float
        The mean squared norm of a row as the trainer sees it.
    low, high : float
        The smallest and the largest value in the source.
    """

    squared_norm: float
    low: float
    high: float
