"""A cluster that changes while it is looked at: nothing is waited for in vain, or taken twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from machines import Machines

from cluster.errors import ClusterError
from cluster.outcomes import Finished, Lost
from model.speed import SpeedModel
from search.engine import calibrate, calibration
from search.engine.attempts import MAX_ATTEMPTS, Task, run_tasks
from search.engine.stage import Stage
from search.errors import InterruptedSweepError
from search.plan import patience

MODEL = SpeedModel({4: (1.0, 1.0)}, (1.0, 1.0))
SHAPE = ([4], 12, 3)

counts = st.lists(st.integers(1, 9), min_size=1)
seeds = st.integers(0, 2**32)


@pytest.fixture(autouse=True, scope="module")
def measured():
    """Let a measurement take no time, and none be kept."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration, "measure", lambda *shape: MODEL)
        patch.setattr(calibration, "_read", lambda *given: None)
        patch.setattr(calibration, "_write", lambda *given: None)
        yield


def tasks(count):
    return [Task(n, f"square: {n}", f"The square of {n}", pow, (n, 2), 6.0) for n in range(count)]


def squares(executor, count=6, interrupted=lambda: False):
    return sorted(run_tasks(executor, tasks(count), interrupted, "Do it by hand."))


def in_stage(executor, interrupted=lambda: False, told=None):
    told = [] if told is None else told
    return Stage(executor, interrupted, lambda key: 60.0, lambda *late: told.append(late))


# --- Machines that join and leave


@given(counts, seeds)
def test_all_that_there_were_at_first_are_calibrated_whoever_joins_or_leaves(workers, seed):
    executor = Machines(workers, seed=seed, loss=0.3, strangers=[("calibrate", 99)] * 3)
    assert calibrate(executor, *SHAPE).scoring in {MODEL.scoring, calibration.TYPICAL.scoring}
    assert len(executor.keys) == workers[0]


@given(counts, seeds)
def test_plain_tasks_end_once_each_whoever_joins_or_leaves(workers, seed):
    executor = Machines(workers, seed=seed, loss=0.1, strangers=[("calibrate", 0), *tasks(2)])
    try:
        assert squares(executor) == [(n, n * n) for n in range(6)]
    except ClusterError:
        attempts = [task.attempt for task in executor.losses]
        assert max(attempts) == MAX_ATTEMPTS


def test_a_task_is_tried_again_where_it_was_not_lost_yet():
    executor = Machines(loss=1.0)
    with pytest.raises(ClusterError, match=r"by the node 10\.0\.0\.9 is gone\. Do it by hand"):
        squares(executor, 1)
    assert [list(avoid) for avoid in executor.avoided] == [[], *[["node-9"]] * (MAX_ATTEMPTS - 1)]


# --- Ctrl-C


@pytest.mark.parametrize(
    "begin",
    [
        lambda executor, interrupted: calibrate(executor, *SHAPE, interrupted),
        lambda executor, interrupted: squares(executor, interrupted=interrupted),
    ],
    ids=["calibration", "plain tasks"],
)
def test_it_is_heard_while_nothing_ends(begin):
    executor, asked = Machines([3], hangs=lambda key: True), iter([False, False, True])
    with pytest.raises(InterruptedSweepError):
        begin(executor, lambda: next(asked))
    assert len(executor.keys) == 3
    assert sorted(executor.given_up, key=str) == sorted(executor.keys, key=str)


# --- What is late from an earlier stage


def test_what_is_left_of_a_stage_is_no_task_of_the_next():
    executor = Machines([2], hangs=lambda key: key == "one")
    with in_stage(executor) as stage:
        stage.submit("one", "double", pow, 1, 2)
    assert executor.given_up == ["one"]
    with in_stage(executor) as stage:
        stage.submit("two", "double", pow, 2, 2)
        executor._strangers = ["one"]
        while not (ended := stage.wait()):
            assert len(stage) == 1
        assert [(task.key, task.value) for task in ended] == [("two", 4)]
        assert len(stage) == 0
    assert executor.given_up == ["one"]


def test_an_error_gives_up_what_is_under_way_and_is_not_hidden_by_the_clusters():
    class Unreachable(Machines):
        def give_up(self, key):
            raise ClusterError("out of reach")

    def fail(executor):
        with in_stage(executor) as stage:
            stage.submit("one", "double", pow, 1, 2)
            raise ZeroDivisionError

    for kind in (Machines, Unreachable):
        executor = kind()
        with pytest.raises(ZeroDivisionError):
            fail(executor)
        assert executor.given_up == (["one"] if kind is Machines else [])


def test_results_come_before_losses():
    executor = Machines()
    executor.wait = lambda timeout: [Lost("one", "why"), Finished("two", 2, "here")]
    with in_stage(executor) as stage:
        stage.submit("one", "double", pow, 1, 2)
        stage.submit("two", "double", pow, 2, 2)
        assert [type(task) for task in stage.wait()] == [Finished, Lost]


# --- What does not end


def test_a_task_that_hangs_is_told_of_once_and_given_up_later():
    executor, told = Machines([2], hangs=lambda key: key == "hangs"), []
    with in_stage(executor, told=told) as stage:
        stage.submit("hangs", "double", pow, 1, 2)
        for executor.seconds in (0.0, 29.9):
            assert stage.wait() == []
        assert told == []
        for executor.seconds in (30.0, 59.9):
            assert stage.wait() == []
        how = "under way for 30 s on 10.0.0.9, given up after 1:00 min"
        assert (told, executor.given_up) == ([("hangs", how)], [])
        executor.seconds = 60.0
        reason = "no answer, under way for 1:00 min on 10.0.0.9"
        assert stage.wait() == [Lost("hangs", reason, "node-9")]
        assert (executor.given_up, len(stage)) == (["hangs"], 0)


def test_one_of_an_earlier_stage_that_hangs_is_none_of_this_one():
    executor = Machines(hangs=lambda key: True)
    executor.submit("old", "double", pow, 1, 2)
    executor.seconds = 1e6
    with in_stage(executor) as stage:
        assert stage.wait() == []
    assert executor.given_up == []


def test_plain_tasks_that_hang_are_tried_again_with_twice_the_patience(caplog):
    executor = Machines([3], hangs=lambda task: task.key == 1 and task.attempt < 3)
    limits = []

    def interrupted():
        running = executor.running()
        executor.seconds = running[0].key.patience if running else 0.0
        limits.extend(task.key.patience for task in running)
        return False

    assert squares(executor, interrupted=interrupted) == [(n, n * n) for n in range(6)]
    assert (limits, len(executor.given_up)) == ([60.0, 120.0], 2)
    assert "lost: The square of 1, attempt 2: no answer, under way for 2:00 min on" in caplog.text


def test_one_that_hangs_always_ends_in_a_message_that_names_where():
    executor = Machines(hangs=lambda task: task.key == 1)
    executor.seconds = 1e6
    told = r"^The square of 1 has failed 5 times, .*no answer, .* on 10\.0\.0\.9\. Do it by hand\.$"
    with pytest.raises(ClusterError, match=told):
        squares(executor)


def test_a_measurement_of_speed_that_hangs_does_not_count(caplog):
    executor = Machines([4], hangs=lambda key: key[1] == 2)
    executor.seconds = patience(1.0)
    assert calibrate(executor, *SHAPE) == MODEL
    assert executor.given_up == [("calibrate", 2)]
    assert "lost: a measurement of speed: no answer, under way for 1:00 min" in caplog.text
