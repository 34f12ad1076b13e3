"""The one loop of plain tasks: each result once, and none lost to the failure of another."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.errors import ClusterError
from cluster.executor import SerialExecutor
from cluster.outcomes import Lost
from search.engine.attempts import MAX_ATTEMPTS, Task, run_tasks
from search.errors import InterruptedSweepError


class Workers(SerialExecutor):
    """Ends some of its tasks at a time in any order, and loses each so many times."""

    def __init__(self, workers, losses=None, seed=0):
        super().__init__()
        self.workers, self.losses, self.attempts = workers, losses or {}, Counter()
        self._random = Random(seed)

    def submit(self, key, name, function, *args, **options):
        assert len(self._queue) < self.workers
        super().submit(key, name, function, *args, **options)

    def wait(self, timeout):
        self._random.shuffle(self._queue)
        count = self._random.randint(0, len(self._queue))
        return [self._end(*super(Workers, self).wait(timeout)) for _ in range(count)]

    def _end(self, finished):
        task = finished.key
        self.attempts[task.key] += 1
        assert task.attempt == self.attempts[task.key]
        lost = self.attempts[task.key] <= self.losses.get(task.key, 0)
        return Lost(task, "WorkerCrashedError") if lost else finished


def tasks(count):
    return [Task(n, f"square: {n}", f"The square of {n}", pow, (n, 2)) for n in range(count)]


def squares(executor, count, interrupted=lambda: False):
    return run_tasks(executor, tasks(count), interrupted, "Do it by hand.")


@given(
    st.integers(0, 2**32),
    st.integers(1, 5),
    st.dictionaries(st.integers(0, 7), st.integers(0, MAX_ATTEMPTS - 1)),
)
def test_each_result_comes_once_whatever_is_lost(seed, workers, losses):
    executor = Workers(workers, losses, seed)
    found = list(squares(executor, 8))
    assert sorted(found) == [(n, n * n) for n in range(8)]
    assert executor.attempts == {n: losses.get(n, 0) + 1 for n in range(8)}


class LosesTheFirst(SerialExecutor):
    """Loses the first task each time; the second ends together with the last loss."""

    workers = 2

    def wait(self, timeout):
        queue = sorted(self._queue, key=lambda call: call[0].key)
        first = queue[0][0]
        lost = Lost(first, "WorkerCrashedError")
        self._queue.remove(queue[0])
        return [lost, *super().wait(timeout)] if first.attempt == MAX_ATTEMPTS else [lost]


def test_a_result_that_comes_with_the_last_loss_is_handed_out():
    found = []
    told = r"^The square of 0 has failed 5 times, the last time by Worker.*\. Do it by hand\.$"
    with pytest.raises(ClusterError, match=told):
        found.extend(squares(LosesTheFirst(), 2))
    assert found == [(1, 1)]


@pytest.mark.parametrize("count", [1, 4])
def test_an_interruption_ends_it_while_something_is_left(count):
    executor, found, stopped = SerialExecutor(), [], []
    running = squares(executor, count, lambda: bool(stopped))
    found.append(next(running))
    stopped.append(True)
    if count == 1:
        assert list(running) == []
    else:
        with pytest.raises(InterruptedSweepError):
            next(running)
    assert found == [(0, 0)]


def test_nothing_to_do_is_done_at_once():
    assert list(squares(SerialExecutor(), 0, lambda: True)) == []
