"""How far a search is: in a terminal, in a notebook, as lines; and what is said of Ctrl-C."""

import html
import math
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from joblib.logger import short_format_time

from search.estimators.shared_fits import Done, Params

# Seconds between two changes of what a notebook shows.
_INTERVAL = 0.5

_CALLED = {"halving": "rung ", "grid": "", "random": ""}
"""What the evaluations of a strategy are called where there are several; else they are waves."""


class Counts:
    """Counts trainings and knows the best candidate of the present evaluation.

    Parameters
    ----------
    search : PackSweepSearchCV
    """

    def __init__(self, search: Any) -> None:
        self._metric = search.refit if isinstance(search.refit, str) else None
        named = search.strategy if isinstance(search.strategy, str) else ""
        self._called = _CALLED.get(named, "wave ")
        self._evaluation = self._splits = 0
        # Trainings of all evaluations that have begun, and when the present one began.
        self.done = self.total = self._before = 0
        self._began = time.monotonic()
        self._params: Mapping[int, Params] = {}
        self._scores: dict[int, list[float]] = {}
        self._best: tuple[float, int] | None = None

    def begins(self, params: Mapping[int, Params], splits: int, jobs: int) -> None:
        """Count an evaluation that begins."""
        self._evaluation, self._splits, self._params = self._evaluation + 1, splits, params
        self._before, self.total = self.done, self.done + jobs
        self._began, self._scores, self._best = time.monotonic(), {}, None

    def ended(self, done: Done) -> None:
        """Count a training, and note which candidate is the best of those with all scores."""
        self.done += 1
        for number, result in zip(done.unit.candidates, done.results, strict=True):
            score = _single(result["test_scores"], self._metric)
            if score is None:
                continue
            scores = self._scores.setdefault(number, [])
            scores.append(score)
            mean = sum(scores) / self._splits
            if len(scores) < self._splits or not math.isfinite(mean):
                continue
            if self._best is None or mean > self._best[0]:
                self._best = mean, number

    @property
    def fraction(self) -> float:
        """How much of the present evaluation is done."""
        return (self.done - self._before) / max(self.total - self._before, 1)

    @property
    def lines(self) -> list[str]:
        """How far it is, and the best so far, in words."""
        from search.text import duration

        which = f"{self._called}{self._evaluation}, " if self._called else ""
        done, total = self.done - self._before, self.total - self._before
        left = ""
        if 0 < done < total:
            passed = time.monotonic() - self._began
            left = f", {duration(passed * (total - done) / done)} left"
        found = []
        if self._best is not None:
            score, number = self._best
            found = [f"best {score:.4f}: {_words(self._params[number])}"]
        return [f"{which}{done} of {total} trainings{left}", *found]


def _single(scores: Any, metric: str | None) -> float | None:
    if isinstance(scores, Mapping):
        scores = scores.get(metric)
    return float(scores) if scores is not None else None


def _words(params: Params) -> str:
    return ", ".join(f"{name}={params[name]}" for name in sorted(params))


class Lines:
    """Prints what `GridSearchCV` prints: how many fits, and with more verbosity each of them.

    Parameters
    ----------
    verbose : int
    above : callable
        Returns a context in which something may be printed.
    """

    def __init__(self, verbose: int, above: Any) -> None:
        self._verbose, self._above = verbose, above
        self._params: Mapping[int, Params] = {}
        self._splits = 0

    def begins(self, params: Mapping[int, Params], splits: int, jobs: int) -> None:
        """Print how many candidates and splits there are."""
        del jobs
        self._params, self._splits = params, splits
        self._print(
            f"Fitting {splits} folds for each of {len(params)} candidates, totalling "
            f"{len(params) * splits} fits"
        )

    def ended(self, done: Done) -> None:
        """Print a line for each candidate of a training."""
        if self._verbose < 2:
            return
        which = f" {done.unit.split + 1}/{self._splits}" if self._verbose > 2 else ""
        for number, result in zip(done.unit.candidates, done.results, strict=True):
            seconds = short_format_time(result["fit_time"] + result["score_time"])
            score = f" {_scores(result['test_scores'])}" if self._verbose > 2 else ""
            said = f"{_words(self._params[number])};{score} total time={seconds}"
            begin = f"[CV{which}] END "
            self._print(begin + "." * (80 - len(begin) - len(said)) + said)

    def _print(self, text: str) -> None:
        with self._above():
            print(text, flush=True)  # noqa: T201 - where GridSearchCV has it


