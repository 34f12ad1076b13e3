"""The service as a process, and the commands that ask it."""

import argparse
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from importlib import import_module
from pathlib import Path

import httpx2
import pytest
from command_line import (
    LIMIT,
    Outcome,
    assert_same_results,
    invoke,
    logged_files,
    table,
    wait_until,
)
from searches import SERIAL

from cluster.executor import SerialExecutor
from search.client import Client
from search.ledger import Ledger
from search.serve import _greeting
from search.serve import main as serve
from search.service import Service

AXES = "batch_size = [32, 64, 128, 256]\nlearning_rate = [1e-6, 5e-6]\nepochs = [4, 20, 40]\n"
GRID = f'dataset = "digits"\n\n[space]\n{AXES}alpha = [0.1, 10.0]\n'
# Of which somebody who leaves does not see the end.
LONG = GRID.replace("[4, 20, 40]", "[4, 40, 120]")


def command(capfd, module, *args, cwd, **environment):
    """Run a command in this process, to its end."""
    main = import_module(f"search.{module}").main
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(cwd)
        for name, value in environment.items():
            patch.setenv(name, value)
        return _ended(capfd, main, args)


def here(capfd, *args):
    """Run the command of the service in this process, to its end."""
    return _ended(capfd, serve, args)


def _ended(capfd, main, args):
    capfd.readouterr()
    try:
        code = main([str(arg) for arg in args])
    except SystemExit as end:  # argparse leaves this way
        code = end.code
    return Outcome(code, *capfd.readouterr())


def token(root, name="ann", role="submitter"):
    """Give somebody a token."""
    root.mkdir(exist_ok=True)
    with closing(Ledger(root / "ledger.sqlite")) as ledger:
        return ledger.people.add_token(name, role)


@contextmanager
def serving(root, *args, start=("-m", "search.serve")):
    """Give a service that runs as a process, and its address."""
    process = subprocess.Popen(
        [sys.executable, *start, "--root", str(root), "--port", "0", *args],
        cwd=root.parent, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        first = process.stderr.readline()
        url = re.search(r"http://127\.0\.0\.1:\d+", first)
        assert url, first + process.stderr.read()
        yield process, url[0]
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def root(tmp_path):
    return tmp_path / "service"


def test_the_same_commands_with_a_server(root, tmp_path, capfd):
    with serving(root, "--executor", "serial") as (process, url):
        mine = {"PACKSWEEP_TOKEN": token(root)}
        server = ("--server", url)
        (tmp_path / "my.toml").write_text(GRID)
        plan = command(
            capfd, "run", "--grid", "./my.toml", "--dry-run", *server, cwd=tmp_path, **mine
        )
        assert (plan.code, "trials          48" in plan.out) == (0, True), plan.err
        ran = command(capfd, "run", "--grid", "./my.toml", *server, cwd=tmp_path, **mine)
        assert ran.code == 0, ran.err
        (sweep,) = re.findall(r"Log, model and report are in sweep (\w+) of", ran.out)
        assert "my (" in ran.err
        assert "done" in ran.err
        assert command(capfd, "status", sweep, *server, cwd=tmp_path, **mine).out.startswith(
            f"my ({sweep}), ann's: done\n48 of 48 trials on digits"
        )
        listed = command(capfd, "runs", *server, cwd=tmp_path, **mine).out
        assert re.search(rf"{sweep} +my +ann +done +48/48", listed)
        report = command(capfd, "report.__main__", sweep, *server, cwd=tmp_path, **mine)
        assert (report.code, (tmp_path / f"{sweep}.html").exists()) == (0, True), report.err
        storage = ("--storage", "sqlite:///trials.db")
        exported = command(capfd, "export", sweep, *server, *storage, cwd=tmp_path, **mine)
        assert "48 trials are in sqlite:///trials.db" in exported.out, exported.err
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT) == 0


def test_a_table_of_one_s_own_is_uploaded(root, tmp_path, capfd):
    rows = "\n".join(f"{i % 5},{i % 7},{'xy'[i % 2]}" for i in range(200))
    (tmp_path / "my.csv").write_text(f"a,b,kind\n{rows}\n")
    with serving(root, "--executor", "serial") as (_, url):
        mine = {"PACKSWEEP_TOKEN": token(root)}
        args = ("--dataset", "my.csv", "--target", "kind", "--server", url)
        ran = command(capfd, "run", *args, cwd=tmp_path, **mine)
        assert ran.code == 0, ran.err
        assert "tabular" in ran.err
        wrong = command(capfd, "run", "--dataset", "my.csv", "--server", url, cwd=tmp_path, **mine)
        assert wrong.code == 2
        assert "which column holds the labels" in wrong.err
        assert "Traceback" not in wrong.err


