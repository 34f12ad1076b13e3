"""A sweep from its settings to its report: what the command line runs."""

import math
import shlex
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, partial
from importlib import import_module
from typing import Any

from rich.console import Console

from cluster.executor import Executor, SerialExecutor
from model.dataset import Dataset
from model.pack import PackState, compile_kernels
from model.sources import load_dataset
from search.arithmetic import arithmetic, epochs_flops
from search.calibration import calibrate
from search.checkpoints import Checkpoints
from search.config import SweepConfig
from search.download_progress import DownloadProgress
from search.dry_run import dry_run
from search.errors import InterruptedSweepError, NoResultError, StoreError
from search.grid_plan import grid_widths
from search.indistinguishable import find_indistinguishable
from search.interruption import Interruption
from search.link import Examples, validation_rows
from search.live_view import make_progress
from search.log_file import log_file
from search.manifest import Manifest
from search.metrics_observer import MetricsObserver
from search.observers import Observers
from search.optima import Optima, alphas_of
from search.optimality_gap import lacks_optimum, optimum_told
from search.optimum import AlphaOptimum
from search.orchestrator import Orchestrator
from search.planner import Pack
from search.prediction import Prediction
from search.proposal import Proposals
from search.refits import Refits, Tests, check_refits, lacks_refits, with_refits
from search.remote_path import Place
from search.replicate_spread import add_spread
from search.replicates import replicates_of
from search.report import write_report
from search.resamples import Resamples
from search.reuse import ReusedTrials
from search.run_folder import RunFolder
from search.settings import (
    Options,
    check_enough_images,
    check_outlives_job,
    check_same_reuse,
    check_same_settings,
    new_manifest,
    resolve_config,
)
from search.source import Run, check_methods
from search.space import Params
from search.store import TrialStore
from search.study import Study
from search.summary import make_summary, result_text
from search.text_table import text_width
from search.timing import make_timing
from search.wave import Books


def sweep(options: Options, out: Console, err: Console, began: float) -> None:
    """Run, continue or show a sweep.

    Parameters
    ----------
    options : Options
    out, err : Console
        For the result, and for all that is told on the way.
    began : float
        When the command was started, seconds since 1970.

    Raises
    ------
    PacksweepError
        See its subclasses; the message is for the user.
    """
    check_outlives_job(options.run_path)
    config = resolve_config(options)
    data = _load(config.dataset, err)
    check_enough_images(config, data)
    check_methods(config)
    check_refits(options.refits, data)
    if options.optimum:
        alphas_of(config)  # refuses what has no such optima
    if options.dry_run:
        _print(out, dry_run(config, data, options.workers))
        return
    # A mistake in --reuse is told before --fresh moves anything.
    reuse = [path.resolve() for path in options.reuse]
    ReusedTrials.of_runs(reuse, new_manifest(config, data))
    notify = partial(_print, err)
    with RunFolder.locked(options.run_path, fresh=options.fresh, notify=notify) as folder:
        if folder.moved_to:
            _print(err, f"The old run is kept in {folder.moved_to}")
        manifest = folder.read_manifest()
        if manifest is not None:
            check_same_settings(folder.path, manifest, config, data)
            check_same_reuse(folder.path, manifest, reuse)
        summary = folder.read_summary() if manifest else None
        if not summary or lacks(summary, options):
            with log_file(folder.log) as folder.log:
                summary = Sweep(options, config, data, folder, err, began).run(summary)
    run_dir, width = str(options.run_path), text_width(out)
    _print(out, result_text(summary, run_dir, config.axes_by_name, width))
    if summary["best"] is None:
        raise NoResultError("Every trial diverged. Give lower learning rates or smaller alphas.")


def lacks(summary: dict[str, Any], options: Options) -> bool:
    """Whether a finished run has less than is asked for."""
    return lacks_refits(summary, options.refits) or (options.optimum and lacks_optimum(summary))


