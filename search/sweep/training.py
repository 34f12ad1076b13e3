"""All that is left of a run's trials is trained, and those who watch are told."""

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

from rich.console import Console

from cluster.executor import Executor
from model.pack import PackState
from search.config import replicates_of
from search.engine import Observers, Orchestrator, calibrate
from search.plan import Pack, Prediction, epochs_flops
from search.record import RunFolder
from search.sweep.trials import Run
from search.sweep.waves import open_work
from search.watch import Interruption, MetricsObserver, make_progress


@dataclass(frozen=True)
class Training:
    """Brings the log of a run to its end.

    Attributes
    ----------
    run : Run
    folder : RunFolder
    err : Console
        Terminal on which progress is shown.
    quiet : bool
        Whether no progress is shown.
    """

    run: Run
    folder: RunFolder
    err: Console
    quiet: bool

    def train(
        self, executor: Executor, examples: Any, interrupted: Interruption
    ) -> tuple[Prediction | None, float]:
        """Train what the log lacks; return what that should have taken, and when it started.

        Parameters
        ----------
        executor : Executor
        examples : object
            The `Examples` as the executor's `share` has returned them.
        interrupted : Interruption

        Returns
        -------
        prediction : Prediction or None
        started_at : float
            Seconds since 1970; infinite where nothing was left to train.

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
            return None, math.inf
        n_features, n_classes = run.data.X.shape[1], run.data.n_classes
        speed = calibrate(executor, run.config.batch_sizes, n_features, n_classes, interrupted)
        with (
            open_work(run, speed, executor.workers) as work,
            make_progress(
                self.err, standings, work.prediction, interrupted, quiet=self.quiet
            ) as progress,
        ):
            metrics = self._metrics(executor)
            orchestrator = Orchestrator(
                executor, run.training, self._start, Observers(progress, metrics), interrupted,
                metrics.measured,
            )  # fmt: skip
            orchestrator.run(work.source, examples)
        run.count_again()
        return work.prediction, orchestrator.started_at

    def _metrics(self, executor: Executor) -> MetricsObserver:
        metrics = executor.metrics(self.folder.path.resolve().name)
        flops = partial(epochs_flops, config=self.run.config, data=self.run.data)
        return MetricsObserver(metrics, self.run.books.standings, lambda: executor.workers, flops)

    def _start(self, pack: Pack) -> PackState:
        return PackState.start(
            pack.batch_size,
            **pack.columns,
            n_features=self.run.data.X.shape[1],
            n_classes=self.run.data.n_classes,
            seed=replicates_of(self.run.config)[pack.replicate].seed,
        )
