"""Several final trainings on an executor: how many at a time, and what is lost on the way."""

import numpy as np
import pytest

from cluster.errors import ClusterError
from cluster.executor import SerialExecutor
from cluster.outcomes import Lost
from model.data.dataset import Dataset
from model.examples import Examples
from model.tasks import run_refit
from search.config import Params
from search.engine.attempts import MAX_ATTEMPTS
from search.engine.refits import SoftmaxTraining, refit
from search.errors import InterruptedSweepError

PARAMS = Params(batch_size=8, learning_rate=1e-6, epochs=1, alpha=1.0)
DATA = Dataset(
    "tiny", np.random.default_rng(0).integers(0, 256, (30, 4), np.uint8), np.arange(30) % 3
)
EXAMPLES = Examples.from_dataset(DATA, 0.2, seed=0)
TRAINING = SoftmaxTraining(PARAMS, DATA, "last", EXAMPLES)


class Workers(SerialExecutor):
    """Pretends to have some workers, and loses each task of a seed so many times."""

    def __init__(self, workers, losses=None):
        super().__init__()
        self.workers, self.losses, self.most, self.names = workers, losses or {}, 0, []

    def submit(self, key, name, function, *args, **options):
        super().submit(key, name, function, *args, **options)
        self.names.append(name)
        self.most = max(self.most, len(self._queue))

    def wait(self, timeout):
        (task,) = super().wait(timeout)
        seed = task.key.key
        self.losses[seed] = self.losses.get(seed, 0) - 1
        return [task if self.losses[seed] < 0 else Lost(task.key, "WorkerCrashedError")]


def never():
    return False


@pytest.mark.parametrize(("workers", "most"), [(1, 1), (3, 3), (9, 5)])
def test_as_many_run_at_a_time_as_there_are_workers(workers, most):
    executor = Workers(workers)
    found = dict(refit(TRAINING, range(5), executor, never))
    assert executor.most == most
    assert sorted(found) == [0, 1, 2, 3, 4]
    for seed, result in found.items():
        alone = run_refit(EXAMPLES, dict(PARAMS), seed)
        for name, state in result.states.items():
            np.testing.assert_array_equal(state.V, alone.states[name].V)


def test_all_are_one_kind_to_the_dashboard():
    executor = Workers(2)
    list(refit(TRAINING, [3, 4], executor, never))
    kinds, details = zip(*(name.split(": ") for name in executor.names), strict=True)
    assert (set(kinds), details) == ({"refit batch=8 epochs 0-1"}, ("seed 3", "seed 4"))


def test_one_that_loses_its_worker_is_tried_again_and_holds_up_no_other():
    executor = Workers(2, {1: MAX_ATTEMPTS - 1})
    found = [seed for seed, _ in refit(TRAINING, range(4), executor, never)]
    assert found == [0, 2, 3, 1]


def test_losses_are_counted_for_each_seed():
    executor = Workers(2, dict.fromkeys(range(4), MAX_ATTEMPTS - 1))
    assert len(list(refit(TRAINING, range(4), executor, never))) == 4
    with pytest.raises(
        ClusterError, match=r"seed 2 has failed 5 times.*CrashedError\. The log is complete"
    ):
        list(refit(TRAINING, range(4), Workers(2, {2: MAX_ATTEMPTS}), never))


def test_an_interruption_is_no_loss_of_what_has_ended():
    stopped = []
    running = refit(TRAINING, range(4), Workers(2), lambda: bool(stopped))
    assert [next(running)[0], next(running)[0]] == [0, 1]
    stopped.append(True)
    with pytest.raises(InterruptedSweepError):
        next(running)
