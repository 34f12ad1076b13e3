"""A trainer of LightGBM's trees."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np
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
_RESERVED = {
    **dict.fromkeys(("num_iterations", "num_boost_round", "n_estimators"), _EPOCHS),
    **dict.fromkeys(
        ("seed", "random_state", "bagging_seed", "feature_fraction_seed", "extra_seed"), _SEED
    ),
    **dict.fromkeys(("objective", "num_class"), _CLASSES),
    "boosting": "only gbdt keeps its past",
    "boosting_type": "only gbdt keeps its past",
    "data_sample_strategy": "goss restarts its count of rounds when a training is continued",
    "early_stopping_round": "a trial has the rounds given by its grid, without early stopping",
}
_NAMES = (
    "bagging_fraction", "bagging_freq", "bin_construct_sample_cnt", "boost_from_average",
    "cegb_penalty_split", "cegb_tradeoff", "colsample_bytree", "enable_bundle", "extra_trees",
    "feature_fraction", "feature_fraction_bynode", "feature_pre_filter", "force_col_wise",
    "force_row_wise", "is_enable_sparse", "is_unbalance", "lambda_l1", "lambda_l2",
    "learning_rate", "max_bin", "max_delta_step", "max_depth", "min_child_samples",
    "min_child_weight", "min_data_in_bin", "min_data_in_leaf", "min_gain_to_split",
    "min_split_gain", "min_sum_hessian_in_leaf", "n_jobs", "neg_bagging_fraction",
    "num_grad_quant_bins", "num_leaves", "num_threads", "path_smooth", "pos_bagging_fraction",
    "quant_train_renew_leaf", "reg_alpha", "reg_lambda", "scale_pos_weight", "sigmoid",
    "stochastic_rounding", "subsample", "subsample_for_bin", "subsample_freq", "use_missing",
    "use_quantized_grad", "zero_as_missing",
)  # fmt: skip
"""LightGBM's own names and those of its LGBMClassifier. It only warns of a name that it does not
know, and what concerns files, single features or other machines is left out."""


@dataclass(frozen=True)
class Model:
    """A model of LightGBM.

    Attributes
    ----------
    text : str
        As LightGBM writes it, which `lightgbm.Booster(model_str=...)` reads.
    iterations : tuple of int
        How many rounds of trees the model has after each round of training. A round that finds
        nothing to split leaves none.
    """

    text: str
    iterations: tuple[int, ...]

    def booster(self) -> lightgbm.Booster:
        """Return LightGBM's own object."""
        return lightgbm.Booster(model_str=self.text)

    def first(self, rounds: int) -> "Model":
        """Return the model of the first rounds; nothing of none."""
        if rounds == len(self.iterations):
            return self
        if not rounds:
            return Model("", ())
        kept = self.iterations[:rounds]
        return Model(self.booster().model_to_string(num_iteration=kept[-1]), kept)


