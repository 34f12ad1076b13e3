"""Commands that are killed, and files that are moved, in any order: no row is lost or doubled.

A machine drives the command itself: its real books, waves and samplers, in one process. The full
form takes half an hour:

    python -m pytest -m rehearsal tests/faults/test_books_machine.py -s
"""

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
import pytest
from command_line import AXES, table
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from runs import Crash, command, prepare

from cluster.executor import SerialExecutor
from model.speed import SpeedModel
from search.record import Checkpoints, RunFolder, TrialLog
from search.run import main
from search.session import ending, training

# Of each kind of crash: the method at whose call a command dies, before or after it.
MOMENTS = [(TrialLog, "stage"), (Checkpoints, "save"), (TrialLog, "publish")]

# More than any of these runs can need, so that a run without end shows.
_MOST_LINKS = 400


@cache
def undisturbed(kind):
    """Return a folder with a run of a kind that nothing has happened to, and what it needs."""
    folder = Path(tempfile.mkdtemp(prefix="undisturbed-"))
    atexit.register(shutil.rmtree, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        prepare(folder)
        if kind == "search":
            assert main([*command("grid", "other")]) == 0
        assert main([*command(kind, "undisturbed")]) == 0
    return folder


class Commands(RuleBasedStateMachine):
    """One run of one kind, its commands, and somebody who moves its files."""

    kinds = ("grid", "pruned", "search", "replicates")

    def __init__(self):
        super().__init__()
        self._there = tempfile.TemporaryDirectory()
        self.folder = Path(self._there.name)
        self._patch = pytest.MonkeyPatch()
        self._patch.chdir(self.folder)
        self._patch.setattr(ending, "write_report", lambda *_: None)
        self._count_links()
        self._patch.setattr(os, "fsync", lambda _: None)  # nobody pulls the plug here
        # What was published and not moved by anybody, by its path: it must stay as it is.
        self.published = {}
        self.moved = []

    def _count_links(self):
        submit, self._links = SerialExecutor.submit, 0

        def counted(executor, *task, **options):
            self._links += 1
            assert self._links < _MOST_LINKS, "it does not end"
            submit(executor, *task, **options)

        self._patch.setattr(SerialExecutor, "submit", counted)

    def teardown(self):
        self._patch.undo()
        self._there.cleanup()

    @initialize(kind=st.sampled_from(kinds))
    def begin(self, kind):
        self.kind = kind
        shutil.copytree(undisturbed(kind), self.folder, dirs_exist_ok=True)
        self.expected = table(self.folder / "undisturbed")

    @property
    def logs(self):
        run = self.folder / "run"
        return [path for name in ("trials", "replicates") for path in run.glob(f"{name}/[!.]*")]

    def _run(self, seconds):
        """Give the command on a machine of some speed, which cuts the links otherwise."""
        self._links = 0
        line = (seconds, 0.0)
        speed = SpeedModel(dict.fromkeys(AXES["batch_size"], line), line)
        self._patch.setattr(training, "calibrate", lambda *_, **__: speed)
        try:
            return main([*command(self.kind, "run")])
        finally:
            for path in self.logs:
                self.published.setdefault(path, path.read_bytes())

    @rule(
        seconds=st.sampled_from([1e-6, 2e-3, 1.0]),
        moment=st.sampled_from(MOMENTS),
        after=st.booleans(),
        count=st.integers(0, 6),
    )
    def run_and_crash(self, seconds, moment, after, count):
        owner, name = moment
        method, calls = getattr(owner, name), iter(range(count))

        def crashing(*args):
            last = next(calls, None) is None
            if last and not after:
                raise Crash
            returned = method(*args)
            if last:
                raise Crash
            return returned

        with self._patch.context() as patch:
            patch.setattr(owner, name, crashing)
            try:
                assert self._run(seconds) == 0
            except Crash:
                return
        self._check_complete()

    @rule(seconds=st.sampled_from([1e-6, 2e-3, 1.0]))
    def run_to_the_end(self, seconds):
        assert self._run(seconds) == 0
        self._check_complete()

    @precondition(lambda self: self.logs)
    @rule(seed=st.integers(0, 99))
    def move_a_file_out(self, seed):
        path = Random(seed).choice(sorted(self.logs))
        self.moved.append((path, path.read_bytes()))
        self.published.pop(path, None)
        path.unlink()

    @precondition(lambda self: self.moved)
    @rule(seed=st.integers(0, 99))
    def move_a_file_back(self, seed):
        path, content = self.moved.pop(Random(seed).randrange(len(self.moved)))
        path.write_bytes(content)
        self.published.pop(path, None)

    @precondition(lambda self: self.logs)
    @rule(seed=st.integers(0, 99))
    def copy_a_file(self, seed):
        path = Random(seed).choice(sorted(self.logs))
        shutil.copy(path, path.with_stem(f"{path.stem} (conflicted copy)"))

    @rule()
    def lose_the_states(self):
        for path in self.folder.glob("run/checkpoints/*.npz"):
            path.unlink()

    @invariant()
    def what_was_published_stands(self):
        """A file of the log stays as it is, or is set aside as it is."""
        aside = {path.read_bytes() for path in self.folder.glob("run/set-aside/*")}
        for path, content in list(self.published.items()):
            if not path.exists():
                assert content in aside, path
                del self.published[path]
            else:
                assert path.read_bytes() == content, path

    def _check_complete(self):
        found = table(self.folder / "run")
        for name in ("number", "state", *AXES):
            assert found[name].tolist() == self.expected[name].tolist(), name
        np.testing.assert_allclose(found.val_cost, self.expected.val_cost, rtol=1e-5)
        summary = RunFolder(self.folder / "run").read_summary()
        assert summary.trials.complete == (self.expected.state == "COMPLETE").sum()


def machine(examples, steps):
    run_state_machine_as_test(
        Commands,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=[*HealthCheck],
        ),
    )


def test_commands_and_moved_files_in_any_order():
    machine(examples=8, steps=8)


@pytest.mark.rehearsal
@pytest.mark.timeout(7200)
def test_many_commands_and_moved_files_in_any_order():
    machine(examples=400, steps=25)
