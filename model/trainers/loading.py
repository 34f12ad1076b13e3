"""From the name of a trainer to the trainer."""

import importlib
import re
from typing import Any

from model.errors import TrainerError, told
from model.trainers.trainer import HasModelFile, KeepsPast, TakesSchedules, Trainer

WITH_ESTIMATOR = {
    "partial_fit": "model.trainers.partial_fit:PartialFit",
    "warm_start": "model.trainers.warm_start:WarmStart",
}
"""Trainers of any estimator, whose import path stands behind their name and a colon."""

KNOWN = {
    "softmax": "model.trainers.softmax:Softmax",
    "xgboost": "model.trainers.xgboost:XGBoost",
    "lightgbm": "model.trainers.lightgbm:LightGBM",
}
"""Where the trainers that come with it lie, by their short names."""

_OWN = re.compile(r"([^\W\d]\w*(?:\.[^\W\d]\w*)*):([^\W\d]\w*)")
_PATH = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)+")


def load_trainer(name: str) -> Trainer:
    """Return the trainer of a name.

    Parameters
    ----------
    name : str
        One of `KNOWN`; one of `WITH_ESTIMATOR` with the import path of an estimator, such as
        ``partial_fit:sklearn.linear_model.SGDClassifier``; or ``module:name`` of a subclass of
        `Trainer`, or an object of one. Whatever is named is imported.

    Raises
    ------
    TrainerError
        If there is none of this name, or if it cannot be imported or made.
    """
    before, _, behind = name.partition(":")
    if before in WITH_ESTIMATOR:
        if not _PATH.fullmatch(behind):
            raise TrainerError(
                f"The trainer {name} needs the import path of an estimator after its colon, such "
                f"as {before}:sklearn.neural_network.MLPClassifier."
            )
        return _made(name, _found(name, WITH_ESTIMATOR[before]), _found(name, _colon(behind)))
    if name in KNOWN:
        return _made(name, _found(name, KNOWN[name]))
    if not _OWN.fullmatch(name):
        known = ", ".join([*KNOWN, *(f"{prefix}:ESTIMATOR" for prefix in WITH_ESTIMATOR)])
        raise TrainerError(
            f"There is no trainer {name!r}. Known trainers: {known}. Name your own by its module "
            "and its class, such as mypackage.train:MyTrainer."
        )
    return _made(name, _found(name, name))


def _colon(path: str) -> str:
    module, _, attribute = path.rpartition(".")
    return f"{module}:{attribute}"


def _found(name: str, place: str) -> Any:
    """Return what is at ``module:name``."""
    module, _, attribute = place.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        missing = error.name or module
        if missing == module or module.startswith(f"{missing}."):
            reason = f"there is no module {missing}; its folder must be on PYTHONPATH"
        else:
            reason = f"it needs {missing}, which is not installed"
    except AttributeError:
        reason = f"the module {module} has no {attribute}"
    except Exception as error:  # code of the user's own may raise anything
        reason = f"importing {module} failed: {told(error)}"
    raise TrainerError(f"The trainer {name} cannot be used: {reason}.")


def _made(name: str, found: Any, *arguments: Any) -> Trainer:
    try:
        trainer = found(*arguments) if isinstance(found, type) else found
    except Exception as error:
        raise TrainerError(f"The trainer {name} cannot be made: {told(error)}.") from error
    if not isinstance(trainer, Trainer):
        raise TrainerError(
            f"The trainer {name} is neither a subclass of model.trainers.Trainer "
            "nor an object of one."
        )
    return _declared(name, trainer)


def _declared(name: str, trainer: Trainer) -> Trainer:
    """Refuse a trainer that does not say what it must."""
    version: object = getattr(trainer, "version", None)
    metrics: object = trainer.metrics
    if not isinstance(version, str) or not version:
        problem = 'it has no version; give it one, such as version = "1"'
    elif not (isinstance(metrics, tuple) and all(isinstance(m, str) for m in metrics)):
        problem = f"its metrics are {metrics!r}; they are a tuple of names"
    elif isinstance(trainer, HasModelFile) and not isinstance(_ending(trainer), str):
        problem = 'its model file has no ending; give it one, such as ending = "bin"'
    elif problem_of_schedules := _problem_of_schedules(trainer):
        problem = problem_of_schedules
    elif not {"cost", "accuracy"} <= set(metrics):
        problem = f"its metrics are {', '.join(metrics)}; cost and accuracy must be among them"
    else:
        return trainer
    raise TrainerError(f"The trainer {name} cannot be used: {problem}.")


def _ending(trainer: Trainer) -> object:
    return getattr(trainer, "ending", None)


def _problem_of_schedules(trainer: Trainer) -> str:
    if not isinstance(trainer, TakesSchedules):
        return ""
    live: object = trainer.live
    if not (isinstance(live, tuple) and all(isinstance(name, str) for name in live)):
        return f"its live hyperparameters are {live!r}; they are a tuple of names"
    if "epochs" in live:
        return "epochs cannot be live: it is how long a trial trains"
    if live and isinstance(trainer, KeepsPast):
        # A stage may end between two places at which its state may be cut.
        return "a trainer that keeps its past cannot take schedules; let live be empty"
    return ""
