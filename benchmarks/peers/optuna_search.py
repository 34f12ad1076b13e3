"""Optuna alone, as a command: worker processes that share a study in a journal file.

python -m peers.optuna_search CONFIG OUT.json --cores 4

Every process asks its own TPE sampler, which sees the trials of all of them,
trains the textbook trainer, and tells. The result is one row for each trial.
"""

import argparse
import json
import math
import multiprocessing
import tempfile
from multiprocessing.synchronize import Semaphore
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from model.data.sources import load_dataset
from model.examples import Examples
from peers.task import Trial, train
from search.config import Params, Range, SweepConfig, load_config

_STUDY = "search"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("config")
    parser.add_argument("out", type=Path)
    parser.add_argument("--cores", type=int, required=True)
    args = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    config = load_config(args.config)
    data = load_dataset(config.dataset, notify=print)
    examples = Examples.from_dataset(data, config.validation_fraction, config.seed)
    with tempfile.TemporaryDirectory() as folder:
        study = search(config, examples, Path(folder) / "journal.log", args.cores)
        rows = [_row(trial) for trial in study.trials]
        print(f"best: {study.best_value:.4f}, {study.best_params}")
    args.out.write_text(json.dumps(rows))


def search(config: SweepConfig, examples: Examples, journal: Path, cores: int) -> optuna.Study:
    """Optimize with as many processes as cores."""
    study = optuna.create_study(study_name=_STUDY, storage=_storage(journal))
    # Forked, because processes then share the images without a copy.
    context = multiprocessing.get_context("fork")
    left = context.Semaphore(config.total)
    workers = [
        context.Process(target=_work, args=(config, examples, journal, i, left))
        for i in range(cores)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        raise RuntimeError("a worker failed")
    return study


def _storage(journal: Path) -> JournalStorage:
    return JournalStorage(JournalFileBackend(str(journal)))


def _work(
    config: SweepConfig, examples: Examples, journal: Path, index: int, left: Semaphore
) -> None:
    def objective(trial: optuna.Trial) -> float:
        chosen = {name: _suggest(trial, name, axis) for name, axis in config.axes_by_name.items()}
        outcome = train(Trial(trial.number, Params(**chosen)), examples, config.seed)
        trial.set_user_attr("seconds", outcome.finished - outcome.started)
        return outcome.cost

    def stop_when_used_up(study: optuna.Study, _: optuna.trial.FrozenTrial) -> None:
        if not left.acquire(block=False):
            study.stop()

    seed = 1000 * (config.sampler.seed or 0) + index  # each process draws its own numbers
    options = {"constant_liar": True, **config.sampler.options}
    sampler = optuna.samplers.TPESampler(seed=seed, **options)
    # Counted here, because MaxTrialsCallback lets the other processes begin trials
    # beyond the last while that one is still running.
    if left.acquire(block=False):
        study = optuna.load_study(study_name=_STUDY, storage=_storage(journal), sampler=sampler)
        study.optimize(objective, callbacks=[stop_when_used_up])


def _suggest(trial: optuna.Trial, name: str, axis: tuple[float, ...] | Range) -> Any:
    if not isinstance(axis, Range):
        return trial.suggest_categorical(name, axis)
    suggest = trial.suggest_int if isinstance(axis.low, int) else trial.suggest_float
    step = {} if axis.step is None else {"step": axis.step}
    return suggest(name, axis.low, axis.high, log=axis.log, **step)


def _row(trial: optuna.trial.FrozenTrial) -> dict[str, Any]:
    """Return params, cost and seconds of training; the cost of a diverged trial is None."""
    if not trial.state.is_finished():
        raise RuntimeError("a trial of the study was left unfinished")
    cost = None if trial.value is None or not math.isfinite(trial.value) else trial.value
    return {**trial.params, "val_cost": cost, "seconds": trial.user_attrs["seconds"]}


if __name__ == "__main__":
    main()
