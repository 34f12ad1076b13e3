"""The suite for executors: what every place where work runs must do."""

import time
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import numpy as np

from cluster.executor import Executor
from cluster.outcomes import Finished, Lost
from model.errors import DataError, PacksweepError
from model.features import AS_THEY_ARE
from model.seen_rows import SeenRows, source_of
from search.testing import tasks
from search.testing.refusals import raised

# A minute, because starting a worker may take some seconds on a busy machine.
_LONGEST = 60.0

# What is told of it, its class, and what it is made of.
_TROUBLE: tuple[tuple[str, type[Exception], tuple[object, ...]], ...] = (
    ("OSError: [Errno 28] No space left on device", OSError, (28, "No space left on device")),
    ("MemoryError (on ", MemoryError, ()),
    ("ConnectionError: the other side is gone", ConnectionError, ("the other side is gone",)),
    ("ZeroDivisionError: by zero", ZeroDivisionError, ("by zero",)),
    ("RuntimeError: can't start new thread", RuntimeError, ("can't start new thread",)),
    ("StopIteration", StopIteration, ()),
    ("it stays here", tasks.LocalError, ("it stays here",)),
    ("one", tasks.TwoLinesError, ("one", "other")),
)


class ExecutorSuite:
    """What every executor must do; see `cluster.executor.Executor`.

    A subclass has a fixture ``executor`` that returns one. It may be the same for all tests: each
    leaves it without tasks.

    Examples
    --------
    In a file of tests::

        import pytest
        from search.testing import ExecutorSuite

        class TestMine(ExecutorSuite):
            @pytest.fixture
            def executor(self):
                executor = MyExecutor()
                yield executor
                executor.close()
    """

    def test_every_result_comes_back_once_with_its_key(self, executor: Executor) -> None:
        """None is lost, doubled or taken for another's."""
        keys = [("pack", n) for n in range(6)]
        for key in keys:
            executor.submit(key, f"double {key}", tasks.double, key[1])
        ended = collect(executor, len(keys))
        assert all(isinstance(task, Finished) and task.node for task in ended)
        values = {task.key: value_of(task) for task in ended}
        assert values == {key: 2 * key[1] for key in keys}
        assert executor.wait(0) == []

    def test_waiting_for_nothing_returns_at_once(self, executor: Executor) -> None:
        """Where nothing was submitted there is nothing to wait for."""
        began = time.monotonic()
        assert executor.wait(_LONGEST) == []
        assert time.monotonic() - began < _LONGEST

    def test_a_key_comes_back_as_itself(self, executor: Executor) -> None:
        """It may be any hashable object, and does not travel."""
        key = object()
        executor.submit(key, "double", tasks.double, 1)
        (finished,) = collect(executor, 1)
        assert finished.key is key

    def test_an_error_for_the_user_is_raised_and_the_executor_goes_on(
        self, executor: Executor
    ) -> None:
        """One of `PacksweepError` is raised as it is."""
        executor.submit("bad", "fail", tasks.fail, DataError("too few images"))
        assert str(raised(DataError, lambda: collect(executor, 1))) == "too few images"
        assert run(executor, tasks.double, 4) == 8

    def test_no_result_is_lost_to_the_error_of_another_task(self, executor: Executor) -> None:
        """A caller who keeps waiting gets all results, and each error once."""
        for n in range(4):
            executor.submit(("good", n), "double", tasks.double, n)
            executor.submit(("bad", n), "fail", tasks.fail, DataError(f"no. {n}"))
        values, errors = results_and_errors(executor, 8)
        assert sorted(values) == [0, 2, 4, 6]
        assert sorted(errors) == [f"no. {n}" for n in range(4)]
        assert executor.wait(0) == []

    def test_trouble_of_a_machine_is_a_lost_task_that_names_it(self, executor: Executor) -> None:
        """Any other exception says in a line what has happened where, and more in its details."""
        for told, kind, values in _TROUBLE:
            executor.submit("bad", "fail", tasks.raise_new, kind, values)
            executor.submit("good", "double", tasks.double, 21)
            ended = {task.key: task for task in collect(executor, 2)}
            lost = ended["bad"]
            assert isinstance(lost, Lost), kind
            assert told in lost.reason + lost.details
            assert "\n" not in lost.reason
            assert lost.reason.endswith(f"(on {ended['good'].node})")
            assert lost.node
            assert "Traceback" in lost.details
            assert "\x1b" not in lost.details
            assert value_of(ended["good"]) == 42

    def test_a_task_that_is_to_avoid_the_only_machine_runs_there(self, executor: Executor) -> None:
        """To keep off a machine is a wish."""
        executor.submit("bad", "fail", tasks.fail, MemoryError())
        (lost,) = collect(executor, 1)
        assert lost.node
        executor.submit("again", "double", tasks.double, 1, avoid=[lost.node])
        assert [value_of(task) for task in collect(executor, 1)] == [2]

    def test_a_task_that_is_given_up_never_comes_back(self, executor: Executor) -> None:
        """And one that nobody knows does no harm."""
        executor.submit("one", "double", tasks.double, 1)
        executor.submit("other", "double", tasks.double, 2)
        executor.give_up("one")
        executor.give_up("nobody knows it")
        assert [task.key for task in collect(executor, 1)] == ["other"]
        assert executor.wait(0.5) == []
        assert executor.running() == []
        assert run(executor, tasks.double, 3) == 6

    def test_a_task_in_steps_that_is_given_up_never_comes_back(self, executor: Executor) -> None:
        """Nor does one that may have begun."""
        executor.submit("steps", "steps: 8", tasks.counting_steps, 0, 3)
        executor.wait(0)
        executor.give_up("steps")
        assert executor.wait(0.5) == []
        assert run(executor, tasks.double, 3) == 6

    def test_a_calculation_in_steps_gives_what_it_returns(self, executor: Executor) -> None:
        """A generator is run to its end."""
        executor.submit("steps", "steps: 1", tasks.counting_steps, 3, 6)
        executor.submit("none", "steps: 2", tasks.counting_steps, 3, 3)
        executor.submit("plain", "steps: 3", len, "four")
        values = {task.key: value_of(task) for task in collect(executor, 3)}
        assert values == {"steps": 12, "none": 0, "plain": 4}

    def test_a_step_that_fails_ends_its_task_alone(self, executor: Executor) -> None:
        """The others go on."""
        executor.submit("bad", "steps: 4", tasks.failing_steps)
        executor.submit("good", "steps: 5", tasks.counting_steps, 0, 2)
        assert results_and_errors(executor, 2) == ([1], ["no such luck"])

    def test_an_array_that_is_shared_arrives_whole_as_often_as_it_is_used(
        self, executor: Executor
    ) -> None:
        """A shared value serves many tasks."""
        shared = executor.share(np.arange(100_000, dtype=np.float32))
        for _ in range(2):
            assert run(executor, tasks.last_of, shared) == 99_999

    def test_rows_of_a_file_of_this_machine_are_read_there(
        self, executor: Executor, tmp_path: Path
    ) -> None:
        """The file does not go along; one that is gone by then is a message for the user."""
        np.save(tmp_path / "rows.npy", (np.arange(100_000) % 7).reshape(-1, 4).astype(np.float16))
        source = source_of(np.load(tmp_path / "rows.npy", mmap_mode="r"))
        rows = SeenRows((source,), np.arange(25_000), AS_THEY_ARE)
        shared = executor.share(rows)
        assert run(executor, tasks.last_row_of, shared) == (99_999 % 7, 1)
        (tmp_path / "rows.npy").unlink()
        executor.submit("gone", "last row", tasks.last_row_of, shared)
        said = str(raised(DataError, lambda: collect(executor, 1)))
        assert str(tmp_path / "rows.npy") in said

    def test_a_task_has_one_blas_thread_however_many_there_were(self, executor: Executor) -> None:
        """Tasks fill the cores already; this process keeps its threads."""
        before = tasks.blas_threads()
        for _ in range(2):
            threads = run(executor, tasks.blas_threads)
            assert threads
            assert set(threads) == {1}
        assert tasks.blas_threads() == before

    def test_tasks_have_workers(self, executor: Executor) -> None:
        """There is at least one, or nothing would ever be submitted."""
        assert executor.workers >= 1


