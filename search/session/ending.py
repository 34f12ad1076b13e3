"""The end of a sweep, after its trials: final trainings, optima, report and summary."""

import shlex
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from cluster.executor import Executor
from model.data.dataset import Dataset
from model.optima import AlphaOptimum
from model.results import FinalScores
from search.command import program
from search.config import Params, SweepConfig
from search.engine import Optima, Refits, model_is_whole
from search.errors import InterruptedSweepError, MissingLibraryError
from search.plan import optimum_seconds
from search.record import (
    Arithmetic,
    BestTrial,
    Books,
    Manifest,
    OptimumFigures,
    RunFolder,
    Summary,
    Ties,
    Timing,
)
from search.report import write_report
from search.result import (
    Findings,
    find_ties,
    lacks_refits,
    make_summary,
    optimum_figures,
    with_refits,
)
from search.session.checks import alphas_of
from search.session.options import Options
from search.session.trainers import trainer_tasks


@dataclass(frozen=True)
class LastTasks:
    """What the tasks that follow the trials have given.

    Attributes
    ----------
    tests : sequence of FinalScores
        Test figures of each final training; empty where every trial diverged.
    optima : sequence of AlphaOptimum
        Optimum of each alpha; empty where --optimum is not given.
    """

    tests: Sequence[FinalScores]
    optima: Sequence[AlphaOptimum]


@dataclass(frozen=True, kw_only=True)
class Ending:
    """Brings a run whose trials are in the log to its summary, or adds to the one that it has.

    Attributes
    ----------
    options : Options
        Options of the command, with the number of final trainings and whether optima are wanted.
    config : SweepConfig
    data : Dataset
    folder : RunFolder
    books : Books
        Books of the trials.
    executor : Executor
        Executor of the final trainings and of the search for optima.
    examples : object
        The `Examples` as the executor's `share` has returned them.
    interrupted : callable
        Tells whether the user or the system has asked to stop.
    say : callable
        Tells the user what is done.
    """

    options: Options
    config: SweepConfig
    data: Dataset
    folder: RunFolder
    books: Books
    executor: Executor
    examples: Any
    interrupted: Callable[[], bool]
    say: Callable[[str], None]

    @contextmanager
    def told_how_to_continue(self, done: Callable[[], str]) -> Iterator[None]:
        """Say what is done and how to continue, if what is inside is interrupted.

        Parameters
        ----------
        done : callable
            Returns what is done, as a sentence begins.
        """
        try:
            yield
        except InterruptedSweepError as error:
            command = self.options.command_to_continue(self.folder.path)
            if self.config.own_methods:  # which --resume does not import
                command = ""
            raise InterruptedSweepError(done(), command) from error

    def run_last_tasks(self, best: BestTrial | None) -> LastTasks:
        """Find the optima that are missing, and train the winner on all rows if there is one.

        Raises
        ------
        InterruptedSweepError
            If it is interrupted; what is done is kept.
        """
        optima = self._find_optima()
        tests = self._train_winner(best.params) if best else []
        return LastTasks(tests, optima)

    def finish_run(
        self,
        manifest: Manifest,
        last: LastTasks,
        timing: Timing,
        work: Arithmetic,
        ended_early: str | None = None,
    ) -> Summary:
        """Write the report and the summary of a run, and return the summary.

        Parameters
        ----------
        manifest : Manifest
        last : LastTasks
        timing : Timing
        work : Arithmetic
        ended_early : str or None
            Why trials were left out; None where none was.
        """
        best = self.books.standings.best_trial
        findings = Findings(
            timing=timing,
            arithmetic=work,
            tests=last.tests,
            ties=self._ties(),
            optimum=self._optimum(last.optima, best.number) if best else None,
            ended_early=ended_early,
        )
        standings, trial_log = self.books.standings, self.books.trial_log
        summary = make_summary(standings, trial_log, self.config, self.data, findings)
        return self._write_result(manifest, summary)

    def extend_finished_run(self, manifest: Manifest, summary: Summary) -> Summary:
        """Add what a finished run lacks; all else stays as it was.

        Parameters
        ----------
        manifest : Manifest
        summary : Summary

        Raises
        ------
        InterruptedSweepError
            If it is interrupted; what is done is kept.
        """
        best = summary.best
        with self.told_how_to_continue(
            lambda: "The run is finished, and the rest done so far is kept"
        ):
            if best and lacks_refits(summary, self.options.refits):
                summary = with_refits(summary, self.config, self._train_winner(best.params))
            elif best and not model_is_whole(self.folder):
                self._train_winner(best.params)
            found = self._find_optima()
        if best and found:
            summary = replace(summary, optimum=self._optimum(found, best.number))
        return self._write_result(manifest, summary)

    def _train_winner(self, params: Params) -> list[FinalScores]:
        """Train the winner on all rows as often as was asked for; return the test figures."""
        count = self.options.refits
        tasks = trainer_tasks(self.config, self.options.code)
        seeds = f" with {count} seeds" if count > 1 else ""
        self.say(f"Training the best combination on all training {self.data.noun}{seeds} ...")
        with ThreadPoolExecutor(1) as background:
            # Meanwhile, because the report needs them: a fifth of a second to import, and a second.
            background.submit(import_module, "search.report.page")
            if not self.config.is_grid:
                background.submit(import_module, "search.tuning.importance")
            refits = Refits(self.folder, self.data, params, self.config, tasks)
            return refits.train(count, self.examples, self.executor, self.interrupted)

    def _find_optima(self) -> list[AlphaOptimum]:
        """Find the optima that are missing; return all, none where they are not asked for."""
        alphas = alphas_of(self.config) if self.options.optimum else ()
        n_train, _ = self.data.parts(self.config.scoring_fraction)
        seconds = optimum_seconds(n_train, self.data.X.shape[1], self.data.n_classes)
        optima = Optima(self.folder.optimum, alphas, self.folder.run, seconds)
        if count := len(optima.missing):
            what = "1 alpha" if count == 1 else f"{count} alphas"
            self.say(f"Finding the optimum of {what}, seconds to minutes each ...")
        return optima.find_missing(self.examples, self.executor, self.interrupted, self.say)

    def _optimum(self, found: Sequence[AlphaOptimum], best: int) -> OptimumFigures | None:
        """Return what the summary says of the optima; None where they are not asked for."""
        return optimum_figures(found, self.data, self.books.trial_log, best) if found else None

    def _ties(self) -> Ties | None:
        books = self.books
        if books.resamples is None:
            return None  # a trial is trained several times, and their spread says it
        _, scoring = self.data.parts(self.config.validation_fraction)
        return find_ties(books.trial_log, books.resamples, books.standings, scoring)

    def _write_result(self, manifest: Manifest, summary: Summary) -> Summary:
        """Write the report, then the summary, which says that all is there."""
        try:
            write_report(self.folder, manifest, self.books.trial_log, summary, self.data)
        except MissingLibraryError as error:
            later = f"{program('report')} {shlex.quote(str(self.folder.path))}"
            self.say(f"{error} {later} writes it then.")
        self.folder.restore_manifest(manifest)
        self.folder.write_summary(summary)
        return summary
