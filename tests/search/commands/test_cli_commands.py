"""All commands under one name: which there are, their help, and what is said of a mistake."""

import logging
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from search.command import program
from search.commands import COMMANDS, main

ROOT = Path(__file__).parents[3]
HEAVY = {"optuna", "numpy", "ray", "pyarrow", "rich", "pydantic", "scipy", "numba", "sklearn"}
# Each line that asks for help, with the commands below commands.
LINES = [
    [], *([name] for name in COMMANDS), ["runs", "prune"], ["serve", "token"],
    *(["serve", "token", act] for act in ("add", "list", "revoke")),
]  # fmt: skip

# An option with what it takes, in the usage; and commands of the examples.
COPIED = ("            ", "  packsweep ", "  echo ")

lines = pytest.mark.parametrize("line", LINES, ids=" ".join)


def told(capfd, *args):
    """Return the exit code, the output and the errors of a command in this process."""
    capfd.readouterr()
    try:
        code = main(list(args))
    except SystemExit as end:
        code = end.code
    return code, *capfd.readouterr()


@pytest.fixture
def as_packsweep(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/usr/bin/packsweep"])


@lines
def test_help_fits_80_columns(line, capfd, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    for started in ("packsweep", "search/__main__.py", "pytest"):
        monkeypatch.setattr(sys, "argv", [started])
        code, out, err = told(capfd, *line, "--help")
        assert (code, err) == (0, "")
        assert max(map(len, out.splitlines())) <= 80, out
        assert out.startswith(f"usage: {program(' '.join(line))}")


@lines
def test_help_at_40_columns_says_the_same(line, capfd, monkeypatch, as_packsweep):
    wide, narrow = (
        monkeypatch.setenv("COLUMNS", columns) or told(capfd, *line, "--help")[1]
        for columns in ("80", "40")
    )
    assert narrow.split() == wide.split()
    # What is longer is what must not be broken: a command to be copied, or one option.
    for row in narrow.splitlines():
        assert len(row) <= 40 or " " not in row.strip() or row.startswith(COPIED), row


def test_help_lists_the_commands_with_a_line_each(capfd, as_packsweep):
    code, out, _ = told(capfd, "--help")
    assert code == 0
    for name, what in COMMANDS.items():
        assert re.search(rf"^    {name}\s+{what[:30]}", out, re.MULTILINE), name
    assert not re.search(r"^    (?!COMMAND|\w[\w-]*)", out)


def test_every_command_has_a_module_that_does_the_same(capfd):
    for name in COMMANDS:
        module = "search." + name.replace("-", "_") + ".__main__" * (name == "report")
        with pytest.raises(SystemExit):
            import_module(module).main(["--help"])
        alone = capfd.readouterr().out
        assert told(capfd, name, "--help")[1] == alone


@lines
def test_help_imports_nothing_that_takes_long(line):
    code = (
        "import sys\nfrom search.commands import main\n"
        f"try:\n    main({[*line, '--help']!r})\n"
        "except SystemExit as end:\n    print(end.code, sorted(sys.modules), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT
    )
    assert done.stderr.startswith("0 ")
    assert not {name for name in HEAVY if f"'{name}'" in done.stderr}


def test_the_version_is_that_of_the_package(capfd):
    assert told(capfd, "--version")[:2] == (0, "packsweep 0.1.0\n")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["staus"], "there is no command 'staus'; did you mean status?"),
        (["check_trainer"], "did you mean check-trainer?"),
        (["Run"], "did you mean run?"),
        (["zzz"], "there is no command 'zzz'; there are run, status, runs"),
        (["\x1b[31mred"], r"'\x1b[31mred'"),
        (["caf\udce9"], r"'caf\udce9'"),
        ([], "a command is missing, such as packsweep run --grid smoke"),
        (["--grid", "my grid"], "did you mean packsweep run --grid 'my grid'?"),
        (["--help=1"], "the command comes first"),
    ],
)
def test_a_mistake_is_told_with_what_was_meant(capfd, as_packsweep, given, said):
    code, out, err = told(capfd, *given)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("error: ") == 1


@pytest.mark.parametrize(
    ("started", "name", "called"),
    [
        ("/usr/bin/packsweep", "check-trainer", "packsweep check-trainer"),
        ("/usr/bin/packsweep", "", "packsweep"),
        ("/x/search/__main__.py", "run", "python -m search run"),
        ("/x/search/__main__.py", "", "python -m search"),
        ("/x/search/report/__main__.py", "report", "python -m search.report"),
        ("/x/search/run.py", "run", "python -m search.run"),
        ("script.py", "check-trainer", "python -m search.check_trainer"),
    ],
)
def test_a_command_is_called_as_it_was_started(monkeypatch, started, name, called):
    monkeypatch.setattr(sys, "argv", [started])
    assert program(name) == called


def test_python_m_search_runs_a_command_of_another_process(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "search", "status", "nothing"],
        capture_output=True, text=True, cwd=tmp_path, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "nothing" in done.stderr


@pytest.mark.parametrize(
    "given",
    [
        ["run", "--code", 300 * "x", "--dry-run"],
        ["status", 300 * "x"],
        ["serve", "--root", "a-file/x", "--port", "0", "--executor", "serial"],
    ],
)
def test_what_the_system_refuses_to_a_command_is_one_message(
    capfd, tmp_path, monkeypatch, as_packsweep, given
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a-file").touch()
    # Those of the tests hide what the last resort of logging would write.
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    code, out, err = told(capfd, *given)
    assert (code in (1, 2), out) == (True, "")
    assert err.count("error: ") == 1
    assert "Traceback" not in err
    assert "logged before" not in err
