"""Whole runs in an object store: the same results as on a disk, whenever they are killed."""

import importlib
import itertools
import re
import socket
import threading
from collections import Counter
from contextlib import suppress

import pandas as pd
import pytest
from command_line import (
    Hold,
    assert_same_results,
    end,
    invoke,
    pretend,
    start,
    table,
    wait_until,
    write_grid,
    write_images,
)

import search
from search import load_study
from search.errors import ObjectStoreError, RunFolderError
from search.record import RunFolder
from search.session import ending
from search.storage import lease, object_store, place, write_atomically
from search.storage.object_store import ObjectStore

pytestmark = [pytest.mark.xdist_group("s3"), pytest.mark.usefixtures("quick_lease")]

SERIAL = ("--executor", "serial", "--no-progress")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with data and a small grid, its packs trained in several links."""
    pretend(1.0, [4, 16], 14, 3)  # no other test has images of 14 pixels
    pretend(1.0, [4], 14, 3)
    path = tmp_path_factory.mktemp("remote")
    write_images(path / "data.npz", pixels=14)
    write_grid(path / "tiny.toml", "./data.npz")
    return path


@pytest.fixture(scope="module")
def undisturbed(folder):
    """Return the log of the same sweep in a folder on the disk."""
    grid, data, run_dir = folder / "tiny.toml", folder / "data.npz", folder / "undisturbed"
    args = ("--grid", grid, "--dataset", data, "--run-dir", run_dir, *SERIAL)
    from search.run import main

    assert main([str(arg) for arg in args]) == 0
    return table(run_dir)


@pytest.fixture
def command(folder, monkeypatch):
    """Return the command line's settings, to be given in the folder of the data."""
    monkeypatch.chdir(folder)
    return ("--grid", "./tiny.toml", *SERIAL)


def log_of(uri):
    return search.load(uri).sort_values("number", ignore_index=True)


# --- From beginning to end


def test_a_sweep_in_a_store_ends_as_one_on_a_disk(s3, command, undisturbed, capfd):
    uri = s3.uri("runs/tiny")
    outcome = invoke(capfd, *command, "--run-dir", uri)
    assert (outcome.code, outcome.err.count("error")) == (0, 0)
    assert f"Log, model and report are in {uri}\n" in outcome.out
    assert f"run folder {uri}\n" in outcome.err
    assert_same_results(log_of(uri), undisturbed)
    names = s3.names("runs/tiny")
    links = [name for name in names if name.startswith("trials/")]
    assert len(links) == 4
    near = [name for name in names if name.startswith("resamples/")]
    assert 1 <= len(near) <= 4
    assert sorted({*names} - {*links, *near}) == [
        "best_model.npz", "links.jsonl", "manifest.json", "refits.json", "report.html",
        "summary.json", "sweep.log",
    ]  # fmt: skip
    s3.requests()
    again = invoke(capfd, *command, "--run-dir", uri)
    assert (again.code, again.out) == (0, outcome.out)
    puts = {path.rpartition("/")[2] for method, path in s3.requests() if method == "PUT"}
    assert puts <= {".lock", ""}


def test_optima_are_kept_in_a_store(s3, command, capfd):
    args = (*command, "--run-dir", s3.uri("runs/tiny"), "--optimum")
    first = invoke(capfd, *args)
    assert first.code == 0, first.err
    kept = {"optimum/alpha-0.0.npz", "optimum/alpha-10.0.npz"}
    assert kept <= {*s3.names("runs/tiny")}
    (place(s3.uri("runs/tiny")) / "summary.json").unlink()
    s3.requests()
    assert invoke(capfd, *args).code == 0
    assert not [path for method, path in s3.requests() if method == "PUT" and "/optimum/" in path]


def test_a_link_costs_three_requests_that_are_waited_for(s3, command, capfd):
    assert invoke(capfd, *command, "--run-dir", s3.uri("runs/tiny")).code == 0
    requests = s3.requests()
    puts = [path.partition("/tiny/")[2] for method, path in requests if method == "PUT"]
    kinds = Counter(re.sub(r"pack.*", "", path) for path in puts if "pack-" in path)
    # Three links of each of two packs, of which the first and the last have trials.
    near = kinds.pop("resamples/")  # where a trial is near the best so far
    assert 1 <= near <= 4
    assert kinds == {"trials/.staged-": 4, "checkpoints/": 6, "trials/": 4}
    # What this command has written it does not read again.
    assert not [path for method, path in requests if method == "GET" and "/pack-" in path]


