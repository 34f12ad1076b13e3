"""What follows the trials of a sweep: final trainings, optima, the report and the summary."""

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from model.data.dataset import Dataset
from model.optimum import AlphaOptimum
from model.shuffle import validation_rows
from model.tasks import FinalScores
from search.config import Params, SweepConfig
from search.engine import Optima, Refits
from search.errors import InterruptedSweepError
from search.record import BestTrial, Books, Manifest, RunFolder
from search.report import write_report
from search.result import (
    Arithmetic,
    add_spread,
    find_indistinguishable,
    lacks_refits,
    make_summary,
    optimum_told,
    with_refits,
)
from search.sweep.options import Options


@dataclass(frozen=True)
class LastTasks:
    """What the tasks that follow the trials have given.

    Attributes
    ----------
    tests : sequence of FinalScores
        Of each final training; none where every trial diverged.
    optima : sequence of AlphaOptimum
        None where they are not asked for.
    """

    tests: Sequence[FinalScores]
    optima: Sequence[AlphaOptimum]


@dataclass(frozen=True)
class Ending:
    """Brings a run whose trials are in the log to its summary, or adds to the one that it has.

    Attributes
    ----------
    options : Options
    config : SweepConfig
    data : Dataset
    folder : RunFolder
    books : Books
    optima : Optima
        It finds optima, and is the executor of the final trainings.
    examples : object
        What the executor's `share` returned for the `Examples`.
    interrupted : callable
        Whether the user has asked to stop.
    say : callable
        Tells the user what is done.
    """

    options: Options
    config: SweepConfig
    data: Dataset
    folder: RunFolder
    books: Books
    optima: Optima
    examples: Any
    interrupted: Callable[[], bool]
    say: Callable[[str], None]

    @contextmanager
    def interruptible(self, done: Callable[[], str]) -> Iterator[None]:
        """Say what is done and how to continue, where what is inside is interrupted."""
        try:
            yield
        except InterruptedSweepError as error:
            raise InterruptedSweepError(self._how_to_continue(done())) from error

    def last_tasks(self, best: BestTrial | None) -> LastTasks:
        """Train the winner on all images, where there is one, and find what is left of the optima.

        Raises
        ------
        InterruptedSweepError
            If it is interrupted; what is done is kept.
        """
        tests = self._refit(best.params) if best else []
        return LastTasks(tests, self._find())

    def conclude(
        self,
        manifest: Manifest,
        last: LastTasks,
        timing: Mapping[str, float | None],
        work: Arithmetic,
    ) -> dict[str, Any]:
        """Write the report and the summary of a run that has had none, and return the summary.

        Parameters
        ----------
        manifest : Manifest
        last : LastTasks
        timing : mapping of str to float or None
            Of `search.timing.make_timing`.
        work : Arithmetic
        """
        tests = last.tests
        summary = make_summary(
            self.books.standings, tests[0] if tests else {}, self.data, timing, work
        )
        add_spread(summary, self.config, self.books.trial_log)
        summary["indistinguishable"] = self._indistinguishable()
        summary["features"] = self.config.features
        summary = with_refits(summary, self.config.refit_seeds(len(tests)), tests)
        return self._write(manifest, self._with_optima(summary, last.optima))

    def add(self, summary: dict[str, Any]) -> dict[str, Any]:
        """Add what a finished run lacks; all else stays as it was.

        Raises
        ------
        InterruptedSweepError
            If it is interrupted; what is done is kept.
        """
        with self.interruptible(
            lambda: "The run is finished, and what is done of the rest is kept"
        ):
            if lacks_refits(summary, self.options.refits):
                tests = self._refit(Params(**summary["best"]["params"]))
                summary = with_refits(summary, self.config.refit_seeds(len(tests)), tests)
            found = self._find()
        return self._write(self.folder.existing_manifest(), self._with_optima(summary, found))

    def _refit(self, params: Params) -> list[FinalScores]:
        """Train the winner on all images as often as was asked for; return the test figures."""
        count = self.options.refits
        seeds = f" with {count} seeds" if count > 1 else ""
        self.say(f"Training the best combination on all training images{seeds} ...")
        with ThreadPoolExecutor(1) as background:
            # Meanwhile, because the report needs it and it takes a second to import.
            background.submit(import_module, "search.tuning.importance")
            refits = Refits(self.folder, self.data, params, self.config)
            return refits.train(count, self.examples, self.optima, self.interrupted)

    def _find(self) -> list[AlphaOptimum]:
        left = self.optima.left
        if left:
            alphas = "1 alpha" if left == 1 else f"{left} alphas"
            self.say(f"Finding the optimum of {alphas} ...")
        return self.optima.finish(self.interrupted)

    def _with_optima(
        self, summary: dict[str, Any], found: Sequence[AlphaOptimum]
    ) -> dict[str, Any]:
        """Return a summary with the optima, where they are asked for and there is a best trial."""
        if not found or not summary["best"]:
            return summary
        told = optimum_told(found, self.data, self.books.trial_log, summary["best"])
        return {**summary, "optimum": told}

    def _indistinguishable(self) -> dict[str, Any] | None:
        books, resamples = self.books, self.books.resamples
        if resamples is None:
            return None  # a trial is trained several times, and their spread says it
        images = validation_rows(len(self.data.y), self.config.validation_fraction)
        return find_indistinguishable(books.trial_log, resamples, books.standings, images)

    def _write(self, manifest: Manifest, summary: dict[str, Any]) -> dict[str, Any]:
        """Write the report, then the summary, which says that all is there."""
        write_report(self.folder, manifest, self.books.trial_log, summary, self.data)
        self.folder.write_summary(summary)
        return summary

    def _how_to_continue(self, done: str) -> str:
        given = [
            f"--{name}={value}"
            for name in ("executor", "address", "workers", "refits")
            if (value := getattr(self.options, name)) not in (None, getattr(Options, name))
        ] + ["--optimum"] * self.options.optimum
        command = ["python", "-m", "search.run", "--resume", str(self.folder.path), *given]
        return f"Interrupted. {done}; continue with:\n  {shlex.join(command)}"
