"""What other trainers than the softmax trainer have left, as files of their libraries."""

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from model.trainers import FinalState, HasModelFile
from search.errors import ModelFileError
from search.portable.preparing import preparing
from search.portable.scikit_learn import joblib_bytes
from search.portable.winner import Winner

# Rows on which an estimator with other labels is compared with what it was.
_PROBES = 64


def ending_of(winner: Winner) -> str | None:
    """Return the ending of the files that a trainer's library has for its models; None without.

    Raises
    ------
    ModelFileError
        If the trainer is not trusted.
    """
    trainer, _ = winner.opened
    if isinstance(trainer, HasModelFile):
        return trainer.ending
    return "joblib" if hasattr(trainer, "estimator_class") else None


def model_file(winner: Winner) -> bytes:
    """Return the file of a trainer's library.

    Raises
    ------
    ModelFileError
        If it cannot hold what the model needs.
    """
    trainer, state = winner.opened
    if not isinstance(trainer, HasModelFile):
        return joblib_bytes(_pipeline(winner, state))
    if winner.fill is not None or any(column.categories for column in winner.columns):
        what = "missing values" if winner.fill is not None else "columns of text"
        raise ModelFileError(
            f"The model takes rows whose {what} are replaced by numbers, for which a file of "
            f"{winner.summary.trainer} has no place. Replace them in the data set, and run again."
        )
    try:
        return trainer.model_file(state, winner.features, winner.classes)
    except ValueError as error:
        raise ModelFileError(f"The model cannot be written: {error}.") from error
    except MemoryError:
        raise
    except Exception as error:  # code of the user's own may raise anything
        raise ModelFileError(
            f"The trainer {winner.summary.trainer} cannot write its model: "
            f"{type(error).__name__}: {error}."
        ) from error


def _pipeline(winner: Winner, estimator: Any) -> Pipeline:
    """Return the estimator behind what it was trained on: encoded, scaled, and in float32."""
    n = estimator.n_features_in_
    scaled = None if winner.features.changes_nothing else winner.features
    rounding = FunctionTransformer(np.asarray, kw_args={"dtype": np.float32})
    return Pipeline([
        *preparing(n, winner.columns, winner.feature_names, winner.fill, scaled),
        ("float32", rounding.fit(np.zeros((1, n)))),
        ("classify", _relabelled(winner.model, estimator)),
    ])  # fmt: skip


def _relabelled(model: Any, estimator: Any) -> Any:
    """Return an estimator that predicts the user's labels, not their numbers.

    Raises
    ------
    ModelFileError
        If it does not do so.
    """
    assert isinstance(model, FinalState)  # noqa: S101 - for the type checker
    labels = np.asarray(model.classes)
    if np.array_equal(labels, np.arange(len(labels))) and labels.dtype.kind == "i":
        return estimator
    found = copy.deepcopy(estimator)
    # The second is where networks keep theirs.
    holders: tuple[Any, ...] = (found, getattr(found, "_label_binarizer", None))
    for holder in holders:
        if hasattr(holder, "classes_"):
            holder.classes_ = labels[holder.classes_]
    rows = _probes(estimator.n_features_in_)
    if not np.array_equal(found.predict(rows), labels[estimator.predict(rows)]):
        raise ModelFileError(
            f"{type(estimator).__name__} does not take other labels once it is fitted. Give the "
            f"classes the numbers 0 to {len(labels) - 1} in the data set, and run again."
        )
    return found


def _probes(n_features: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).gamma(1.0, 1.0, (_PROBES, n_features)).astype(np.float32)