def test_a_run_in_a_store_is_looked_at_as_one_on_a_disk(s3, command, undisturbed, capfd):
    from search import export, runs, status
    from search.report import __main__ as report

    uri = s3.uri("runs/tiny")
    assert invoke(capfd, *command, "--run-dir", uri).code == 0

    def shown(main, *args):
        capfd.readouterr()
        assert main([str(arg) for arg in args]) == 0
        return capfd.readouterr().out

    before = s3.names("runs/tiny")
    assert f"{uri}: finished\n" in shown(status.main, uri)
    assert "tiny  finished   16/16" in shown(runs.main, s3.uri("runs"))
    assert "The settings are the same." in shown(runs.main, "--compare", uri, "undisturbed")
    assert "16 trials are in" in shown(export.main, uri, "--storage", "./trials.journal")
    assert "tiny/report.html" in shown(report.main, uri)
    assert s3.names("runs/tiny") == before
    assert len(load_study(uri).trials) == 16
    assert len(search.load(place(uri), "pyarrow")) == 16


def test_trials_of_a_run_in_a_store_are_reused(s3, command, undisturbed, capfd):
    uri = s3.uri("runs/tiny")
    assert invoke(capfd, *command, "--run-dir", uri).code == 0
    assert invoke(capfd, *command, "--run-dir", s3.uri("runs/more"), "--reuse", uri).code == 0
    log = log_of(s3.uri("runs/more"))
    assert_same_results(log, undisturbed)
    assert log.source.tolist() == [f"{uri}, trial {number}" for number in range(16)]


def test_no_login_is_shown_or_written_down_and_none_is_lost(s3, command, capfd, monkeypatch):
    connected, users = object_store._s3, []
    monkeypatch.setattr(
        object_store, "_s3", lambda address: users.append(address.user) or connected(address)
    )
    secret = "wJalrXUtnFEMI%2FK7MDENG"
    login = s3.uri("runs/tiny").replace("s3://", f"s3://AKIAKEY:{secret}@")
    other = login.replace("/tiny", "/other")
    outcomes = [
        invoke(capfd, *command, "--run-dir", login),
        invoke(capfd, *command, "--run-dir", other, "--reuse", login),
        invoke(capfd, *command, "--run-dir", login, "--seed", "7"),
        invoke(capfd, *command, "--run-dir", login.replace("s3:", "s4:")),
        invoke(capfd, "--resume", login, "--grid", "x"),
        invoke(capfd, "--resume", login.replace("/tiny", "/none")),
    ]
    assert [outcome.code for outcome in outcomes] == [0, 0, 2, 2, 2, 2]
    assert set(users) == {"AKIAKEY"}
    texts = [text for outcome in outcomes for text in (outcome.out, outcome.err)]
    texts += [(s3.path("runs") / name).read_bytes().decode("latin1") for name in s3.names("runs")]
    for text in texts:
        assert "AKIAKEY" not in text
        assert "wJalr" not in text


# --- Fresh


def test_fresh_moves_a_run_aside_and_loses_nothing(s3, command, capfd):
    uri = s3.uri("runs/tiny")
    assert invoke(capfd, *command, "--run-dir", uri).code == 0
    before = {name: (s3.path("runs/tiny") / name).read_bytes() for name in s3.names("runs/tiny")}
    outcome = invoke(capfd, *command, "--run-dir", uri, "--fresh")
    assert outcome.code == 0
    kept = place(re.search(r"The old run is kept in (.*)", outcome.err)[1])
    assert {name: (kept / name).read_bytes() for name in s3.names(f"runs/{kept.name}")} == before
    assert s3.names("runs/tiny") == sorted(before)


# --- Killed


class Killed(BaseException):
    """What nobody catches."""


