"""Tables as people have them, against pandas."""

import contextlib
import datetime
import gzip
import io
import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import csv, feather, parquet

from model.data.description import describe
from model.data.formats import arrow, csv_text
from model.data.found import Reading
from model.data.sources import load_dataset
from model.errors import DataError

N = 12
LABELS = ["yes", "no", "maybe"] * 4


def silent(message):
    raise AssertionError(f"nothing to say here: {message}")


def load(path, target="label", **reading):
    return load_dataset(str(path), Reading(target=target, **reading), notify=silent)


def write_csv(frame, path):
    frame.to_csv(path, index=False)


def write_arrow(frame, path):
    table = pa.Table.from_pandas(frame, preserve_index=False)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def write_stream(frame, path):
    table = pa.Table.from_pandas(frame, preserve_index=False)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)


WRITERS = {
    "csv": write_csv,
    "csv.gz": write_csv,
    "parquet": lambda frame, path: frame.to_parquet(path),
    "feather": lambda frame, path: frame.to_feather(path),
    "arrow": write_arrow,
    "ipc": write_stream,
}

numbers = st.one_of(
    st.lists(st.integers(-(2**40), 2**40), min_size=N, max_size=N),
    st.lists(st.integers(0, 255), min_size=N, max_size=N),
    st.lists(st.floats(-1e30, 1e30).map(lambda x: float(f"{x:.12g}")), min_size=N, max_size=N),
    st.lists(st.booleans(), min_size=N, max_size=N),
    st.lists(st.sampled_from(["red", "blue", "très, cher"]), min_size=N, max_size=N),
)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(columns=st.lists(numbers, min_size=1, max_size=4), label=st.sampled_from(["str", "int"]))
def test_a_table_is_the_same_in_all_formats_and_as_pandas_sees_it(tmp_path, columns, label):
    frame = pd.DataFrame({f"c{i}": column for i, column in enumerate(columns)})
    frame["label"] = LABELS if label == "str" else [3, -1, 7] * 4
    expected = pd.get_dummies(frame.drop(columns="label"), prefix_sep="=")
    first = None
    for kind, write in WRITERS.items():
        write(frame, tmp_path / f"t.{kind}")
        data = load(tmp_path / f"t.{kind}")
        assert sorted(data.features) == sorted(expected.columns)
        wanted = expected[list(data.features)].to_numpy(np.float64)
        np.testing.assert_array_equal(data.X.astype(np.float64), wanted)
        labels = np.array(data.classes)[data.y]
        assert labels.tolist() == frame["label"].tolist()
        first = first or data
        assert data.fingerprint == first.fingerprint


def frame(**columns):
    return pd.DataFrame({"a": np.arange(N), "b": np.arange(N) / 7, **columns, "label": LABELS})


def saved(tmp_path, name="t.csv", **columns):
    write_csv(frame(**columns), tmp_path / name)
    return tmp_path / name


def test_whole_numbers_keep_the_smallest_type_that_holds_them(tmp_path):
    pixels = pd.DataFrame({"p": np.arange(N) * 20, "q": 255, "label": LABELS})
    for kind, write in WRITERS.items():
        write(pixels, tmp_path / f"t.{kind}")
        assert load(tmp_path / f"t.{kind}").X.dtype == np.uint8
    assert load(saved(tmp_path)).X.dtype == np.float64


def test_dates_are_seconds_and_that_is_said(tmp_path):
    days = pd.date_range("2020-02-28", periods=N, freq="D")
    for kind in ("csv", "parquet"):
        path = tmp_path / f"t.{kind}"
        WRITERS[kind](frame(day=days), path)
        data = load(path)
        expected = [day.timestamp() for day in days.tz_localize("UTC")]
        assert data.X[:, data.features.index("day")].tolist() == expected
        assert "dates are seconds since 1970" in describe(data, "t")
    dates = [datetime.date(2020, 1, 1 + i) for i in range(N)]
    write_arrow(frame(day=dates), tmp_path / "d.arrow")
    seconds = load(tmp_path / "d.arrow").X[:, 2]
    assert np.diff(seconds).tolist() == [86400.0] * (N - 1)


def test_embeddings_become_a_column_for_each_place(tmp_path):
    vectors = np.random.default_rng(0).normal(size=(N, 5)).astype(np.float32)
    table = pa.table({"vector": list(vectors), "label": LABELS})
    parquet.write_table(table, tmp_path / "t.parquet")
    data = load(tmp_path / "t.parquet")
    assert data.features == tuple(f"vector[{i}]" for i in range(5))
    np.testing.assert_array_equal(data.X, vectors)
    assert data.X.dtype == np.float32


