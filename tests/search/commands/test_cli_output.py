"""Whatever becomes of the output, a sweep goes on: its reader, its disk and its terminal may go."""

import contextlib
import fcntl
import json
import logging
import os
import pty
import shlex
import shutil
import signal
import subprocess
import sys
import termios
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from command_line import (
    LIMIT,
    RUN,
    Hold,
    Outcome,
    assert_same_results,
    change_manifest,
    end,
    finish,
    invoke,
    start,
    table,
    wait_until,
    write_grid,
    write_images,
)
from terminal import record
from test_cli_hidden import ROOT, WRONG, put_wrong_packages

from search.export import main as export
from search.output import Output, visible
from search.report.__main__ import main as report
from search.run import main as sweep
from search.runs import main as runs
from search.status import main as status
from search.watch import log_file

SERIAL = ("--grid", "./grid.toml", "--executor", "serial", "--run-dir")
ENDED = ("best_model.npz", "report.html", "summary.json")
FULL = "No space left on device"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with data, a grid, and a finished run that was not disturbed."""
    path = tmp_path_factory.mktemp("output")
    write_images(path / "data.npz")
    write_grid(path / "grid.toml", "./data.npz")
    # In this process: each worker that has some of these tests makes it, and a start takes seconds.
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        assert sweep([*SERIAL, "undisturbed"]) == 0
    return path


def shell(folder, line, code):
    """Run a line of bash in which `$run` is the command; return what went where to read."""
    run = " ".join([sys.executable, *RUN, *SERIAL])
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line], cwd=folder, text=True, timeout=LIMIT,
        check=False, capture_output=True, env=os.environ | {"run": run},
    )  # fmt: skip
    assert done.returncode == code, done
    return done


def assert_ended(run, *losses):
    """Check that a run is whole, and that its log says once why nothing is shown, or not at all."""
    assert all((run / name).exists() for name in ENDED)
    assert json.loads((run / "summary.json").read_text())["trials"]["total"] == 16
    assert_same_results(table(run), table(run.parent / "undisturbed"))
    logged = [line for line in _log(run) if "Nothing has been shown since" in line]
    assert len(logged) == len(losses), logged
    assert all(loss in line for loss, line in zip(losses, logged, strict=True))


def _log(run):
    return (run / "sweep.log").read_text().splitlines()


@pytest.mark.parametrize(
    ("output", "code", "losses"),
    [
        ("2>&1 | head -1", 0, ["Broken pipe"]),
        ("--no-progress 2>&1 | true", 0, ["Broken pipe"]),
        ("2>/dev/full", 0, [FULL]),
        (">/dev/full", 1, []),
        ("<&- >&- 2>&-", 0, ["is closed"]),
        ("2>&- | cat", 0, ["is closed"]),
    ],
)
def test_a_sweep_without_its_output_comes_to_its_end_and_logs_why(
    folder, tmp_path, output, code, losses
):
    (tmp_path / "undisturbed").symlink_to(folder / "undisturbed")
    done = shell(folder, f"$run {tmp_path}/run {output}", code)
    assert "Traceback" not in done.stderr
    assert_ended(tmp_path / "run", *losses)
    if output == ">/dev/full":
        assert done.stderr.count("error: ") == 1
        assert (
            f"error: The result cannot be printed: standard output cannot be written ({FULL})"
            in (done.stderr)
        )


@pytest.mark.ray
@pytest.mark.xdist_group("ray")
def test_ray_starts_without_any_descriptor_of_a_terminal_beside_files_named_as_our_packages(
    folder, tmp_path
):
    (tmp_path / "undisturbed").symlink_to(folder / "undisturbed")
    put_wrong_packages(tmp_path)
    (tmp_path / "search.py").write_text(WRONG)
    # Python itself would look here first, and take the user's search.py for the commands.
    begin = f"import sys; sys.path[0] = {ROOT!r}; from search.run import main; sys.exit(main())"
    run = f"{sys.executable} -c {shlex.quote(begin)} --grid {folder}/grid.toml --workers 2"
    shell(tmp_path, f"{run} --run-dir run <&- >&- 2>&-", 0)
    assert_ended(tmp_path / "run", "is closed")


def test_a_reader_that_goes_in_mid_training_takes_only_the_display(folder):
    hold = Hold(1, folder)
    process = start(*SERIAL, "left", cwd=folder, hold=hold)
    try:
        wait_until(hold.waiting, process)
        process.stderr.close()
        process.stdout.close()
        hold.go()
        assert process.wait(LIMIT) == 0
    finally:
        end(process)
    assert_ended(folder / "left", "Broken pipe")


def test_a_reader_that_stands_still_does_not_hold_the_sweep_up(folder):
    theirs, ours = os.pipe()
    fcntl.fcntl(ours, fcntl.F_SETPIPE_SZ, 4096)
    os.write(ours, b"-" * 4096)
    try:
        process = subprocess.Popen(
            [sys.executable, *RUN, *SERIAL, "still"], cwd=folder, stderr=ours
        )
        assert process.wait(LIMIT) == 0
    finally:
        os.close(ours)
        os.close(theirs)
    assert_ended(folder / "still")
    assert sum("Nobody is reading the output" in line for line in _log(folder / "still")) == 1


@pytest.mark.parametrize("name", ["status", "runs", "report"])
def test_who_looks_is_told_that_nothing_can_be_printed_unless_he_has_left(folder, name):
    look = f"{sys.executable} -m search.{name} {'.' if name == 'runs' else 'undisturbed'}"
    done = shell(folder, f"{look} >/dev/full", 1)
    assert done.stderr.startswith("error: The result cannot be printed: ")
    assert done.stderr.count("\n") == 1
    for output in ("2>&1 | true", "<&- >&- 2>&-"):
        assert shell(folder, f"{look} {output}", 0).stderr == ""


def test_a_result_waits_for_its_reader_also_in_a_pipe_that_does_not():
    theirs, ours = os.pipe()
    os.set_blocking(ours, False)
    before, text = b"-" * fcntl.fcntl(ours, fcntl.F_GETPIPE_SZ), "result\n" * 20_000
    os.write(ours, before)
    reader, stream = os.fdopen(theirs, "rb"), os.fdopen(ours, "w")
    with reader, stream, ThreadPoolExecutor(1) as thread:
        printed = thread.submit(Output(stream, needed=True).write, text)
        assert reader.read(len(before) + len(text)) == before + text.encode()
        assert printed.result() == len(text)


def test_watching_ends_when_nobody_reads(folder):
    (folder / "begun").mkdir()
    manifest = (folder / "undisturbed/manifest.json").read_bytes()
    (folder / "begun/manifest.json").write_bytes(manifest)
    process = subprocess.Popen(
        [sys.executable, "-m", "search.status", "begun", "--watch", "0.1"],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout.readline().startswith("begun: interrupted")
        process.stdout.close()
        assert process.wait(LIMIT) == 0
        assert process.stderr.read() == ""
    finally:
        end(process)


def in_terminal(folder, args, *, ignoring=False):
    """Start a command that a terminal controls; return the terminal too."""
    main, side = pty.openpty()

    def control():
        signal.signal(signal.SIGHUP, signal.SIG_IGN if ignoring else signal.SIG_DFL)
        fcntl.ioctl(side, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        [sys.executable, *map(str, args)],
        cwd=folder, stdin=side, stdout=side, stderr=side, start_new_session=True, text=True,
        preexec_fn=control,  # noqa: PLW1509 - nothing else runs here meanwhile
        env=os.environ | {"TERM": "xterm"},
    )  # fmt: skip
    os.close(side)
    return process, main


RAY = [pytest.mark.ray, pytest.mark.xdist_group("ray")]


@pytest.mark.parametrize("executor", ["serial", pytest.param("ray", marks=RAY)])
def test_a_terminal_that_hangs_up_ends_a_sweep_as_ctrl_c_does(folder, executor, capfd, monkeypatch):
    hold, name = Hold(1, folder), f"hung-up-{executor}"
    process, main = in_terminal(
        folder, [*hold.run, "--grid", "./grid.toml", "--executor", executor, "--run-dir", name]
    )
    try:
        try:
            wait_until(hold.waiting, process)
        except AssertionError as error:
            raise AssertionError(os.read(main, 65536).decode()) from error
        os.close(main)
        process.send_signal(signal.SIGHUP)  # as a shell does, beside the system
        hold.go()
        assert process.wait(LIMIT) == 130
    finally:
        end(process)
    log = "\n".join(_log(folder / name))
    assert "asked to stop by SIGHUP" in log
    assert "ended: Interrupted. " in log
    assert "Traceback" not in log
    assert not (folder / name / "summary.json").exists()
    monkeypatch.chdir(folder)
    assert invoke(capfd, "--resume", name, "--executor=serial").code == 0
    assert_same_results(table(folder / name), table(folder / "undisturbed"))


def test_a_hang_up_that_is_ignored_takes_only_the_display(folder):
    hold = Hold(1, folder)
    process, main = in_terminal(folder, [*hold.run, *SERIAL, "kept"], ignoring=True)
    try:
        wait_until(hold.waiting, process)
        os.close(main)
        process.send_signal(signal.SIGHUP)
        hold.go()
        assert process.wait(LIMIT) == 0
    finally:
        end(process)
    assert_ended(folder / "kept", "Input/output error")


def test_a_terminal_that_was_stopped_by_ctrl_s_does_not_hold_the_sweep_up(folder):
    hold = Hold(1, folder)
    process, main = in_terminal(folder, [*hold.run, *SERIAL, "stopped"])
    try:
        wait_until(hold.waiting, process)
        os.write(main, b"\x13")
        hold.go()
        wait_until((folder / "stopped/summary.json").exists, process)
        os.write(main, b"\x11")  # Ctrl-Q
        shown = b""
        with contextlib.suppress(OSError):  # the command has ended
            while data := os.read(main, 4096):
                shown += data
        assert process.wait(LIMIT) == 0
    finally:
        os.close(main)
        end(process)
    assert b"Log, model and report are in stopped" in shown
    assert_ended(folder / "stopped")


@pytest.mark.parametrize("wish", [{"FORCE_COLOR": "1"}, {"TTY_COMPATIBLE": "1"}])
def test_who_asks_for_colours_gets_no_moving_cursor_in_a_log(folder, wish, capfd, monkeypatch):
    monkeypatch.chdir(folder)
    for name, value in (wish | {"TERM": "xterm"}).items():
        monkeypatch.setenv(name, value)
    run = f"in-{next(iter(wish))}"
    outcome = invoke(capfd, *SERIAL, run)
    assert outcome.code == 0
    assert "\x1b" not in outcome.out + outcome.err
    assert " of 16 trials" in outcome.err
    outcome = look(capfd, status, run, "--watch")
    assert outcome.code == 0
    assert run in outcome.out
    assert "\x1b" not in outcome.out


def test_a_dumb_terminal_gets_plain_lines_whoever_asks_for_colours(folder):
    recording = record([*RUN, *SERIAL, "dumb"], folder, 200, TERM="dumb", FORCE_COLOR="1")
    assert recording.code == 0
    assert b"\x1b" not in recording.written


def test_a_terminal_that_has_not_the_letters_of_a_name_shows_it_all_the_same(folder):
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    outcome = finish(start(*SERIAL, "Käse", cwd=folder, env=environment))
    assert outcome.code == 0
    assert r"K\xe4se" in outcome.out


def test_a_log_that_cannot_be_written_is_told_once_and_no_reason_to_stop(
    folder, capfd, monkeypatch
):
    monkeypatch.chdir(folder)
    (folder / "unlogged/sweep.log").mkdir(parents=True)
    outcome = invoke(capfd, *SERIAL, "unlogged")
    assert outcome.code == 0
    assert outcome.err.count("unlogged/sweep.log cannot be written (Is a directory)") == 1
    assert all((folder / "unlogged" / name).exists() for name in ENDED)
    assert_same_results(table(folder / "unlogged"), table(folder / "undisturbed"))


# --- Text from outside

HOSTILE = "\x1b[2J\x1b]0;title\x07 \u202egnp \x9b1m\r"


def harmless(outcome):
    """Check that nothing was printed that a terminal would obey."""
    assert all(c.isprintable() or c == "\n" for c in outcome.out + outcome.err), outcome
    return outcome


def test_what_files_name_is_shown_and_not_obeyed(folder, capfd, monkeypatch):
    monkeypatch.chdir(folder)
    run = folder / f"hostile {HOSTILE}"
    shutil.copytree(folder / "undisturbed", run)
    dataset = json.loads((run / "manifest.json").read_text())["dataset"] | {"name": HOSTILE}
    change_manifest(run, dataset=dataset, created_at=HOSTILE)
    (run / "summary.json").unlink()
    writer = {"process": 1, "host": HOSTILE, "since": HOSTILE}
    with (run / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(json.dumps(writer))
        file.flush()
        told = harmless(look(capfd, status, run)).out
        assert r"running, process 1 on \x1b[2J" in told
        told = harmless(look(capfd, runs, folder)).out
        assert r"\u202egnp" in told
        outcome = harmless(invoke(capfd, *SERIAL, run))
        assert (outcome.code, outcome.out) == (2, "")
        assert r"is being written by process 1 on \x1b[2J" in outcome.err
    assert harmless(look(capfd, runs, "--compare", run, folder / "undisturbed")).code == 0
    (run / "manifest.json").write_text(HOSTILE)
    for main in (status, report):
        assert harmless(look(capfd, main, run)).code == 2
    to = ("--storage", folder / "a.journal")
    assert harmless(look(capfd, export, run, *to)).code == 2
    assert harmless(look(capfd, export, folder / "undisturbed", *to, "--name", HOSTILE)).code == 0


def look(capfd, main, *args):
    """Run another command than the sweep in this process."""
    capfd.readouterr()
    code = main([str(arg) for arg in args])
    return Outcome(code, *capfd.readouterr())


@pytest.mark.parametrize("main", [status, runs, export, report, sweep])
def test_what_a_shell_has_put_into_a_command_is_shown_and_not_obeyed(capfd, main):
    capfd.readouterr()
    with pytest.raises(SystemExit) as end:
        main(["one", "two", f"--{HOSTILE}"])
    outcome = harmless(Outcome(end.value.code, *capfd.readouterr()))
    assert outcome.code == 2
    assert r"\x1b[2J" in outcome.err or "required" in outcome.err


def test_labels_and_columns_are_shown_and_not_obeyed(tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = [f"{i % 7},{i % 3},{'a' if i % 2 else HOSTILE.strip()}" for i in range(60)]
    names = f"{HOSTILE.strip()},b,label"
    Path("data.csv").write_text("\n".join([names, *lines]) + "\n")
    write_grid(Path("grid.toml"), "./data.csv")
    outcome = harmless(invoke(capfd, *SERIAL, "run", "--target", "label"))
    assert outcome.code == 0
    assert r"\x1b[2J" in outcome.err
    assert harmless(invoke(capfd, *SERIAL, "run2", "--target", "labels")).code == 2
    assert "\x1b" not in Path("run/sweep.log").read_text()


def test_what_is_logged_can_be_read_in_a_terminal(tmp_path):
    with log_file(tmp_path / "sweep.log", pytest.fail):
        logging.getLogger("search").info("lost: %s", HOSTILE)
    assert r"lost: \x1b[2J\x1b]0;title\x07 \u202egnp \x9b1m\r" in (
        (tmp_path / "sweep.log").read_text()
    )


def test_what_can_be_seen_stays_as_it_is():
    assert visible("Café 漢字, a\u00a0space\nand a line") == "Café 漢字, a\u00a0space\nand a line"
    assert visible("\udc80") == r"\udc80"


# --- Other versions than when a run began


def test_a_run_that_goes_on_with_other_versions_says_which(folder, capfd, monkeypatch):
    monkeypatch.chdir(folder)
    shutil.copytree("undisturbed", "older")
    Path("older/summary.json").unlink()
    now = json.loads(Path("older/manifest.json").read_text())["versions"]
    versions = now | {"numpy": "1.0", "python": "3.0.1", "optuna": "0.1"}
    change_manifest(Path("older"), versions=versions)
    outcome = invoke(capfd, *SERIAL, "older")
    assert outcome.code == 0
    told = (
        f"The run began with python 3.0.1 (now {now['python']}), numpy 1.0 (now {now['numpy']}): "
        "what is trained from here on may differ in its last digits."
    )
    assert outcome.err.count(told) == 1
    assert sum(told in line for line in _log(Path("older"))) == 1
    assert told not in invoke(capfd, *SERIAL, "older").err  # finished: nothing is trained
    assert told not in invoke(capfd, *SERIAL, "undisturbed", "--refits", "2").err
