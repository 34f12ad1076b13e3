"""A trainer of XGBoost's trees."""

import json
import re
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray

from model.features import Features
from model.trainers.estimators import check_names
from model.trainers.figures import classification_figures
from model.trainers.rows import Rows
from model.trainers.trainer import (
    HasModelFile,
    KeepsPast,
    OwnFormat,
    Params,
    Predicts,
    refuse_transformed,
)

_EPOCHS = "the number of rounds is the trial's epochs"
_SEED = "the seed of the training is used"
_CLASSES = "it follows from the classes of the data set"
_STOPS = "a trial has the rounds given by its grid, without early stopping"
_RESERVED = {
    "num_boost_round": _EPOCHS,
    "n_estimators": _EPOCHS,
    "seed": _SEED,
    "random_state": _SEED,
    "seed_per_iteration": _SEED,
    "objective": _CLASSES,
    "num_class": _CLASSES,
    "eval_metric": "the cost is the cross-entropy",
    "early_stopping_rounds": _STOPS,
    "process_type": "trees are added, never changed",
    "verbosity": "nobody would read it",
}
_OF_FEATURES = {"monotone_constraints", "interaction_constraints"}
"""What only the features of the data set can show to be wrong."""


class XGBoost(KeepsPast, OwnFormat, HasModelFile, Predicts):
    """Gradient boosting by XGBoost; an epoch is a round: a tree for each class, or one for two.

    Hyperparameters are XGBoost's own, such as ``learning_rate``, ``max_depth``, ``subsample``; see
    https://xgboost.readthedocs.io/en/stable/parameter.html. As many threads
    train as a task has cores, unless ``n_jobs`` says otherwise.

    XGBoost takes up its random numbers again when a training is continued: cut at another place,
    ``subsample`` draws other rows and gives other trees. So rounds are trained in blocks of 25,
    whoever asks for how many. Each block is seeded by its place and goes on from the model as it
    is written. A range that begins within a block trains the block from its beginning.

    A state is XGBoost's binary JSON, which `xgboost.Booster.load_model` reads.

    Examples
    --------
    >>> data = Rows(np.arange(20, dtype=np.float32)[:, None], np.arange(20) // 10, n_classes=2)
    >>> trainer, params = XGBoost(), {"subsample": 0.5}
    >>> state = trainer.advance(None, params, range(0, 30), data)
    >>> alone = trainer.advance(None, params, range(0, 7), data)
    >>> trainer.score_at(state, 7, data) == trainer.score(alone, data)
    True
    """

    version = "1"
    grain = 25
    ending = "ubj"

    def advance(self, state: bytes | None, params: Params, epochs: range, data: Rows) -> bytes:
        """Return the model with some more rounds."""
        settings = _settings(params, data.n_classes, data.threads)
        rows = _matrix(settings, data)
        start = epochs.start // self.grain * self.grain
        model = b"" if state is None else _first(state, start)
        for begin in range(start, epochs.stop, self.grain):
            seed = int(data.rng(begin).integers(2**31))
            rounds = min(self.grain, epochs.stop - begin)
            before = bytearray(model) if model else None
            booster = xgboost.train(settings | {"seed": seed}, rows, rounds, xgb_model=before)
            model = bytes(booster.save_raw("ubj"))
        return model

    def score(self, state: bytes, data: Rows) -> dict[str, float]:
        """Return the cost and the accuracy."""
        return self.score_at(state, 0, data)  # to XGBoost, 0 is the end of the model

    def score_at(self, state: bytes, epoch: int, data: Rows) -> dict[str, float]:
        """Return the cost and the accuracy of the first rounds."""
        return classification_figures(_probabilities(state, epoch, data), data)

    def probabilities(self, state: bytes, data: Rows) -> NDArray[np.floating]:
        """Return the probability of each class."""
        return _probabilities(state, 0, data)

    def dump(self, state: bytes) -> bytes:
        """Return the model: a state is its bytes."""
        return state

    def load(self, content: bytes) -> bytes:
        """Return the model."""
        return content

    def model_file(self, state: bytes, features: Features, classes: Sequence[Any]) -> bytes:
        """Return the model in binary JSON; its attribute ``classes`` has the labels as JSON."""
        refuse_transformed("XGBoost", features)
        booster = _loaded(state)
        booster.set_attr(classes=json.dumps(list(classes)))
        return bytes(booster.save_raw("ubj"))

    def check(self, params: Params) -> None:
        """Refuse what XGBoost does not take or does not know: it trains a model of a few rows."""
        check_names("XGBoost", params, params, _RESERVED)
        if params.get("booster", "gbtree") != "gbtree":
            raise ValueError(
                f"booster must be gbtree, and is {params['booster']!r}: the first rounds of "
                "another are not the model of so many rounds."
            )
        tried = {name: value for name, value in params.items() if name not in _OF_FEATURES}
        # Some parameters are of two classes alone, some of more.
        unknown = _unknown(tried, 2) & _unknown(tried, 3)
        if unknown:
            raise ValueError(
                f"XGBoost does not know {', '.join(sorted(unknown))}, or does not use it with "
                "the others; find the names from xgboost.readthedocs.io/en/stable/parameter.html."
            )


def _probabilities(model: bytes, rounds: int, data: Rows) -> NDArray[np.floating]:
    """Return what the first rounds of a model say, all of them of none."""
    found = _loaded(model).inplace_predict(data.X, iteration_range=(0, rounds))
    return np.column_stack([1 - found, found]) if found.ndim == 1 else found


def _settings(params: Params, n_classes: int, threads: int) -> dict[str, Any]:
    objective = (
        {"objective": "binary:logistic"}
        if n_classes == 2
        else {"objective": "multi:softprob", "num_class": n_classes}
    )
    cores = {} if {"nthread", "n_jobs"} & set(params) else {"nthread": threads}
    return {**params, **objective, **cores, "verbosity": 0}


def _matrix(settings: dict[str, Any], data: Rows) -> xgboost.DMatrix:
    threads = int(settings.get("nthread", settings.get("n_jobs", 1)))
    if settings.get("tree_method", "hist") in {"hist", "auto"}:
        bins = int(settings.get("max_bin", 256))
        return xgboost.QuantileDMatrix(
            data.X, data.y, weight=data.weights, max_bin=bins, nthread=threads
        )
    return xgboost.DMatrix(data.X, data.y, weight=data.weights, nthread=threads)


def _loaded(model: bytes) -> xgboost.Booster:
    return xgboost.Booster({"nthread": 1}, model_file=bytearray(model))


def _first(model: bytes, rounds: int) -> bytes:
    """Return the model of the first rounds; nothing of none."""
    booster = _loaded(model)
    if rounds == booster.num_boosted_rounds():
        return model
    return bytes(booster[:rounds].save_raw("ubj")) if rounds else b""


def _unknown(params: Params, n_classes: int) -> set[str]:
    """Return the parameters that XGBoost has not used for a model of a few rows."""
    y = np.arange(12) % n_classes
    rows = Rows(np.arange(24, dtype=np.float32).reshape(12, 2), y, n_classes)
    settings = _settings(params, n_classes, 1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            xgboost.train(settings | {"verbosity": 1}, _matrix(settings, rows), 1)
        except (xgboost.core.XGBoostError, TypeError, ValueError) as error:
            raise ValueError(f"XGBoost refuses: {str(error).splitlines()[0]}.") from error
    unused = [str(one.message) for one in caught if "are not used" in str(one.message)]
    return set(re.findall(r'"(\w+)"', " ".join(unused)))
