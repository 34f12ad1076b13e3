"""Tables in several files: each shard once, and all of them."""

import gzip
import re

import pandas as pd
import pytest

from model.data.formats.shards import Shard, shard_of
from model.data.found import Reading
from model.data.sources import load_dataset
from model.errors import DataError

UUID, OTHER = "0a1b2c3d-0000-4000-8000-00000000abcd", "ffffffff-0000-4000-8000-00000000abcd"
SPARK = f"part-{{}}-{UUID}-c000.snappy.parquet"


def write(folder, *names):
    """Write tables of four rows, each with other values than the rest."""
    for place, name in enumerate(names):
        frame = pd.DataFrame({"a": [4.0 * place + row for row in range(4)], "y": list("abab")})
        if name.endswith(".parquet"):
            frame.to_parquet(folder / name)
        else:
            content = frame.to_csv(index=False).encode()
            (folder / name).write_bytes(gzip.compress(content) if ".gz" in name else content)


def load(path):
    return load_dataset(str(path), Reading(target="y"), notify=print)


@pytest.mark.parametrize(
    ("name", "shard"),
    [
        ("train-00000-of-00003.csv", Shard(0, 3)),
        ("train_1_of_3.csv", Shard(1, 3)),
        ("Copy of test-00002-of-00003-0123abcd.parquet", Shard(2, 3)),
        ("part-0.parquet", Shard(0)),
        ("part.12.parquet", Shard(12)),
        ("part-r-00007.csv.gz", Shard(7)),
        (SPARK.format("00001"), Shard(1, None, UUID, "-c000")),
        (f"part-00001-tid-77-{UUID}-121-1-c001.csv", Shard(1, None, UUID, "-121-1-c001")),
        (f"part-00001-{UUID}_00004.c000.snappy.parquet", Shard(1, None, UUID, "_00004.c000")),
        ("iris-2.csv", None),
        ("1of3.csv", None),
        ("part-time.csv", None),
        ("2024-01-02.csv", None),
    ],
)
def test_what_a_name_says(name, shard):
    assert shard_of(name) == shard


THREE = [f"train-{k:05}-of-00003.csv" for k in range(3)]
WHOLE = {
    "from 0": THREE,
    "from 1": ["a-1-of-2.csv", "a-2-of-2.csv"],
    "the only one": ["train-00000-of-00001.parquet"],
    "a copy whose original is gone": [THREE[0], THREE[1], "train-00002-of-00003 (1).csv"],
    "packed and plain": [THREE[0], THREE[1], f"{THREE[2]}.gz"],
    "counted": ["part-0.parquet", "part-1.parquet", "part-2.parquet"],
    "by Spark": [SPARK.format("00000"), SPARK.format("00001")],
    "pieces of a task": [f"part-00000-{UUID}-c00{k}.csv" for k in range(3)],
    "buckets of a task": [f"part-00000-{UUID}_0000{k}.c000.csv" for k in range(3)],
}


@pytest.mark.parametrize("names", WHOLE.values(), ids=WHOLE)
def test_whole_tables_are_read_without_a_remark(tmp_path, names):
    write(tmp_path, *names)
    for beside in (
        "_SUCCESS",
        "._SUCCESS.crc",
        f".{names[0]}.crc",
        f".{names[0]}",
        f"._{names[0]}",
    ):
        (tmp_path / beside).write_bytes(b"\0\5\x16\7")
    data = load(tmp_path)
    assert sorted(data.X[:, 0].tolist()) == [float(k) for k in range(4 * len(names))]
    assert data.remarks == ()


TWICE = {
    "a browser's copy": (THREE[0], "train-00000-of-00003 (1).csv"),
    "a browser's copy without a blank": (THREE[0], "train-00000-of-00003(1).csv"),
    "a copy of Windows": (THREE[0], "train-00000-of-00003 - Copy.csv"),
    "a copy of Windows elsewhere": (THREE[0], "train-00000-of-00003 - Kopie.csv"),
    "a copy of macOS": (THREE[0], "train-00000-of-00003 copy.csv"),
    "a copy of Drive": (THREE[0], "Copy of train-00000-of-00003.csv"),
    "a conflict of Dropbox": (
        THREE[0],
        "train-00000-of-00003 (Ada's conflicted copy 2026-1-1).csv",
    ),
    "a conflict of Syncthing": (THREE[0], "train-00000-of-00003.sync-conflict-20260101-1-ABC.csv"),
    "packed too": (THREE[0], f"{THREE[0]}.gz"),
    "in another format": (THREE[0], "train-00000-of-00003.parquet"),
    "of another version": ("train-00000-of-00003-abcd.csv", "train-00000-of-00003-ef01.csv"),
    "of another table": (THREE[0], "other-train-00000-of-00003.csv"),
    "counted": ("part-0.parquet", "part-0 (1).parquet"),
    "counted in another format": ("part-0.parquet", "part-0.csv"),
    "counted with other digits": ("part-0.parquet", "part-00000.parquet"),
    "by Spark": (SPARK.format("00000"), f"part-00000-{UUID}-c000.snappy (1).parquet"),
    "by Spark, packed too": (f"part-00000-{UUID}-c000.csv", f"part-00000-{UUID}-c000.csv.gz"),
    "by Spark, on another computer": (
        SPARK.format("00000"),
        f"part-00000-{UUID}-c000-LAPTOP.snappy.parquet",
    ),
}