class Writes:
    """Counts what is done to a store, and ends the command like SIGKILL before one of them."""

    def __init__(self, monkeypatch):
        self.left, self._life = None, 0
        for name in ("write", "copy", "delete", "delete_folder"):
            monkeypatch.setattr(ObjectStore, name, self._counted(getattr(ObjectStore, name)))
        monkeypatch.setattr(ObjectStore, "delete_meanwhile", self._late())
        # Every command is a process of its own, and the one before is gone.
        monkeypatch.setattr(lease, "_began", lambda process: str(self._life))
        monkeypatch.setattr(lease, "BEAT", 1000.0)

    def kill_before(self, number):
        self.left = number
        self._life += 1

    def _late(self):
        def delete_meanwhile(store, key):
            # Late, that is never, in a command that will be killed.
            if self.left is None:
                store.delete(key)

        return delete_meanwhile

    def _counted(self, change):
        def counted(store, key, *args, **options):
            if self.left is not None:
                self.left -= 1
                if self.left < 0:
                    # As nothing is done any more, a lease is not released either; and a thread
                    # that writes beside the work is gone.
                    beside = threading.current_thread() is not threading.main_thread()
                    raise OSError("killed") if beside or key.endswith(".lock") else Killed
            return change(store, key, *args, **options)

        return counted


def write_small_report(folder, *args):
    write_atomically(folder.report, lambda file: file.write(b"report"))


def killed(writes, number, capfd, *args):
    writes.kill_before(number)
    try:
        outcome = invoke(capfd, *args)
    except Killed:
        return True
    return outcome.code != 0


