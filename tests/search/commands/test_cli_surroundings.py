"""Odd surroundings: an encoding without the letters of a name, a working directory that is gone."""

import _thread
import io
import os
import shutil
import signal
import subprocess
import sys
import threading
from importlib import import_module

import numpy as np
import pytest
from command_line import invoke, write_grid, write_images

from search import runs, status
from search.command import Parser
from search.command import command as run_command
from search.record import RunFolder
from search.run import main


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_letters_that_an_encoding_lacks_are_escaped(encoding, tmp_path, monkeypatch):
    folder = tmp_path / "größe-日本"
    folder.mkdir()
    (folder / "manifest.json").write_text("{}")
    for command in (lambda: runs.main([str(tmp_path)]), lambda: status.main([str(folder)])):
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding) for _ in range(2))
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        assert command() in (0, 2)
        assert rb"\u65e5\u672c" in b"".join(s.detach().getvalue() for s in (out, err))


def test_a_working_directory_that_is_gone_is_one_message(tmp_path, monkeypatch, capfd):
    write_grid(tmp_path / "grid.toml", "digits")
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    outcome = invoke(capfd, "--grid", tmp_path / "grid.toml")
    assert outcome.code == 2
    assert "The working directory cannot be used: No such file or directory." in outcome.err
    assert status.main([]) == 2


RUN = ("--executor", "serial", "--no-progress")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return a folder with a finished run, its data and its grid."""
    folder = tmp_path_factory.mktemp("finished")
    write_images(folder / "data.npz")
    write_grid(folder / "grid.toml", "./data.npz")
    assert main([*command(folder), *RUN]) == 0
    return folder


def command(folder):
    return ["--grid", str(folder / "grid.toml"), "--run-dir", str(folder / "run")]


def test_a_finished_run_on_a_disk_that_takes_nothing_prints_its_result(
    finished, capfd, monkeypatch
):
    def refuse(*args, **kwargs):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("os.access", lambda path, mode: mode != os.W_OK)
    monkeypatch.setattr(RunFolder, "_make", refuse)
    outcome = invoke(capfd, *command(finished), *RUN)
    assert outcome.code == 0, outcome.err
    assert f"Log, model and report are in {finished / 'run'}" in outcome.out
    outcome = invoke(capfd, *command(finished), "--refits", "2", *RUN)
    assert (outcome.code, outcome.err) == (
        1,
        f"error: The run folder {finished / 'run'} cannot be used: Read-only file system. Choose "
        "another --run-dir.\n",
    )


def test_fresh_leaves_a_link_and_keeps_both_runs_behind_it(finished, tmp_path, capfd):
    shutil.copytree(finished / "run", tmp_path / "disk/full")
    link = tmp_path / "run"
    link.symlink_to(tmp_path / "disk/full")
    outcome = invoke(capfd, *command(finished)[:2], "--run-dir", link, "--fresh", *RUN)
    assert outcome.code == 0, outcome.err
    assert link.readlink() == tmp_path / "disk/full"
    assert len(list((tmp_path / "disk").glob("full*/summary.json"))) == 2
    assert f"The old run is kept in {tmp_path}/disk/full." in outcome.err


def test_a_link_to_a_folder_that_is_gone_gets_the_folder_again(finished, tmp_path, capfd):
    link = tmp_path / "run"
    link.symlink_to(tmp_path / "disk/full")
    outcome = invoke(capfd, *command(finished)[:2], "--run-dir", link, *RUN)
    assert outcome.code == 0, outcome.err
    assert (tmp_path / "disk/full/summary.json").is_file()


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        np._core._exceptions._ArrayMemoryError((2**40,), np.dtype("f8")),
        ImportError("_fblas.so: failed to map segment from shared object"),
    ],
)
def test_memory_that_is_not_to_be_had_is_one_message(error, capfd):
    def act(args):
        raise error

    assert run_command(Parser(), act, []) == 1
    _, err = capfd.readouterr()
    assert err.startswith("error: There is not enough memory for this command")
    assert str(error) in err
    assert err.count("\n") == 1


def test_threads_that_may_not_be_started_are_one_message(capfd, monkeypatch):
    def act(args):
        def refused(*_):
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as patch:
            patch.setattr(threading, "_start_new_thread", refused)
            threading.Thread(target=print).start()

    assert run_command(Parser(), act, []) == 1
    _, err = capfd.readouterr()
    assert err.startswith("error: The system lets this command start no more threads. End other")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "error", [ImportError("cannot import name 'x'"), RuntimeError("memory of an elephant")]
)
def test_another_error_keeps_its_traceback(error):
    def act(args):
        raise error

    with pytest.raises(type(error), match=str(error)):
        run_command(Parser(), act, [])


def test_a_setting_with_which_numba_does_not_start_is_one_message():
    done = subprocess.run(
        [sys.executable, "-c", "import model.kernels"],
        env={**os.environ, "NUMBA_NUM_THREADS": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("model.errors.PacksweepError: numba, which compiles the loops, does not")
    assert "NUMBA_" in last


@pytest.fixture
def interrupted_import(tmp_path, monkeypatch):
    """Return a package called as one that brings OpenBLAS, and interrupted as it is imported."""
    name = "scipy_of_a_test"
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, name, raising=False)

    def write(text):
        (tmp_path / f"{name}.py").write_text(f"import _thread, signal\n{text}\n")
        return name

    return write


RAISES = "signal.raise_signal(signal.SIGINT)"


def refused(*_):
    raise RuntimeError("can't start new thread")


def test_an_interrupt_of_a_library_that_starts_no_thread_is_one_message(
    interrupted_import, capfd, monkeypatch
):
    name = interrupted_import(RAISES)
    with monkeypatch.context() as patch:
        patch.setattr(_thread, "start_new_thread", refused)
        assert run_command(Parser(), lambda _: import_module(name), [], "Interrupted") == 1
    assert capfd.readouterr().err.startswith("error: The system lets this command start no more")


@pytest.mark.parametrize("where", ["an import while threads can be started", "no import"])
def test_an_interrupt_of_the_user_stays_one(where, interrupted_import, capfd, monkeypatch):
    name = interrupted_import(RAISES if where != "no import" else "")

    def act(_):
        import_module(name)
        signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        if where == "no import":
            patch.setattr(_thread, "start_new_thread", refused)
        assert run_command(Parser(), act, [], "Interrupted") == 130
    assert capfd.readouterr().err == "Interrupted"
