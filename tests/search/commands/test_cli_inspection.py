"""Runs looked at from outside: in every state, by people and by other programs."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from command_line import contents, end, invoke, pretend, start, table, write_grid, write_images

import search
from model.errors import PacksweepError
from search.record import RunFolder, loading
from search.report.__main__ import main as report
from search.runs import main as runs
from search.status import main as status
from search.storage import find_writer, json_content

DOCS = Path(search.__file__).parents[1] / "docs" / "query.md"
SERIAL = ("--executor", "serial", "--no-progress")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Work in a folder with a small data set and a grid for it."""
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "data.npz")
    write_grid(tmp_path / "full.toml", "./data.npz")
    return tmp_path


@pytest.fixture
def run_dir(folder, capfd):
    """Sweep once; return the run's folder."""
    assert invoke(capfd, "--grid", "./full.toml", *SERIAL).code == 0
    return folder / "runs" / "full"


def asked(capfd, main, *args):
    """Give a command that only looks; return its exit code and what it printed."""
    capfd.readouterr()
    code = main([str(arg) for arg in args])
    outcome = capfd.readouterr()
    assert "Traceback" not in outcome.err
    assert "\x1b" not in outcome.out
    return code, outcome.out, outcome.err


def interrupt(run_dir):
    """Make a finished run one that was interrupted after its first pack."""
    (run_dir / "summary.json").unlink()
    for path in run_dir.glob("trials/pack-00001-*"):
        path.unlink()


# --- One run


def test_a_finished_run_is_shown_and_left_as_it_is(run_dir, capfd):
    before = contents(run_dir)
    code, out, _ = asked(capfd, status)
    assert code == 0
    assert out.startswith("runs/full: finished\n16 of 16 trials on data: 16 complete\nin ")
    log = table(run_dir)
    best = log.loc[log.val_cost.idxmin()]
    assert f"\nbest {best.val_cost:.4f}: batch {best.batch_size}, rate " in out
    assert "\nThe best trials:\n" in out
    assert "on localhost\n" in out
    assert "--resume" not in out
    assert asked(capfd, status, run_dir, "--watch")[:2] == (
        0,
        out.replace("runs/full", str(run_dir)),
    )
    assert contents(run_dir) == before


def test_an_interrupted_run_says_how_it_is_continued(run_dir, capfd):
    interrupt(run_dir)
    code, out, _ = asked(capfd, status, "runs/full")
    assert code == 0
    assert out.startswith("runs/full: interrupted\n8 of 16 trials on data: 8 complete\n")
    assert out.endswith("\nContinue with:\n  python -m search.run --resume runs/full\n")


def test_a_running_run_names_its_process_and_is_not_disturbed(folder, capfd):
    pretend(1e-12, [4], 13, 3)  # images of 13 pixels are measured nowhere else
    write_images(folder / "data.npz", rows=2000, pixels=13)
    write_grid(folder / "long.toml", "./data.npz", batch_size=[4], epochs=[100_000])
    process = start("--grid", "./long.toml", *SERIAL, cwd=folder)
    try:
        assert any("run folder" in line for line in process.stderr)
        code, out, _ = asked(capfd, status)
        assert code == 0
        assert out.startswith(f"runs/long: running, process {process.pid} on ")
        assert "\n0 of 4 trials on data\nno trial yet\n" in out
        assert "running" in asked(capfd, runs)[1]
        assert process.poll() is None
    finally:
        end(process)
    assert "runs/long: interrupted\n" in asked(capfd, status)[1]


def test_who_looks_never_makes_a_writer_fail(tmp_path):
    (tmp_path / "run").mkdir()
    code = (
        "import sys, pathlib\nfrom search.storage import find_writer\n"
        "print('ready', flush=True)\nwhile True: find_writer(pathlib.Path(sys.argv[1]))"
    )
    looking = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "run" / ".lock")],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert looking.stdout.readline() == "ready\n"
        for _ in range(200):
            with RunFolder.locked(tmp_path / "run") as folder:
                pass
    finally:
        end(looking)
    assert folder.find_writer() is None


def test_a_lock_is_looked_at_without_making_it(tmp_path):
    assert find_writer(tmp_path / ".lock") is None
    assert not list(tmp_path.iterdir())


def test_watching_ends_with_the_run(run_dir, capfd, monkeypatch):
    summary = (run_dir / "summary.json").read_bytes()
    (run_dir / "summary.json").unlink()
    monkeypatch.setattr(
        time, "sleep", lambda seconds: (run_dir / "summary.json").write_bytes(summary)
    )
    code, out, _ = asked(capfd, status, "--watch", "1")
    assert code == 0
    assert re.findall("runs/full: (.*)", out) == ["interrupted", "finished"]


def test_ctrl_c_leaves_the_watching_quietly(run_dir, capfd, monkeypatch):
    def interrupted(seconds):
        raise KeyboardInterrupt

    (run_dir / "summary.json").unlink()
    monkeypatch.setattr(time, "sleep", interrupted)
    code, _, err = asked(capfd, status, "--watch")
    assert (code, err) == (0, "")


# --- Many runs


def test_runs_are_listed_newest_last_and_unreadable_ones_do_not_hide_others(run_dir, capfd):
    assert invoke(capfd, "--grid", "./full.toml", "--run-dir", "runs/b", *SERIAL).code == 0
    interrupt(run_dir)
    for name, text in (("c", "{"), ("d", '{"schema_version": 1}')):
        (run_dir.parent / name).mkdir()
        (run_dir.parent / name / "manifest.json").write_text(text)
    code, out, err = asked(capfd, runs)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert [line.split()[:3] for line in lines[1:3]] == [
        ["full", "interrupted", "8/16"],
        ["b", "finished", "16/16"],
    ]
    assert [line.split() for line in lines[3:5]] == [["c", "unreadable"], ["d", "unreadable"]]
    assert "runs/d: runs/d/manifest.json cannot be believed: it has schema version 1" in out


