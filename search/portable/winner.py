"""The final model of a finished run, with what is known of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.data.encoding import Encoding
from model.errors import PacksweepError
from model.features import Features
from model.softmax import SoftmaxRegression
from model.trainers import KNOWN, FinalState, State, Trainer
from search.command import program
from search.config import SweepConfig
from search.errors import ModelFileError, NoResultError, RunFolderError
from search.record import Manifest, RunFolder, Summary
from search.result import why_no_result
from search.storage import Place


@dataclass(frozen=True, eq=False)
class Winner:
    """The final model of a run.

    Attributes
    ----------
    model : SoftmaxRegression or FinalState
        The latter of another trainer than the softmax trainer.
    summary : Summary
    manifest : Manifest
    config : SweepConfig
    trusted : bool
        Whether code that the run names or holds may run.
    """

    model: SoftmaxRegression | FinalState
    summary: Summary
    manifest: Manifest
    config: SweepConfig
    trusted: bool = False

    @property
    def classes(self) -> list[Any]:
        """The labels as their user writes them, in the order of the classes."""
        found: list[Any] = np.asarray(self.model.classes).tolist()
        return found

    @property
    def feature_names(self) -> Sequence[str]:
        """Name of each feature; empty where they have none."""
        return self.model.feature_names

    @property
    def columns(self) -> Sequence[Encoding]:
        """How the columns of a table become the features; empty where it was not a table."""
        return self.model.columns

    @property
    def features(self) -> Features:
        """The transform of the rows with which it was trained."""
        return self.model.features

    @property
    def fill(self) -> NDArray[np.float64] | None:
        """The value that replaces a missing value of each feature."""
        return self.model.fill

    @cached_property
    def opened(self) -> tuple[Trainer, State]:
        """The trainer and its state, of another trainer than the softmax trainer.

        Raises
        ------
        ModelFileError
            If opening them runs code and the run is not trusted, or if that fails.
        """
        if not isinstance(self.model, FinalState):
            raise TypeError("the softmax trainer's model is not a state")
        name = self.model.trainer
        if name not in KNOWN and not self.trusted:
            raise ModelFileError(
                f"Opening the model of trainer {name} runs code (its module, or a pickle in the "
                "run). Add --trust if you trust whoever made this run."
            )
        try:
            return self.model.open()
        except (PacksweepError, MemoryError):
            raise
        except Exception as error:  # a pickle may raise anything
            raise ModelFileError(
                f"What the trainer {name} has left cannot be opened: {type(error).__name__}: "
                f"{error}. The libraries of the run are in its manifest.json; install the same."
            ) from error


def load_winner(run: Place, *, trusted: bool = False) -> Winner:
    """Read the final model of a finished run.

    Parameters
    ----------
    run : Path or RemotePath
        The run's folder.
    trusted : bool
        Whether code that the run names or holds may run.

    Raises
    ------
    RunFolderError
        If there is no run, or it is not finished.
    NoResultError
        If no trial of it has a result.
    DataError
        If the file of the model was changed or taken away.
    StoreError
        If the run cannot be read.
    """
    folder = RunFolder(run)
    manifest, summary = folder.existing_manifest(), folder.read_summary()
    if summary is None:
        raise RunFolderError(
            f"The run in {run} is not finished, so it has no final model yet. Finish it with "
            f"{program('run')} --resume {run}."
        )
    config = manifest.sweep_config
    if summary.best is None:
        raise NoResultError(
            f"The run in {run} has no final model. {why_no_result(summary, config.axes_by_name)}"
        )
    model = _model(folder, is_softmax=config.trainer.is_softmax)
    return Winner(model, summary, manifest, config, trusted)


def _model(folder: RunFolder, *, is_softmax: bool) -> SoftmaxRegression | FinalState:
    seal = folder.seal(folder.model)
    if not is_softmax:
        return FinalState.load(folder.model, seal)
    model = SoftmaxRegression.load(folder.model, seal)
    if not (np.isfinite(model.W).all() and np.isfinite(model.b).all()):
        raise ModelFileError(
            "The final training of this run has diverged: its weights are not finite numbers. Run "
            "it again with smaller learning rates."
        )
    return model
