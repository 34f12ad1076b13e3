"""Every operation on a run's files is refused once: one message or the right rows, never less.

The short form takes some of the operations; the full form, of some minutes, takes all of them:

    python -m pytest -m rehearsal tests/faults/test_refusals.py -s
"""

import errno
import logging
import os
import sys
from collections import Counter
from random import Random

import pytest
from command_line import table
from runs import command, prepare

from search.engine import Orchestrator
from search.errors import StoreError
from search.run import main
from search.storage import listed

# What Python tells of before it asks the system; the first argument is the path.
_TOLD = {"open", "os.rename", "os.remove", "os.mkdir", "os.listdir", "os.scandir", "os.chmod"}


class Refusals:
    """Refuses one operation on files in a folder, as the system would.

    Attributes
    ----------
    seen : list of (str, str)
        The operations so far, and what they were on.
    """

    def __init__(self):
        self.folder, self.at, self.number, self.seen = "", 0, 0, []

    def __call__(self, event, args):
        if self.folder and event in _TOLD and isinstance(args[0], str | os.PathLike):
            self.look(event, os.fspath(args[0]))

    def look(self, event, path):
        """Count an operation, and refuse it if it is the one."""
        if not self.folder or not os.path.abspath(path).startswith(self.folder):  # noqa: PTH100 - nothing is asked
            return
        self.seen.append((event, path))
        if len(self.seen) == self.at:
            raise OSError(self.number, os.strerror(self.number), path)


_REFUSALS = Refusals()
sys.addaudithook(_REFUSALS)  # which cannot be taken away again, and does nothing between tests


def refused(folder, at, number, *arguments):
    """Run the command with one operation refused; return its exit code and the operations."""
    stat = os.stat

    def looked(path, *args, **options):
        if isinstance(path, str | os.PathLike):
            _REFUSALS.look("stat", os.fspath(path))
        return stat(path, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "stat", looked)
        _REFUSALS.at, _REFUSALS.number, _REFUSALS.seen = at, number, []
        _REFUSALS.folder = str(folder)
        try:
            return main([*arguments]), _REFUSALS.seen
        finally:
            _REFUSALS.folder = ""


@pytest.fixture(autouse=True)
def no_handlers(monkeypatch):
    """Without those of the tests, which hide what the last resort of logging would write."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])


def _rows(run):
    found = table(run)
    times = {"started_at", "finished_at", "seconds", "attempt", "node"} & set(found.columns)
    return found.drop(columns=sorted(times))


def _check(folder, kind, some, capfd):
    os.chdir(folder)
    prepare(folder)
    if kind == "search":
        assert main([*command("grid", "other")]) == 0
    code, seen = refused(folder / "undisturbed", 0, 0, *command(kind, "undisturbed"))
    assert code == 0
    expected, outcomes = _rows(folder / "undisturbed"), Counter()
    for at in some(range(1, len(seen) + 1)):
        for number in (errno.EIO, errno.EACCES):
            run = f"run-{at}-{number}"
            capfd.readouterr()
            code, found = refused(folder / run, at, number, *command(kind, run))
            err = capfd.readouterr().err
            case = (kind, at, errno.errorcode[number], found[at - 1])
            assert code in (0, 1, 2), case
            assert code == 0 or err.count("error: ") == 1, (case, err)
            assert "Traceback" not in err, (case, err)
            outcomes[code] += 1
            assert main([*command(kind, run)]) == 0, case
            assert _rows(folder / run).equals(expected), case
            assert "cannot be believed" not in capfd.readouterr().err, case
    return outcomes


@pytest.mark.parametrize("kind", ["grid", "search"])
def test_one_refusal_is_one_message_and_the_same_command_goes_on(
    tmp_path, monkeypatch, capfd, kind
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda _: None)
    # Some far apart, so that each file and each kind of operation has its turn over the kinds.
    _check(tmp_path, kind, lambda all_: Random(1).sample(all_, 12), capfd)


@pytest.mark.rehearsal
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("kind", ["grid", "search"])
def test_every_refusal_is_one_message(tmp_path, monkeypatch, capfd, kind):
    monkeypatch.chdir(tmp_path)
    outcomes = _check(tmp_path, kind, list, capfd)
    with capfd.disabled():
        print(f"{kind}: {dict(outcomes)} by exit code")  # noqa: T201


def test_a_folder_that_cannot_be_listed_is_not_taken_for_an_empty_one(tmp_path, monkeypatch):
    (tmp_path / "a.parquet").touch()
    assert [path.name for path in listed(tmp_path, "[!.]*.parquet")] == ["a.parquet"]
    assert listed(tmp_path / "none") == []

    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path))

    monkeypatch.setattr(os, "listdir", refuse)
    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(StoreError, match="Permission denied"):
        listed(tmp_path, "[!.]*.parquet")


def test_a_manifest_that_is_removed_in_mid_sweep_is_there_again_at_its_end(
    tmp_path, monkeypatch, capfd
):
    monkeypatch.chdir(tmp_path)
    prepare(tmp_path)
    assert main([*command("grid", "undisturbed")]) == 0
    record = Orchestrator._record

    def removed(*args):
        (tmp_path / "run" / "manifest.json").unlink(missing_ok=True)
        record(*args)

    monkeypatch.setattr(Orchestrator, "_record", removed)
    assert main([*command("grid", "run")]) == 0
    capfd.readouterr()
    assert main(["--resume", "run", "--executor", "serial", "--no-progress"]) == 0
    assert "16 complete" in capfd.readouterr().out
    assert _rows(tmp_path / "run").equals(_rows(tmp_path / "undisturbed"))


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        ("cluster.executor.one_blas_thread", "has failed 5 times, the last time by OSError"),
        ("io.open", "Too many open files"),
    ],
)
def test_a_sweep_that_can_open_no_file_any_more_is_one_message(
    tmp_path, monkeypatch, capfd, refused, said
):
    monkeypatch.chdir(tmp_path)
    prepare(tmp_path)
    assert main([*command("grid", "undisturbed")]) == 0
    record = Orchestrator._record

    def refuse(*_, **__):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patch:

        def recorded(*args):  # from the first link on
            record(*args)
            patch.setattr(refused, refuse)

        patch.setattr(Orchestrator, "_record", recorded)
        capfd.readouterr()
        assert main([*command("grid", "run")]) == 1
        err = capfd.readouterr().err
    assert (err.count("error: "), "Traceback" in err) == (1, False), err
    assert said in err
    assert main([*command("grid", "run")]) == 0
    assert "cannot be believed" not in capfd.readouterr().err
    assert _rows(tmp_path / "run").equals(_rows(tmp_path / "undisturbed"))
