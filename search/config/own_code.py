"""Whether a name in the settings imports the user's own code, or code of this program."""

from model.trainers import KNOWN, WITH_ESTIMATOR

_OPTUNA = ("optuna.samplers.", "optuna.pruners.")
"""The beginnings of the import paths of Optuna's own samplers and pruners."""


def is_own_trainer(name: str) -> bool:
    """Whether a trainer is none of this program's, nor of a library that it has an extra of.

    An estimator of scikit-learn is none of the user's own code either.
    """
    before, _, estimator = name.partition(":")
    return name not in KNOWN and not (before in WITH_ESTIMATOR and estimator.startswith("sklearn."))


def is_own_method(name: str) -> bool:
    """Whether a sampler or a pruner is an import path of another one than Optuna's own."""
    return "." in name and not name.startswith(_OPTUNA)
