"""Runs of a version without seals are read, continued and reused as they are."""

import shutil

import pyarrow.parquet as pq
import pytest
from command_line import AXES, assert_same_results, invoke, table, write_grid, write_images
from earlier import without_seals

import search
from search import export, runs, status
from search.report import __main__ as report

COMMAND = ("--grid", "./tiny.toml", "--executor", "serial", "--no-progress", "--run-dir")


@pytest.fixture
def folder(tmp_path, monkeypatch, capfd):
    """Return a folder with a finished run without seals."""
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "data.npz")
    write_grid(tmp_path / "tiny.toml", "./data.npz")
    assert invoke(capfd, *COMMAND, "old").code == 0
    shutil.copytree(tmp_path / "old", tmp_path / "new")
    without_seals(tmp_path / "old")
    return tmp_path


def test_every_command_reads_it(folder, capfd):
    before = table(folder / "old")
    for main, *args in (
        (status.main, "old"), (runs.main, "."), (report.main, "old"),
        (export.main, "old", "--storage", "sqlite:///trials.db"),
    ):  # fmt: skip
        assert main(args) == 0
    assert len(search.load("old")) == 16
    again = invoke(capfd, *COMMAND, "old")
    assert (again.code, "set-aside" in again.err) == (0, False)
    assert_same_results(table(folder / "old"), before)


def test_it_is_continued_and_its_new_files_have_seals(folder, capfd):
    expected = table(folder / "new")
    parts = sorted((folder / "old" / "trials").glob("*.parquet"))
    parts[0].unlink()
    (folder / "old" / "summary.json").unlink()
    assert invoke(capfd, *COMMAND, "old").code == 0
    assert_same_results(table(folder / "old"), expected)
    assert b"packsweep-seal-1 run=earlier" in parts[0].read_bytes()


def test_another_run_takes_its_trials_over(folder, capfd):
    write_grid(folder / "wider.toml", "./data.npz", alpha=[0.0, 10.0, 1000.0])
    outcome = invoke(
        capfd, "--grid", "./wider.toml", "--reuse", "old", "--executor", "serial",
        "--run-dir", "wider",
    )  # fmt: skip
    assert outcome.code == 0
    assert table(folder / "wider").source.notna().sum() == 16


@pytest.mark.parametrize("change", ["another number", "other params", "a number twice", "cut"])
def test_without_a_seal_the_rows_are_compared_with_what_was_asked_for(folder, capfd, change):
    expected = table(folder / "new")
    path = min((folder / "old" / "trials").glob("*.parquet"))
    if change == "cut":
        path.write_bytes(path.read_bytes()[:-20])
    else:
        rows = pq.ParquetFile(path).read()
        numbers, rates = rows["number"].to_pylist(), rows["learning_rate"].to_pylist()
        if change == "another number":
            numbers[0] = 99
        elif change == "other params":
            rates[0] *= 2
        else:
            numbers[0] = numbers[1]
        for name, values in (("number", numbers), ("learning_rate", rates)):
            place = rows.schema.get_field_index(name)
            rows = rows.set_column(place, rows.schema.field(name), [values])
        pq.write_table(rows, path, write_page_checksum=True)
    outcome = invoke(capfd, *COMMAND, "old")
    assert outcome.code == 0, outcome.err
    assert f"{path.name} cannot be believed: " in outcome.err
    found = table(folder / "old")
    assert [found[name].tolist() for name in AXES] == [expected[name].tolist() for name in AXES]
    assert found.val_cost.to_numpy() == pytest.approx(expected.val_cost.to_numpy(), rel=1e-6)
    assert len(list((folder / "old" / "set-aside").iterdir())) == 1
