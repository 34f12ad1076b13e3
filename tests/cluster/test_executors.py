"""Every place where work runs passes the suite for executors; and what each does beside it."""

import errno
import gc
import hashlib
import os
import signal
import sys
import time
import warnings
from contextlib import suppress
from contextvars import ContextVar, copy_context
from functools import partial

import numpy as np
import psutil
import pytest

from cluster.errors import ClusterError
from cluster.executor import SerialExecutor, available_cores, one_blas_thread
from cluster.outcomes import Finished, Lost
from cluster.resources import Resources
from cluster.versions import library_versions
from search.testing import ExecutorSuite
from search.testing.executors import collect, run
from search.testing.tasks import blas_threads, counting_steps, double, fail


def start_ray():
    import ray.cloudpickle

    from cluster.ray_executor import RayExecutor

    # The workers cannot import this module, so its functions travel whole.
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    return RayExecutor(workers=2)


@pytest.fixture(scope="module")
def ray_cluster():
    executor = start_ray()
    yield executor
    with warnings.catch_warnings():  # Ray lets go of processes that have yet to end
        warnings.simplefilter("ignore", ResourceWarning)
        executor.close()
        gc.collect()


@pytest.fixture
def ray_executor(ray_cluster):
    """The executor that all tests share; none finds a task, a result or an error of another."""
    yield ray_cluster
    for task in list(ray_cluster._tasks.values()):
        ray_cluster.give_up(task.key)
    ray_cluster._unsent.clear()
    ray_cluster._mistakes.clear()


# --- Tasks, as the workers get them


def wait_for(path):
    while not path.exists():
        time.sleep(0.01)
    return "gone on"


def flags(array):
    return array.flags.writeable, array.flags.owndata, float(array[-1])


def say_and_wait_for(number, path):
    written = number.with_name(f"{number.name}.new")  # of this task alone: others write beside it
    written.write_text(str(os.getpid()))
    written.rename(number)
    return wait_for(path)


def hash_of(array):
    return hashlib.sha256(array.tobytes()).hexdigest()


class Owner:
    """Makes objects that are lost with it."""

    def put(self, value):
        import ray

        return [ray.put(value)]

    @classmethod
    def lost(cls, value):
        """Return a reference to an object whose owner has died."""
        import ray

        owner = ray.remote(cls).options(num_cpus=0).remote()
        (reference,) = ray.get(owner.put.remote(value))
        ray.kill(owner)
        with suppress(ray.exceptions.ObjectLostError):
            while True:  # until Ray has seen that it is gone
                ray.get(reference, timeout=60)
                time.sleep(0.02)
        return reference


def end(worker):
    with suppress(psutil.NoSuchProcess):
        worker.kill()


class Unpacked:
    """What fails where it arrives."""

    def __setstate__(self, state):
        raise MemoryError("no memory to unpack it")

    def __getstate__(self):
        return {"some": "state"}


def die(number):
    os.kill(os.getpid(), number) if number else os._exit(1)


# --- In this process


class TestSerial(ExecutorSuite):
    @pytest.fixture
    def executor(self):
        return SerialExecutor()


def test_the_serial_executor_runs_one_task_for_each_wait_in_order():
    executor = SerialExecutor()
    for x in (3, 1, 2):
        executor.submit(x, "double", double, x)
    assert [executor.wait(0) for _ in range(3)] == [
        [Finished(x, 2 * x, "localhost")] for x in (3, 1, 2)
    ]


def test_the_serial_executor_shares_the_value_itself():
    array = np.ones(3)
    assert SerialExecutor().share(array) is array


@pytest.mark.parametrize("steps", [0, 1])
def test_the_serial_executor_has_no_task_any_more_that_it_tells_as_lost(monkeypatch, steps):
    """Such as one for which no file can be opened, whose next attempt would wait for ever."""
    executor = SerialExecutor()
    executor.submit("key", "steps: 6", counting_steps, 0, 3)
    for _ in range(steps):
        assert executor.wait(0) == []

    def refused():
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr("cluster.executor.one_blas_thread", refused)
        assert [lost.key for lost in executor.wait(0)] == ["key"]
        assert executor.wait(0) == []
    executor.submit("key", "double", double, 2)
    assert executor.wait(0) == [Finished("key", 4, "localhost")]