def test_ctrl_c_leaves_and_the_sweep_goes_on(root, tmp_path):
    (tmp_path / "my.toml").write_text(LONG)
    with serving(root, "--executor", "serial") as (_, url):
        given = token(root)
        looking = subprocess.Popen(
            [sys.executable, "-m", "search.run", "--grid", "./my.toml", "--server", url],
            cwd=tmp_path, text=True, stderr=subprocess.PIPE, stdout=subprocess.PIPE,
            env={**os.environ, "PACKSWEEP_TOKEN": given},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
        )  # fmt: skip
        first = looking.stderr.readline()
        sweep = re.search(r"is sweep (\w+) of", first)[1]
        looking.stderr.readline()
        looking.send_signal(signal.SIGINT)
        out, err = looking.communicate(timeout=LIMIT)
        if looking.returncode != 0:  # it may have ended before
            assert looking.returncode == 130, err
            assert f"The sweep {sweep} goes on" in err
            assert f"python -m search.status {sweep} --server {url}" in err
            assert out == ""
        with Client(url, given) as client:
            assert client.wait(sweep)["state"] == "done"


def logged_links(root):
    """Count the finished links of all sweeps."""
    return sum(map(logged_files, (root / "runs").glob("*")))


def test_told_to_end_a_third_time_it_ends_at_once():
    code = (
        "import signal, threading\n"
        "from search.command import signals_caught\n"
        "from search.serve import _interrupt_once\n"
        "numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)\n"
        "with signals_caught(numbers, _interrupt_once()):\n"
        "    try:\n"
        "        signal.raise_signal(signal.SIGTERM)\n"
        "    except KeyboardInterrupt:\n"
        "        signal.raise_signal(signal.SIGHUP)\n"
        "        signal.raise_signal(signal.SIGINT)\n"
        "        print('still here', flush=True)\n"
        "        signal.raise_signal(signal.SIGTERM)\n"
        "        print('and still', flush=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, "still here\n")


# Of a service that ends no sooner than a file is there.
HELD_AT_ITS_END = """
import pathlib, sys, time
from search.serve import main
from search.service import Service

stop, go = Service.stop, pathlib.Path(sys.argv.pop(1))

def held(service):
    while not go.exists():
        time.sleep(0.01)
    stop(service)

Service.stop = held
sys.exit(main(sys.argv[1:]))
"""


def test_told_to_end_twice_it_ends_once_and_in_order(root, tmp_path):
    mine = {"Authorization": f"Bearer {token(root)}"}
    held = ("-c", HELD_AT_ITS_END, str(tmp_path / "go"))
    with serving(root, "--executor", "serial", start=held) as (process, url):
        with httpx2.stream("GET", f"{url}/v1/events", headers=mine, timeout=LIMIT) as stream:
            lines = stream.iter_lines()
            assert next(lines).startswith("retry")
            process.send_signal(signal.SIGINT)
            assert process.stderr.readline().startswith("The service ends")
            for number in (signal.SIGHUP, signal.SIGTERM):
                process.send_signal(number)
            (tmp_path / "go").touch()
            list(lines)  # to its end, which is not a broken one
        assert process.wait(LIMIT) == 0
        assert process.stderr.read() == ""


def test_killed_and_started_again_every_log_is_that_of_the_command_alone(root, tmp_path, capfd):
    (tmp_path / "my.toml").write_text(GRID)
    for seed in (0, 1):  # of one seed, the second would take over what the first has trained
        run = ("--run-dir", tmp_path / f"alone-{seed}", "--seed", str(seed))
        assert invoke(capfd, "--grid", tmp_path / "my.toml", *run, *SERIAL).code == 0
    given, sweeps, chance = token(root), [], random.Random(0)
    for links in (0, 1, 3, 6):
        with serving(root, "--executor", "serial") as (process, url), Client(url, given) as client:
            if not sweeps:
                asked = [
                    {"toml": GRID, "name": name, "key": name, "seed": seed}
                    for seed, name in enumerate(("one", "two"))
                ]
                sweeps = [client.submit(**one)["id"] for one in asked]
                # Sent again, as after a lost answer.
                again = [client.submit(**one)["id"] for one in asked]
                assert again == sweeps
            wait_until(lambda links=links: logged_links(root) >= links, process)
            time.sleep(chance.uniform(0, 0.3))  # so it may be anywhere in a link, or between two
            process.send_signal(signal.SIGKILL)
    with serving(root, "--executor", "serial") as (_, url), Client(url, given) as client:
        found = [client.wait(sweep) for sweep in sweeps]
    assert [sweep["state"] for sweep in found] == ["done", "done"]
    for seed, (sweep, name) in enumerate(zip(sweeps, ("one", "two"), strict=True)):
        log = table(root / "runs" / f"{name}-{sweep}")
        assert_same_results(log, table(tmp_path / f"alone-{seed}"))


def test_on_ray_two_people_s_sweeps_at_once(root, tmp_path):
    """The cluster that it starts is seen by nobody else, and ends with it."""
    with serving(root, "--workers", "2") as (process, url):
        people = [Client(url, token(root, name)) for name in ("ann", "bob")]
        sweeps = [
            client.submit(toml=GRID.replace("10.0", alpha), name=f"grid{alpha}")["id"]
            for client, alpha in zip(people, ("5.0", "7.0"), strict=True)
        ]
        for client, sweep in zip(people, sweeps, strict=True):
            found = client.wait(sweep)
            assert (found["state"], found["finished"]) == ("done", 48), found["reason"]
            client.close()
        process.send_signal(signal.SIGTERM)  # of which Ray has a handler of its own
        assert process.wait(LIMIT) == 0
    links = [
        json.loads(line)
        for path in (root / "runs").glob("*/links.jsonl")
        for line in path.read_text().splitlines()
    ]
    assert len(links) >= 8


MISTAKES = {
    "a role that there is not": (("token", "add", "ann", "--role", "boss"), "invalid choice"),
    "a name that is none": (("token", "add", "../ann", "--role", "admin"), "is not a name"),
    "a span that is none": (
        ("token", "add", "ann", "--role", "admin", "--expires", "soon"), "not a span of time",
    ),
    "a token that there is not": (("token", "revoke", "9"), "There is no token 9"),
    "no act": (("token",), "required"),
    "a port that is none": (("--port", "70000"), "from 0 to 65535"),
    "a folder that there is not": (("--data", "nowhere"), "there is no folder"),
    "others let in before anybody has a token": (("--host", "0.0.0.0"), "nobody has a token yet"),
    "an address that is not this machine's": (("--host", "nowhere.invalid"), "nobody has a token"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_message(tmp_path, capfd, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    args, said = MISTAKES[name]
    found = here(capfd, *args)
    assert found.code == 2
    assert said in found.err
    assert "Traceback" not in found.err


def test_the_folder_is_told_as_it_is_while_a_cluster_starts(tmp_path, monkeypatch):
    """The process works elsewhere then, and the folder was named from where it was started."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    service = Service(Path("mine"), SerialExecutor)
    monkeypatch.chdir(tmp_path / "elsewhere")
    args = argparse.Namespace(root=Path("mine"))
    try:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            told = _greeting(args, listener, service)
    finally:
        service.ledger.close()
        service._lock.close()
    assert told.splitlines()[0].endswith(f"its folder is {tmp_path / 'mine'}")


def test_a_port_that_is_taken_and_a_folder_that_is_served_are_told(root, capfd):
    with serving(root, "--executor", "serial") as (_, url):
        port = url.rpartition(":")[2]
        taken = command(capfd, "serve", "--root", "other", "--port", port, cwd=root.parent)
        assert (taken.code, "cannot listen" in taken.err) == (2, True)
        again = command(capfd, "serve", "--root", root, "--port", "0", cwd=root.parent)
        assert (again.code, "is being written by" in again.err) == (2, True), again.err
        assert "--run-dir" not in again.err


def test_without_a_token_or_a_service_a_command_says_what_is_missing(tmp_path, capfd):
    none = command(capfd, "run", "--server", "http://127.0.0.1:1", cwd=tmp_path, PACKSWEEP_TOKEN="")
    assert (none.code, "PACKSWEEP_TOKEN" in none.err) == (2, True)
    gone = command(
        capfd, "runs", "--server", "http://127.0.0.1:1", cwd=tmp_path, PACKSWEEP_TOKEN="x"
    )
    assert (gone.code, "cannot be reached" in gone.err) == (1, True)
    for args in (("--run-dir", "x"), ("--workers", "2"), ("--fresh",), ("--executor", "serial")):
        both = command(capfd, "run", "--server", "http://127.0.0.1:1", *args, cwd=tmp_path)
        assert (both.code, f"leave {args[0]} out" in both.err) == (2, True)


def test_tokens_are_listed_and_revoked(root, tmp_path, capfd):
    assert here(capfd, "token", "list", "--root", root).out == "There is no token.\n"
    added = ("token", "add", "ann", "--role", "admin", "--root", root)
    first = command(capfd, "serve", *added, cwd=tmp_path).out.strip()
    token(root, "bob", "viewer")
    assert (root / "ledger.sqlite").stat().st_mode & 0o077 == 0
    listed = here(capfd, "token", "list", "--root", root).out
    assert first not in listed
    assert re.search(r"1 +ann +admin +valid", listed)
    assert here(capfd, "token", "revoke", "1", "--root", root).code == 0
    listed = here(capfd, "--root", root, "token", "list").out
    assert re.search(r"1 +ann +admin +revoked", listed)
    assert re.search(r"2 +bob +viewer +valid", listed)
