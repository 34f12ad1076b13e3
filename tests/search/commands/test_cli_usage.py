"""Mistakes on the command line: one message, exit code 2, and nothing done."""

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import Outcome, contents, finish, invoke, is_root, start, write_grid, write_images

HEAVY = {"optuna", "numpy", "ray", "pyarrow", "rich", "pydantic", "scipy", "numba", "sklearn"}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Work in a folder with a small data set and a grid for it."""
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "data.npz")
    write_grid(tmp_path / "tiny.toml", "./data.npz")
    return tmp_path


@pytest.fixture
def refusal(folder, capfd):
    """Return a function: the message of a command that is refused and leaves no trace."""

    def of(*args: object) -> str:
        before = set(folder.rglob("*"))
        message = message_of(invoke(capfd, *args))
        assert set(folder.rglob("*")) == before
        return message

    return of


def message_of(outcome: Outcome) -> str:
    """Return the one message of a refused command, without the usage that argparse adds."""
    assert outcome.code == 2
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    assert outcome.err.startswith(("error: ", "usage: "))
    assert outcome.err.count("error: ") == 1
    return outcome.err.partition("error: ")[2]


def tiny(*args: object) -> tuple[object, ...]:
    return ("--grid", "tiny.toml", "--executor", "serial", *args)


# --- Help


def test_help_imports_nothing_that_takes_long():
    code = (
        "import sys\n"
        "from search.run import main\n"
        "try:\n    main(['--help'])\n"
        "except SystemExit as end:\n    print(end.code, sorted(sys.modules), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stderr.startswith("0 ")
    assert not {name for name in HEAVY if f"'{name}'" in done.stderr}


def test_help_shows_the_options_and_examples(capfd):
    outcome = invoke(capfd, "--help")
    assert (outcome.code, outcome.err) == (0, "")
    for option in ("--grid", "--sampler", "--pruner", "--dataset", "--run-dir", "--resume"):
        assert option in outcome.out
    for option in (
        "--trials",
        "--reuse",
        "--fresh",
        "--seed",
        "--executor",
        "--address",
        "--workers",
        "--dry-run",
    ):
        assert option in outcome.out
    assert "python -m search.run --grid smoke" in outcome.out


# --- Options


@pytest.mark.parametrize("grid", ["fulll", "", "nothing", "./nothing.toml", "."])
def test_an_unknown_grid_is_refused(refusal, grid):
    message = refusal("--grid", grid, "--executor", "serial")
    assert grid.removeprefix("./") in message
    assert (
        "full, full-average, full-standardized, smoke" in message or "There is no file" in message
    )


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["--gird", "smoke"], "--gird"),
        (["smoke"], "smoke"),
        (["--res"], "--res"),
        (["--sampler", "crystal-ball"], 'sampler.name = "crystal-ball": name must be grid, random'),
        (["--sampler", "tpee", "--trials", "5"], "Did you mean tpe?"),
        (["--sampler", ""], 'sampler.name = "": name must be grid'),
        (["--sampler", "caf\udce9"], "name must be grid"),
        (["--sampler", "tpe"], "give trials = 500 below [sampler], or --trials 500"),
        (["--pruner", "scissors"], 'pruner.name = "scissors": name must be none, median'),
        (["--pruner", "havling"], "Did you mean halving?"),
        (["--trials", "5"], 'sampler.trials = 5: the sampler "grid" tries every combination'),
        (["--trials", "0"], "'0' is not a whole number of at least 1"),
        (["--sampler", "tpe", "--trials", str(2**31 + 1)], "a whole number from 1 to 2147483648"),
        (["--grid", "tpe", "--sampler", "grid"], "ranges need a sampler, such as --sampler tpe"),
        (["--reuse", ""], "cannot be empty"),
        (["--executor", "abacus"], "abacus"),
        (["--workers", "0"], "'0' is not a whole number from 1 to 100000"),
        (["--workers", "two"], "'two' is not a whole number"),
        (["--workers", "1.5"], "'1.5' is not a whole number"),
        (["--seed", "-1"], "-1"),
        (["--seed", "\N{SUPERSCRIPT TWO}"], "is not a whole number of at least 0"),
        (["--seed", "9" * 5000], "is not a whole number of at least 0 and below 2**63"),
        (["--seed", str(2**63)], "is not a whole number of at least 0 and below 2**63"),
        (["--target-value", "nan"], "'nan' is not a finite number"),
        (["--target-cost", "inf"], "'inf' is not a finite number"),
        (["--target-cost", "1e999"], "'1e999' is not a finite number"),
        (["--target-value", "low"], "'low' is not a finite number"),
        (["--target-cost", "1", "--target-value", "1"], "leave --target-cost out"),
        (["--objective", "accuracy", "--target-cost", "0.9"], "Give --target-value 0.9"),
        (["--metrics", ","], "',' names no metric"),
        (["--metrics", ""], "'' names no metric"),
        (["--retry-failed", "--fresh"], "leave --fresh out"),
        (["--extend", "--fresh"], "--extend takes over what the run has; leave --fresh out"),
        (["--seed", ""], "'' is not a whole number"),
        (["--run-dir", ""], "cannot be empty"),
        (["--run-dir", "caf\udce9"], "not UTF-8"),
        (["--executor", "serial", "--workers", "2"], "leave --workers out"),
        (["--executor", "serial", "--address", "auto"], "leave --address out"),
    ],
)
def test_a_wrong_option_is_named(refusal, args, named):
    assert named in refusal(*args)


@pytest.mark.parametrize(
    "given",
    [
        ["--seed", "1"],
        ["--dataset", "digits"],
        ["--fresh"],
        ["--seed", "0"],
        ["--sampler", "grid"],
        ["--trials", "5"],
        ["--pruner", "none"],
        ["--reuse", "runs/other"],
    ],
)
def test_resuming_takes_no_other_settings(refusal, given):
    assert f"leave {given[0]} out" in refusal("--resume", "runs/tiny", *given)


@pytest.mark.parametrize("given", [["--grid", "smoke"], ["--run-dir", "elsewhere"]])
def test_resuming_a_named_run_takes_no_other_name(refusal, given):
    assert f"leave {given[0]} out" in refusal("--resume", "runs/tiny", *given)


def test_mistakes_in_a_grid_are_named_with_the_file(refusal, folder):
    write_grid(folder / "wrong.toml", "digits", epochs=[0])
    assert "wrong.toml: space.epochs[0] = 0" in refusal("--grid", "wrong.toml")


# --- Run folders


@pytest.mark.parametrize("run_dir", ["nowhere", ".", "data.npz", "x" * 300])
def test_resuming_what_is_no_run_is_refused(refusal, run_dir):
    assert run_dir in refusal("--resume", run_dir, "--executor", "serial")


def test_resuming_without_a_name_looks_where_the_grid_runs(refusal):
    assert "runs/full" in refusal("--resume")
    assert "runs/tiny:" in refusal("--resume", "--grid", "./tiny.toml")
    assert "elsewhere" in refusal("--resume", "--run-dir", "elsewhere")


@pytest.mark.parametrize("fresh", [[], ["--fresh"]])
def test_a_foreign_folder_is_left_untouched(refusal, folder, fresh):
    foreign = folder / "thesis"
    foreign.mkdir()
    (foreign / "chapter1.tex").write_text("It was a dark and stormy night.")
    before = contents(foreign)
    assert "thesis is not a run folder" in refusal(*tiny("--run-dir", foreign, *fresh))
    assert contents(foreign) == before


def test_a_file_is_no_run_folder(refusal, folder):
    assert "tiny.toml is not a run folder" in refusal(*tiny("--run-dir", "tiny.toml"))


# --- Data


@pytest.mark.parametrize("dataset", ["", "nothing.npz", "fashion", "tiny.toml", "x" * 300, "a\nb"])
def test_a_data_set_that_is_not_there_is_refused(refusal, dataset):
    message = refusal(*tiny("--dataset", dataset))
    assert "dataset" in message
    assert "digits" in message or "File name too long" in message


def test_a_truncated_file_is_refused(refusal, folder):
    whole = (folder / "data.npz").read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 1):
        (folder / "cut.npz").write_bytes(whole[:size])
        expected = "cannot be read" if size else "is empty"
        assert f"cut.npz: {expected}" in refusal(*tiny("--dataset", "cut.npz"))


def test_a_damaged_file_is_refused(refusal, folder):
    damaged = bytearray((folder / "data.npz").read_bytes())
    damaged[200] ^= 255
    (folder / "damaged.npz").write_bytes(damaged)
    assert "damaged.npz: cannot be read" in refusal(*tiny("--dataset", "damaged.npz"))


@pytest.mark.skipif(is_root(), reason="root may read every file")
def test_an_unreadable_file_is_refused(refusal, folder):
    (folder / "data.npz").chmod(0)
    assert "data.npz: cannot be read (" in refusal(*tiny())


def test_a_file_that_cannot_be_opened_is_refused(refusal, folder, monkeypatch):
    def refuse(path, *args, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert "Permission denied" in refusal(*tiny())


def test_truncated_idx_files_are_refused(refusal, folder):
    (folder / "idx").mkdir()
    for name, shape in (("images-idx3", (9, 2, 2)), ("labels-idx1", (9,))):
        header = struct.pack(f">4B{len(shape)}I", 0, 0, 8, len(shape), *shape)
        (folder / "idx" / f"train-{name}-ubyte").write_bytes(header + bytes(5))
    assert "does not match its header" in refusal(*tiny("--dataset", "idx"))


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"y": np.array([0, 1, 0.5, 1])}, "odd.npz: y holds 0.5 in row 3"),
        ({"y": np.array([3, 3, 3, 3])}, "every training label is 3"),
        ({"y": np.array([0, 1])}, "2 labels; expected one label a row"),
        ({"y": np.array([[0, 1], [1, 1], [0, 1], [1, 0]])}, "row 2 (counted from 1) is 1, 1"),
        ({"y": np.array(["a", "b", " ", "d"])}, "no label in row 3"),
        (
            {"X": np.array([[0, 1], [np.nan, 0], [1, 1], [2, 3]])},
            "X, row 2 (counted from 1), holds nan at feature 0",
        ),
        (
            {"X": np.array([[0, 1], [3, 0], [1, np.inf], [2, 3]])},
            "X, row 3 (counted from 1), holds inf at feature 1",
        ),
        (
            {"X": np.array([[0, 1e300], [3, 0], [1, 0], [2, 3]])},
            "X, row 1 (counted from 1), holds 1e+300 at feature 1",
        ),
        ({"X": np.zeros((4, 0))}, "empty"),
        ({"X_test": np.zeros((4, 2))}, "lacks y_test"),
        ({"X_test": np.zeros((4, 3)), "y_test": np.zeros(4)}, "3 features"),
        ({"X_test": np.zeros((4, 2)), "y_test": np.full(4, 2)}, "y_test holds the label 2"),
    ],
)
def test_images_and_labels_that_make_no_sense_are_refused(refusal, folder, changed, expected):
    good = {"X": np.arange(8.0).reshape(4, 2), "y": np.array([0, 1, 0, 1])}
    np.savez(folder / "odd.npz", **(good | changed))
    message = refusal(*tiny("--dataset", "odd.npz"))
    assert expected in message
    assert "odd" in message


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_too_few_images_are_refused(refusal, folder, dry):
    np.savez(folder / "few.npz", X=np.zeros((2, 3)), y=np.array([0, 1]))
    message = refusal(*tiny("--dataset", "few.npz", *dry))
    assert "few has 2 training rows" in message


# --- As a process


@pytest.mark.parametrize(
    "args", [("--grid", "nothing"), ("--resume", "nowhere"), tiny("--dataset", "nothing.npz")]
)
def test_a_mistake_ends_the_process_with_2(folder, args):
    before = set(folder.rglob("*"))
    message_of(finish(start(*args, cwd=folder)))
    assert set(folder.rglob("*")) == before