def test_a_closed_serial_executor_forgets_its_tasks():
    executor = SerialExecutor()
    executor.submit("key", "fail", fail, AssertionError("must not run"))
    executor.close()
    assert executor.wait(0) == []


def test_one_blas_thread_ends_with_its_context():
    before = blas_threads()
    with one_blas_thread():
        assert set(blas_threads()) == {1}
    assert blas_threads() == before


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "200000 100000"}, 2),
        ({"cpu.max": "150000 100000"}, 2),
        ({"cpu.max": "10000 100000"}, 1),
        ({"cpu.max": "max 100000"}, 64),
        ({"cpu.max": "9999999 100000"}, 64),
        ({"cpu.max": "of another kind"}, 64),
        ({"cpu.max": "two words"}, 64),
        ({"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 64),
        ({}, 64),
    ],
)
def test_the_available_cores_are_no_more_than_a_container_may_use(
    files, cores, monkeypatch, tmp_path
):
    from joblib.externals.loky.backend import context

    def here(name):
        return tmp_path / str(name).removeprefix("/sys/fs/cgroup/")

    (tmp_path / "cpu").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(context, "open", lambda name: here(name).open(), raising=False)
    monkeypatch.setattr(context.os.path, "exists", lambda name: here(name).is_file())
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(64)))
    assert available_cores() == cores


def test_the_available_cores_are_those_of_this_process():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert available_cores() == 1
    finally:
        os.sched_setaffinity(0, before)


def test_in_this_process_one_waits_a_step_at_a_time():
    executor = SerialExecutor()
    executor.submit("steps", "steps: 6", counting_steps, 0, 3)
    assert [executor.wait(0.25) for _ in range(3)] == [[], [], []]
    assert [finished.value for finished in executor.wait(0.25)] == [3]
    executor.submit("left", "steps: 7", counting_steps, 0, 3)
    executor.wait(0.25)
    executor.close()
    assert executor.wait(0.25) == []


# --- On Ray


