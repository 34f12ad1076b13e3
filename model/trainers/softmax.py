"""The project's own trainer behind the protocol of all: softmax regression, packed.

Sweeps call its kernels without this detour, by `model.tasks`: they share Gram matrices with the
averaged readout and the resamples, which other trainers do not have. Here it is checked as any.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.metrics import metrics_of_columns, probabilities_of_column
from model.pack import PackState, advance
from model.scoring import score
from model.softmax import share
from model.trainers.estimators import check_names
from model.trainers.rows import Rows
from model.trainers.trainer import Packs, Params, Predicts, State, TakesSchedules

_NAMES = ("batch_size", "learning_rate", "alpha")


class Softmax(Packs, TakesSchedules, Predicts):
    """Softmax regression by mini-batches, with L2 strength `alpha`."""

    version = "1"
    pack_by = ("batch_size",)
    live = ("learning_rate", "alpha")
    # Wider packs add float32 numbers in another order.
    tolerance = 1e-4

    def check(self, params: Params) -> None:
        """Refuse other hyperparameters than its own three."""
        check_names("softmax", params, _NAMES, {})
        missing = [name for name in _NAMES if name not in params]
        if missing:
            raise ValueError(f"{', '.join(missing)} must be given")

    def advance(self, state: State | None, params: Params, epochs: range, data: Rows) -> State:
        """Train one model."""
        (after,) = self.advance_pack([state], [params], epochs, data)
        return after

    def advance_pack(
        self,
        states: Sequence[State | None],
        params: Sequence[Params],
        epochs: range,
        data: Rows,
    ) -> Sequence[State]:
        """Train models of the same batch size in common products."""
        given = [
            _start(mine, data) if state is None else replace(state, **_live(mine))
            for state, mine in zip(states, params, strict=True)
        ]
        weights = None if data.weights is None else data.weights.astype(np.float32)
        after = advance(_joined(given), data.X, data.y, epochs.stop, weights=weights)
        return [after.take(np.array([m])) for m in range(after.width)]

    def score(self, state: State, data: Rows) -> Mapping[str, float]:
        """Return cost and accuracy, and what else is asked for."""
        found = score(state, data.X, data.y, weights=data.weights)
        others = metrics_of_columns(state, data.X, data.y, data.weights, data.metrics)
        return {
            "cost": float(found.cost[0]),
            "accuracy": share(self.predict(state, data) == data.y, data.weights),
            **{name: float(values[0]) for name, values in others.items()},
        }

    def probabilities(self, state: State, data: Rows) -> NDArray[np.floating]:
        """Return the probability of each class."""
        return probabilities_of_column(state, data.X)


def _live(params: Params) -> dict[str, Any]:
    return {name: np.array([params[name]], np.float64) for name in Softmax.live}


def _start(params: Params, data: Rows) -> PackState:
    return PackState.start(
        int(params["batch_size"]),
        **_live(params),
        n_features=data.X.shape[1],
        n_classes=data.n_classes,
        seed=data.seed,
    )


def _joined(states: Sequence[PackState]) -> PackState:
    """Return single columns as one pack."""
    K = len(states[0].b)
    return replace(
        states[0],
        learning_rate=np.concatenate([state.learning_rate for state in states]),
        alpha=np.concatenate([state.alpha for state in states]),
        V=np.stack([state.V.reshape(-1, K) for state in states], axis=2).reshape(
            len(states[0].V), -1
        ),
        scale=np.concatenate([state.scale for state in states]),
        b=np.concatenate([state.b for state in states], axis=1),
    )