def test_categories_decimals_and_nullable_types_are_what_they_stand_for(tmp_path):
    import decimal

    table = pa.table(
        {
            "colour": pa.array(["red", "blue", "red"] * 4).dictionary_encode(),
            "price": pa.array(
                [decimal.Decimal("1.5"), decimal.Decimal("2.25"), decimal.Decimal("3")] * 4
            ),
            "label": pa.array(LABELS).dictionary_encode(),
        }
    )
    feather.write_feather(table, tmp_path / "t.feather")
    data = load(tmp_path / "t.feather")
    assert data.features == ("colour=blue", "colour=red", "price")
    assert data.X[:3].tolist() == [[0, 1, 1.5], [1, 0, 2.25], [0, 1, 3]]
    assert data.classes == ("maybe", "no", "yes")


# --- missing values


@pytest.mark.parametrize("null", ["", "NA", "?", "NaN", "null"])
def test_missing_values_are_refused_with_column_and_row_or_replaced(tmp_path, null):
    path = tmp_path / "t.csv"
    lines = ["a,b,c,label"] + [f"{i},{i / 2},x,{LABELS[i]}" for i in range(N)]
    lines[3] = f"{null},1,x,maybe"
    lines[5] = f"4,2,{null},no"
    path.write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"t\.csv: column 'a' has no value in row 3 \(2 values"):
        load(path)
    data = load(path, missing="mean")
    known = [i for i in range(N) if i != 2]
    assert data.X[2, 0] == pytest.approx(np.mean(known))
    assert data.X[4, data.features.index("c=x")] == 0
    np.testing.assert_allclose(data.fill, [np.mean(known), data.X[:, 1].mean(), 0])
    assert "2 missing values are replaced by the mean of their column (a, c)" in describe(data, "t")