def value_of(task: Finished | Lost) -> Any:
    """Return what a task has returned; a lost one fails the test with its reason."""
    assert isinstance(task, Finished), f"{task.reason}\n{task.details}"
    return task.value


def collect(executor: Executor, count: int) -> list[Finished | Lost]:
    """Wait for so many tasks, a minute at most."""
    ended: list[Finished | Lost] = []
    deadline = time.monotonic() + _LONGEST
    while len(ended) < count:
        assert time.monotonic() < deadline, f"{len(ended)} of {count} tasks in {_LONGEST:.0f} s"
        ended += executor.wait(0.25)
    assert len(ended) == count
    return ended


def results_and_errors(executor: Executor, count: int) -> tuple[list[Any], list[str]]:
    """Wait for so many tasks, some of which raise an error for the user."""
    values: list[Any] = []
    errors: list[str] = []
    deadline = time.monotonic() + _LONGEST
    while len(values) + len(errors) < count:
        assert time.monotonic() < deadline, f"{values} and {errors} in {_LONGEST:.0f} s"
        try:
            values += [value_of(task) for task in executor.wait(0.25)]
        except PacksweepError as error:
            errors.append(str(error))
    return values, errors


def run(executor: Executor, function: Callable[..., Any], *args: Any) -> Any:
    """Run one task alone and return its value."""
    key: Hashable = "one"
    executor.submit(key, "one task", function, *args)
    (finished,) = collect(executor, 1)
    assert finished.key == key
    return value_of(finished)