def test_killed_between_any_two_writes_it_goes_on(s3, folder, undisturbed, capfd, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(ending, "write_report", write_small_report)
    write_grid(folder / "pack.toml", "./data.npz", batch_size=[4])
    undisturbed = undisturbed[undisturbed.batch_size == 4]
    command = ("--grid", "./pack.toml", *SERIAL)
    writes, number = Writes(monkeypatch), 0
    while killed(writes, number, capfd, *command, "--run-dir", s3.uri(f"runs/{number}")):
        run, uri = f"runs/{number}", s3.uri(f"runs/{number}")
        before = s3.names(run)
        if "manifest.json" in before:
            done = log_of(uri)
            assert_same_results(
                done, undisturbed[undisturbed.number.isin(done.number)].reset_index()
            )
        writes.kill_before(None)
        assert invoke(capfd, *command, "--run-dir", uri).code == 0
        assert_same_results(log_of(uri), undisturbed)
        staged = [name for name in s3.names(run) if "/.staged-" in name]
        assert not staged or "summary.json" in before
        assert not [name for name in s3.names(run) if "checkpoints/" in name or ".lock" in name]
        number += 1
    assert number >= 15


def test_killed_while_it_moves_a_run_aside_it_loses_nothing(s3, monkeypatch):
    names = ["checkpoints/b", "manifest.json", "summary.json", "trials/.staged-c", "trials/d"]
    writes, states = Writes(monkeypatch), []
    for number in itertools.count():
        for name in names:
            (s3.path(f"{number}/run") / name).write_bytes(name.encode())
        writes.kill_before(number)
        with (
            suppress(Killed, RunFolderError),
            RunFolder.locked(s3.path(f"{number}/run"), fresh=True),
        ):
            break
        writes.kill_before(None)
        with RunFolder.locked(s3.path(f"{number}/run")):
            pass
        left = s3.names(f"{number}/run")
        others = [path.name for path in s3.path(str(number)).iterdir() if path.name != "run"]
        whole = [name for name in others if s3.names(f"{number}/{name}") == names]
        # A run without its manifest is none, and what is left of it is cleared away.
        assert (left, len(whole)) in ((names, 0), (names, 1), ([], 1))
        states.append(len(left))
    assert states == sorted(states, reverse=True)
    assert set(states) == {0, len(names)}


def test_killed_by_the_system_it_goes_on_where_it_was(s3, folder, undisturbed, capfd, monkeypatch):
    monkeypatch.chdir(folder)
    # The first sign of life ends the wait, however late a busy machine is with it.
    monkeypatch.setattr(lease, "STALE", 60.0)
    uri, grid = s3.uri("runs/killed"), ("--grid", "./long.toml", *SERIAL)
    write_grid(folder / "long.toml", "./data.npz", epochs=[1, 3, 5])
    process = start(*grid, "--run-dir", uri, cwd=folder, hold=Hold(3, folder))
    try:
        wait_until(lambda: len(log_names(s3, "runs/killed")) >= 3, process, 0.05)
        second = invoke(capfd, *grid, "--run-dir", uri)
        assert second.code == 2
        assert f"{uri} is being written by process {process.pid} on " in second.err
    finally:
        end(process)
    assert ".lock" in s3.names("runs/killed")
    done = log_of(uri)
    assert len(done) < 24
    outcome = invoke(capfd, *grid, "--run-dir", uri)
    assert outcome.code == 0
    assert "Watching" not in outcome.err
    assert re.search(r"24 trials on data, \d+ of them done", outcome.err)
    log = log_of(uri)
    assert log.number.tolist() == list(range(24))
    short = log[log.epochs <= 3].reset_index()
    assert short.val_cost.tolist() == undisturbed.val_cost.tolist()
    pd.testing.assert_frame_equal(log[log.number.isin(done.number)].reset_index(drop=True), done)


def log_names(s3, run):
    return [name for name in s3.names(run) if re.search(r"trials/pack", name)]


# --- What goes wrong


def test_a_bucket_that_is_not_there_ends_with_one_message(s3, command, capfd):
    from search import status

    uri = f"s3://no-such-bucket/run?endpoint_override={s3.endpoint}"
    outcome = invoke(capfd, *command, "--run-dir", uri)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == (
        f"error: The run folder {uri} cannot be used: there is no such bucket; create it first, or "
        "name another.\n"
    )
    assert status.main([uri]) == 2
    assert "there is no such bucket" in capfd.readouterr().err


def test_a_folder_of_something_else_in_a_store_is_left_alone(s3, command, capfd):
    (s3.path("data") / "mine.csv").write_bytes(b"1,2")
    outcome = invoke(capfd, *command, "--run-dir", s3.uri("data"))
    assert outcome.code == 2
    assert "is not a run folder: it has no manifest.json" in outcome.err
    assert s3.names("data") == ["mine.csv"]


@pytest.mark.parametrize("look", ["status", "runs", "report"])
def test_a_run_that_is_not_there_ends_with_one_message(s3, look, capfd):
    main = importlib.import_module(f"search.{look}{'.__main__' if look == 'report' else ''}").main
    for uri, said in ((s3.uri("none"), "no run in s3://"), ("s4://a/b", "s4:// is not a store")):
        assert main([uri]) == 2
        err = capfd.readouterr().err
        assert err.startswith("error: ")
        assert said in err


class Requests:
    """Counts what a store is asked for, and lets none of it through after a number of times."""

    def __init__(self, monkeypatch):
        self.left, self._lock = None, threading.Lock()
        for name in ("fetched", "info", "listed", "write", "copy", "delete"):
            monkeypatch.setattr(ObjectStore, name, self._counted(getattr(ObjectStore, name)))
        monkeypatch.setattr(lease, "BEAT", 1000.0)

    def _counted(self, ask):
        def counted(store, key, *args, **options):
            with self._lock:
                if self.left is not None:
                    self.left -= 1
                    if self.left < 0:
                        raise ObjectStoreError(5, "it is away", store.address.uri(key))
            return ask(store, key, *args, **options)

        return counted


def test_a_store_that_goes_away_ends_with_one_message_and_the_run_goes_on(
    s3, folder, undisturbed, capfd, monkeypatch
):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(ending, "write_report", write_small_report)
    write_grid(folder / "pack.toml", "./data.npz", batch_size=[4])
    command = ("--grid", "./pack.toml", *SERIAL, "--run-dir", s3.uri("runs/away"))
    requests, ends = Requests(monkeypatch), []
    for number in itertools.count(1, 3):  # each command comes further than the one before
        requests.left = number
        outcome = invoke(capfd, *command)
        if outcome.code == 0:
            break
        said = outcome.err.splitlines()[-1]
        assert said.startswith("error: ")
        assert "it is away" in said
        assert "disk" not in said
        assert "damaged" not in said
        ends.append(outcome.code)
        _forget_lease(s3.path("runs/away/.lock"))
    requests.left = None
    assert set(ends) == {1, 2}
    assert_same_results(log_of(s3.uri("runs/away")), undisturbed[undisturbed.batch_size == 4])


def _forget_lease(path):
    """Save the time in which the next command would watch it; what left it is this process."""
    with suppress(FileNotFoundError):
        path.store._files.delete_file(path.key)


def test_a_store_that_does_not_answer_ends_with_one_message(command, capfd, monkeypatch):
    monkeypatch.setattr(object_store, "_TRIES", 1)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    uri = f"s3://bucket/run?endpoint_override=http://127.0.0.1:{port}"
    outcome = invoke(capfd, *command, "--run-dir", uri)
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    assert f"{uri} cannot be used: the store does not answer; look at endpoint" in outcome.err
