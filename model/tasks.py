"""The tasks of a worker: one link of a pack, or the final training."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.examples import AVERAGE, LAST, Examples
from model.features import Features
from model.metrics import metrics_of_columns
from model.pack import PackState, advance, advance_averaging
from model.results import LegResult, LegTask, LinkResult
from model.scoring import Scores, compile_kernels, penalty, score

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


def run_link(
    examples: Examples,
    state: PackState,
    columns: I64,
    legs: Sequence[LegTask],
    replicate: int = 0,
) -> LinkResult:
    """Train a pack leg by leg, dropping the columns that go no further.

    Parameters
    ----------
    examples : Examples
        The rows.
    state : PackState
        The state that the pack starts from.
    columns : ndarray of int64
        The pack's columns that the state has, increasing.
    legs : sequence of LegTask
        At least one; each trains some columns of the one before.
    replicate : int
        The replicate that the pack belongs to; it says which rows train and score.
    """
    compile_kernels(examples.products)  # loads them, which is not training and not in its seconds
    started_at, first = time.time(), state.epoch
    results, before = [], (began := time.perf_counter())
    for leg in legs:
        state = state.take(np.searchsorted(columns, leg.columns))
        columns = leg.columns
        state, scores, train_cost, metrics = _run_leg(examples, state, leg, replicate)
        now = time.perf_counter()
        results.append(LegResult(scores, now - before, train_cost, metrics))
        before = now
    finished_at = started_at + (before - began)
    return LinkResult(state, tuple(results), started_at, finished_at, state.epoch - first)


def _run_leg(
    examples: Examples, state: PackState, leg: LegTask, replicate: int
) -> tuple[PackState, dict[str, Scores], F64 | None, dict[str, F64]]:
    """Return the state at the end of a leg, its scores, its training cost and other metrics."""
    sample = examples.training(replicate)
    X, y, rows, weights = sample.X, sample.y, sample.rows, sample.row_weights
    way = examples.way
    if not len(leg.scored):
        return advance(state, X, y, leg.epoch, rows, weights, way), {}, None, {}
    state, average = advance_averaging(state, X, y, leg.epoch, rows, weights, way)
    places = np.searchsorted(leg.columns, leg.scored)
    readouts = {LAST: state.take(places), AVERAGE: average.take(places)}
    scores = _scores(examples, replicate, readouts)
    selecting, scoring = readouts[examples.select], examples.validation(replicate)
    metrics = metrics_of_columns(
        selecting, scoring.X, scoring.y, scoring.weights, examples.metrics, way
    )
    return state, scores, _train_cost(examples, selecting), metrics


def _scores(
    examples: Examples, replicate: int, readouts: dict[str, PackState]
) -> dict[str, Scores]:
    """Score each readout on the validation rows, and the one that selects on resamples too."""
    scoring = examples.validation(replicate)
    counts = {examples.select: examples.counts}
    return {
        name: score(state, scoring.X, scoring.y, counts.get(name), scoring.weights, examples.way)
        for name, state in readouts.items()
    }


def _train_cost(examples: Examples, state: PackState) -> F64 | None:
    """Return the cost that training descends: on the training rows, penalty included."""
    if not examples.train_costs:
        return None
    training = examples.training(0)
    way = examples.way
    cost = score(state, training.X, training.y, weights=training.weights, products=way).cost
    penalised: F64 = cost + penalty(state, alike=way.alike)
    return penalised


@dataclass(frozen=True)
class Refit:
    """The result of a final training.

    Attributes
    ----------
    states : dict of str to PackState
        One column each, by readout.
    features : Features
        The map from the source's values to what was trained on.
    """

    states: dict[str, PackState]
    features: Features


def run_refit(examples: Examples, params: Mapping[str, Any], seed: int) -> Refit:
    """Train the winner on all rows, training and validation together.

    Parameters
    ----------
    examples : Examples
        The rows.
    params : mapping
        The winner's ``batch_size``, ``learning_rate``, ``epochs`` and ``alpha``.
    seed : int
        The seed of the shuffles.
    """
    sample = examples.all()
    state = PackState.start(
        params["batch_size"],
        np.array([params["learning_rate"]]),
        np.array([params["alpha"]]),
        n_features=sample.X.shape[1],
        n_classes=examples.n_classes,
        seed=seed,
    )
    last, average = advance_averaging(
        state, sample.X, sample.y, params["epochs"], weights=sample.row_weights,
        products=examples.way,
    )  # fmt: skip
    return Refit({LAST: last, AVERAGE: average}, examples.features)
