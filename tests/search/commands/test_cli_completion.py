"""What shells complete, asked of real ones."""

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from search.command import program
from search.commands import COMMANDS, main, parser_of
from search.completion import SHELLS
from search.config import PRUNERS, SAMPLERS, known_grids

ROOT = Path(__file__).parents[3]
LIMIT = 240


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """Return the environment of a shell that finds packsweep, in a folder with a run."""
    command = tmp_path / "bin" / "packsweep"
    command.parent.mkdir()
    command.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n"
        "from search.commands import main\nsys.exit(main())\n"
    )
    command.chmod(0o755)
    here = tmp_path / "here"
    (here / "runs" / "first try").mkdir(parents=True)
    (here / "runs" / "smoke").mkdir()
    for run in (here / "runs").iterdir():
        (run / "manifest.json").touch()
    (here / "my.toml").touch()
    (here / "other.txt").touch()
    monkeypatch.chdir(here)
    path = f"{command.parent}{os.pathsep}{os.environ['PATH']}"
    plain = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    return plain | {"PATH": path, "HOME": str(tmp_path), "TERM": "xterm", "PS1": "> "}


BASH = """
source <(packsweep completion bash)
complete -p packsweep > /dev/null
COMP_LINE=$1 COMP_POINT=${#1} COMP_TYPE=9
read -ra COMP_WORDS <<< "$1"
[[ $1 == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_python_argcomplete packsweep "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""
FISH = """
packsweep completion fish | source
complete --do-complete $argv[1]
"""


def completed(shell, line, environment):
    """Return what a shell offers for a line."""
    script = {"bash": BASH, "fish": FISH}[shell]
    arguments = [shell, "--norc", "-c", script, shell, line] if shell == "bash" else [
        shell, "--no-config", "-c", script, line]  # fmt: skip
    done = subprocess.run(
        arguments, env=environment, capture_output=True, text=True, timeout=LIMIT, check=True
    )
    return [row.partition("\t")[0].strip() for row in done.stdout.splitlines() if row.strip()]


@pytest.fixture(params=["bash", "fish"])
def shell(request):
    if shutil.which(request.param) is None:
        pytest.skip(f"needs {request.param}")
    return request.param


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("packsweep ", {*COMMANDS}),
        ("packsweep sta", {"status"}),
        ("packsweep run --grid ", {*known_grids(), "my.toml"}),
        ("packsweep run --sampler ", set(SAMPLERS)),
        ("packsweep run --pruner h", {name for name in PRUNERS if name[0] == "h"}),
        ("packsweep run --trainer ", {"softmax", "xgboost", "lightgbm"}),
        ("packsweep data dig", {"digits"}),
        ("packsweep status runs/sm", {"runs/smoke"}),
        ("packsweep runs prune --ol", {"--older-than"}),
        ("packsweep serve token ", {"add", "list", "revoke"}),
        ("packsweep completion ", set(SHELLS)),
    ],
)
def test_a_shell_offers_what_may_follow(shell, environment, line, offered):
    found = completed(shell, line, environment)
    assert offered <= set(found)
    if not line.endswith(" "):
        word = line.split()[-1]
        assert all(name.startswith(word) for name in found)
    assert "other.txt" not in found


def test_a_run_whose_name_has_a_space_is_one_word(environment):
    if shutil.which("fish") is None:
        pytest.skip("needs fish")
    found = completed("fish", "packsweep status runs/f", environment)
    assert any("first try" in name.replace("\\", "") for name in found)


@pytest.mark.parametrize("name", SHELLS)
def test_the_script_is_one_that_its_shell_can_read(name, environment, capfd):
    assert main(["completion", name]) == 0
    script = capfd.readouterr().out
    assert "packsweep" in script
    if shutil.which(name) is None:
        pytest.skip(f"needs {name}")
    done = subprocess.run([name, "-n"], input=script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_zsh_completes_in_a_terminal(environment, tmp_path):
    if shutil.which("zsh") is None:
        pytest.skip("needs zsh")
    main_end, side = pty.openpty()
    process = subprocess.Popen(
        ["zsh", "-f", "-i"], stdin=side, stdout=side, stderr=side, env=environment,
        start_new_session=True, close_fds=True,
    )  # fmt: skip
    os.close(side)
    shown = b""

    def until(text):
        nonlocal shown
        deadline = time.monotonic() + LIMIT
        while text not in shown:
            assert time.monotonic() < deadline, shown
            if select.select([main_end], [], [], 0.5)[0]:
                shown += os.read(main_end, 65536)

    def give(text):
        os.write(main_end, text)

    try:
        give(
            b'autoload -Uz compinit; compinit -u -d zcompdump; eval "$(packsweep completion zsh)"\n'
        )
        give(b"echo set''up\n")
        until(b"setup")
        give(b"packsweep sta\t")
        until(b"packsweep status")
        give(b"\x15packsweep run --sampler cm\t")
        until(b"--sampler cmaes")
    finally:
        process.kill()
        process.wait()
        os.close(main_end)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_is_asked_for_its_parser_does_nothing_else(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("_ARGCOMPLETE", "1")
    assert parser_of(name, ["prune"]).prog.startswith(program(name))
    assert list(tmp_path.iterdir()) == []