@dataclass(frozen=True)
class Sweep:
    """One command's part of a sweep: all of it, or what an earlier one has left."""

    options: Options
    config: SweepConfig
    data: Dataset
    folder: RunFolder
    err: Console
    began: float

    def run(self, finished: dict[str, Any] | None = None) -> dict[str, Any]:
        """Do what the run's files do not hold yet, and return the summary.

        Parameters
        ----------
        finished : dict, optional
            The summary of a run that lacks nothing but final trainings or optima.
        """
        with ThreadPoolExecutor(1) as background:
            # Meanwhile, because a Ray cluster takes seconds to start.
            preparing = background.submit(self._prepare)
            with closing(make_executor(self.options)) as executor, Interruption() as interrupted:
                examples = executor.share(preparing.result())
                del preparing  # and with it this process's own copy of the images
                optima = self._optima(executor, examples)
                if finished:
                    return self._add(finished, optima, examples, interrupted)
                return self._run_on(executor, optima, examples, interrupted)

    def _prepare(self) -> Examples:
        """Lay the images out, and compile what the workers then find in the cache."""
        compile_kernels()
        config = self.config
        return Examples.from_dataset(
            self.data,
            config.scoring_fraction,
            config.seed,
            config.select,
            config.features,
            config.folds,
            resampled=config.replicates == 1,
            train_costs=self.options.optimum,
        )

    def _optima(self, executor: Executor, examples: Any) -> Optima:
        """Return the executor of all but the calibration, which finds optima if that is asked."""
        alphas = alphas_of(self.config) if self.options.optimum else ()
        return Optima(executor, self.folder.optimum, alphas, examples)

    def _run_on(
        self, executor: Executor, optima: Optima, examples: Any, interrupted: Interruption
    ) -> dict[str, Any]:
        # First of all: what else is in a folder counts only beside a manifest.
        manifest = self._manifest(executor.workers)
        proposals = Proposals(self.folder.proposals)
        reused = ReusedTrials.frozen(
            self.folder.reused, manifest, self._reuse, partial(self._take_resamples, manifest)
        )
        run = Run(self.config, self.data, manifest, self.books, proposals, reused)
        run.settle()
        self._announce(executor)
        try:
            prediction, started_at = self._train(run, executor, optima, examples, interrupted)
            best = self.study.best_trial
            tests = self._refit(best.params, optima, examples, interrupted) if best else []
            found = self._find(optima, interrupted)
        except InterruptedSweepError as error:
            done = f"{self.study.finished} of {self.study.total} trials are in the log"
            raise InterruptedSweepError(self._how_to_continue(done)) from error
        work = arithmetic(run.training.store)
        timing = make_timing(
            run.training.store, self.began, started_at,
            epochs_flops(work.trained, self.config, self.data), executor.workers, prediction,
        )  # fmt: skip
        summary = make_summary(self.study, tests[0] if tests else {}, self.data, timing, work)
        add_spread(summary, self.config, self.books.store)
        summary["indistinguishable"] = self._indistinguishable()
        summary["features"] = self.config.features
        summary = with_refits(summary, self.config.seed, tests)
        return self._write(manifest, self._with_optima(summary, found))

    def _add(
        self,
        summary: dict[str, Any],
        optima: Optima,
        examples: Any,
        interrupted: Interruption,
    ) -> dict[str, Any]:
        """Add what a finished run lacks; all else stays as it was."""
        try:
            if lacks_refits(summary, self.options.refits):
                params = Params(**summary["best"]["params"])
                tests = self._refit(params, optima, examples, interrupted)
                summary = with_refits(summary, self.config.seed, tests)
            found = self._find(optima, interrupted)
        except InterruptedSweepError as error:
            done = "The run is finished, and what is done of the rest is kept"
            raise InterruptedSweepError(self._how_to_continue(done)) from error
        return self._write(self.folder.existing_manifest(), self._with_optima(summary, found))

    def _find(self, optima: Optima, interrupted: Interruption) -> list[AlphaOptimum]:
        if optima.left:
            alphas = "1 alpha" if optima.left == 1 else f"{optima.left} alphas"
            self._say(f"Finding the optimum of {alphas} ...")
        return optima.finish(interrupted)

    def _with_optima(
        self, summary: dict[str, Any], found: Sequence[AlphaOptimum]
    ) -> dict[str, Any]:
        """Return a summary with the optima, where they are asked for and there is a best trial."""
        if not found or not summary["best"]:
            return summary
        told = optimum_told(found, self.data, self.books.store, summary["best"])
        return {**summary, "optimum": told}

    def _write(self, manifest: Manifest, summary: dict[str, Any]) -> dict[str, Any]:
        """Write the report, then the summary, which says that all is there."""
        write_report(self.folder, manifest, self.books.store, summary, self.data)
        self.folder.write_summary(summary)
        return summary

    @cached_property
    def books(self) -> Books:
        """The run's trial log, the states of its packs, and what is known of its trials."""
        about = {"dataset": self.data.name, "fingerprint": self.data.fingerprint}
        return Books(
            TrialStore(self.folder.trials, about),
            Checkpoints(self.folder.checkpoints),
            Study(self.config.total, self.config.select),
            self._resamples if self.config.replicates == 1 else None,
        )

    def _take_resamples(self, manifest: Manifest, runs: Sequence[Place]) -> None:
        if self.books.resamples is not None:
            self.books.resamples.take_over(runs, manifest)

    @cached_property
    def _resamples(self) -> Resamples:
        return Resamples(self.folder.resamples)

    @property
    def study(self) -> Study:
        """What is known of the trials."""
        return self.books.study

    def _announce(self, executor: Executor) -> None:
        done = f", {self.study.finished} of them done" if self.study.finished else ""
        where = f"run folder {self.options.run_path}"
        self._say(f"{self.study.total} trials on {self.data.name}{done}; {where}")
        if executor.dashboard_url:
            self._say(f"Ray dashboard: {executor.dashboard_url}")

    def _say(self, text: str) -> None:
        _print(self.err, text)

    def _manifest(self, workers: int) -> Manifest:
        """Return the run's manifest; a new run gets a plan for these workers."""
        manifest = self.folder.read_manifest()
        if manifest is None:
            widths = grid_widths(self.config, workers) if self.config.is_grid else {}
            manifest = new_manifest(self.config, self.data, widths, self._reuse, workers)
            self.folder.write_manifest(manifest)
        return manifest

    @property
    def _reuse(self) -> list[Place]:
        """The runs to reuse: those of the command, which may name the run it moves aside."""
        own, moved = self.folder.path.resolve(), self.folder.moved_to
        paths = [path.resolve() for path in self.options.reuse]
        return [moved if moved and path == own else path for path in paths]

    def _train(
        self,
        run: Run,
        executor: Executor,
        optima: Optima,
        examples: Any,
        interrupted: Interruption,
    ) -> tuple[Prediction | None, float]:
        """Bring the log to its end; return what that should have taken, and when it started."""
        if self.study.finished == self.study.total:
            return None, math.inf
        cost = calibrate(
            executor, self.config.batch_sizes, self.data.X.shape[1], self.data.n_classes
        )
        quiet = not self.options.progress
        with (
            run.source(cost, executor.workers) as (source, prediction),
            make_progress(self.err, self.study, prediction, interrupted, quiet=quiet) as progress,
        ):
            metrics = self._metrics(executor)
            orchestrator = Orchestrator(
                optima, run.training, self._start, Observers(progress, metrics), interrupted,
                metrics.measured,
            )  # fmt: skip
            orchestrator.run(source, examples)
        if self.study.finished != self.study.total:
            raise StoreError(
                f"{self.study.finished} of {self.study.total} trials have a row, though nothing is "
                f"left to train: {self.folder.trials} was changed meanwhile. Give the same command."
            )
        return prediction, orchestrator.started_at

    def _metrics(self, executor: Executor) -> MetricsObserver:
        metrics = executor.metrics(self.folder.path.resolve().name)
        flops = partial(epochs_flops, config=self.config, data=self.data)
        return MetricsObserver(metrics, self.study, lambda: executor.workers, flops)

    def _start(self, pack: Pack) -> PackState:
        return PackState.start(
            pack.batch_size,
            pack.learning_rate,
            pack.alpha,
            n_features=self.data.X.shape[1],
            n_classes=self.data.n_classes,
            seed=replicates_of(self.config)[pack.replicate].seed,
        )

    def _refit(
        self, params: Params, executor: Executor, examples: Any, interrupted: Interruption
    ) -> list[Tests]:
        """Train the winner on all images as often as was asked for; return the test figures."""
        count = self.options.refits
        seeds = f" with {count} seeds" if count > 1 else ""
        self._say(f"Training the best combination on all training images{seeds} ...")
        with ThreadPoolExecutor(1) as background:
            # Meanwhile, because the report needs it and it takes a second to import.
            background.submit(import_module, "search.tuning.importance")
            refits = Refits(self.folder, self.data, params, self.config.seed, self.config.select)
            return refits.train(count, examples, executor, interrupted)

    def _indistinguishable(self) -> dict[str, Any] | None:
        if self.config.replicates > 1:
            return None  # their spread says it
        images = validation_rows(len(self.data.y), self.config.validation_fraction)
        return find_indistinguishable(self.books.store, self._resamples, self.study, images)

    def _how_to_continue(self, done: str) -> str:
        given = [
            f"--{name}={value}"
            for name in ("executor", "address", "workers", "refits")
            if (value := getattr(self.options, name)) not in (None, getattr(Options, name))
        ] + ["--optimum"] * self.options.optimum
        command = ["python", "-m", "search.run", "--resume", str(self.folder.path), *given]
        return f"Interrupted. {done}; continue with:\n  {shlex.join(command)}"


def _print(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _load(dataset: str, err: Console) -> Dataset:
    with DownloadProgress(err) as progress:
        return load_dataset(dataset, notify=progress.notify, progress=progress.update)


def make_executor(options: Options) -> Executor:
    """Return the executor that the command asks for."""
    if options.executor == "serial":
        return SerialExecutor()
    from cluster.ray_executor import RayExecutor  # takes half a second, so only when it is needed

    return RayExecutor(options.address, options.workers)
