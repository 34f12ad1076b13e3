"""The worker of a task that is given up: killed where somebody has stopped it, and only there."""

import signal
import subprocess
import sys
import threading
import time

import pytest

from cluster.ray_task import kill_if_stopped


@pytest.fixture
def started():
    """Start processes that only sleep, under names of the test's choice."""
    processes = []

    def start(name):
        sleep = [name, "-c", "import time; print('up', flush=True); time.sleep(300)"]
        process = subprocess.Popen(sleep, executable=sys.executable, stdout=subprocess.PIPE)
        processes.append(process)
        assert process.stdout.readline() == b"up\n"  # it has its name by now
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_a_worker_that_is_stopped_is_killed(started):
    worker = started("ray::wait")
    worker.send_signal(signal.SIGSTOP)
    kill_if_stopped(worker.pid, 60)
    assert worker.wait(60) == -signal.SIGKILL


def test_one_that_is_stopped_only_after_it_was_told_to_end_is_killed_too(started):
    worker = started("ray::wait")
    watch = threading.Thread(target=kill_if_stopped, args=(worker.pid, 60))
    watch.start()
    time.sleep(0.3)
    assert worker.poll() is None
    worker.send_signal(signal.SIGSTOP)
    watch.join(60)
    assert worker.wait(60) == -signal.SIGKILL


def test_one_that_is_not_stopped_lives(started):
    worker = started("ray::wait")
    kill_if_stopped(worker.pid, 0.3)
    assert worker.poll() is None


def test_another_process_that_has_its_number_by_now_lives(started):
    other = started("python")
    other.send_signal(signal.SIGSTOP)
    kill_if_stopped(other.pid, 60)  # at once: there is nobody to look after
    assert other.poll() is None


def test_one_that_has_ended_is_not_waited_for(started):
    worker = started("ray::wait")
    worker.kill()
    worker.wait()
    kill_if_stopped(worker.pid, 60)
