"""What a column is taken for: an index, text as it is written, a number that stays exact."""

import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from model.data.description import describe
from model.data.found import Reading
from model.data.sources import load_dataset
from model.errors import DataError

N = 12
LABELS = ["yes", "no", "maybe"] * 4


def load(path, **reading):
    reading = {"target": "label", **reading}
    return load_dataset(str(path), Reading(**reading), notify=lambda message: None)


def csv(path, text):
    path.write_text(text, newline="")
    return path


def table(path, **columns):
    parquet.write_table(pa.table(columns), path)
    return path


# --- indexes


def shuffled():
    frame = pd.DataFrame({"a": np.arange(N) / 7, "label": LABELS})
    return frame.sample(frac=1, random_state=0)


def test_an_index_is_no_feature_whatever_it_counts(tmp_path):
    rows = shuffled()
    rows.to_csv(tmp_path / "shuffled.csv")
    rows.to_parquet(tmp_path / "shuffled.parquet")
    from_one = rows.set_axis([str(i + 1) for i in range(N)])  # as R writes it
    from_one.to_csv(tmp_path / "r.csv", quoting=2)
    rows.set_axis([f"r{i}" for i in range(N)]).to_csv(tmp_path / "names.csv")
    pd.read_csv(tmp_path / "shuffled.csv").to_csv(tmp_path / "again.csv", index=False)
    for path in sorted(tmp_path.iterdir()):
        data = load(path)
        assert data.features == ("a",), path
        assert "is left out" in describe(data, "t"), path


def test_the_index_of_a_test_part_goes_on_where_that_of_the_training_rows_ends(tmp_path):
    rows = shuffled()
    rows[:8].to_csv(tmp_path / "train.csv")
    rows[8:].to_csv(tmp_path / "test.csv")
    data = load(tmp_path)
    assert (data.features, data.X_test.shape) == (("a",), (4, 1))


def test_a_delimiter_at_the_end_of_each_line_is_no_column(tmp_path):
    assert load(csv(tmp_path / "t.csv", "a,label,\n1,x,\n2,y,\n")).features == ("a",)


# --- labels as they are written


@pytest.mark.parametrize(
    ("written", "classes"),
    [
        (["01", "1"], ("01", "1")),
        (["00", "07"], ("00", "07")),
        (["+1", "-1"], ("+1", "-1")),
        (["0x1", "0x2"], ("0x1", "0x2")),
        (["10:00", "11:30"], ("10:00", "11:30")),
        (["2020-01-01T10:00", "2021-01-01T10:00"], ("2020-01-01T10:00", "2021-01-01T10:00")),
        (["9223372036854775808", "9223372036854775809"],) * 2,
        (["1", "true"], ("1", "true")),
        (["2", "10"], (2, 10)),
        (["-1", "1"], (-1, 1)),
        (["-0", "1"], ("-0", "1")),
        ([" 2", "10 "], (2, 10)),
        (["1.0", "2"], (1.0, 2.0)),
        (["1e3", "2e3"], (1000.0, 2000.0)),
        (["false", "true"], (False, True)),
        (["FALSE", "True"], (False, True)),
        (["x", "1"], ("1", "x")),
    ],
)
def test_labels_stand_as_they_are_written(tmp_path, written, classes):
    lines = "".join(f"{i},{written[i % 2]}\n" for i in range(4))
    data = load(csv(tmp_path / "t.csv", f"a,label\n{lines}"))
    assert data.classes == tuple(classes)
    assert [type(label) for label in data.classes] == [type(label) for label in classes]
    assert len(set(data.y[::2])) == len(set(data.y[1::2])) == 1


@pytest.mark.parametrize("written", [("0.5", "1.5"), ("0,5", "1,5"), ("inf", "1"), ("-inf", "1.5")])
def test_numbers_that_are_no_whole_ones_stay_no_classes(tmp_path, written):
    rows = "".join(f"{i};2,5;{written[i % 2]}\n" for i in range(4))
    delimiter = rows if "," in written[0] else rows.replace("2,5", "2.5")
    with pytest.raises(DataError, match="What a regression predicts is not a class"):
        load(csv(tmp_path / "t.csv", f"a;b;label\n{delimiter}"))


# --- one column in several files


def test_text_of_the_training_rows_is_text_in_all_parts(tmp_path):
    csv(tmp_path / "train.csv", "a,size,on,label\n1,1,true,1\n2,2,false,2\n3,XL,maybe,x\n")
    csv(tmp_path / "test.csv", "a,size,on,label\n1,2,true,1\n2,1,false,2\n")
    data = load(tmp_path)
    assert data.features == ("a", "size=1", "size=2", "size=XL", "on=false", "on=maybe", "on=true")
    assert data.X_test.tolist() == [[1, 0, 1, 0, 0, 0, 1], [2, 1, 0, 0, 1, 0, 0]]
    assert [data.classes[place] for place in data.y_test] == ["1", "2"]