@pytest.mark.parametrize(
    "texts", [["18-25", "26-40"], ["1.2.3", "1.2.4"], ["A1", "B2"], ["1st", "2nd"]]
)
def test_codes_and_ranges_are_categories(tmp_path, texts):
    data = load(saved(tmp_path, c=texts * (N // 2)))
    assert data.features[2:] == tuple(f"c={text}" for text in texts)


def test_means_are_those_of_the_training_rows(tmp_path):
    write_csv(frame(), tmp_path / "train.csv")
    test = frame().astype({"a": float})
    test.loc[3, "a"] = None
    write_csv(test, tmp_path / "test.csv")
    with pytest.raises(DataError, match=r"test\.csv: column 'a' has no value in row 4"):
        load(tmp_path)
    data = load(tmp_path, missing="mean")
    assert data.X_test[3, 0] == np.arange(N).mean()
    assert data.X_test[2, 0] == 2


def test_a_row_without_a_label_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("a,label\n1,x\n2,\n3,y\n")
    with pytest.raises(DataError, match="column 'label' has no label in row 2"):
        load(tmp_path / "t.csv", missing="mean")


# --- parts


def test_a_folder_has_train_test_and_validation_in_any_order_of_columns(tmp_path):
    write_csv(frame(colour=["red", "blue", "red"] * 4), tmp_path / "train.csv")
    other = frame(colour=["red", "green", "blue"] * 4)[["label", "colour", "b", "a"]]
    write_csv(other, tmp_path / "test.csv")
    write_csv(other, tmp_path / "validation.csv")
    data = load(tmp_path)
    assert data.features == ("a", "b", "colour=blue", "colour=red")
    assert data.X_test[:3, 2:].tolist() == [[0, 1], [0, 0], [1, 0]]
    np.testing.assert_array_equal(data.X_val, data.X_test)
    assert "'green' of column 'colour' is not among the training rows" in describe(data, "t")


def test_shards_of_one_part_are_put_together(tmp_path):
    whole = frame()
    for i in range(3):
        whole[i * 4 : i * 4 + 4].to_parquet(tmp_path / f"train-0000{i}-of-00003.parquet")
    whole.to_parquet(tmp_path / "test-00000-of-00001.parquet")
    data = load(tmp_path)
    np.testing.assert_array_equal(data.X, data.X_test)


def test_a_test_part_beside_a_file_is_named(tmp_path):
    saved(tmp_path, "iris.csv")
    saved(tmp_path, "iris_test.csv")
    saved(tmp_path, "other_test.csv")
    data = load(tmp_path / "iris.csv")
    assert data.unused == ("iris_test.csv beside it (give the folder to use both)",)


def test_weights_of_the_rows_are_a_column(tmp_path):
    data = load(saved(tmp_path, w=np.arange(N) + 1.0), weights="w")
    np.testing.assert_allclose(data.weights, (np.arange(N) + 1) / np.mean(np.arange(N) + 1))
    assert "w" not in data.features


# --- what people write


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffa,b,label\n1,2.5,x\n3,4.5,y\n",
        "a,b,label\r\n1,2.5,x\r\n3,4.5,y\r\n",
        'a;b;label\n1;2,5;"x"\n3;4,5;y\n',
        "a\tb\tlabel\n1\t2.5\tx\n3\t4.5\ty\n",
        '"a","b","label"\n1,2.5,"x"\n3,4.5,"y"',
        ",a,b,label\n0,1,2.5,x\n1,3,4.5,y\n",
        "Unnamed: 0,a,b,label\n0,1,2.5,x\n1,3,4.5,y\n",
    ],
)
def test_csv_as_spreadsheets_and_data_frames_write_it(tmp_path, text):
    (tmp_path / "t.csv").write_text(text, newline="")
    data = load(tmp_path / "t.csv")
    assert data.X.tolist() == [[1, 2.5], [3, 4.5]]
    assert (data.features, data.classes) == (("a", "b"), ("x", "y"))
    left_out = "is left out" in describe(data, "t")
    assert left_out == (len(text.splitlines()[0].split(",")) == 4)


def test_a_comma_at_the_end_of_each_line_is_no_index(tmp_path):
    (tmp_path / "t.csv").write_text("a,b,label,\n1,2.5,x,\n3,4.5,y,\n")
    said = describe(load(tmp_path / "t.csv"), "t")
    assert "column '' has no value and is left out" in said
    assert "counts or names" not in said


def test_quoted_text_may_hold_anything(tmp_path):
    text = 'a,c,label\n1,"x, ""y""\nz",k\n2,NA,k\n3,"NA",l\n'
    (tmp_path / "t.csv").write_text(text)
    data = load(tmp_path / "t.csv", missing="mean")
    assert data.features == ("a", "c=NA", 'c=x, "y"\nz')
    oracle = pd.read_csv(io.StringIO(text), keep_default_na=False)
    assert data.X[:, 2].tolist() == (oracle["c"] == 'x, "y"\nz').astype(int).tolist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,label\n", "has no row"),
        ("", "is empty"),
        (" \n1,2\n", "no first line"),
        ("1,2\n3,4\n", "its first line holds numbers"),
        ("a,a,label\n1,2,x\n3,4,y\n", "two columns 'a'"),
        ("label\nx\ny\n", "no column besides 'label'"),
        (",label\n1,x\n2,y\n", "besides 'label' but '', which counts .* name it is a feature"),
        ("label,\nx,\ny,\n", "no column besides 'label'\\."),
        ("a,b\n1,2\n", "no column 'label', as --target says"),
        ("a,labels\n1,2\n", "Did you mean 'labels'"),
        ("a,label\n1,x\n2,y,3\n", "cannot be read"),
        ("a,label\n1,x\n,y\n", "no value in row 2"),
        ("a,b,label\n,1,x\n,2,y\n", "column 'a' has no value at all"),
        ("a,label\n1,x\n2,x\n", "every training label is 'x'"),
        ("a,label\n1,0.5\n2,1.5\n", "holds 0.5 in row 1"),
        ("a,label\n" + "".join(f"{i},x\n" for i in range(9)) + "12 kg,y\n", "'12 kg' in row 10"),
        (
            "a,label\n" + "".join(f"id{i},{'xy'[i % 2]}\n" for i in range(101)),
            "101 different texts",
        ),
        ('a,label\n"1,234",x\n"5,678",y\n', "formatted numbers, such as '1,234'"),
        ("a;b;label\n1.234,5;1;x\n2.345,5;2;y\n", "such as '1.234,5'"),
        ("a,label\n$1.50,x\n$20,y\n", r"such as '\$1.50'"),
        ("a,label\n12 %,x\n7%,y\n", "such as '12 %'"),
        ("a,label\n1e999,x\n2,y\n", r"row 1 \(counted from 1\), holds inf at column 'a'"),
        ("a,b,label\n9007199254740993,0.5,x\n1,2,y\n", "column 'a'.*beyond 2\\*\\*53"),
    ],
)
def test_a_table_that_will_not_do(tmp_path, text, expected):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataError, match=expected) as raised:
        load(tmp_path / "t.csv")
    assert "t.csv" in str(raised.value) or "t: " in str(raised.value)


