"""The result of a sweep from Python, and its events on the way."""

import html
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from model.softmax import SoftmaxRegression
from model.trainers import FinalState
from search.by_arguments import told_by_arguments
from search.config import Params, SweepConfig
from search.errors import NoResultError
from search.record import RunFolder, Summary, TopTrial, load_table
from search.result import result_text, why_no_result
from search.storage import Place, place


@dataclass(frozen=True)
class SweepEvent:
    """Something that has happened to a sweep.

    Attributes
    ----------
    kind : str
        ``started``: a task runs, or runs again; ``advanced``: what it gave is in the log;
        ``lost``: its worker was lost, and it is tried again; ``late``: it takes much too long.
    task : str
        The task, in words.
    finished, total : int
        Trials that have their row, and all of them.
    best_cost : float or None
        The lowest validation cost so far.
    best_params : mapping or None
        The hyperparameters that gave it.
    detail : str
        The machine where the task has ended, or why it was lost.
    """

    kind: str
    task: str
    finished: int
    total: int
    best_cost: float | None = None
    best_params: Params | None = None
    detail: str = ""


@dataclass(frozen=True, eq=False)
class SweepResult:
    """The result of a sweep, with its files.

    Attributes
    ----------
    folder : Path or RemotePath
        The run's folder, which every command reads. If none was given, it is a temporary one,
        deleted with this object.
    summary : Summary
        The contents of ``summary.json``.
    config : SweepConfig
        The settings of the run.
    """

    folder: Place
    summary: Summary
    config: SweepConfig

    @property
    def best_params(self) -> dict[str, Any]:
        """The hyperparameters of the best trial.

        Raises
        ------
        NoResultError
            If every trial has failed.
        """
        return dict(self._best.params)

    @property
    def best_cost(self) -> float:
        """Its validation cost, by which it is the best.

        Raises
        ------
        NoResultError
            If every trial has failed.
        """
        return self._best.cost(self.summary.readout)

    @property
    def _best(self) -> TopTrial:
        if self.summary.best is None:
            raise NoResultError(why_no_result(self.summary, self.config.axes_by_name))
        return self.summary.best

    def log(self, kind: str = "pandas") -> Any:
        """Return the log, a row for each trial; see `search.load`."""
        return load_table(self.folder, kind)

    @cached_property
    def model(self) -> SoftmaxRegression | FinalState:
        """The best combination trained on all training rows.

        The softmax trainer's is a `SoftmaxRegression`, with predict and predict_proba; another
        trainer's is a `FinalState`, which has them too where the trainer is a `Predicts`.

        Raises
        ------
        NoResultError
            If every trial has failed.
        DataError
            If the file was changed or taken away.
        """
        _ = self._best
        folder = RunFolder(self.folder)
        if self.summary.trainer is None:
            return SoftmaxRegression.load(folder.model, folder.seal(folder.model))
        return FinalState.load(folder.model, folder.seal(folder.model))

    def export_model(
        self, *files: Place | str, form: str | None = None, force: bool = False
    ) -> None:
        """Write the final model for other tools, as ``python -m search.model`` does.

        Parameters
        ----------
        *files : str, Path or RemotePath
            Each in the format that its ending says: of the softmax trainer ``.joblib``,
            ``.skops``, ``.onnx`` and ``.safetensors``; of others that of their library; and
            ``.md`` for the card, ``.json`` for its figures.
        form : str, optional
            The ending of the format, where the files end otherwise.
        force : bool
            Whether files that are there are replaced.

        Raises
        ------
        NoResultError
            If every trial has failed.
        ModelFileError
            If a file has no format of this model, is there already, or has no folder.
        MissingLibraryError
            If a format needs a library that is not installed.
        StoreError
            If one cannot be written.
        """
        # Here, because scikit-learn takes half a second to import and a sweep goes without.
        from search.portable import export_model, load_winner

        with told_by_arguments({"format": "form", "force": "force"}, frozenset({"force"})):
            winner = load_winner(self.folder, trusted=True)  # it was made in this process
            export_model(winner, [place(f) for f in files], run=self.folder, form=form, force=force)

    @property
    def report(self) -> Place:
        """Path of the report, a page for any browser; the extra ``report`` writes it."""
        return RunFolder(self.folder).report

    def __str__(self) -> str:
        """Return the result in words, as the command prints it."""
        return result_text(self.summary, str(self.folder), self.config.axes_by_name, None)

    def _repr_html_(self) -> str:
        """Return the result as a notebook shows it."""
        return f"<pre>{html.escape(str(self))}</pre>"
