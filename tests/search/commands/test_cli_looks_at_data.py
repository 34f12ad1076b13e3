"""A data set as a sweep would read it, told before any sweep."""

import json

import numpy as np
import pytest
from command_line import write_grid, write_images

from search.commands import main
from search.run import main as run

ROWS = [(1.0, 2.0, "x"), (3.0, None, "y"), (5.0, 6.0, "x"), (1.0, 2.5, "y")] * 5


@pytest.fixture
def look(tmp_path, monkeypatch, capfd):
    """Return a function that looks at data in a folder with some, and what it printed."""
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "data.npz")
    lines = [",".join("" if value is None else str(value) for value in row) for row in ROWS]
    (tmp_path / "my.csv").write_text("a,b,species\n" + "\n".join(lines) + "\n")

    def looked(*args, call=main):
        capfd.readouterr()
        try:
            code = call([str(arg) for arg in args])
        except SystemExit as end:
            code = end.code
        return code, *capfd.readouterr()

    return looked


def found(look, *args):
    code, out, err = look("data", *args, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


def test_an_archive_is_what_numpy_says_it_is(look, tmp_path):
    data = found(look, "data.npz")
    arrays = np.load(tmp_path / "data.npz")
    X, y, y_test = arrays["X"], arrays["y"], arrays["y_test"]
    assert (data["features"], data["dtype"]) == (X.shape[1], X.dtype.name)
    assert (data["smallest"], data["largest"]) == (X.min(), X.max())
    counts = [(row["label"], row["training"], row["test"]) for row in data["classes"]]
    assert counts == [(k, int((y == k).sum()), int((y_test == k).sum())) for k in range(3)]
    assert data["path"] == str(tmp_path / "data.npz")
    assert data["memory"]["source"] == X.nbytes + arrays["X_test"].nbytes
    assert (data["missing"], data["refused"], data["kind"]) == (
        0, None, "npz, arrays of numpy (npz)",
    )  # fmt: skip


def test_a_table_tells_what_is_missing_and_replaced(look):
    code, _, err = look("data", "my.csv", "--target", "species")
    assert code == 2
    assert "column 'b' has no value in row 2 (5 values are missing, in 1 column)" in err
    data = found(look, "my.csv", "--target", "species", "--missing", "mean")
    assert data["missing"] == 5
    assert data["feature_names"] == ["a", "b"]
    assert data["scaling"] == {"features": "standardized", "grid": "tabular", "divisor": None}
    _, out, _ = look("data", "my.csv", "--target", "species", "--missing", "mean")
    assert "missing values  5, replaced by the mean" in out
    assert "kind            a table (csv)" in out


def test_the_parts_and_the_memory_are_those_of_the_sweep(look, tmp_path):
    grid = write_grid(tmp_path / "tiny.toml", "./data.npz")
    data = found(look, "data.npz", "--grid", "./tiny.toml")
    assert [(part["part"], part["rows"], part["origin"]) for part in data["parts"]] == [
        ("training", 48, "own"), ("validation", 12, "split"), ("test", 60, "own"),
    ]  # fmt: skip
    code, out, _ = look("--grid", grid, "--dry-run", "--json", "--executor", "serial", call=run)
    assert code == 0
    plan = json.loads(out)
    assert plan["rows_bytes"] == data["memory"]["training"]
    assert plan["fingerprint"] == data["fingerprint"]
    grid.write_text("folds = 4\n" + grid.read_text())
    folds = found(look, "data.npz", "--grid", "./tiny.toml")["parts"]
    assert [(part["rows"], part["origin"]) for part in folds[:2]] == [(60, "own"), (60, "folds")]


def test_unit_features_have_their_divisor(look, tmp_path):
    grid = write_grid(tmp_path / "tiny.toml", "./data.npz")
    grid.write_text('features = "unit"\n' + grid.read_text())
    data = found(look, "data.npz", "--grid", "./tiny.toml")
    assert data["scaling"]["features"] == "unit"
    assert 200 < data["scaling"]["divisor"] <= 255


@pytest.mark.parametrize(
    ("file", "content", "more"),
    [
        ("nothing.csv", None, []),
        ("my.csv", None, []),
        ("my.csv", None, ["--target", "genus"]),
        ("data.npz", None, ["--target", "y"]),
        ("digits", None, ["--target", "y"]),
        ("cut.npz", b"PK\3\4no", []),
        ("words.txt", b"some words", []),
        ("", None, []),
        ("one.csv", b"a,y\n1,x\n2,x\n", ["--target", "y"]),
    ],
)
def test_a_wrong_file_gives_the_message_that_a_sweep_gives(look, tmp_path, file, content, more):
    if content is not None:
        (tmp_path / file).write_bytes(content)
    looked = look("data", file, *more)
    swept = look("--dataset", file, *more, "--dry-run", "--executor", "serial", call=run)
    assert looked == swept
    assert looked[0] == 2
    assert looked[2].count("error: ") == 1


def test_what_a_sweep_would_refuse_is_shown_with_the_reason(look, tmp_path):
    (tmp_path / "two.csv").write_text("a,y\n1,x\n3,z\n")
    code, _, err = look(
        "--dataset", "two.csv", "--target", "y", "--dry-run", "--executor", "serial", call=run
    )
    assert code == 2
    assert f"error: {found(look, 'two.csv', '--target', 'y')['refused']}\n" == err
    assert "A sweep refuses it. two has 2 training rows" in look("data", "two.csv", "--target=y")[1]


def test_many_classes_are_cut_short_for_people_and_whole_for_programs(look, tmp_path):
    np.savez(tmp_path / "many.npz", X=np.eye(200, 3), y=np.arange(200) % 50)
    assert len(found(look, "many.npz")["classes"]) == 50
    assert look("data", "many.npz")[1].endswith("... and 20 more classes; --json has all\n")
