"""A ``~`` that no shell has expanded is the home folder in every command."""

import pytest
from command_line import invoke, write_grid, write_images

import search
from model import user_folders
from model.errors import UsageError
from search import export, runs, status
from search.report import __main__ as report
from search.run import main


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Return a home folder with data and a grid, apart from where we work."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    write_images(tmp_path / "home/data.npz")
    write_grid(tmp_path / "home/small.toml", "./data.npz")
    return tmp_path / "home"


RUN = ["--executor", "serial", "--no-progress"]


def test_every_option_and_command_takes_it(home, tmp_path, capfd):
    assert invoke(capfd, "--grid=~/small.toml", "--run-dir=~/one", *RUN).code == 0
    again = ["--dataset=~/data.npz", "--run-dir=~/two", "--reuse=~/one"]
    assert invoke(capfd, "--grid=~/small.toml", *again, *RUN).code == 0
    assert main(["--resume=~/two", *RUN]) == 0
    assert status.main(["~/one"]) == 0
    assert runs.main(["~"]) == 0
    assert runs.main(["--compare", "~/one", "~/two"]) == 0
    assert report.main(["~/one"]) == 0
    assert export.main(["~/one", "--storage", "~/trials.log"]) == 0
    assert len(search.load("~/one")) == 16
    assert {path.name for path in home.iterdir()} >= {"one", "two", "trials.log"}
    assert not list((tmp_path / "work").iterdir())


def test_a_home_that_there_is_not_is_one_message(home, capfd):
    for wrong in (["--run-dir=~nobody-here/x"], ["--resume", "~nobody-here/x"]):
        outcome = invoke(capfd, *wrong)
        assert outcome.code == 2
        assert "~nobody-here/x: there is no such home folder" in outcome.err
    assert status.main(["~nobody-here/x"]) == 2
    with pytest.raises(UsageError, match="no such home folder"):
        search.load("~nobody-here/x")


def test_a_data_set_in_a_grid_file_lies_beside_it(home, capfd):
    outcome = invoke(capfd, "--grid", home / "small.toml", "--dry-run")
    assert outcome.code == 0, outcome.err
    (home / "data.npz").rename("data.npz")  # where we work, and no more beside the grid
    outcome = invoke(capfd, "--grid", home / "small.toml", "--dry-run")
    assert outcome.code == 2
    assert f"{home}/data.npz" in outcome.err
    given = ("--dataset", "data.npz")  # on the command line it is where we work
    assert invoke(capfd, "--grid", home / "small.toml", *given, "--dry-run").code == 0


def test_without_a_home_the_cache_lies_among_temporary_files(monkeypatch, tmp_path):
    def homeless(*args):
        raise RuntimeError("could not determine the home directory")

    monkeypatch.setattr(user_folders, "user_cache_path", homeless)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert user_folders.cache_folder().parent == tmp_path
