"""How far trials end above the optimum of their alpha, as a value and in words."""

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from model.data.dataset import Dataset
from model.features import Features
from model.optima import GRADIENT_NORM, AlphaOptimum, score_weights
from model.results import FinalScore
from search.record import COMPLETE, AlphaFigures, OptimumFigures, Summary, TrialLog
from search.text import number_text, table_lines, wrapped

ROUNDING = 5e-6
"""A gap below this may be none: float32 does not tell costs more finely."""

_ARRAYS = ("W", "b", "shift", "scale")
_FIGURES = [field.name for field in fields(AlphaOptimum) if field.name not in _ARRAYS]


def lacks_optimum(summary: Summary) -> bool:
    """Whether a finished run has a best trial and no optima beside it."""
    return summary.best is not None and not summary.optimum


def optimum_figures(
    optima: Sequence[AlphaOptimum], data: Dataset, trial_log: TrialLog, best: int
) -> OptimumFigures:
    """Return what a summary says of the optima.

    Parameters
    ----------
    optima : sequence of AlphaOptimum
    data : Dataset
        The data set with the test rows, by which nothing is chosen.
    trial_log : TrialLog
        The trial log.
    best : int
        Number of the best trial.

    Raises
    ------
    StoreError
        If the log cannot be read.
    """
    number, state, cost = trial_log.columns("number", "state", "train_cost")
    known = np.isfinite(cost.astype(np.float64))
    of_best = cost[(number == best) & known].tolist()
    return OptimumFigures(
        alphas=tuple(_alpha_figures(optimum, data) for optimum in optima),
        best_train_cost=of_best[0] if of_best else None,
        with_train_cost=int(known.sum()),
        without_train_cost=int(((state == COMPLETE) & ~known).sum()),
    )


def _alpha_figures(optimum: AlphaOptimum, data: Dataset) -> AlphaFigures:
    test = _test_score(optimum, data)
    return AlphaFigures(
        **{name: getattr(optimum, name) for name in _FIGURES},
        test_cost=test.cost if test else None,
        test_accuracy=test.accuracy if test else None,
    )


def _test_score(optimum: AlphaOptimum, data: Dataset) -> FinalScore | None:
    if data.X_test is None or data.y_test is None:
        return None
    X = Features(optimum.shift, optimum.scale).apply(data.X_test)
    return score_weights(optimum.W, optimum.b, X, data.y_test, data.weights_test)


def gaps(
    alpha: NDArray[np.float64], train_cost: NDArray[np.float64], optimum: OptimumFigures
) -> NDArray[np.float64]:
    """Return how far training costs are above the optimum of their alpha.

    Parameters
    ----------
    alpha, train_cost : ndarray of shape (n,)
        Alphas and training costs of the trials; a training cost that is not known is NaN.
    optimum : OptimumFigures

    Returns
    -------
    ndarray of shape (n,)
        A lower bound of the gap where the optimum did not converge; NaN where it is not known.
    """
    costs = {row.alpha: row.cost for row in optimum.alphas}
    return np.array(
        [c - costs.get(a, np.nan) for a, c in zip(alpha.tolist(), train_cost.tolist(), strict=True)]
    )


def optimum_lines(summary: Summary, width: int | None) -> list[str]:
    """Return what the result says of the optima; nothing where they were not asked for.

    Parameters
    ----------
    summary : Summary
    width : int, optional
        Columns of the terminal.
    """
    if not summary.optimum:
        return []
    header, *rows = optimum_rows(summary.optimum)
    return [
        f"The optimum of each alpha on the training {summary.dataset.rows}:",
        *table_lines(header, rows, width, ("gradient", "test cost")),
        *(line for text in optimum_sentences(summary) for line in wrapped(text, width)),
    ]


def optimum_rows(optimum: OptimumFigures) -> list[tuple[str, ...]]:
    """Return the optima below a header, for a table; a cost that is only a bound is marked."""
    header = ("alpha", "cost", "gradient", "validation cost", "correct", "test cost", "correct")
    return [header, *map(_row, optimum.alphas)]


def _row(row: AlphaFigures) -> tuple[str, ...]:
    return (
        number_text(row.alpha),
        ("" if row.converged else "< ") + f"{row.cost:.4f}",
        f"{row.gradient_norm:.0e}",
        f"{row.val_cost:.4f}",
        f"{100 * row.val_accuracy:.2f} %",
        "-" if row.test_cost is None else f"{row.test_cost:.4f}",
        "-" if row.test_accuracy is None else f"{100 * row.test_accuracy:.2f} %",
    )


def optimum_sentences(summary: Summary) -> list[str]:
    """Say how far the best trial is from its optimum, what that points to, and what is missing."""
    optimum, best = summary.optimum, summary.best
    if not optimum or not best:
        return []
    own = optimum.of(float(best.params["alpha"]))
    lead = min(optimum.alphas, key=lambda row: row.val_cost)
    value = best.cost(summary.readout)
    return [_gap(optimum.best_train_cost, own), _reading(value, own, lead), *_missing(optimum)]


def _gap(train_cost: float | None, own: AlphaFigures) -> str:
    optimum = f"the optimum of its alpha {number_text(own.alpha)}"
    if train_cost is None:
        return f"How far the best trial ends above {optimum} is not known: it has no training cost."
    gap = train_cost - own.cost
    amount = "less than 0.0001" if abs(gap) < 1e-4 else f"{gap:.4f}"
    least, bound = ("", "") if own.converged else ("at least ", _bound(own))
    return (
        f"The best trial ends {least}{amount} above {optimum}: its training cost with the penalty "
        f"is {train_cost:.4f}, the optimum's {own.cost:.4f}{bound}."
    )


def _bound(own: AlphaFigures) -> str:
    return (
        f" or less (Newton's method ended at a gradient of {own.gradient_norm:.0e}, "
        f"{GRADIENT_NORM:.0e} was required)"
    )


def _reading(value: float, own: AlphaFigures, lead: AlphaFigures) -> str:
    """Say which of training and alpha the validation cost points to."""
    there = f"The optimum of alpha {number_text(lead.alpha)} validates best, at {lead.val_cost:.4f}"
    if value <= lead.val_cost:
        return (
            f"{there}, no better than the trial's {value:.4f}: going on to an optimum of these "
            "alphas would not lower the validation cost."
        )
    return (
        f"{there}; the trial's is {value:.4f}, that of its own alpha's optimum "
        f"{own.val_cost:.4f}. {_verdict(value, own.val_cost, lead.val_cost)}"
    )


def _verdict(value: float, own: float, lead: float) -> str:
    by_training, by_alpha = value - own, own - lead
    if by_training <= 0:
        return (
            "That points to the alpha: training on at this one would not lower the validation "
            f"cost, the optimum of the other would, by {value - lead:.4f}."
        )
    parts = (
        f"{by_training:.4f} of the difference is on the way to the optimum, {by_alpha:.4f} between "
        "the alphas."
    )
    if by_training >= by_alpha:
        return (
            "That points to too little training, or to the jitter of its steps, rather than to "
            f"the alpha: {parts}"
        )
    return f"That points to the alpha rather than to too little training: {parts}"


def _missing(optimum: OptimumFigures) -> list[str]:
    count = optimum.without_train_cost
    if not count:
        return []
    whole = count + optimum.with_train_cost
    return [
        f"{count:,} of {whole:,} complete trials have no training cost: a command without "
        "--optimum has trained them, or a run that selects by the other readout."
    ]
