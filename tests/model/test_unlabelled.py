"""Rows without labels as a saved model takes them: `read_rows`."""

import re

import pytest

from model.data.encoding import Encoding, encodings_of, encodings_text
from model.data.unlabelled import read_rows
from model.errors import DataError

A, SIZE = Encoding("a", (), 0.5), Encoding("size", ("1", "2", "XL"), 0.0)


def rows(path, *columns, remarks=None, fills=False):
    found = read_rows(path, columns, fills=fills, remarks=[] if remarks is None else remarks)
    return found.tolist()


@pytest.mark.parametrize("columns", [(A,), ()])
@pytest.mark.parametrize("head", ["a,a", "a,b,b"])
def test_two_columns_of_one_name_are_refused(tmp_path, head, columns):
    path = tmp_path / "new.csv"
    path.write_text(f"{head}\n1,2{',3' if head == 'a,b,b' else ''}\n")
    with pytest.raises(DataError, match=rf"new\.csv: has two columns '{head[-1]}'"):
        rows(path, *columns)


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ("1\n2\n", [[0.5, 1, 0, 0], [0.5, 0, 1, 0]]),
        ("XL\n1\n", [[0.5, 0, 0, 1], [0.5, 1, 0, 0]]),
        ("01\n2\n", [[0.5, 0, 0, 0], [0.5, 0, 1, 0]]),
    ],
)
def test_what_was_text_in_the_training_rows_is_text(tmp_path, lines, found):
    path = tmp_path / "new.csv"
    path.write_text("a,size\n" + "".join(f"0.5,{line}\n" for line in lines.split()))
    assert rows(path, A, SIZE) == found


def test_a_folder_is_called_one(tmp_path):
    with pytest.raises(DataError, match=f"{re.escape(str(tmp_path))}: is a folder; give a table"):
        rows(tmp_path)
    with pytest.raises(DataError, match="there is no such file"):
        rows(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("point", "text", "found"),
    [
        ("", "1,797;2", [[1.797]]),
        (",", "1,797;2.5", [[1.797]]),
        (".", "1,5;2", [[1.5]]),
        (".", "1.5;2", [[1.5]]),
    ],
)
def test_the_decimal_point_of_the_training_rows_is_kept(tmp_path, point, text, found):
    (column,) = encodings_of(encodings_text([Encoding("a", (), 0.5, point)]))
    (tmp_path / "new.csv").write_text(f"a;b\n{text}\n")
    assert rows(tmp_path / "new.csv", column) == found


def test_a_comma_that_could_be_either_is_refused_where_the_training_rows_had_points(tmp_path):
    (tmp_path / "new.csv").write_text("a;b\n1,797;2\n")
    with pytest.raises(DataError, match="unclear whether the comma of '1,797'"):
        rows(tmp_path / "new.csv", Encoding("a", (), 0.5, "."))