def test_text_of_one_shard_is_text_in_all(tmp_path):
    csv(tmp_path / "train-1-of-2.csv", "a,size,label\n1,1,01\n2,2,02\n")
    csv(tmp_path / "train-2-of-2.csv", "a,size,label\n1,XL,10\n2,2,12\n")
    data = load(tmp_path)
    assert data.features == ("a", "size=1", "size=2", "size=XL")
    assert data.classes == ("01", "02", "10", "12")


def test_numbers_of_the_training_rows_stay_numbers(tmp_path):
    csv(tmp_path / "train.csv", "a,label\n1,x\n2,y\n")
    csv(tmp_path / "test.csv", "a,label\nXL,x\n2,y\n")
    with pytest.raises(DataError, match="column 'a' holds text, and numbers in the training rows"):
        load(tmp_path)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_column_that_a_part_lacks_wholly_is_missing_there(tmp_path, ending):
    def write(part, **columns):
        frame = pd.DataFrame({"b": [0.5, 1.5, 2.5], **columns, "label": ["x", "y", "x"]})
        path = tmp_path / f"{part}.{ending}"
        frame.to_csv(path, index=False) if ending == "csv" else frame.to_parquet(path)

    write("train", size=["S", "L", "S"], n=[1, 2, 6])
    empty = pd.Series([None] * 3, dtype="string")  # a column of text without a text
    write("test", size=[None] * 3, n=empty)
    with pytest.raises(DataError, match="column 'size' has no value in row 1"):
        load(tmp_path)
    data = load(tmp_path, missing="mean")
    assert data.features == ("b", "size=L", "size=S", "n")
    assert data.X_test[:, 1:].tolist() == [[0, 0, 3]] * 3


# --- numbers that a type cannot hold


def test_whole_numbers_do_not_wrap_around(tmp_path):
    path = table(
        tmp_path / "t.parquet",
        large=pa.array([2**63 + i for i in range(N)], pa.uint64()),
        negative=pa.array(range(-N, 0), pa.int8()),
        label=LABELS,
    )
    with pytest.raises(DataError, match="column 'large' holds whole numbers beyond"):
        load(path)


@pytest.mark.parametrize("kind", [pa.int64(), pa.decimal128(30, 0)])
def test_whole_numbers_beside_which_some_are_missing_are_not_rounded(tmp_path, kind):
    def write(numbers):
        values = [None if n is None else decimal.Decimal(n) for n in numbers]
        column = pa.array(values if pa.types.is_decimal(kind) else numbers, kind)
        return table(tmp_path / "t.parquet", n=column, label=LABELS)

    exact = [2**60 + i for i in range(N)]
    assert load(write(exact)).X[:, 0].tolist() == exact
    with pytest.raises(DataError, match=r"column 'n' holds whole numbers beyond 2\*\*53"):
        load(write([*exact[:-1], None]), missing="mean")
    small = load(write([*range(N - 1), None]), missing="mean")
    assert small.X[-1, 0] == np.mean(range(N - 1))


def test_spans_of_no_fixed_length_are_refused_by_their_column(tmp_path):
    months = pa.array([(1, 0, 0)] * N, pa.month_day_nano_interval())
    path = tmp_path / "t.arrow"
    spans = pa.table({"span": months, "label": LABELS})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, spans.schema) as writer:
        writer.write_table(spans)
    with pytest.raises(DataError, match=r"t\.arrow: column 'span' holds month_day_nano_interval"):
        load(path)


# --- decimal commas


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("1;2;x\n1,5;2;y\n", [[1, 2], [1.5, 2]]),  # none in the first row
        ("1,5;0,125;x\n-2,25;1e1;y\n", [[1.5, 0.125], [-2.25, 10]]),
        ("1.5;2;x\n2.5;3;y\n", [[1.5, 2], [2.5, 3]]),
    ],
)
def test_a_decimal_comma_is_told_by_whole_fields_of_many_rows(tmp_path, rows, expected):
    assert load(csv(tmp_path / "t.csv", f"a;b;label\n{rows}")).X.tolist() == expected


def test_a_comma_within_text_is_no_decimal_comma(tmp_path):
    data = load(csv(tmp_path / "t.csv", "c;a;label\n1,2 mm;1;x\n1,3 mm;2.5;y\n"))
    assert data.features == ("c=1,2 mm", "c=1,3 mm", "a")
    assert data.X[:, 2].tolist() == [1, 2.5]


def test_commas_that_may_separate_thousands_are_decimal_until_something_says_otherwise(tmp_path):
    told = load(csv(tmp_path / "t.csv", "a;label\n1,234;x\n22,345;y\n"))
    assert told.X.ravel().tolist() == [1.234, 22.345]
    with pytest.raises(DataError, match="1,234,567"):
        load(csv(tmp_path / "thousands.csv", "a;label\n1,234;x\n1,234,567;y\n"))