def _scores(scores: Any) -> str:
    if isinstance(scores, Mapping):
        return " ".join(f"{name}: (test={scores[name]:.3f})" for name in sorted(scores))
    return f"score={scores:.3f}"


class NotebookView:
    """Changes one output of a notebook, some times a second at most.

    Parameters
    ----------
    counts : Counts
    display : callable
        IPython's, which returns a handle.
    """

    def __init__(self, counts: Counts, display: Any) -> None:
        self._counts, self._display = counts, display
        self._handle: Any = None
        self._shown = 0.0

    def begins(self, params: Mapping[int, Params], splits: int, jobs: int) -> None:
        """Show that an evaluation begins."""
        del params, splits, jobs
        self.show()

    def ended(self, done: Done) -> None:
        """Show how far it is, when it is time."""
        del done
        if time.monotonic() >= self._shown + _INTERVAL:
            self.show()

    def show(self) -> None:
        """Show how far it is."""
        self._shown = time.monotonic()
        words = self._counts.lines
        bar = f'<progress max="1" value="{self._counts.fraction:.3f}"></progress> '
        bundle = {
            "text/plain": "; ".join(words),
            "text/html": bar + "<br>".join(html.escape(line) for line in words),
        }
        if self._handle is None:
            self._handle = self._display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)


class Several:
    """Tells some that are told of an evaluation, in their order.

    Parameters
    ----------
    *told : Told
    """

    def __init__(self, *told: Any) -> None:
        self._told = told

    def begins(self, params: Mapping[int, Params], splits: int, jobs: int) -> None:
        """Tell all."""
        for each in self._told:
            each.begins(params, splits, jobs)

    def ended(self, done: Done) -> None:
        """Tell all."""
        for each in self._told:
            each.ended(done)


@contextmanager
def telling(search: Any) -> Iterator[Several]:
    """Open what tells how far a search is, where its user wants to see it.

    Raises
    ------
    KeyboardInterrupt
        With what is kept and how to go on, where Ctrl-C ends the search.
    """
    counts = Counts(search)
    told: list[Any] = [counts]
    try:
        with ExitStack() as stack:
            if search.verbose:
                above: Any = ExitStack
                if (display := _notebook()) is not None:
                    view = NotebookView(counts, display)
                    told.append(view)
                    stack.callback(view.show)
                elif sys.stdout is not None and sys.stdout.isatty():
                    above = stack.enter_context(_live(counts)) or above
                told.append(Lines(int(search.verbose), above))
            yield Several(*told)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_how_to_go_on(counts, search.folder)) from None


def _how_to_go_on(counts: Counts, folder: Any) -> str:
    if not counts.total:
        return "before the first training"
    done = f"after {counts.done} of {counts.total} trainings"
    if folder is None:
        return f"{done}, which are lost. With folder='kept' the same fit would continue from there."
    return f"{done}, which are kept in {folder}: the same fit continues from there."


def _notebook() -> Any:
    """Return IPython's display where the output is a notebook; else None."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    return sys.modules["IPython"].display.display


@contextmanager
def _live(counts: Counts) -> Iterator[Any]:
    """Draw the counts over themselves in a terminal that can; yield what lets others print."""
    # Rich and the views of sweeps, which nobody needs who sees nothing of them.
    from rich.text import Text

    from search.text import console
    from search.watch import LiveLines, bar, can_move_cursor

    terminal = console(sys.stdout)
    if not can_move_cursor(terminal):
        yield None
        return

    def lines(columns: int, rows: int) -> list[Text]:
        first, *rest = counts.lines
        drawn = [bar(terminal, columns, counts.fraction), Text(first)]
        return [*drawn, *(Text(line, style="bold") for line in rest)][:rows]

    with LiveLines(terminal, lines) as live:
        yield live.above