@pytest.mark.ray
@pytest.mark.xdist_group("ray")
class TestRay(ExecutorSuite):
    @pytest.fixture
    def executor(self, ray_executor):
        return ray_executor

    def test_it_has_the_workers_asked_for_and_a_dashboard(self, ray_executor):
        assert ray_executor.workers == 2
        assert ray_executor.dashboard_url.startswith("http://")

    def test_shared_arrays_are_read_where_they_lie_and_cannot_be_written(self, ray_executor):
        shared = ray_executor.share(np.arange(100_000, dtype=np.float32))
        writeable, owndata, _ = run(ray_executor, flags, shared)
        assert (writeable, owndata) == (False, False)

    def test_what_is_shared_and_lost_is_shared_anew(self, ray_executor, caplog):
        array = np.arange(100_000, dtype=np.float32)
        shared = ray_executor.share(array)
        shared.reference = Owner.lost(array)
        whose, told = ContextVar("whose", default="nobody's"), []
        caplog.handler.addFilter(lambda record: told.append((whose.get(), record.msg)) or True)
        for key, name in enumerate(("ann's", "bob's", "cleo's")):
            context = copy_context()
            context.run(whose.set, name)
            context.run(ray_executor.submit, key, "flags", flags, shared)
        ended = collect(ray_executor, 3)
        of = {name for name, text in told if text.startswith("shared again")}
        assert of
        assert of <= {"ann's", "bob's", "cleo's"}
        assert {task.key: task.value for task in ended} == dict.fromkeys(
            range(3), (False, False, 99_999.0)
        )
        assert "shared again: flags lacked its data: OwnerDiedError" in caplog.text
        assert run(ray_executor, hash_of, shared) == hash_of(array)

    def test_what_is_lost_again_and_again_is_a_lost_task(self, ray_executor, monkeypatch):
        import ray

        shared = ray_executor.share("data")
        shared.reference = lost = Owner.lost("data")
        monkeypatch.setattr(ray, "put", lambda value: lost)
        ray_executor.submit("key", "repeat", double, shared)
        (ended,) = collect(ray_executor, 1)
        assert isinstance(ended, Lost)
        assert ended.reason.startswith("OwnerDiedError: ")

    def test_no_room_to_share_again_is_a_lost_task(self, ray_executor, monkeypatch):
        import ray

        def full(value):
            raise ray.exceptions.ObjectStoreFullError("no room")

        shared = ray_executor.share("data")
        shared.reference = Owner.lost("data")
        monkeypatch.setattr(ray, "put", full)
        ray_executor.submit("key", "repeat", double, shared)
        (ended,) = collect(ray_executor, 1)
        assert (ended.key, ended.reason) == ("key", "ObjectStoreFullError: no room")

    def test_a_lost_object_that_is_not_shared_is_a_lost_task(self, ray_executor):
        ray_executor.submit("key", "double", double, Owner.lost(np.ones(100_000)))
        (ended,) = collect(ray_executor, 1)
        assert isinstance(ended, Lost)
        assert ended.reason.startswith("OwnerDiedError: ")

    def test_workers_are_counted_anew_as_machines_come_and_go(self, monkeypatch):
        import cluster.ray_executor
        from cluster.ray_executor import RayExecutor

        cores = {"CPU": 3.0}
        nodes = [
            {"Alive": True, "Resources": cores},
            {"Alive": True, "Resources": {"CPU": 1.0, "memory": 2.0**30}},
            {"Alive": False, "Resources": {"CPU": 64.0}},
        ]
        monkeypatch.setattr(cluster.ray_executor, "connect", lambda *given: None)
        monkeypatch.setattr(cluster.ray_executor, "Whereabouts", lambda: None)
        monkeypatch.setattr("ray.nodes", lambda: nodes)
        monkeypatch.setattr(cluster.ray_executor, "_COUNT_SECONDS", -1.0)
        executor, limited = RayExecutor("there:1"), RayExecutor("there:1", workers=7)
        pairs = RayExecutor("there:1", resources=Resources(cpus=2, memory=2**29))
        assert executor.workers == 4
        assert pairs.workers == 1  # none has room: of memory, or of cores
        cores["CPU"] = 5.0
        assert executor.workers == 6
        cores["memory"] = 2.0**31
        assert pairs.room() == 2
        cores["memory"] = 1.0
        assert (pairs.room(), pairs.workers) == (0, 1)
        del nodes[:]  # a cluster that grows when it is asked for something
        assert executor.workers == 1
        assert limited.workers == 7

    def test_waiting_ends_with_its_time(self, ray_executor, tmp_path):
        ray_executor.submit("slow", "wait", wait_for, tmp_path / "go")
        assert ray_executor.wait(0.05) == []
        (tmp_path / "go").touch()
        assert collect(ray_executor, 1)[0].value == "gone on"

    @pytest.mark.parametrize("stopped", [False, True], ids=["running", "stopped"])
    def test_what_runs_is_known_and_is_killed_when_it_is_given_up(
        self, ray_executor, tmp_path, monkeypatch, request, stopped
    ):
        monkeypatch.setattr("cluster.whereabouts._LOOK_SECONDS", 0.0)
        go, number = tmp_path / "go", tmp_path / "number"
        for key in ("one", "two", "queued"):
            ray_executor.submit(key, "wait", say_and_wait_for, number.with_suffix(f".{key}"), go)
        wait_for(number.with_suffix(".one"))
        wait_for(number.with_suffix(".two"))
        while len(running := ray_executor.running()) < 2:
            assert ray_executor.wait(0.05) == []
        assert {task.key for task in running} == {"one", "two"}
        assert all(task.seconds >= 0 and task.address and task.node for task in running)
        worker = psutil.Process(int(number.with_suffix(".one").read_text()))
        if stopped:
            request.addfinalizer(partial(end, worker))
            worker.suspend()
        ray_executor.give_up("one")
        assert [task.key for task in ray_executor.running()] == ["two"]
        worker.wait(60)
        go.touch()
        assert sorted(task.key for task in collect(ray_executor, 2)) == ["queued", "two"]

    def test_a_value_for_which_there_is_no_room_is_a_lost_task(self, ray_executor):
        ray_executor.submit("bad", "unpack", Unpacked)
        ray_executor.submit("good", "double", double, 1)
        ended = {task.key: task for task in collect(ray_executor, 2)}
        assert isinstance(ended["bad"], Lost)
        assert "no memory to unpack it" in ended["bad"].reason
        assert ended["good"].value == 2

    def test_a_task_that_cannot_be_submitted_is_a_lost_task(self, ray_executor, monkeypatch):
        import ray

        def full(self, *args, **options):
            raise ray.exceptions.ObjectStoreFullError("no room")

        with monkeypatch.context() as patch:
            patch.setattr("ray.remote_function.RemoteFunction._remote", full)
            ray_executor.submit("bad", "double", double, 1)
        (lost,) = ray_executor.wait(60)
        assert (lost.key, lost.reason) == ("bad", "ObjectStoreFullError: no room")
        assert run(ray_executor, double, 1) == 2

    def test_a_store_without_room_for_the_data_is_one_message(self, ray_executor, monkeypatch):
        import ray

        def full(value):
            raise ray.exceptions.ObjectStoreFullError("no room")

        monkeypatch.setattr(ray, "put", full)
        with pytest.raises(ClusterError, match=r"^The cluster fails: ObjectStoreFull.*no room\. "):
            ray_executor.share("data")

    @pytest.mark.parametrize("number", [0, signal.SIGKILL], ids=["_exit", "SIGKILL"])
    def test_a_worker_that_dies_is_a_lost_task_and_nothing_else(self, ray_executor, number):
        ray_executor.submit("dies", "die", die, number)
        ray_executor.submit("lives", "double", double, 21)
        ended = {task.key: task for task in collect(ray_executor, 2)}
        assert isinstance(ended["dies"], Lost)
        assert ended["dies"].reason.startswith("WorkerCrashedError: ")
        assert "\n" not in ended["dies"].reason
        assert ended["lives"].value == 42
        assert run(ray_executor, double, 1) == 2

    def test_a_lost_task_can_be_submitted_again(self, ray_executor, tmp_path):
        for kind in (Lost, Finished):
            ray_executor.submit("again", "die once", die_once, tmp_path / "died")
            assert [type(task) for task in collect(ray_executor, 1)] == [kind]

    def test_tasks_carry_the_names_of_their_kind_where_people_look(self, ray_executor):
        from ray.util.state import list_tasks

        name = "advance batch=8"
        ray_executor.submit("key", f"{name}: epochs 0-5", double, 1)
        collect(ray_executor, 1)
        deadline = time.monotonic() + 15
        find = partial(
            list_tasks, address=ray_executor.dashboard_url, filters=[("name", "=", name)]
        )
        while not find():
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def test_a_task_prints_what_tells_it_from_others_of_its_kind(self, ray_executor, capsys):
        from cluster.ray_task import on_worker

        assert on_worker("epochs 0-5", "ticket", library_versions(), double, 2)[1] == 4
        assert capsys.readouterr().out == "epochs 0-5\n"
        on_worker("", "ticket", library_versions(), double, 2)
        assert capsys.readouterr().out == ""

    def test_a_cluster_that_cannot_be_started_is_a_cluster_error(self, ray_executor):
        with pytest.raises(ClusterError, match=r"Cannot use a local Ray cluster: .*serial"):
            start_ray()  # there is one in this process already


def die_once(path):
    if not path.exists():
        path.touch()
        os._exit(1)