class LightGBM(KeepsPast, OwnFormat, HasModelFile, Predicts):
    """Gradient boosting by LightGBM; an epoch is a round: a tree for each class, or one for two.

    Hyperparameters are LightGBM's own, such as ``learning_rate``, ``num_leaves``,
    ``bagging_fraction`` with ``bagging_freq``, or those of its LGBMClassifier; see
    https://lightgbm.readthedocs.io/en/stable/Parameters.html. As many threads train as a task has
    cores, unless ``num_threads`` or ``n_jobs`` says otherwise.

    LightGBM takes up its random numbers again when a training is continued. So rounds are trained
    in blocks of 25, whoever asks for how many. Each block is seeded by its place and goes on from
    the model as it is written; within it, ``bagging_freq`` counts from its beginning. A range that
    begins within a block trains the block from its beginning.

    A state is written as JSON: ``model`` is LightGBM's text.

    Examples
    --------
    >>> data = Rows(np.arange(60, dtype=np.float32)[:, None], np.arange(60) // 30, n_classes=2)
    >>> trainer, params = LightGBM(), {"bagging_fraction": 0.5, "bagging_freq": 1}
    >>> state = trainer.advance(None, params, range(0, 30), data)
    >>> alone = trainer.advance(None, params, range(0, 7), data)
    >>> trainer.score_at(state, 7, data) == trainer.score(alone, data)
    True
    """

    version = "1"
    grain = 25
    ending = "txt"

    def advance(self, state: Model | None, params: Params, epochs: range, data: Rows) -> Model:
        """Return the model with some more rounds."""
        settings = _settings(params, data.n_classes, _seed(data.rng()), data.threads)
        rows = lightgbm.Dataset(
            data.X, data.y, weight=data.weights, params=settings, free_raw_data=False
        )
        start = epochs.start // self.grain * self.grain
        model = Model("", ()) if state is None else state.first(start)
        for begin in range(start, epochs.stop, self.grain):
            end = min(begin + self.grain, epochs.stop)
            model = _block(model, settings, rows, end - begin, _seed(data.rng(begin)))
        return model

    def score(self, state: Model, data: Rows) -> dict[str, float]:
        """Return the cost and the accuracy."""
        return self.score_at(state, len(state.iterations), data)

    def score_at(self, state: Model, epoch: int, data: Rows) -> dict[str, float]:
        """Return the cost and the accuracy of the first rounds."""
        return classification_figures(_probabilities(state, epoch, data), data)

    def probabilities(self, state: Model, data: Rows) -> NDArray[np.floating]:
        """Return the probability of each class."""
        return _probabilities(state, len(state.iterations), data)

    def dump(self, state: Model) -> bytes:
        """Return the model as JSON."""
        return json.dumps({"iterations": state.iterations, "model": state.text}).encode()

    def load(self, content: bytes) -> Model:
        """Return the model."""
        found = json.loads(content)
        return Model(found["model"], tuple(found["iterations"]))

    def model_file(self, state: Model, features: Features, classes: Sequence[Any]) -> bytes:
        """Return LightGBM's text; it has no place for the labels, whose numbers it predicts."""
        del classes
        refuse_transformed("LightGBM", features)
        return state.text.encode()

    def check(self, params: Params) -> None:
        """Refuse what LightGBM does not take or does not know: it trains a model of a few rows."""
        check_names("LightGBM", params, _NAMES, _RESERVED)
        y = np.arange(60) % 3
        rows = Rows(np.arange(120, dtype=np.float32).reshape(60, 2), y, 3)
        try:
            self.advance(None, params, range(1), rows)
        except (lightgbm.basic.LightGBMError, TypeError, ValueError) as error:
            raise ValueError(f"LightGBM refuses: {str(error).splitlines()[0]}") from error


def _probabilities(model: Model, rounds: int, data: Rows) -> NDArray[np.floating]:
    """Return what the first rounds of a model say."""
    iterations = model.iterations[rounds - 1]
    found = np.asarray(
        model.booster().predict(data.X, num_iteration=iterations, num_threads=data.threads)
    )
    return np.column_stack([1 - found, found]) if found.ndim == 1 else found


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def _settings(params: Params, n_classes: int, seed: int, threads: int) -> dict[str, Any]:
    objective = (
        {"objective": "binary"}
        if n_classes == 2
        else {"objective": "multiclass", "num_class": n_classes}
    )
    cores = {} if {"num_threads", "n_jobs"} & set(params) else {"num_threads": threads}
    # Otherwise LightGBM measures which of the two is faster, and they add in different orders.
    way = {} if {"force_col_wise", "force_row_wise"} & set(params) else {"force_col_wise": True}
    return {
        **params,
        **objective,
        **cores,
        **way,
        "deterministic": True,
        "data_random_seed": seed,  # of the bins, which all blocks share
        "verbosity": -1,
    }


def _block(
    model: Model,
    settings: dict[str, Any],
    rows: lightgbm.Dataset,
    rounds: int,
    seed: int,
) -> Model:
    """Return a model with some more rounds, whose random numbers begin again."""
    iterations: list[int] = list(model.iterations)
    names = ("bagging_seed", "feature_fraction_seed", "extra_seed", "objective_seed")
    booster = lightgbm.train(
        settings | dict.fromkeys(names, seed),
        rows,
        num_boost_round=rounds,
        init_model=model.booster() if model.text else None,
        callbacks=[lambda env: iterations.append(env.model.current_iteration())],
    )
    return Model(booster.model_to_string(num_iteration=-1), tuple(iterations))
