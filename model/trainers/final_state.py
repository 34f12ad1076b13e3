"""The result of a trainer's final training, as a file."""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Self
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from model.data.encoding import Encoding, encodings_of, encodings_text
from model.errors import DataError, TrainerError
from model.features import Features
from model.given_rows import complete, shaped
from model.seal import Openable, Seal, damage, sealed_archive
from model.trainers.loading import load_trainer
from model.trainers.rows import Rows
from model.trainers.states import loaded
from model.trainers.trainer import Predicts, State, Trainer

_VERSION = 1
_DAMAGE = (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile, zlib.error)


@dataclass(frozen=True)
class FinalState:
    """The state of a trainer that was trained on all rows.

    Attributes
    ----------
    trainer, version : str
        The trainer's name, as `load_trainer` takes it, and its version.
    params : dict of str to value
        The hyperparameters, but for the epochs.
    epochs, seed : int
    features : Features
        The map from the source's values to what was trained on.
    content : bytes
        The state, as the trainer writes it.
    classes : tuple
        The classes as their user writes them, in the order of the trainer's numbers.
    figures : dict of str to float
        The metrics on the test rows; empty without any.
    feature_names : tuple of str
        Name of each feature of the rows; empty where they have none.
    fill : ndarray of shape (D,), float64, or None
        The value that replaces a missing value of each feature; None where none may be missing.
    columns : tuple of Encoding
        How the columns of a table become the features; empty where it was not a table.
    n_features : int or None
        The number D of features of a row; None where an earlier version has not written it.
    error : str or None
        Why there is no state, where the trainer has failed.
    """

    trainer: str
    version: str
    params: Mapping[str, Any]
    epochs: int
    seed: int
    features: Features
    content: bytes
    classes: tuple[Any, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)
    feature_names: tuple[str, ...] = ()
    fill: NDArray[np.float64] | None = None
    columns: tuple[Encoding, ...] = ()
    n_features: int | None = None
    error: str | None = None

    def sealed(self, seal: Seal) -> bytes:
        """Return it as an npz file with a seal."""
        about = {
            "version": _VERSION,
            "trainer": [self.trainer, self.version],
            "params": dict(self.params),
            "epochs": self.epochs,
            "seed": self.seed,
            "classes": self.classes,
            "figures": dict(self.figures),
            "feature_names": self.feature_names,
            "columns": encodings_text(self.columns),
            "n_features": self.n_features,
        }
        optional: dict[str, Any] = {} if self.fill is None else {"fill": self.fill}
        archive = BytesIO()
        np.savez(
            archive,
            about=json.dumps(about),
            shift=self.features.shift,
            scale=self.features.scale,
            state=np.frombuffer(self.content, np.uint8),
            **optional,
        )
        return sealed_archive(archive, seal)

    @classmethod
    def load(cls, path: Openable, seal: Seal | None = None) -> Self:
        """Read a run's best_model.npz; the state itself is not looked at before `open`.

        Parameters
        ----------
        path : Path or RemotePath
        seal : Seal, optional
            The seal that the file must have; by default any.

        Raises
        ------
        DataError
            If it is no such file, or if a byte of it was changed.
        """
        try:
            with path.open("rb") as file:
                content = file.read()
            if problem := seal.problem(content) if seal else damage(content):
                raise ValueError(problem)
            with np.load(BytesIO(content), allow_pickle=False) as saved:
                return cls._of({name: saved[name] for name in saved.files})
        except _DAMAGE as error:
            raise DataError(
                f"{path} is not what another trainer than softmax has left ({error}); give the "
                "best_model.npz of a run with --trainer."
            ) from error

    @classmethod
    def _of(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        about = json.loads(str(arrays["about"]))
        name, version = about["trainer"]
        return cls(
            name, version, about["params"], about["epochs"], about["seed"],
            Features(arrays["shift"], arrays["scale"]), arrays["state"].tobytes(),
            tuple(about["classes"]), about["figures"], tuple(about.get("feature_names", ())),
            arrays.get("fill"), encodings_of(about.get("columns", "[]")),
            about.get("n_features"),
        )  # fmt: skip

    def open(self) -> tuple[Trainer, State]:
        """Return the trainer and its state, such as a fitted estimator.

        A state that has no format of its own is unpickled, which runs the code of whoever wrote it:
        open only what you trust.

        Raises
        ------
        TrainerError
            If the trainer cannot be imported.
        """
        trainer = load_trainer(self.trainer)
        return trainer, loaded(trainer, self.content)

    def predict(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return the label that the model gives each row, shape (n,).

        It opens the state, as `open` does.

        Parameters
        ----------
        X : ndarray of shape (n, D)
            Rows as the source of the training rows has them.

        Raises
        ------
        DataError
            If rows have another number of features, or hold what is not a finite number.
        TrainerError
            If the trainer does not predict, or cannot be imported.
        """
        return self.predictions(X, *self.open())[0]

    def predict_proba(self, X: NDArray[Any]) -> NDArray[np.floating]:
        """Return class probabilities, shape (n, c), of rows X as `predict` takes them."""
        return self.predictions(X, *self.open())[1]

    def predictions(
        self, X: NDArray[Any], trainer: Trainer, state: State
    ) -> tuple[NDArray[Any], NDArray[np.floating]]:
        """Return labels and probabilities of rows by what `open` has returned.

        Raises
        ------
        DataError
            If rows have another number of features, or hold what is not a finite number.
        TrainerError
            If the trainer does not predict.
        """
        if not isinstance(trainer, Predicts):
            raise TrainerError(
                f"The trainer {self.trainer} does not say what its model takes a row for: let it "
                "be a model.trainers.Predicts, or ask its state, which "
                "model.trainers.FinalState.load(path).open() returns."
            )
        X = np.asarray(X)
        X = complete(shaped(X, self.n_features or int(np.prod(X.shape[1:]))), self.fill)
        rows = self.rows(X, np.zeros(len(X), np.int64))
        labels = np.asarray(self.classes)
        return labels[trainer.predict(state, rows)], trainer.probabilities(state, rows)

    def rows(self, X: NDArray[Any], y: NDArray[np.int64], weights: Any = None) -> Rows:
        """Return rows of the source as the trainer sees them.

        Parameters
        ----------
        X : ndarray of shape (n, D)
        y : ndarray of shape (n,), int64
            Places in `classes`.
        weights : ndarray of shape (n,), optional
        """
        return Rows(self.features.apply(X), y, len(self.classes), weights, self.seed)
