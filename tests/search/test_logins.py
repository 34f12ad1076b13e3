"""Logins in addresses: no text shows them, and no other user sees them beside the command."""

import logging
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from command_line import write_grid, write_images

from search import export, run, runs, status
from search.logins import has_login, without_login, without_logins
from search.watch import log_file

SECRET = "s3cr/et+X"
S3 = f"s3://AKIAKEY:{SECRET}@bucket/runs"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (S3, "s3://***@bucket/runs"),
        ("postgresql://me:p@ss@db/x", "postgresql://***@db/x"),
        ("postgresql://me:a b@db/x", "postgresql://***@db/x"),
        ("mysql://db/x?user=me&password=abc&charset=utf8", "mysql://db/x?user=me&password=***&charset=utf8"),
        ("ray://10.0.0.1:10001", "ray://10.0.0.1:10001"),
        ("s3:/AKIA:b/c@bucket/runs", "s3:/***@bucket/runs"),
        ("postgresql://me@db/x", "postgresql://me@db/x"),
        ("gs://anonymous@bucket/x", "gs://anonymous@bucket/x"),
        ("s3://bucket/x?endpoint_override=http://h:9", "s3://bucket/x?endpoint_override=http://h:9"),
        ("--run-dir=s3://a:b@c/d", "--run-dir=s3://***@c/d"),
        ("me@example.org", "me@example.org"),
        ("12:30 a@b", "12:30 a@b"),
    ],
)  # fmt: skip
def test_a_value_is_shown_without_its_login(text, shown):
    assert without_login(text) == shown
    assert has_login(text) == (text != shown)


def test_a_text_is_shown_without_any():
    text = f"cannot read {S3!r}, nor 'http://u:p@h/x': see a@b"
    assert without_logins(text) == (
        "cannot read 's3://***@bucket/runs', nor 'http://***@h/x': see a@b"
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("logins")
    data = write_images(folder / "data.npz")
    grid = str(write_grid(folder / "tiny.toml", str(data)))
    args = ["--grid", grid, "--run-dir", str(folder / "run"), "--executor", "serial"]
    assert run.main([*args, "--no-progress"]) == 0
    return folder / "run"


@pytest.mark.parametrize(
    ("main", "args"),
    [
        (run.main, [S3]),
        (run.main, ["--run-dir", S3]),
        (run.main, ["--resume", f"s3://AKIAKEY:{SECRET}@", "--executor", "serial"]),
        (run.main, ["--dataset", S3, "--run-dir", "x"]),
        (run.main, ["--grid", S3]),
        (run.main, ["--seed", S3]),
        (run.main, ["--sampler", S3, "--trials", "4", "--dataset", "digits", "--run-dir", "x"]),
        (run.main, ["--run-dir", "x", "--address", f"http://me:{SECRET}@head:8265"]),
        (run.main, ["--run-dir", "x", "--reuse", f"ftp://me:{SECRET}@host/x"]),
        (status.main, [S3]),
        (status.main, ["x", S3]),
        (runs.main, [S3]),
        (export.main, [S3, "--storage", "x.journal"]),
    ],
)
def test_no_mistake_shows_one(main, args, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with suppress(SystemExit):  # so argparse leaves
        main(args)
    out, err = capfd.readouterr()
    assert "error: " in err
    for piece in (SECRET, "s3cr", "et+X", "AKIAKEY"):
        assert piece not in out + err
    assert "warning: a login on the command line" in err


@pytest.mark.parametrize(
    "storage",
    [
        f"postgresql://me:{SECRET}@127.0.0.1:9/x",
        f"foo://me:{SECRET}@127.0.0.1:9/x",
        f"sqlite://me:{SECRET}@127.0.0.1:9/x",
        f"mysql://127.0.0.1/x?user=me&password={SECRET}",
        f"postgresql://me:{SECRET}@no:port/x",
        "postgresql://me:s3cr@et+X@127.0.0.1:9/x",
    ],
)
@pytest.mark.parametrize("way", ["option", "environment"])
def test_no_storage_shows_one(storage, way, finished, capfd, monkeypatch):
    monkeypatch.setenv("OPTUNA_STORAGE", storage)
    capfd.readouterr()
    assert export.main([str(finished), *(["--storage", storage] if way == "option" else [])])
    out, err = capfd.readouterr()
    assert "error: " in err
    for piece in (SECRET, "s3cr", "et+X"):
        assert piece not in out + err
    assert ("warning: " in err) == (way == "option")


def test_a_storage_may_be_named_in_the_environment(finished, capfd, tmp_path, monkeypatch):
    monkeypatch.setenv("OPTUNA_STORAGE", f"sqlite:///{tmp_path}/x.db")
    assert export.main([str(finished)]) == 0
    monkeypatch.delenv("OPTUNA_STORAGE")
    assert export.main([str(finished)]) == 2
    assert "Give --storage, or its URL in OPTUNA_STORAGE." in capfd.readouterr().err


def test_a_log_and_its_tracebacks_show_none(tmp_path):
    with log_file(tmp_path / "sweep.log", lambda _: None):
        try:
            raise OSError(f"cannot read {S3}")
        except OSError:
            logging.getLogger("search.x").exception("%s is away", S3)
    text = (tmp_path / "sweep.log").read_text()
    assert text.count("s3://***@bucket/runs") == 2
    assert SECRET not in text


STARTED = """
import sys
from search.command import Parser, command

def act(args):
    print("started", flush=True)
    sys.stdin.read(1)
    raise RuntimeError(f"a bug with {args.run}")

parser = Parser()
parser.add_argument("run")
command(parser, act, None)
"""


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="there is no /proc")
def test_the_list_of_processes_and_a_traceback_show_none():
    command = [sys.executable, "-c", STARTED, f"{S3}/ä"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, env=os.environ, **pipes) as process:
        assert process.stdout.readline() == "started\n"
        seen = psutil.Process(process.pid).cmdline()
        _, err = process.communicate("x", timeout=60)
    assert seen[:3] == command[:3]
    assert seen[3] == "s3://" + "*" * len(f"AKIAKEY:{SECRET}") + "@bucket/runs/ä"
    assert "RuntimeError: a bug with s3://***@bucket/runs/ä" in err
    assert SECRET not in err