def test_without_a_target_the_likely_one_is_suggested(tmp_path):
    path = saved(tmp_path, species=LABELS)
    with pytest.raises(DataError, match=r"such as --target 'species'.*columns are a, b, species"):
        load(path, target=None)


def test_text_that_is_not_utf8_is_refused_by_its_line(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"a,label\n1,x\n2,caf\xe9\n")
    with pytest.raises(DataError, match=r"t\.csv: is not UTF-8 text \(line 3\)"):
        load(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda f: f.drop(columns="a"), "test.csv: lacks 'a'"),
        (lambda f: f.assign(c=1), "test.csv: has another column, 'c'"),
        (lambda f: f.assign(a="x"), "test.csv: column 'a' holds text, and numbers"),
        (lambda f: f.drop(columns="label"), "test.csv: has no column 'label'"),
        (lambda f: f.assign(label="perhaps"), "'perhaps'.*not among the training labels"),
        (lambda f: f.assign(b=f.b * 1000), "both must have one scale"),
    ],
)
def test_a_test_part_that_does_not_fit_is_refused(tmp_path, change, expected):
    train = frame()[["b", "label", "a"]].assign(a=lambda f: f.b * 2)
    write_csv(train, tmp_path / "train.csv")
    changed = change(train)
    if expected.startswith("both"):
        changed = changed.assign(a=changed.b * 2)
    write_csv(changed, tmp_path / "test.csv")
    with pytest.raises(DataError, match=expected):
        load(tmp_path)


@pytest.mark.parametrize("names", [("train.csv", "train2.csv"), ("test.csv",), ("a.csv", "b.csv")])
def test_a_folder_that_leaves_a_part_open_is_refused(tmp_path, names):
    for name in names:
        saved(tmp_path, name)
    with pytest.raises(DataError, match=r"could both be|holds no training table"):
        load(tmp_path)


def test_options_of_arrays_are_refused(tmp_path):
    with pytest.raises(DataError, match="--keys names the arrays"):
        load(saved(tmp_path), keys={"X": "a", "y": "b"})


@pytest.mark.parametrize("kind", list(WRITERS))
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_damaged_file_is_a_table_or_refused_with_one_message(tmp_path, kind, data):
    path = tmp_path / f"t.{kind}"
    WRITERS[kind](frame(c=["x", "y", "z"] * 4), path)
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content)))]
    else:
        for _ in range(data.draw(st.integers(1, 8))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with contextlib.suppress(DataError):
            load(path)


def test_gzip_is_told_by_its_bytes(tmp_path):
    path = saved(tmp_path)
    plain = load(path)
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert load(path).fingerprint == plain.fingerprint


# --- the decimal point


def write_parts(folder, **parts):
    for name, values in parts.items():
        rows = [f"{value};{'xy'[i % 2]}" for i, value in enumerate(values)]
        (folder / f"{name}.csv").write_text("\n".join(["a;b;label", *rows]))
    return folder


@pytest.mark.parametrize(
    ("train", "test", "found"),
    [
        (["0,134;2", "0,5;1"], ["1,797;2", "2,500;1"], [[1.797, 2], [2.5, 1]]),
        (["1,797;2", "2,500;1"], ["0,134;2", "0,5;1"], [[0.134, 2], [0.5, 1]]),
        (["1,234;2", "5,678;1"], ["1,250;3", "2;4"], [[1.25, 3], [2, 4]]),
        (['"1,234";2', '"0,5";1'], ["1,250;3", "2;4"], [[1.25, 3], [2, 4]]),
        (["1,5;2", " -,25 ;1"], ["1,234;3", "2;4"], [[1.234, 3], [2, 4]]),
        (["1.5;2", "2.5;1"], ["1;3", "2;4"], [[1, 3], [2, 4]]),
    ],
)
def test_the_decimal_point_is_that_of_all_files(tmp_path, train, test, found):
    data = load(write_parts(tmp_path, train=train, test=test))
    assert data.X_test.tolist() == found


@pytest.mark.parametrize("other", ["01.02", "1.5 m", "01.02.2024"])
def test_a_day_does_not_make_decimal_commas_unclear(tmp_path, other):
    data = load(write_parts(tmp_path, train=[f"1,234;{other}", "5,678;x"]))
    assert data.X[:, 0].tolist() == [1.234, 5.678]


def test_days_of_a_column_are_told_by_one_that_is_no_number(tmp_path):
    data = load(write_parts(tmp_path, train=["1,250;31.12", "5,678;01.02"]))
    assert data.X[:, 0].tolist() == [1.25, 5.678]


def test_days_beside_certain_decimal_commas_are_text(tmp_path):
    data = load(write_parts(tmp_path, train=["1,5;01.02", "5,678;31.12"]))
    assert data.features == ("a", "b=01.02", "b=31.12")


def test_a_point_beside_commas_that_are_certain_changes_nothing_of_them(tmp_path):
    data = load(write_parts(tmp_path, train=["1,5;1.5", "5,678;x"]))
    assert data.X[:, 0].tolist() == [1.5, 5.678]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1,5;1.5", "2,5;2.25"], r"column 'b' holds .* such as '1\.5'.* such as 1234,5"),
        (["1,5;1.234", "2,5;2.345"], r"column 'b' holds .* such as '1\.234'"),
        (["1,5;1"] * 9 + ["1.5;1"], r"column 'a' holds numbers, but '1\.5' in row 10"),
        (["1,5;1.5"] + ["1,5;2,5"] * 9, r"column 'b' holds numbers, but '1\.5' in row 1"),
    ],
)
def test_a_number_with_a_point_beside_decimal_commas_is_no_category(tmp_path, values, expected):
    with pytest.raises(DataError, match=expected):
        load(write_parts(tmp_path, train=values))


