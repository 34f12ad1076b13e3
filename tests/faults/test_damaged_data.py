"""Data sets of each format, damaged byte by byte: a data set or one message, nothing else.

The full form damages every byte:

    python -m pytest -m rehearsal tests/faults/test_damaged_data.py -s

A process of its own reads them, as libraries in C and C++ may take their process with them.
"""

import gzip
import io
import json
import os
import re
import select
import subprocess
import sys
import warnings
from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pytest
from damages import flipped
from pyarrow import csv, feather
from pyarrow import parquet as pq

from model.data.found import Reading
from model.data.sources import load_dataset
from model.errors import DataError

SEED = int(os.environ.get("FAULTS_SEED", "1"))

# Seconds in which any file of this size is read; and what a library takes for its own work.
LONGEST = 30.0
SPARE = 24 * 2**20

X = np.arange(40, dtype=np.float32).reshape(10, 4)
Y = np.arange(10) % 3
TABLE = pa.table({"a": X[:, 0], "b": [f"{i // 2}" for i in range(10)], "y": Y})
CSV = b"a,b,y\n" + b"".join(b"%d,x%d,%d\n" % (i, i, i % 3) for i in range(10))


def saved(write):
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def hdf5(**options):
    import h5py

    def write(file):
        with h5py.File(file, "w") as store:
            store.create_dataset("X", data=X, **options)
            store.create_dataset("train/y", data=Y, **options)

    return saved(write)


def safetensors():
    from safetensors.numpy import save

    return save({"X": X, "y": Y})


def ipc(new):
    def write(file):
        with new(file, TABLE.schema) as writer:
            writer.write_table(TABLE)

    return saved(write)


FILES = {
    "x.h5": hdf5,
    "packed.h5": lambda: hdf5(chunks=True, compression="gzip", shuffle=True, fletcher32=True),
    "x.parquet": lambda: saved(lambda f: pq.write_table(TABLE, f)),
    "zstd.parquet": lambda: saved(
        lambda f: pq.write_table(TABLE, f, compression="zstd", use_dictionary=False)
    ),
    "plain.parquet": lambda: saved(
        lambda f: pq.write_table(TABLE, f, compression="none", write_page_checksum=True)
    ),
    "x.feather": lambda: saved(lambda f: feather.write_feather(TABLE, f)),
    "plain.feather": lambda: saved(
        lambda f: feather.write_feather(TABLE, f, compression="uncompressed")
    ),
    "x.arrow": lambda: ipc(pa.ipc.new_file),
    "x.arrows": lambda: ipc(pa.ipc.new_stream),
    "x.safetensors": safetensors,
    "x.svm": lambda: b"".join(b"%d 1:%d 3:0.5\n" % (i % 3, i) for i in range(10)),
    "x.csv": lambda: CSV,
    "x.csv.gz": lambda: gzip.compress(CSV),
}
TABULAR = ("csv", "parquet", "feather", "arrow")


class ReadingProcess:
    """A process that reads one file, damaged in one way after the other."""

    def __init__(self, path):
        here = Path(__file__)
        paths = os.pathsep.join(map(str, (here.parents[2], here.parent)))
        target = "y" if any(kind in path.name for kind in TABULAR) else ""
        self._process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", str(here.with_name("data_reader.py")),
             str(path), target],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
            env=os.environ | {"PYTHONPATH": paths},
        )  # fmt: skip

    def outcome(self, case):
        """Return what becomes of a case, and the memory that it took."""
        self._process.stdin.write(json.dumps(case).encode() + b"\n")
        if not select.select([self._process.stdout], [], [], LONGEST)[0]:
            self._process.kill()
            return "hangs", 0
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            return f"killed by {self._process.returncode}: {self._process.stderr.read()[:2000]}", 0
        return json.loads(line)

    def end(self):
        self._process.kill()
        self._process.communicate()


def rehearse(folder, name, cases):
    """Read a file after each damage, and count what became of it."""
    path, content, told = folder / name, FILES[name](), Counter()
    path.write_bytes(content)
    reader = ReadingProcess(path)
    try:
        for case in cases(len(content)):
            outcome, memory = reader.outcome(case)
            assert outcome in ("equal", "another", "refused"), (name, case, outcome)
            assert memory < 2 * len(content) + SPARE, (name, case, memory)
            told[outcome] += 1
    finally:
        reader.end()
    return told


def all_cases(size):
    yield from (["emptied"], ["doubled"], ["zeroed"])
    for at in range(size):
        yield from (["cut", at], ["flipped", at, 1 << at % 8], ["flipped", at, 0xFF])


def some_cases(size):
    return Random(SEED).sample(list(all_cases(size)), 40)


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_data_set_is_read_or_refused(name, tmp_path):
    assert rehearse(tmp_path, name, some_cases)["refused"] > 0


# Reads a table and tells how much more memory the process had at most, in sizes of the file.
MEMORY = """
import sys
from pathlib import Path
import pyarrow.feather, pyarrow.parquet, pyarrow.csv
from data_reader import forget_peak, peak
from model.data.formats.arrow import read_table
read_table(Path(sys.argv[1]), ".", "y")
forget_peak()
before = peak()
read_table(Path(sys.argv[2]), ".", "y")
print((peak() - before) / int(sys.argv[3]))
"""


@pytest.mark.parametrize(
    ("name", "most"),
    # The parts of an Arrow file are the table; the texts of a CSV file are copied by the library.
    [("x.feather", 1.5), ("x.csv", 2.8), ("x.csv.gz", 2.8)],
)
def test_a_table_file_is_in_memory_once(name, most, tmp_path):
    texts = [f"{i:07}" * 1000 for i in range(32 * 2**20 // 7000)]
    for path, rows in ((tmp_path / f"small-{name}", 1), (tmp_path / name, len(texts))):
        table = pa.table({"a": texts[:rows], "y": np.arange(rows) % 3})
        if "csv" in name:
            csv.write_csv(table, path)
        else:
            feather.write_feather(table, path, compression="uncompressed")
        size = path.stat().st_size
        if "gz" in name:
            path.write_bytes(gzip.compress(path.read_bytes(), 1))
    here = Path(__file__)
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, tmp_path / f"small-{name}", tmp_path / name, str(size)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (here.parents[2], here.parent)))},
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert float(done.stdout) < most


@pytest.mark.rehearsal
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", FILES)
def test_every_byte_of_a_data_set_of_each_format(name, tmp_path, capsys):
    told = rehearse(tmp_path, name, all_cases)
    with capsys.disabled():
        sys.stdout.write(f"\n{name}: {dict(told)}")


@pytest.mark.parametrize("damaged", [False, True], ids=["whole", "damaged"])
def test_the_first_version_of_feather_is_refused_with_the_way_out(damaged, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        content = saved(lambda file: feather.write_feather(TABLE, file, version=1))
    path = tmp_path / "x.feather"
    path.write_bytes(flipped(192, 1)(content) if damaged else content)
    with pytest.raises(DataError, match=r"Feather version 1") as refused:
        load_dataset(str(path), Reading(target="y"), notify=lambda text: None)
    if damaged:
        return
    said = re.search(r'python -c "(.+?)"', str(refused.value))[1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(said.replace("OLD", str(path)).replace("NEW", str(tmp_path / "new.feather")), {})
    assert feather.read_table(tmp_path / "new.feather").equals(TABLE)
    load_dataset(str(tmp_path / "new.feather"), Reading(target="y"), notify=lambda text: None)
