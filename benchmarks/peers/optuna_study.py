"""Optuna: one process for each core, all of them workers of one study in a journal file.

The journal file is what Optuna recommends for processes of one machine without
a database. The trials are enqueued beforehand; random sampling costs least, and
is never asked, because an enqueued trial has all its params.
"""

import multiprocessing
import tempfile
from datetime import datetime
from multiprocessing.synchronize import Semaphore
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from peers.sample import number_of
from peers.task import Outcome, Task, Trial, train
from search.config import AXES, Params

_STUDY = "sweep"


def run(task: Task) -> list[Outcome]:
    """Run the enqueued trials, each process until none is left."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # Forked, because processes then share the images without a copy.
    context = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(folder) / "journal.log"
        _enqueue(task, journal)
        left = context.Semaphore(len(task.trials))
        workers = [
            context.Process(target=_work, args=(task, journal, left)) for _ in range(task.cores)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        trials = _load(journal).trials
    return [_outcome(task, trial) for trial in trials]


def _storage(journal: Path) -> JournalStorage:
    return JournalStorage(JournalFileBackend(str(journal)))


def _load(journal: Path) -> optuna.Study:
    return optuna.load_study(
        study_name=_STUDY, storage=_storage(journal), sampler=optuna.samplers.RandomSampler()
    )


def _enqueue(task: Task, journal: Path) -> None:
    study = optuna.create_study(study_name=_STUDY, storage=_storage(journal))
    for trial in task.trials:
        study.enqueue_trial({name: trial.params[name] for name in AXES})


def _work(task: Task, journal: Path, left: Semaphore) -> None:
    def objective(trial: optuna.Trial) -> float:
        chosen = {name: trial.suggest_categorical(name, task.space.axes[name]) for name in AXES}
        params = Params(**chosen)
        return train(Trial(number_of(task.space, params), params), task.examples, task.seed).cost

    def stop_when_used_up(study: optuna.Study, _: optuna.trial.FrozenTrial) -> None:
        if not left.acquire(block=False):
            study.stop()

    # Counted here, because MaxTrialsCallback lets the other processes begin trials
    # beyond the last while that one is still running.
    if left.acquire(block=False):
        _load(journal).optimize(objective, callbacks=[stop_when_used_up])


def _outcome(task: Task, trial: optuna.trial.FrozenTrial) -> Outcome:
    cost = float("nan") if trial.value is None else trial.value
    times = [_seconds(moment) for moment in (trial.datetime_start, trial.datetime_complete)]
    return Outcome(number_of(task.space, Params(**trial.params)), cost, *times)


def _seconds(moment: datetime | None) -> float:
    if moment is None:
        raise RuntimeError("a trial of the study was left unfinished")
    return moment.timestamp()