@pytest.mark.parametrize(
    ("train", "test", "beside"),
    [
        (["1,234;0.5", "5,678;2"], ["1;1"], "'0.5' in train.csv"),
        (["1.234;0.5", "5.678;2"], ["1,234;1"], "'1.234' in train.csv"),
        (["1,234;2", "5;1"], ["1,234,567;1"], "'1,234,567' in test.csv"),
        (["1,234;2", "1,234.5;1"], ["1;1"], "'1,234.5' in train.csv"),
        (["1,234;0,5", "1,234,567;2"], ["1;1"], "'1,234,567' in train.csv"),
    ],
)
def test_a_comma_that_could_be_either_is_refused_with_what_is_beside_it(
    tmp_path, train, test, beside
):
    with pytest.raises(DataError, match=f"unclear whether the comma of '1,234' .*beside {beside}"):
        load(write_parts(tmp_path, train=train, test=test))


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "packed"])
@pytest.mark.parametrize("rows", [0, 100])
def test_what_threads_of_the_library_read_is_no_object_of_python_s(tmp_path, pack, rows):
    written = b"1,0\n" * rows
    (tmp_path / "x.csv").write_bytes(pack(written))
    before = pa.total_allocated_bytes()
    content = arrow._content(tmp_path / "x.csv")
    assert pa.total_allocated_bytes() - before >= len(written)
    assert content.to_pybytes() == written


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 100])
def test_a_text_is_looked_at_in_pieces(tmp_path, monkeypatch, piece):
    monkeypatch.setattr(csv_text, "_PIECE", piece)
    content = "\ufeffgröße;日本;b,c\r\n1;2\n".encode()
    assert csv_text.form_of(tmp_path, content, ",").delimiter == ";"
    for wrong in (b"3;\xff\n", b"3;4\xc3"):
        with pytest.raises(DataError, match=r"is not UTF-8 text \(line 3\)"):
            csv_text.form_of(tmp_path, content + wrong, ",")
    for empty in (b"", "\ufeff".encode(), b"\n1;2\n"):
        with pytest.raises(DataError, match="no first line"):
            csv_text.form_of(tmp_path, empty, ",")


def test_a_lack_of_memory_says_nothing_of_the_file(tmp_path, monkeypatch):
    """A damaged one asks for more than there can be."""
    asked = 4096

    def refuse(*_, **__):
        raise pa.ArrowMemoryError(f"malloc of size {asked} failed")

    for module, name in ((csv, "read_csv"), (pa, "table"), (pa, "concat_tables")):
        monkeypatch.setattr(module, name, refuse)
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    for act in (
        lambda: arrow.read_table(tmp_path / "x.csv", "."),
        lambda: arrow.table_of_frame("frame", {}),
        lambda: arrow.concatenated("files", []),
    ):
        with pytest.raises(MemoryError, match="size 4096"):
            act()
    asked = 2**60
    with pytest.raises(DataError, match=r"x\.csv: unpacks to .* Is it what it should be\?"):
        arrow.read_table(tmp_path / "x.csv", ".")
