"""Columns of all types that Arrow has: as features, labels and weights they are used or refused."""

import datetime
import decimal
import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyarrow import feather, parquet

from model.data.encoding import Encoding
from model.data.found import Reading
from model.data.sources import load_dataset
from model.data.unlabelled import read_rows
from model.errors import DataError

N = 6
BYTES = [b"\xff\xfe", b"ab", b"\xff\xfe", b"ab", b"\xff\xfe", b"ab"]
TEXT = list("uvuvuv")
WHOLE = [0, 1] * 3
DAYS = [datetime.date(2026, 1, 1 + k % 2) for k in range(N)]
TIMES = [datetime.datetime(2026, 1, 1, k % 2, tzinfo=datetime.UTC) for k in range(N)]
NOWHERE = "Mars/Olympus_Mons"

NUMBERS = {
    **{str(kind): pa.array(WHOLE, kind) for kind in (
        pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(),
        pa.uint64(), pa.float32(), pa.float64(),
    )},
    "bool": pa.array([False, True] * 3),
    "float16": pa.array(np.array(WHOLE, np.float16)),
    "bool8": pa.ExtensionArray.from_storage(pa.bool8(), pa.array(WHOLE, pa.int8())),
    "run ends of numbers": pc.run_end_encode(pa.array(WHOLE)),
    "categories of numbers": pa.array(WHOLE).dictionary_encode(),
    **{f"decimal{bits}": pa.array([decimal.Decimal(k) for k in WHOLE], kind(5, 1))
       for bits, kind in ((32, pa.decimal32), (64, pa.decimal64), (128, pa.decimal128),
                          (256, pa.decimal256))},
}  # fmt: skip
TEXTS = {
    "string": pa.array(TEXT),
    "large string": pa.array(TEXT, pa.large_string()),
    "string view": pa.array(TEXT, pa.string_view()),
    "categories": pa.array(TEXT).dictionary_encode(),
    "run ends": pc.run_end_encode(pa.array(TEXT)),
    "json": pa.ExtensionArray.from_storage(pa.json_(pa.string()), pa.array(TEXT)),
}
MOMENTS = {
    "date32": pa.array(DAYS, pa.date32()),
    "date64": pa.array(DAYS, pa.date64()),
    **{
        f"timestamp {unit}": pa.array(TIMES, pa.timestamp(unit)) for unit in ("s", "ms", "us", "ns")
    },
    "timestamp with an offset": pa.array(TIMES, pa.timestamp("us", "+02:00")),
    "time32": pa.array(WHOLE, pa.time32("s")),
    "time64": pa.array(WHOLE, pa.time64("us")),
    "duration": pa.array(WHOLE, pa.duration("s")),
    "categories of days": pa.array(DAYS, pa.date32()).dictionary_encode(),
    "run ends of days": pc.run_end_encode(pa.array(DAYS, pa.date32())),
}
NOWHERE_KNOWN = {"timestamp with a zone of nowhere": pa.array(TIMES, pa.timestamp("us", NOWHERE))}
LISTS = {
    "list": pa.array([[1.0, 2.0]] * N),
    "large list": pa.array([[1.0, 2.0]] * N, pa.large_list(pa.float64())),
    "fixed list": pa.array([[1.0, 2.0]] * N, pa.list_(pa.float64(), 2)),
}
OTHERS = {
    "binary": pa.array(BYTES, pa.binary()),
    "large binary": pa.array(BYTES, pa.large_binary()),
    "binary view": pa.array(BYTES, pa.binary_view()),
    "fixed binary": pa.array(BYTES, pa.binary(2)),
    "categories of bytes": pa.array(BYTES).dictionary_encode(),
    "run ends of bytes": pc.run_end_encode(pa.array(BYTES)),
    "uuid": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"\xff" * 16] * N, pa.binary(16))),
    "interval": pa.array([pa.MonthDayNano([k, 0, 0]) for k in WHOLE]),
    "struct": pa.array([{"a": k} for k in WHOLE]),
    "map": pa.array([[("a", k)] for k in WHOLE], pa.map_(pa.string(), pa.int64())),
    "list view": pa.array([[1.0, 2.0]] * N, pa.list_view(pa.float64())),
    "large list view": pa.array([[1.0, 2.0]] * N, pa.large_list_view(pa.float64())),
    "list of text": pa.array([TEXT[:2]] * N),
    "list of lists": pa.array([[[1.0], [2.0]]] * N),
    "list of categories": pa.array(
        [TEXT[:2]] * N, pa.list_(pa.dictionary(pa.int32(), pa.string()))
    ),
    "list of decimals": pa.array([[decimal.Decimal(1)]] * N),
    "sparse union": pa.UnionArray.from_sparse(
        pa.array([0] * N, pa.int8()), [pa.array(WHOLE), pa.array(TEXT)]
    ),
    "dense union": pa.UnionArray.from_dense(
        pa.array([0] * N, pa.int8()), pa.array(range(N), pa.int32()),
        [pa.array(WHOLE), pa.array(TEXT)],
    ),
}  # fmt: skip
NULLS = {"null": pa.nulls(N)}
ALL = NUMBERS | TEXTS | MOMENTS | NOWHERE_KNOWN | LISTS | OTHERS | NULLS