@pytest.mark.parametrize("pair", TWICE.values(), ids=TWICE)
@pytest.mark.parametrize("part", ["train", "test"])
def test_a_shard_that_is_there_twice_is_refused(tmp_path, pair, part):
    if part == "test":
        write(tmp_path, "train.csv")
        pair = [f"test-{name.replace('train-', '')}" for name in pair]
    write(tmp_path, *pair)
    with pytest.raises(DataError, match=r"are both shard 0.* would be read twice") as caught:
        load(tmp_path)
    assert all(name in str(caught.value) for name in pair)


@pytest.mark.parametrize("gone", [{0}, {1}, {2}, {0, 1}, {0, 2}, {1, 2}])
def test_a_shard_that_is_lacking_is_refused(tmp_path, gone):
    names = [name for k, name in enumerate(THREE) if k not in gone]
    write(tmp_path, *names)
    with pytest.raises(DataError, match=rf"lacks shard {min(gone)} of 3, counted from 0") as caught:
        load(tmp_path)
    assert all(name in str(caught.value) for name in names)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([THREE[0], "train-00001-of-00002.csv"], "is shard 0 of 3, and train.* shard 1 of 2"),
        ([*THREE[:2], "train-00005-of-00003.csv"], "lacks shard 2 of 3"),
        (
            [*THREE, "train-00005-of-00003.csv"],
            "00005-of-00003.csv is shard 5 of 3, counted from 0",
        ),
        ([THREE[0].replace("00003", "999999999999999999")], "lacks shard 1 of 999999999999999999"),
        (["part-0.csv", "part-2.csv"], "lacks shard 1, counted from 0"),
        (["part-999999999999999999.csv"], "lacks shard 1, counted from 1"),
        ([THREE[0], "part-1.csv"], "could both be the same part"),
        ([*THREE, "train.csv"], r"train-00000-of-00003.csv and train.csv could both"),
        (["train.csv", "train (1).csv"], "could both be the same part"),
    ],
)
def test_other_files_that_are_not_one_table_are_refused(tmp_path, names, said):
    write(tmp_path, *names)
    with pytest.raises(DataError, match=said):
        load(tmp_path)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([SPARK.format("00000"), SPARK.format("00002")], "has no shard 1 beside .*it is lost"),
        (
            [SPARK.format("00000"), SPARK.format("00000").replace(UUID, OTHER)],
            "are of 2 jobs, .*rows of earlier jobs may be left among them",
        ),
        (["part-1.csv", "part-2.csv"], "counted from 1; if others count from 0, one is lacking"),
    ],
)
def test_what_may_be_right_is_read_and_told(tmp_path, names, said):
    write(tmp_path, *names)
    data = load(tmp_path)
    assert len(data.X) == 8
    assert re.search(said, data.remarks[0])


@pytest.mark.parametrize(
    ("names", "remarks"),
    [
        (["fold-1-of-5-train.csv", "fold-1-of-5-test.csv"], 2),
        (["sales-part-2024.csv", "sales-part-2024-test.csv"], 2),
        (["counterpart-2.csv"], 0),
        (["top-10-of-100.csv"], 1),
        (["sales-part-1.csv"], 0),
    ],
)
def test_a_lone_table_may_have_any_number_in_its_name(tmp_path, names, remarks):
    write(tmp_path, *names)
    data = load(tmp_path)
    assert len(data.X) == 4
    assert [said for said in data.remarks if "is read as a whole table" in said] == [*data.remarks]
    assert len(data.remarks) == remarks


@pytest.mark.parametrize("book", ["_delta_log", ".hoodie"])
def test_a_table_of_which_a_book_says_what_counts_is_refused(tmp_path, book):
    write(tmp_path, SPARK.format("00000"))
    (tmp_path / book).mkdir()
    with pytest.raises(DataError, match=r"is a table of (Delta|Hudi), whose files hold rows too"):
        load(tmp_path)


def test_one_shard_alone_is_told_to_be_one(tmp_path):
    write(tmp_path, *THREE)
    assert load(tmp_path / THREE[1]).unused == (
        "the other shards, as this is shard 1 of 3 (give the folder to use all)",
    )


def test_one_of_several_counted_files_alone_names_the_others(tmp_path):
    write(tmp_path, "part-0.csv", "part-1.csv", "other-0.csv")
    assert load(tmp_path / "part-0.csv").unused == (
        "part-1.csv beside it (give the folder to use all)",
    )
    write(tmp_path, "train-00000-of-00001.csv")
    assert load(tmp_path / "train-00000-of-00001.csv").unused == ()
