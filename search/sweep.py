"""A sweep from its settings to its report: what the command line runs."""

import logging
import math
import shlex
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from rich.console import Console

from cluster.executor import Executor, SerialExecutor, available_cores
from model.dataset import Dataset
from model.pack import PackState, compile_kernels
from model.sources import load_dataset
from search.calibration import calibrate
from search.checkpoints import Checkpoints
from search.config import SweepConfig
from search.download_progress import DownloadProgress
from search.durable import write_atomically
from search.errors import InterruptedSweepError, NoResultError
from search.grid_plan import grid_plan, grid_widths, training_flops
from search.interruption import Interruption
from search.link import Examples
from search.links import LinkCutter, open_chains
from search.orchestrator import Orchestrator, settle
from search.plan_text import plan_text
from search.planner import Pack, Plan
from search.prediction import Prediction, predict
from search.progress import make_progress
from search.refit import FinalScore, final_model, final_score, refit
from search.report import write_report
from search.run_folder import Manifest, RunFolder
from search.settings import (
    Options,
    check_enough_images,
    check_same_settings,
    new_manifest,
    resolve_config,
)
from search.store import TrialStore
from search.study import Study
from search.summary import make_summary, result_text
from search.timing import make_timing

log = logging.getLogger(__name__)


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
    config = resolve_config(options)
    data = _load(config.dataset, err)
    check_enough_images(config, data)
    if options.dry_run:
        _print(out, _dry_run(config, data, options.workers))
        return
    with RunFolder.locked(options.run_path, fresh=options.fresh) as folder:
        if folder.moved_to:
            _print(err, f"The old run is kept in {folder.moved_to}")
        manifest = folder.read_manifest()
        if manifest is not None:
            check_same_settings(folder.path, manifest, config, data)
        summary = manifest and folder.read_summary()
        if not summary:
            with _log_file(folder):
                summary = Sweep(options, config, data, folder, err, began).run()
    _print(out, result_text(summary, str(options.run_path)))
    if summary["best"] is None:
        raise NoResultError("Every trial diverged. Give lower learning rates or smaller alphas.")