def saved(path, **columns):
    table = pa.table({"x": pa.array([0.5 * k for k in range(N)]), **columns})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return path


def load(path, **reading):
    return load_dataset(str(path), Reading(**reading), notify=print)


def refused(name, path, **reading):
    with pytest.raises(DataError, match=r"column 'c' (holds|has no)") as caught:
        load(path, **reading)
    said = str(caught.value)
    assert str(path) in said
    assert said.count("\n") == 0, name


@pytest.mark.parametrize("name", ALL)
def test_labels(tmp_path, name):
    path = saved(tmp_path / "t.arrow", c=ALL[name])
    if name in NUMBERS | TEXTS | MOMENTS:
        data = load(path, target="c")
        assert (data.n_classes, data.y.tolist()) == (2, [0, 1] * 3)
        assert data.features == ("x",)
    else:
        refused(name, path, target="c")


@pytest.mark.parametrize("name", ALL)
def test_features(tmp_path, name):
    path = saved(tmp_path / "t.arrow", c=ALL[name], y=pa.array(WHOLE))
    if name in OTHERS | NULLS:
        refused(name, path, target="y")
        return
    data = load(path, target="y")
    rows = data.X[:, 1:]
    if name in NUMBERS:
        assert rows[:, 0].tolist() == WHOLE
    elif name in TEXTS:
        assert data.features[1:] == ("c=u", "c=v")
    elif name in LISTS:
        assert rows.tolist() == [[1.0, 2.0]] * N
    else:
        assert rows[0, 0] != rows[1, 0]
    assert read_rows(path, data.columns, fills=False, remarks=[]).tolist() == data.X.tolist()


@pytest.mark.parametrize("name", ALL)
def test_weights(tmp_path, name):
    path = saved(tmp_path / "t.arrow", c=ALL[name], y=pa.array(WHOLE))
    if name in NUMBERS:
        assert load(path, target="y", weights="c").weights.tolist() == [0.0, 2.0] * 3
    else:
        refused(name, path, target="y", weights="c")


@pytest.mark.parametrize("name", OTHERS | NULLS)
def test_a_column_that_the_model_does_not_take_need_not_be_understood(tmp_path, name):
    path = saved(tmp_path / "t.arrow", c=ALL[name])
    remarks = []
    rows = read_rows(path, [Encoding("x", (), 0.0)], fills=False, remarks=remarks)
    assert rows[:, 0].tolist() == [0.5 * k for k in range(N)]
    assert remarks == [f"{path}: the model does not look at c."]


def test_parquet_and_feather_have_the_same_message(tmp_path):
    table = pa.table({"x": pa.array(range(N)), "c": OTHERS["large binary"]})
    parquet.write_table(table, tmp_path / "t.parquet")
    feather.write_feather(table, tmp_path / "t.feather")
    for name in ("t.parquet", "t.feather"):
        with pytest.raises(
            DataError, match=f"{re.escape(name)}: column 'c' holds large_binary, whi"
        ):
            load(tmp_path / name, target="c")
