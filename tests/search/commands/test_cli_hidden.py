"""Files of the user's with the names of our packages, which are the commonest in such a folder.

That workers do not care is in test_cli_output.py, where Ray is started in odd surroundings.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import search

WRONG = "raise SystemExit('this is not the package')\n"
ROOT = str(Path(search.__file__).parents[1])


@pytest.fixture
def folder(tmp_path):
    """Return a folder with a module and a package that are called like ours."""
    put_wrong_packages(tmp_path)
    return tmp_path


def put_wrong_packages(folder):
    (folder / "model.py").write_text(WRONG)
    (folder / "cluster").mkdir()
    (folder / "cluster/__init__.py").write_text(WRONG)


def python(*args, cwd, path=ROOT):
    return subprocess.run(
        [sys.executable, *args], check=False, cwd=cwd, env={**os.environ, "PYTHONPATH": path},
        capture_output=True, text=True, timeout=100,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["run", "status", "runs", "export", "report"])
def test_a_command_does_not_care(folder, name):
    ended = python("-m", f"search.{name}", "--help", cwd=folder)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert f"python -m search.{name}" in ended.stdout


def test_what_else_is_there_can_still_be_imported(folder):
    (folder / "mine.py").write_text("")
    (folder / "grid.toml").write_text(
        'dataset = "digits"\n[sampler]\nname = "mine.Sampler"\ntrials = 2\n[space]\n'
        "batch_size = [8]\nlearning_rate = [1e-6]\nepochs = [1]\nalpha = [0]\n"
    )
    ended = python("-m", "search.run", "--grid", "./grid.toml", "--dry-run", cwd=folder)
    assert ended.returncode == 2
    assert "mine" in ended.stderr
    assert "No module" not in ended.stderr


@pytest.mark.parametrize("name", ["model", "cluster"])
def test_a_script_beside_them_is_told_which_file_hides_the_package(folder, name):
    (folder / "model.py").rename(folder / ("model.py" if name == "model" else "other.py"))
    (folder / "mine.py").write_text("import search\n")
    ended = python("mine.py", cwd=folder)
    hiding = folder / ("model.py" if name == "model" else "cluster/__init__.py")
    assert f"ImportError: {hiding} hides the package '{name}' of packsweep." in ended.stderr


def test_a_command_that_cannot_get_past_them_says_so_in_one_message(folder, tmp_path_factory):
    path = os.pathsep.join([str(folder), ROOT])
    ended = python("-m", "search.run", "--help", cwd=tmp_path_factory.mktemp("away"), path=path)
    assert ended.returncode == 2
    assert ended.stderr == (
        f"error: {folder}/model.py hides the package 'model' of packsweep. Rename it, or take its "
        "folder out of Python's path.\n"
    )


def test_python_itself_names_a_file_that_hides_the_commands(tmp_path):
    (tmp_path / "search.py").write_text("")
    ended = python("-m", "search.run", cwd=tmp_path)
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert "__path__ attribute not found on 'search'" in ended.stderr
