"""Files of a few bytes that hold more than any memory are refused before they are unpacked."""

import gzip
import io
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from model.data import memory
from model.data.found import Reading
from model.data.sources import load_dataset
from model.errors import DataError

MIB = 2**20


def npy_header(shape, dtype="|u1"):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": dtype, "fortran_order": False, "shape": shape}
    )
    return file.getvalue()


def npz(path, size):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("y.npy", npy_header((2,)) + b"\0\1")
        with archive.open("X.npy", "w") as member:
            member.write(npy_header((2, size // 2)))
            for _ in range(size // MIB):
                member.write(bytes(MIB))


def idx(path, size):
    path.mkdir()
    with gzip.open(path / "train-images-idx3-ubyte.gz", "wb", 1) as file:
        file.write(b"\0\0\x08\x02" + struct.pack(">2I", 2, size // 2))
        for _ in range(size // MIB):
            file.write(bytes(MIB))
    with gzip.open(path / "train-labels-idx1-ubyte.gz", "wb") as file:
        file.write(b"\0\0\x08\x01" + struct.pack(">I", 2) + b"\0\1")


def csv(path, size):
    with gzip.open(path, "wb", 1) as file:
        file.write(b"a,y\n")
        for _ in range(size // MIB):
            file.write(b"1,2\n" * (MIB // 4))


def parquet(path, size):
    import pyarrow as pa
    from pyarrow import parquet as pq

    zeros = pa.array(np.zeros(size // 16, np.int64))
    pq.write_table(pa.table({"a": zeros, "y": zeros}), path, compression="zstd")


def hdf5(path, size):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file.create_dataset("X", shape=(2, size), dtype="u1", chunks=(2, 1000))
        file["y"] = [0, 1]


BOMBS = {"x.npz": npz, "idx": idx, "x.csv.gz": csv, "x.parquet": parquet, "x.h5": hdf5}


@pytest.fixture(params=BOMBS)
def bomb(request, tmp_path):
    """Return a small file that unpacks to 64 MiB, or a folder with one."""
    path = tmp_path / request.param
    BOMBS[request.param](path, 64 * MIB)
    return path


def test_what_does_not_fit_is_refused_with_both_sizes(bomb, monkeypatch):
    monkeypatch.setattr(memory, "memory_bytes", lambda: 32 * MIB)
    reading = Reading(target="y") if "csv" in bomb.name or "parquet" in bomb.name else Reading()
    with pytest.raises(DataError, match=r"unpacks to .* or more, and this machine has 0.0312 GiB"):
        load_dataset(str(bomb), reading, notify=print)


LIMITED = """
import resource, sys
from model.data.sources import load_dataset
import numpy, pyarrow, zipfile, h5py
from model.data.found import Reading
from model.errors import DataError
here = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (here + 400 * 2**20,) * 2)
try:
    load_dataset(sys.argv[1], Reading(), notify=print)
except DataError as error:
    print(error)
"""


@pytest.mark.parametrize("claim", [2**40, 2**62])
def test_a_header_of_a_huge_shape_takes_no_memory(tmp_path, claim):
    (tmp_path / "npy").mkdir()
    (tmp_path / "npy/X.npy").write_bytes(npy_header((claim, 7)) + bytes(14))
    np.save(tmp_path / "npy/y.npy", np.array([0, 1]))
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("X.npy", npy_header((claim, 7)) + bytes(14))
        archive.writestr("y.npy", npy_header((2,)) + b"\0\1")
    for path in (tmp_path / "npy", tmp_path / "x.npz"):
        ended = subprocess.run(
            [sys.executable, "-c", LIMITED, path], check=False, capture_output=True, text=True
        )
        assert ended.returncode == 0, ended.stderr
        assert "cannot be read" in ended.stdout


def test_the_memory_is_that_of_the_machine_the_container_and_the_process(tmp_path):
    machine = memory.memory_bytes(tmp_path)
    assert machine > 2**28
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory/memory.limit_in_bytes").write_text(str(2**63 - 4096))
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.memory_bytes(tmp_path) == machine
    (tmp_path / "memory.max").write_text("1048576\n")
    assert memory.memory_bytes(tmp_path) == MIB