def test_a_summary_that_is_not_believed_is_made_again(run_dir, capfd):
    whole = json.loads((run_dir / "summary.json").read_text())
    for changed in ({"best": 3}, whole | {"state": "complete!"}):
        (run_dir / "summary.json").write_text(json.dumps(changed))
        code, out, _ = asked(capfd, status, run_dir)
        assert (code, "runs/full: interrupted" in out) == (0, True)
        assert asked(capfd, report, run_dir)[0] == 2
        assert invoke(capfd, "--resume", "runs/full", *SERIAL).code == 0
        made = json.loads((run_dir / "summary.json").read_text())
        changing = {"timing": None, "seal": None}
        assert whole | changing == made | changing


def test_a_summary_of_another_version_is_one_message_and_removing_it_is_the_way_out(run_dir, capfd):
    folder = RunFolder(run_dir)
    path = run_dir / "summary.json"
    path.write_bytes(json_content({"best": 3}, folder.seal(path)))
    for main, *args in ((status,), (runs, "--compare", run_dir, run_dir), (report, run_dir)):
        code, _, err = asked(capfd, main, *args)
        assert code == 2
        assert err.count("error: ") == err.count("\n") == 1
        assert "summary.json cannot be read: trials is missing. Remove it, and" in err
    refused = invoke(capfd, "--resume", "runs/full", *SERIAL)
    assert (refused.code, refused.err.count("error: ")) == (2, 1)
    code, out, _ = asked(capfd, runs)
    assert (code, out.splitlines()[1].split()) == (0, ["full", "unreadable"])
    assert "summary.json cannot be read: trials is missing." in out
    (run_dir / "summary.json").unlink()
    assert invoke(capfd, "--resume", "runs/full", *SERIAL).code == 0


def test_two_runs_are_compared_by_settings_figures_and_trials(run_dir, capfd):
    again = ("--grid", "./full.toml", "--run-dir")
    assert invoke(capfd, *again, "runs/same", *SERIAL).code == 0
    assert invoke(capfd, *again, "runs/other", "--seed", 1, *SERIAL).code == 0
    out = asked(capfd, runs, "--compare", "runs/full", "runs/same")[1]
    assert "The settings are the same." in out
    assert "16 trials have the same params in both, 16 are complete." in out
    assert "differ by 0 at most, relatively; 0 of them by more than 0.0001." in out
    out = asked(capfd, runs, "--compare", "runs/full", "runs/other")[1]
    assert "\nseed: 0 and 1\n" in out
    one, other = table(run_dir).val_cost, table(run_dir.parent / "other").val_cost
    largest = ((one - other).abs() / pd.concat([one, other], axis=1).max(axis=1)).max()
    assert f"differ by {largest:.2g} at most, relatively; 16 of them" in out
    assert re.search(rf"validation cost +{one.min():.4f} +{other.min():.4f} ", out)


@pytest.mark.parametrize(
    ("main", "args"),
    [
        (status, []),
        (status, ["nothing"]),
        (status, ["full.toml"]),
        (runs, []),
        (runs, ["nothing"]),
        (runs, ["full.toml"]),
        (runs, ["--compare", "nothing", "nothing"]),
    ],
)
def test_a_mistake_gives_one_message(folder, capfd, main, args):
    code, out, err = asked(capfd, main, *args)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("module", ["status", "runs"])
def test_help_is_fast_and_a_closed_pipe_is_no_mistake(run_dir, module):
    code = (
        f"import sys\nfrom search.{module} import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    print(sorted(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not re.search("'(numpy|rich|pyarrow|pydantic|optuna|ray)'", done.stdout)
    looking = subprocess.Popen(
        [sys.executable, "-m", f"search.{module}"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    looking.stdout.close()
    assert looking.stderr.read() == ""
    assert looking.wait(30) == 0
    looking.stderr.close()


# --- The log as a table


@pytest.mark.parametrize(
    ("kind", "numbers"),
    [
        ("pandas", lambda log: isinstance(log, pd.DataFrame) and log.number.tolist()),
        ("polars", lambda log: isinstance(log, pl.DataFrame) and log["number"].to_list()),
        ("pyarrow", lambda log: isinstance(log, pa.Table) and log["number"].to_pylist()),
    ],
)
def test_a_log_is_loaded_in_order_as_any_kind_of_table(run_dir, kind, numbers):
    assert numbers(search.load(run_dir, kind)) == list(range(16))


def test_what_cannot_be_loaded_is_said_in_one_message(run_dir, monkeypatch):
    with pytest.raises(ValueError, match='There is no kind "panda" of table; give pandas'):
        search.load(run_dir, "panda")
    with pytest.raises(PacksweepError, match="There is no run in nothing"):
        search.load("nothing")
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(ImportError, match="A table of polars needs polars, which cannot") as caught:
        search.load(run_dir, "polars")
    assert isinstance(caught.value, PacksweepError)
    assert loading.load_table(run_dir, "pandas").shape == (16, 27)


def test_the_examples_of_the_page_run(run_dir, capfd):
    examples = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert len(examples) >= 5
    capfd.readouterr()
    for example in examples:
        exec(compile(example, str(DOCS), "exec"), {})
        assert capfd.readouterr().out


def test_sql_finds_the_best_trial(run_dir):
    (found,) = duckdb.sql(
        "SELECT number FROM 'runs/full/trials/*.parquet' ORDER BY val_cost, number LIMIT 1"
    ).fetchall()
    log = table(run_dir)
    assert found == (log.number[log.val_cost.idxmin()],)
