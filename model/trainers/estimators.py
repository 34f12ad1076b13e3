"""What the trainers of scikit-learn's estimators share: their parameters and their figures."""

import difflib
import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from model.errors import cut
from model.thread_limits import limited_threads
from model.trainers.figures import classification_figures
from model.trainers.rows import Rows
from model.trainers.trainer import Params, Predicts


def names_of(estimator_class: type) -> tuple[str, ...]:
    """Return the names of what an estimator is made with."""
    return tuple(inspect.signature(estimator_class).parameters)


def made(estimator_class: type, params: Params, **more: Any) -> Any:
    """Return an estimator with these parameters, and more where it has such."""
    known = {name: value for name, value in more.items() if name in names_of(estimator_class)}
    return estimator_class(**params, **known)


def check_names(
    owner: str, params: Params, names: Iterable[str], reserved: Mapping[str, str]
) -> None:
    """Refuse parameters that an owner does not have, or that are not the user's to set.

    Parameters
    ----------
    owner : str
        Who has them, for the message.
    params : mapping
    names : iterable of str
        All parameters of the estimator.
    reserved : mapping of str to str
        Parameters that users may not set, with the reason as the second half of a sentence.

    Raises
    ------
    ValueError
    """
    allowed = [name for name in names if name not in reserved]
    for name in params:
        if name in reserved:
            raise ValueError(f"{name} cannot be set: {reserved[name]}.")
        if name not in allowed:
            close = difflib.get_close_matches(name, allowed, n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            known = f" It has {', '.join(allowed)}." if allowed else " It has none."
            raise ValueError(f"{owner} has no parameter {name}.{hint}{known}")


def check_values(estimator_class: type, params: Params) -> Any:
    """Return an estimator with these parameters, if it takes their values.

    Raises
    ------
    ValueError
        If it refuses them. scikit-learn's own estimators can be asked before they are trained.
    """
    try:
        estimator = made(estimator_class, params)
        validate = getattr(estimator, "_validate_params", None)
        if validate is not None:
            validate()
    except TypeError as error:
        raise ValueError(
            f"{estimator_class.__name__} cannot be made: {cut(str(error))}."
        ) from error
    return estimator


def figures_of(estimator: Any, data: Rows) -> dict[str, float]:
    """Return the cost and the accuracy of a fitted estimator: that of what it predicts."""
    found = probabilities(estimator, data.X, data.n_classes)
    return classification_figures(found, data, estimator.predict(data.X))


def probabilities(estimator: Any, X: NDArray[np.float32], n_classes: int) -> NDArray[np.floating]:
    """Return the probability of each class for each row; of a class it has not seen zero.

    An estimator without probabilities is read by the softmax of its decision function, with a
    margin of its own for each class; of two classes, the first has the margin 0.

    Returns
    -------
    ndarray of shape (n, n_classes)
    """
    if hasattr(estimator, "predict_proba"):
        found = estimator.predict_proba(X)
    else:
        margins = estimator.decision_function(X)
        if margins.ndim == 1:
            margins = np.column_stack([np.zeros_like(margins), margins])
        found = softmax(margins, axis=1)
    return of_all_classes(found, estimator.classes_, n_classes)


class FromEstimator(Predicts):
    """A trainer whose states are fitted estimators, which say what they predict."""

    def probabilities(self, state: Any, data: Rows) -> NDArray[np.floating]:
        """Return the probability of each class for each row."""
        with limited_threads(data.threads):
            return probabilities(state, data.X, data.n_classes)

    def predict(self, state: Any, data: Rows) -> NDArray[np.integer]:
        """Return what the estimator predicts, by margins or sums of trees if it goes by those."""
        with limited_threads(data.threads):
            found: NDArray[np.integer] = state.predict(data.X)
        return found


def of_all_classes(
    found: NDArray[np.floating], classes: NDArray[np.integer], n_classes: int
) -> NDArray[np.floating]:
    """Return probabilities of some classes as those of all."""
    if len(classes) == n_classes:
        return found
    whole = np.zeros((len(found), n_classes), found.dtype)
    whole[:, classes] = found
    return whole
