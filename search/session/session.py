"""A sweep from its settings to its report: what the command line runs."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from rich.console import Console

from cluster.executor import Executor
from model.data.dataset import Dataset
from model.examples import Examples
from search.command import Start
from search.config import SweepConfig, check_target_cost
from search.errors import InterruptedSweepError, NoResultError, system_refusals
from search.plan import epochs_flops
from search.record import (
    Books,
    Manifest,
    Proposals,
    ReusedTrials,
    RunFolder,
    Standings,
    Summary,
    layout_of,
    new_manifest,
    open_books,
    spare_pandas,
)
from search.result import Command, arithmetic, make_timing, result_text, why_no_result
from search.schemas import as_json
from search.session.checks import (
    alphas_of,
    check_enough_images,
    check_memory,
    check_methods,
    check_metrics,
    check_outlives_job,
    check_refits,
    check_resources,
)
from search.session.datasets import choose_grid, description, load
from search.session.dry_run import dry_run, plan_text, planned_run
from search.session.ending import Ending
from search.session.extension import extended
from search.session.found import (
    found_run,
    in_its_order,
    is_read_only,
    lacks,
    run_of,
    set_aside_text,
    tell_other_versions,
    without_failed,
)
from search.session.options import Options, resolve_config
from search.session.preparation import (
    check_executor,
    planned_workers,
    prepare,
    read_or_write_manifest,
    resources_of,
    runs_to_reuse,
    settled_executor,
)
from search.session.products import check_library, check_products, with_products
from search.session.surroundings import Surroundings, of_command
from search.session.trainer_checks import check_before_first_sweep
from search.session.trainers import check_params
from search.session.training import Training
from search.session.trials import Run
from search.storage import Place, growing_file
from search.text import counted, show, text_width
from search.watch import Interruption, log_file

log = logging.getLogger(__name__)

_GO_ON = "What was logged before is safe; fix this, then give the same command to continue."


def sweep(options: Options, out: Console, err: Console, began: Start) -> None:
    """Run, continue or show a sweep.

    Parameters
    ----------
    options : Options
    out, err : Console
        The result goes to `out`, all messages on the way to `err`.
    began : Start
        When the command was started.

    Raises
    ------
    PacksweepError
        See its subclasses; the message is for the user.
    """
    options, data = choose_grid(options, err)
    check_outlives_job(options.run_path)
    config = resolve_config(options)
    if not config.own_methods:
        spare_pandas()
    data = data or load(config.dataset, config.reading.to_reading(), err)
    check(options, config, data)
    if options.dry_run:
        told = description(config, data)  # whose memory counts too
    if options.json:
        out.file.write(f"{as_json(dry_run(options, config, data))}\n")
        return
    if options.dry_run:
        show(out, told)
        here = settled_executor(options, config, data) == "serial"
        planned = planned_run(config, data, options.planned_for, options.code, here=here)
        show(out, plan_text(planned))
        return
    check_executor(options, config, data)
    summary = run_sweep(options, config, data, of_command(options, config, data, err, began))
    run_dir, width = str(options.run_path), text_width(out)
    show(out, result_text(summary, run_dir, config.axes_by_name, width))
    if summary.best is None:
        raise NoResultError(why_no_result(summary, config.axes_by_name))


def check(options: Options, config: SweepConfig, data: Dataset) -> None:
    """Refuse what cannot be trained, before anything is started or written.

    Raises
    ------
    UsageError
        With the value, the rule and the way out.
    """
    check_enough_images(config, data)
    check_memory(config, data, options.processes_here, optimum=options.optimum)
    if not (options.joins or config.trainer.is_softmax):
        check_resources(resources_of(config))
    check_methods(config)
    check_metrics(config, data)
    if options.target_cost is not None:
        check_target_cost(config.objective, options.target_cost)
    check_products(config, data)
    check_refits(options.refits, data)
    check_params(config, options.code)
    if options.optimum:
        alphas_of(config)  # refuses what has no such optima


@system_refusals(_GO_ON)
def run_sweep(
    options: Options, config: SweepConfig, data: Dataset, surroundings: Surroundings
) -> Summary:
    """Return the summary in the run's folder, once it has all that is asked for.

    Parameters
    ----------
    options : Options
        With the settings of `config`, so that another command can continue the run.
    config : SweepConfig
    data : Dataset
    surroundings : Surroundings

    Raises
    ------
    InterruptedSweepError
        If it is asked to stop; the run goes on from its files another time.
    PacksweepError
        As for `sweep`.
    """
    config = with_products(options, config, data)
    options, config = extended(options, config, data)
    # A mistake in --reuse is told before --fresh moves anything.
    reuse = [path.resolve() for path in options.reuse]
    ReusedTrials.of_runs(reuse, new_manifest(config, data))
    notify = surroundings.say
    anew = options.fresh or options.retry_failed
    if not anew and is_read_only(options.run_path):
        folder = RunFolder(options.run_path.absolute())
        config = in_its_order(folder, config)
        _, summary = found_run(folder, config, data, reuse, notify)
        if summary and not lacks(summary, options, folder):
            return summary
    with RunFolder.locked(options.run_path, fresh=options.fresh, notify=notify) as folder:
        if folder.moved_to:
            notify(f"The old run is kept in {folder.moved_to}")
        config = in_its_order(folder, config)
        manifest, summary = found_run(folder, config, data, reuse, notify)
        if (
            manifest and summary and not summary.ended_early
        ):  # a kill may have left files that merged ones have replaced
            run_of(config, data, folder, manifest).merge_logs()
        if options.retry_failed and manifest:
            summary = without_failed(run_of(config, data, folder, manifest), summary, notify)
        if not summary or lacks(summary, options, folder):
            check_library(options, config)
            with (
                log_file(folder.log, notify) as folder.log,
                growing_file(folder.links) as folder.links,
            ):
                tell_other_versions(manifest, notify)
                check_before_first_sweep(config, data, options.code, notify)
                done = None if summary and summary.ended_early else summary
                if done is None:
                    folder.remove_summary()
                summary = SweepInFolder(options, config, data, folder, surroundings).run(done)
    return summary


@dataclass(frozen=True)
class SweepInFolder:
    """One command's part of a sweep: all of it, or what an earlier one has left."""

    options: Options
    config: SweepConfig
    data: Dataset
    folder: RunFolder
    surroundings: Surroundings

    @system_refusals(_GO_ON, logged=True)  # here too, where the log of the run is open
    def run(self, finished: Summary | None = None) -> Summary:
        """Do what the run's files do not hold yet, and return the summary.

        Parameters
        ----------
        finished : Summary, optional
            The summary of a run that lacks nothing but final trainings or optima.
        """
        if finished is None:
            return self._with_examples(self._run_on)
        # Read first, because the trainings last, and it may be removed meanwhile.
        manifest = self.folder.existing_manifest()
        with self.folder.keeping(manifest):
            return self._with_examples(partial(self._extend, manifest, finished))

    def _with_examples(self, work: Callable[[Executor, Any, Interruption], Summary]) -> Summary:
        """Do some work with an executor and what it shares, which end with it."""
        train_costs = self.options.optimum
        with ThreadPoolExecutor(1) as background:
            # Meanwhile, because a Ray cluster takes seconds to start.
            preparing = background.submit(prepare, self.config, self.data, train_costs=train_costs)
            executor = self.surroundings.executor()
            with closing(executor), self.surroundings.interruption() as interrupted:
                examples = self._share(preparing.result(), executor, interrupted)
                del preparing  # and with it this process's own copy of the rows
                return work(executor, examples, interrupted)

    @staticmethod
    def _share(examples: Examples, executor: Executor, interrupted: Interruption) -> Any:
        """Share the examples, unless Ctrl-C has come while they were laid out."""
        if interrupted():
            raise InterruptedSweepError
        return executor.share(examples)

    def _extend(
        self,
        manifest: Manifest,
        finished: Summary,
        executor: Executor,
        examples: Any,
        interrupted: Interruption,
    ) -> Summary:
        ending = self._ending(executor, examples, interrupted)
        return ending.extend_finished_run(manifest, finished)

    def _run_on(self, executor: Executor, examples: Any, interrupted: Interruption) -> Summary:
        # First of all: what else is in a folder counts only beside a manifest.
        manifest = self._manifest(planned_workers(self.options, self.config, executor))
        with self.folder.keeping(manifest):
            return self._train(manifest, executor, examples, interrupted)

    def _train(
        self, manifest: Manifest, executor: Executor, examples: Any, interrupted: Interruption
    ) -> Summary:
        run = self._open_run(manifest)
        self._announce(executor)
        training = Training(
            run,
            self.folder,
            self.surroundings.err,
            self.options.code,
            self.surroundings.observer,
            limits=self.options.limits,
            elapsed=lambda: self.surroundings.began.elapsed,
            spent=self.surroundings.spent,
            asked_to_end=self.surroundings.asked_to_end,
            quiet=not self.options.progress,
        )
        ending = self._ending(executor, examples, interrupted)
        with ending.told_how_to_continue(self._done):
            trained = training.train(executor, examples, interrupted)
            last = ending.run_last_tasks(self.standings.best_trial)
        work = arithmetic(run.training_books.trial_log)
        is_softmax = self.config.trainer.is_softmax  # of others nobody knows the operations
        flops = epochs_flops(work.trained_epochs, self.config, self.data) if is_softmax else 0.0
        command = Command(
            self.surroundings.began, trained.started_at, executor.workers, trained.prediction
        )
        timing = make_timing(run.training_books.trial_log, flops, command)
        summary = ending.finish_run(manifest, last, timing, work, trained.ended_early)
        if not trained.ended_early:
            run.merge_logs()
        return summary

    def _ending(self, executor: Executor, examples: Any, interrupted: Interruption) -> Ending:
        return Ending(
            options=self.options,
            config=self.config,
            data=self.data,
            folder=self.folder,
            books=self.books,
            executor=executor,
            examples=examples,
            interrupted=interrupted,
            say=self.surroundings.say,
        )

    def _manifest(self, workers: int) -> Manifest:
        reuse = runs_to_reuse(self.options, self.folder)
        return read_or_write_manifest(self.folder, self.config, self.data, reuse, workers)

    def _open_run(self, manifest: Manifest) -> Run:
        """Return what there is to train, after what an earlier command left is put right."""
        proposals = Proposals(self.folder.proposals, manifest.run, layout_of(self.config))
        given = runs_to_reuse(self.options, self.folder)
        copy_resamples = partial(self._copy_resamples, manifest)
        reused = ReusedTrials.frozen(
            self.folder.reused, manifest, given, copy_resamples, self._tell_set_aside
        )
        run = Run(self.config, self.data, manifest, self.books, proposals, reused)
        run.set_aside(self._tell_set_aside)
        run.log_reused()
        run.settle()
        return run

    def _tell_set_aside(self, path: Place, problem: str, kept: Place) -> None:
        text = set_aside_text(path, problem, kept)
        log.warning("set aside: %s", text)
        self.surroundings.say(text)

    def _copy_resamples(self, manifest: Manifest, runs: Sequence[Place]) -> None:
        if self.books.resamples is not None:
            self.books.resamples.take_over(runs, manifest)

    @cached_property
    def books(self) -> Books:
        """The run's trial log, the states of its packs, and what is known of its trials."""
        return open_books(self.config, self.data, self.folder)

    @property
    def standings(self) -> Standings:
        """The state of the trials."""
        return self.books.standings

    def _done(self) -> str:
        return (
            f"{self.standings.finished} of {counted(self.standings.total, 'trial')} are in the log"
        )

    def _announce(self, executor: Executor) -> None:
        say = self.surroundings.say
        say(description(self.config, self.data))
        done = f", {self.standings.finished} of them done" if self.standings.finished else ""
        where = f"run folder {self.options.run_path}"
        say(f"{counted(self.standings.total, 'trial')} on {self.data.name}{done}; {where}")
        if executor.dashboard_url:
            token = executor.dashboard_token
            asks = f" (it asks for a token: paste what {token} holds)" if token else ""
            say(f"Ray dashboard: {executor.dashboard_url}{asks}")
