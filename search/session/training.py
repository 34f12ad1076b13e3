"""Trains what is left of a run's trials, and tells the observers."""

import math
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from cluster.executor import Executor
from search.engine import (
    Enough,
    Limits,
    Observer,
    Observers,
    Orchestrator,
    calibrate,
    link_tasks,
    measure_trainer,
)
from search.plan import Prediction, Speed, epochs_flops
from search.record import RunFolder
from search.session.trainers import trainer_tasks
from search.session.trials import Run
from search.session.waves import open_work
from search.watch import Interruption, MetricsObserver, make_progress


@dataclass(frozen=True)
class Trained:
    """What has become of the training.

    Attributes
    ----------
    prediction : Prediction or None
        What it should have taken; None where that is not known, or it has ended early.
    started_at : float
        Seconds since 1970; infinite where nothing was left to train.
    ended_early : str or None
        Why trials were left out; None where none was.
    """

    prediction: Prediction | None = None
    started_at: float = math.inf
    ended_early: str | None = None


@dataclass(frozen=True)
class Training:
    """Brings the log of a run to its end.

    Attributes
    ----------
    run : Run
    folder : RunFolder
    err : Console
        Terminal on which progress is shown.
    code : Path or None
        Folder with the trainer's modules.
    observer : Observer or None
        Who else is told of links.
    limits : Limits
        What ends it early.
    elapsed : callable
        Returns the seconds since the command was started.
    spent : callable or None
        Returns the seconds of the sweep's budget that are used up, in place of `elapsed`.
    asked_to_end : callable
        Returns why the sweep should end with the trials that it has; None where it should not.
    quiet : bool
        Whether no progress is shown.
    """

    run: Run
    folder: RunFolder
    err: Console
    code: Path | None = None
    observer: Observer | None = None
    _: KW_ONLY
    limits: Limits = field(default_factory=Limits)
    elapsed: Callable[[], float] = lambda: 0.0
    spent: Callable[[], float] | None = None
    asked_to_end: Callable[[], str | None] = lambda: None
    quiet: bool

    def train(self, executor: Executor, examples: Any, interrupted: Interruption) -> "Trained":
        """Train what the log lacks.

        Parameters
        ----------
        executor : Executor
        examples : object
            The `Examples` as the executor's `share` has returned them.
        interrupted : Interruption

        Raises
        ------
        InterruptedSweepError
            If it is interrupted; what is in the log stays there.
        StoreError
            If the log lacks a row at the end, or a file of it was changed.
        ClusterError
            If the cluster cannot be reached, or loses the same link again and again.
        """
        run, standings = self.run, self.run.books.standings
        if standings.finished == standings.total:
            return Trained()
        enough = self._enough()
        if early := enough():  # before the workers measure their speed for nothing
            run.count_again(all_trained=False)
            return Trained(ended_early=early)
        speed = self._speed(executor, examples, interrupted)
        tasks = link_tasks(run.config, run.data, trainer_tasks(run.config, self.code))
        with (
            open_work(run, speed, executor.workers) as work,
            make_progress(
                self.err, standings, work.prediction, interrupted, quiet=self.quiet
            ) as progress,
        ):
            metrics = self._metrics(executor)
            told = Observers(progress, metrics, *([self.observer] if self.observer else []))
            orchestrator = Orchestrator(
                executor, run.training_books, tasks.start, told, interrupted,
                metrics.measured, tasks.run_link, tasks.failed_link, enough,
            )  # fmt: skip
            orchestrator.run(work.source, examples)
        # What was under way may have been all that was left.
        all_trained = standings.finished == standings.total
        early = None if all_trained else orchestrator.ended_early
        run.count_again(all_trained=not early)
        return Trained(None if early else work.prediction, orchestrator.started_at, early)

    def _enough(self) -> Callable[[], str | None]:
        if not self.limits.any:
            return self.asked_to_end
        reached = Enough(
            self.limits, self.run.books.standings, self.spent or self.elapsed,
            self.run.trials_since_best, whole=self.spent is not None,
        )  # fmt: skip
        return lambda: self.asked_to_end() or reached()

    def _metrics(self, executor: Executor) -> MetricsObserver:
        metrics = executor.metrics(self.folder.path.resolve().name)
        config, data = self.run.config, self.run.data

        def flops(column_epochs: int) -> float:
            return epochs_flops(column_epochs, config, data) if config.trainer.is_softmax else 0.0

        return MetricsObserver(metrics, self.run.books.standings, lambda: executor.workers, flops)

    def _speed(self, executor: Executor, examples: Any, interrupted: Interruption) -> Speed:
        config, data = self.run.config, self.run.data
        if tasks := trainer_tasks(config, self.code):
            return measure_trainer(executor, tasks, config, examples, interrupted)
        shape = data.X.shape[1], data.n_classes
        return calibrate(
            executor, config.batch_sizes, *shape, interrupted, products=config.products
        )