@dataclass(frozen=True)
class Sweep:
    """One command's part of a sweep: all of it, or what an earlier one has left."""

    options: Options
    config: SweepConfig
    data: Dataset
    folder: RunFolder
    err: Console
    began: float

    def run(self) -> dict[str, Any]:
        """Do what the log does not hold yet, and return the summary."""
        with ThreadPoolExecutor(1) as background:
            # Meanwhile, because a Ray cluster takes seconds to start.
            preparing = background.submit(self._prepare)
            with closing(make_executor(self.options)) as executor, Interruption() as interrupted:
                examples = executor.share(preparing.result())
                del preparing  # and with it this process's own copy of the images
                return self._run_on(executor, examples, interrupted)

    def _prepare(self) -> Examples:
        """Lay the images out, and compile what the workers then find in the cache."""
        compile_kernels()
        return Examples.from_dataset(self.data, self.config.validation_fraction, self.config.seed)

    def _run_on(
        self, executor: Executor, examples: Any, interrupted: Interruption
    ) -> dict[str, Any]:
        # First of all: what else is in a folder counts only beside a manifest.
        manifest = self._manifest(executor.workers)
        plan = grid_plan(self.config, manifest.widths_by_batch_size)
        settle(plan, self.store, self.checkpoints)
        self._announce(executor)
        try:
            prediction, started_at = self._train(plan, executor, examples, interrupted)
            test = self._refit(executor, examples, interrupted)
        except InterruptedSweepError as error:
            raise InterruptedSweepError(self._how_to_continue()) from error
        flops = training_flops(plan, self.config, self.data)
        timing = make_timing(
            self.store, self.began, started_at, flops, executor.workers, prediction
        )
        summary = make_summary(self.study, self.config.space, test, self.data, timing)
        write_report(self.folder, manifest, self.store, summary)
        self.folder.write_summary(summary)
        return summary

    @cached_property
    def store(self) -> TrialStore:
        """The run's trial log."""
        return TrialStore(
            self.folder.trials,
            {"dataset": self.data.name, "fingerprint": self.data.fingerprint},
        )

    @cached_property
    def checkpoints(self) -> Checkpoints:
        """The states of the run's packs."""
        return Checkpoints(self.folder.checkpoints)

    @cached_property
    def study(self) -> Study:
        """What the log says of the trials, kept up to date while they are trained."""
        study = Study(len(self.config.space))
        study.tell(*self.store.columns("number", "val_cost", "val_accuracy"))
        return study

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
            widths = grid_widths(self.config, workers)
            manifest = new_manifest(self.config, self.data, widths)
            self.folder.write_manifest(manifest)
        return manifest

    def _train(
        self, plan: Plan, executor: Executor, examples: Any, interrupted: Interruption
    ) -> tuple[Prediction | None, float]:
        """Bring the log to its end; return what that should have taken, and when it started."""
        (logged,) = self.store.columns("number")
        if len(logged) == plan.trials:
            return None, math.inf
        cost = calibrate(
            executor, self.config.space.batch_size, self.data.X.shape[1], self.data.n_classes
        )
        cutter = LinkCutter.for_data(cost, self.config, self.data, plan, executor.workers)
        chains = open_chains(plan, logged, self.checkpoints.epoch, cutter)
        prediction = predict(chains, executor.workers)
        quiet = not self.options.progress
        with make_progress(
            self.err, self.config.space, self.study, prediction, quiet=quiet
        ) as observer:
            orchestrator = Orchestrator(
                executor, self.store, self.checkpoints, self.study, self._start, observer,
                interrupted,
            )  # fmt: skip
            orchestrator.run(chains, examples)
        return prediction, orchestrator.started_at

    def _start(self, pack: Pack) -> PackState:
        return PackState.start(
            pack.batch_size,
            pack.learning_rate,
            pack.alpha,
            n_features=self.data.X.shape[1],
            n_classes=self.data.n_classes,
            seed=self.config.seed,
        )

    def _refit(
        self, executor: Executor, examples: Any, interrupted: Interruption
    ) -> FinalScore | None:
        best = self.study.best_trial
        if best is None:
            return None
        self._say("Training the best combination on all training images ...")
        params = self.config.space[best.number]
        state = refit(params, self.config.seed, examples, executor, interrupted)
        write_atomically(self.folder.model, final_model(state, params).save)
        return final_score(state, self.data)

    def _how_to_continue(self) -> str:
        given = [
            f"--{name}={value}"
            for name in ("executor", "address", "workers")
            if (value := getattr(self.options, name)) not in (None, Options.executor)
        ]
        command = ["python", "-m", "search.run", "--resume", str(self.folder.path), *given]
        return (
            f"Interrupted. {self.study.finished} of {self.study.total} trials are in the log; "
            f"continue with:\n  {shlex.join(command)}"
        )


def _print(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _load(dataset: str, err: Console) -> Dataset:
    with DownloadProgress(err) as progress:
        return load_dataset(dataset, notify=progress.notify, progress=progress.update)


def _dry_run(config: SweepConfig, data: Dataset, workers: int | None) -> str:
    workers = workers or available_cores()
    plan = grid_plan(config, grid_widths(config, workers))
    cost = calibrate(SerialExecutor(), config.space.batch_size, data.X.shape[1], data.n_classes)
    cutter = LinkCutter.for_data(cost, config, data, plan, workers)
    chains = open_chains(plan, np.array([], np.int64), lambda _: 0, cutter)
    return plan_text(plan, config, data, cost, chains, workers)


def make_executor(options: Options) -> Executor:
    """Return the executor that the command asks for."""
    if options.executor == "serial":
        return SerialExecutor()
    from cluster.ray_executor import RayExecutor  # takes half a second, so only when it is needed

    return RayExecutor(options.address, options.workers)


@contextmanager
def _log_file(folder: RunFolder) -> Iterator[None]:
    """Write what the packages log into the run's folder."""
    handler = _LogFile(folder.log, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("search")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        with suppress(OSError):
            handler.close()


class _LogFile(logging.FileHandler):
    """Loses lines on a full disk, of which the trial log tells the user."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Say nothing."""
