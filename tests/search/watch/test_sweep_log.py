"""Whose lines stand in which log, where several sweeps are open in one process."""

import logging
import threading
from contextlib import contextmanager

import pytest

from search.service.share import Share
from search.watch import log_file


class Cluster:
    """Takes notice of nothing."""

    def wake(self):
        """Do nothing."""


@contextmanager
def opened(path):
    """Have a log open in a thread of its own; give a task that was submitted there."""
    share, is_open, ends = Share(Cluster(), path.name), threading.Event(), threading.Event()

    def run():
        with log_file(path, pytest.fail):
            share.submit("key", "name", print)
            is_open.set()
            ends.wait()

    thread = threading.Thread(target=run)
    thread.start()
    is_open.wait()
    try:
        yield share.next()
    finally:
        ends.set()
        thread.join()


def test_what_is_said_of_a_task_stands_in_the_log_of_its_sweep_alone(tmp_path):
    ann, bob = tmp_path / "ann.log", tmp_path / "bob.log"
    say = logging.getLogger("cluster.x").warning
    with opened(ann) as task_of_ann:
        with opened(bob) as task_of_bob:
            task_of_ann.context.run(say, "lost by ann")
            task_of_bob.context.run(say, "lost by bob")
            say("of another one")
        say("of the only one")
    lines = [[line.split("WARNING ")[1] for line in path.read_text().splitlines()]
             for path in (ann, bob)]  # fmt: skip
    assert lines == [["lost by ann", "of the only one"], ["lost by bob"]]
