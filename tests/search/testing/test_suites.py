"""The suites of the protocols find what breaks them."""

import inspect
import subprocess
import sys
from contextlib import nullcontext

import pytest

from cluster.executor import SerialExecutor
from cluster.outcomes import Finished, Lost
from model.errors import DataError
from search.testing import ExecutorSuite, StorageSuite, TrainerSuite, executors, storage
from search.testing.refusals import raised


class Doubling(SerialExecutor):
    """Returns each result twice."""

    def wait(self, timeout):
        return 2 * super().wait(timeout)


class Swallowing(SerialExecutor):
    """Takes an error for the user for trouble of the machine."""

    def wait(self, timeout):
        key = self._queue[0][0] if self._queue else None
        try:
            return super().wait(timeout)
        except DataError as error:
            return [Lost(key, str(error), "here", "")]


class Mute(SerialExecutor):
    """Says of a lost task neither where it was nor what has happened."""

    def wait(self, timeout):
        ended = super().wait(timeout)
        return [Lost(e.key, "lost", "", "") if isinstance(e, Lost) else e for e in ended]


class Keeping(SerialExecutor):
    """Gives nothing up."""

    def give_up(self, key):
        pass


class Renaming(SerialExecutor):
    """Returns texts of the keys."""

    def wait(self, timeout):
        return [Finished(str(e.key), e.value, e.node) for e in super().wait(timeout)]


BROKEN = [
    (Doubling, "test_every_result_comes_back_once_with_its_key"),
    (Swallowing, "test_an_error_for_the_user_is_raised_and_the_executor_goes_on"),
    (Swallowing, "test_no_result_is_lost_to_the_error_of_another_task"),
    (Mute, "test_trouble_of_a_machine_is_a_lost_task_that_names_it"),
    (Mute, "test_a_task_that_is_to_avoid_the_only_machine_runs_there"),
    (Keeping, "test_a_task_that_is_given_up_never_comes_back"),
    (Keeping, "test_a_task_in_steps_that_is_given_up_never_comes_back"),
    (Renaming, "test_a_key_comes_back_as_itself"),
]


@pytest.mark.parametrize(("executor", "test"), BROKEN)
def test_an_executor_that_breaks_its_contract_fails(executor, test):
    with pytest.raises(AssertionError):
        getattr(ExecutorSuite(), test)(executor())


def test_one_that_never_answers_fails_in_time(monkeypatch):
    class Silent(SerialExecutor):
        def wait(self, timeout):
            return []

    monkeypatch.setattr(executors, "_LONGEST", 0.1)
    with pytest.raises(AssertionError, match=r"0 of 6 tasks in 0 s"):
        ExecutorSuite().test_every_result_comes_back_once_with_its_key(Silent())


def in_place(path, write):
    with path.open("wb") as file:
        write(file)


STORES = [
    ("write_atomically", in_place, "whole_or_absent_whatever_interrupts_its_writing"),
    ("write_atomically", in_place, "sees_the_old_file_while_the_new_one_is_written"),
    ("write_whole", lambda path, content: None, "is_written_and_replaced"),
    ("read_whole", lambda path: b"", "is_absent_and_nothing_else"),
    ("rename_durably", lambda old, new: new.write_bytes(old.read_bytes()), "alone_in_the_end"),
    ("lock", nullcontext, "is_refused_by_its_name"),
    ("find_writer", lambda path: None, "is_refused_by_its_name"),
]


@pytest.mark.parametrize(("name", "instead", "test"), STORES, ids=lambda value: str(value)[:20])
def test_a_place_that_breaks_its_contract_fails(tmp_path, monkeypatch, name, instead, test):
    monkeypatch.setattr(storage, name, instead)
    monkeypatch.setattr(storage, "_LONGEST", 0.1)
    (method,) = (found for found in vars(StorageSuite) if found.endswith(test))
    with pytest.raises((AssertionError, FileNotFoundError)):
        getattr(StorageSuite(), method)(tmp_path)


def test_what_raises_nothing_is_told_with_what_it_returns():
    with pytest.raises(AssertionError, match=r"no DataError: it has returned 'fine'"):
        raised(DataError, lambda: "fine")
    assert str(raised(DataError, lambda: executors.tasks.fail(DataError("bad")))) == "bad"


def test_the_suites_need_no_library_of_tests():
    code = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(('pytest', '_pytest', 'hypothesis')))\n"
        "from search.testing import ExecutorSuite, StorageSuite, TrainerSuite\n"
        "from cluster.executor import SerialExecutor\n"
        "ExecutorSuite().test_tasks_have_workers(SerialExecutor())\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("suite", [ExecutorSuite, StorageSuite, TrainerSuite])
def test_pytest_collects_a_subclass_alone(suite):
    assert not suite.__name__.startswith("Test")
    tests = [name for name, _ in inspect.getmembers(suite) if name.startswith("test_")]
    assert len(tests) > 7
