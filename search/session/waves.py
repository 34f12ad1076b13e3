"""The waves that are left to train: the one wave of a grid, or those of a sampler."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from search.engine import (
    Pruning,
    SampledSearch,
    Source,
    Wave,
    WaveRequest,
    newest_trials,
    wave_widths,
)
from search.plan import LinkCutter, Prediction, Speed, open_chains, predict, workers_each
from search.session.preparation import widest_of
from search.session.trials import Run


@dataclass(frozen=True)
class Work:
    """What is left to train.

    Attributes
    ----------
    source : Source
    prediction : Prediction or None
        Time that it should take; None for a sampled search, whose trials are not known before,
        and with a pruner, which saves nobody knows what.
    """

    source: Source
    prediction: Prediction | None


@contextmanager
def open_work(run: Run, speed: Speed, workers: int) -> Iterator[Work]:
    """Take up what is left of a run, which has been settled; leave it when all is trained.

    Parameters
    ----------
    run : Run
    speed : Speed
        Speed of the workers.
    workers : int

    Raises
    ------
    SamplerError
        If a sampler fails.
    StoreError
        If the log cannot be read.
    """
    if run.config.is_grid:
        cutter = LinkCutter.for_data(
            run.grid_plan, speed=speed, config=run.config, data=run.data, workers=workers
        )
        wave = Wave(run.grid_plan, cutter, run.training_books, _grid_pruning(run))
        yield Work(wave, _prediction(run, cutter, workers))
        # Not in a `finally`: a grid that was interrupted, or has ended early, goes on from these.
        if wave.finished:
            wave.discard_states()
    else:
        with _sampled_search(run, speed, workers) as search:
            search.restore()
            yield Work(search, None)


def _prediction(run: Run, cutter: LinkCutter, workers: int) -> Prediction | None:
    if run.config.rungs:
        return None
    books = run.training_books
    chains = open_chains(run.grid_plan, books.closed, books.checkpoints.reached, cutter)
    return predict(chains, workers)


def _grid_pruning(run: Run) -> Pruning | None:
    if not run.config.rungs:
        return None
    # Here, because Optuna takes a second to import and a plain grid goes without.
    from search.tuning.pruning import make_pruning

    return make_pruning(run.config, newest_trials(run.grid_plan), history=[], wave=0)


def _sampled_search(run: Run, speed: Speed, workers: int) -> SampledSearch:
    from search.tuning.pruning import make_pruning
    from search.tuning.tuner import make_tuner

    config, tuner = run.config, make_tuner(run.config)

    def pruning(request: WaveRequest) -> Pruning | None:
        if not config.rungs:
            return None
        history = tuner.history(request.first_unknown)
        return make_pruning(config, newest_trials(request.plan), history, request.index)

    def make_wave(request: WaveRequest) -> Wave:
        plan = run.replicated(request.plan)
        cutter = LinkCutter.for_data(
            plan, speed=speed, config=config, data=run.data, workers=workers
        )
        return Wave(plan, cutter, run.training_books, pruning(request))

    return SampledSearch(
        asker=tuner,
        total=config.total,
        batch=config.wave_size,
        workers=workers_each(config, run.manifest.workers),
        rungs=config.rungs,
        books=run.books,
        proposals=run.proposals,
        reused=run.reused,
        make_wave=make_wave,
        widths=partial(wave_widths, config=config, widest=widest_of(run.data)),
        pack_by=config.pack_by,
        live=config.live,
    )
