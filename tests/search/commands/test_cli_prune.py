"""Deleting runs from the command line: shown first, and nothing that was not shown."""

import os
import shutil
import time

import pytest
from command_line import write_grid, write_images
from over_http import asked
from serving import wait_for

from search.record import RunFolder
from search.run import main as run
from search.runs import main as runs

DAY = 86400


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Sweep once; return the run's folder."""
    folder = tmp_path_factory.mktemp("finished")
    write_images(folder / "data.npz")
    write_grid(folder / "tiny.toml", "./data.npz")
    args = ["--grid", str(folder / "tiny.toml"), "--run-dir", str(folder / "run")]
    assert run([*args, "--executor", "serial", "--no-progress"]) == 0
    return folder / "run"


@pytest.fixture
def folder(finished, tmp_path, monkeypatch):
    """Work in a folder with runs of 1, 10 and 100 days ago, and an unfinished one."""
    monkeypatch.chdir(tmp_path)
    for name, days in {"new": 1, "old": 10, "older": 100, "broken-off": 100}.items():
        copy = tmp_path / "runs" / name
        shutil.copytree(finished, copy)
        if name == "broken-off":
            (copy / "summary.json").unlink()
        for path in copy.rglob("*"):
            os.utime(path, (time.time() - days * DAY,) * 2)
    return tmp_path / "runs"


@pytest.fixture
def prune(capfd):
    """Return a function that prunes; it returns the exit code and what was printed."""

    def pruned(*args):
        code = runs(["prune", *map(str, args)])
        said = capfd.readouterr()
        return code, said.out, said.err

    return pruned


def names(folder):
    return {path.name for path in folder.iterdir()}


ALL = {"new", "old", "older", "broken-off"}


@pytest.mark.parametrize(
    ("rules", "gone"),
    [
        (["--older-than", "5d"], {"old", "older"}),
        (["--older-than", "5d", "--unfinished"], {"old", "older", "broken-off"}),
        (["--older-than", "5d", "--keep-last", "2"], {"older"}),
        (["--keep-last", "1"], {"old", "older"}),
        (["--keep-last", "9"], set()),
        (["--older-than", "2w", "--unfinished", "--keep-last", "1"], {"older", "broken-off"}),
        (["runs/new", "runs/broken-off"], {"new", "broken-off"}),
        (["runs/new", "runs/older", "--older-than", "5d"], {"older"}),
    ],
)
def test_it_is_shown_first_and_then_deleted(folder, prune, rules, gone):
    code, shown, _ = prune(*rules)
    assert code == 0
    assert names(folder) == ALL
    assert {line.split()[0] for line in shown.splitlines() if line.endswith("goes")} == gone
    code, _, _ = prune(*rules, "--yes")
    assert code == 0
    assert names(folder) == ALL - gone


def test_nobody_deletes_everything_by_saying_nothing(folder, prune):
    code, _, said = prune("--yes")
    assert code == 2
    assert "Name the runs" in said
    assert names(folder) == ALL


def test_what_is_running_stays_and_the_others_go(folder, prune):
    with RunFolder.locked(folder / "older"):
        code, shown, _ = prune("--older-than", "5d", "--yes")
    assert code == 0
    assert "stays: is running" in shown
    assert names(folder) == ALL - {"old"}


def test_a_run_that_cannot_be_read_can_be_deleted_by_name(folder, prune):
    (folder / "new" / "manifest.json").write_bytes(b"\xff not a manifest")
    (folder / "new" / "summary.json").write_bytes(b"")
    assert prune("runs/new", "--yes")[0] == 0
    assert "new" not in names(folder)


@pytest.mark.parametrize("wrong", ["runs", "runs/none", "runs/old/trials"])
def test_what_is_no_run_is_refused_and_nothing_goes(folder, prune, wrong):
    code, _, said = prune("runs/new", wrong, "--yes")
    assert code == 2
    assert "There is no run" in said
    assert names(folder) == ALL


def test_names_are_those_of_the_folder_that_is_given(folder, prune, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    code, _, _ = prune("old", "new", "--dir", folder, "--yes")
    assert code == 0
    assert names(folder) == ALL - {"old", "new"}
    assert prune("old", "--dir", folder)[0] == 2  # it is gone
    for wrong in ("runs/older", "..", str(folder / "older")):
        code, _, err = prune(wrong, "--dir", folder, "--yes")
        assert (code, "is not a name of a run in" in err) == (2, True)
    code, _, err = prune("older", "--dir", folder, "--server", "http://127.0.0.1:1")
    assert (code, "leave --dir out" in err) == (2, True)
    assert names(folder) == ALL - {"old", "new"}


def test_the_runs_of_a_service_are_its_own(folder, prune):
    (folder.parent / "ledger.sqlite").write_bytes(b"")
    code, _, said = prune("--older-than", "5d", "--yes")
    assert code == 2
    assert "those of a service" in said
    assert names(folder) == ALL


def test_what_a_killed_command_left_is_deleted_too(folder, prune):
    (folder / "old").rename(folder / ".deleted-old.20260101-000000-000000")
    _, shown, _ = prune("--older-than", "50d")
    assert "what is left of 1 run that was deleted before" in shown
    assert prune("--older-than", "50d", "--yes")[0] == 0
    assert names(folder) == {"new", "broken-off"}


@pytest.mark.parametrize("span", ["30", "d", "-1d", "1.5d", "30 days", "", "1000000d"])
def test_a_span_is_a_number_and_a_unit(folder, prune, span, capfd):
    with pytest.raises(SystemExit):
        prune(f"--older-than={span}", "--yes")
    assert "not a span of time" in capfd.readouterr().err
    assert names(folder) == ALL


def test_the_list_of_runs_does_not_show_what_is_being_deleted(folder, capfd):
    (folder / "old").rename(folder / ".deleted-old.20260101-000000-000000")
    assert runs([]) == 0
    assert "deleted" not in capfd.readouterr().out


def test_the_sweeps_of_a_service_are_named(tmp_path, prune, monkeypatch):
    with asked(tmp_path) as person:
        mine, other = person.served.submit("ann"), person.served.submit("bob")
        for sweep in (mine, other):
            person.served.ended(sweep)
        monkeypatch.setenv("PACKSWEEP_TOKEN", person.served.service.ledger.people.add_token(
            "ann", "submitter"
        ))  # fmt: skip
        folders = {sweep: person.served.folder(sweep) for sweep in (mine, other)}
        server = ("--server", person.url)
        code, _, said = prune("--older-than", "1h", *server)
        assert code == 2
        assert "name the sweeps" in said
        code, shown, _ = prune(mine, *server)
        assert code == 0
        assert "Nothing was deleted yet" in shown
        assert folders[mine].exists()
        # Until its files are left alone, a sweep is only just ending.
        wait_for(lambda: prune(mine, *server, "--yes")[0] == 0)
        assert not folders[mine].exists()
        code, _, said = prune(other, *server, "--yes")
        assert code == 2
        assert "ann cannot delete it" in said
        assert folders[other].exists()
