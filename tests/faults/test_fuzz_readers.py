"""Whatever a file or a command line holds: an answer or one message; no pickle is ever loaded."""

import gzip
import io
import pickle
import string
import time
import tracemalloc
import zipfile
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import feather
from pyarrow import parquet as pq

from model.data.found import Reading
from model.data.sources import load_dataset
from model.errors import DataError, PacksweepError
from search import run, runs, status
from search.config import load_config
from search.errors import ConfigError

X = np.arange(40, dtype=np.float32).reshape(10, 4)
Y = np.arange(10) % 3
TABLE = pa.table({"a": X[:, 0], "b": [f"{i}" for i in range(10)], "y": Y})

# Bytes that a reader may need for its own work, whatever the file: buffers, libraries, messages.
SPARE = 24 * 2**20


def saved(write):
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def safetensors(arrays):
    from safetensors.numpy import save

    return save(arrays)


def hdf5():
    import h5py

    def write(file):
        with h5py.File(file, "w") as store:
            store["X"], store["y"] = X, Y

    return saved(write)


def idx(array):
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return b"\0\0\x08" + bytes([array.ndim]) + sizes + array.astype(np.uint8).tobytes()


CSV = b"a,b,y\n" + b"".join(b"%d,x%d,%d\n" % (i, i, i % 3) for i in range(10))
FILES = {
    "x.npz": saved(lambda file: np.savez(file, X=X, y=Y)),
    "packed.npz": saved(lambda file: np.savez_compressed(file, X=X, y=Y)),
    "x.safetensors": safetensors({"X": X, "y": Y}),
    "x.h5": hdf5(),
    "x.parquet": saved(lambda file: pq.write_table(TABLE, file)),
    "x.feather": saved(lambda file: feather.write_feather(TABLE, file)),
    "x.csv": CSV,
    "x.csv.gz": gzip.compress(CSV),
    "x.svm": b"".join(b"%d 1:%d 3:0.5\n" % (i % 3, i) for i in range(10)),
    "npy/X_train.npy": saved(lambda file: np.save(file, X)),
    "idx/train-images-idx3-ubyte": idx(X.astype(np.uint8)),
    "idx/train-images-idx3-ubyte.gz": gzip.compress(idx(X.astype(np.uint8))),
}
# Read by libraries in C++, whose faults can end the process that tests all else.
NATIVE = ("x.h5", "x.parquet", "x.feather")
BESIDE = {
    "npy": ("y_train.npy", saved(lambda file: np.save(file, Y))),
    "idx": ("train-labels-idx1-ubyte", idx(Y)),
}


@st.composite
def damaged(draw, content):
    """Return some bytes, most of which are as they were: cut, changed, inserted or doubled."""
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        kind = draw(st.sampled_from(["cut", "change", "insert", "drop", "double"]))
        some = draw(st.binary(min_size=1, max_size=8) | st.just(b"\xff" * 8) | st.just(bytes(8)))
        if kind == "cut":
            del data[at:]
        elif kind == "change":
            data[at : at + len(some)] = some
        elif kind == "insert":
            data[at:at] = some
        elif kind == "drop":
            del data[at : at + len(some)]
        else:
            data += data[at:]
    return bytes(data)


def read(folder, name, content):
    """Read a file with this content; an answer or a DataError, and no more memory than it may."""
    path = Path(folder, name)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    if path.parent.name in BESIDE:
        other, labels = BESIDE[path.parent.name]
        path.with_name(other).write_bytes(labels)
        path = path.parent
    tabular = any(kind in name for kind in ("csv", "parquet", "feather"))
    with suppress(DataError):
        load_dataset(str(path), Reading(target="y" if tabular else None), notify=lambda text: None)


@pytest.fixture(scope="module")
def _traced():
    """Trace what Python allocates, once for all: libraries' threads crash where tracing is stopped.

    https://github.com/python/cpython/issues/128679
    """
    tracemalloc.start()
    yield
    time.sleep(0.2)  # until such threads have ended
    tracemalloc.stop()


@pytest.mark.usefixtures("_traced")
@pytest.mark.filterwarnings("ignore")  # of libraries, which a user sees none of as errors
@pytest.mark.parametrize("name", [name for name in FILES if name not in NATIVE])
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused(name, data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged", numbered=True)
    content = data.draw(damaged(FILES[name]))
    read(folder, name, FILES[name])  # which imports what it needs
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    read(folder, name, content)
    _, peak = tracemalloc.get_traced_memory()
    peak -= before
    # The shape that a header in an archive claims is reserved before it is filled, and not more;
    # what a row of svmlight does not name is 0, up to a limit.
    if not name.endswith((".npz", ".h5", ".svm")):
        assert peak < 2 * len(content) + SPARE


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["packed.npz", "x.bin"])
def test_any_damaged_byte_of_a_zip_s_directory_is_read_or_refused(name, tmp_path):
    whole = FILES["packed.npz"]
    for place in range(whole.index(b"PK\x01\x02"), len(whole)):
        for byte in (0, 0x7F, 0xFF):
            content = bytearray(whole)
            content[place] = byte
            read(tmp_path, name, bytes(content))


BEGINNINGS = [
    b"", b"PK\x03\x04", b"\x93NUMPY\x01\0", b"\x89HDF\r\n\x1a\n", b"PAR1", b"ARROW1\0\0",
    b"\xff\xff\xff\xff", b"\x1f\x8b\x08", b"\0\0\x08\x03", b"\x10\0\0\0\0\0\0\0{", b"1 1:2\n",
    b"\x80\x04\x95",
]  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=100, deadline=None)
@given(
    beginning=st.sampled_from(BEGINNINGS),
    rest=st.binary(max_size=200),
    name=st.sampled_from([*FILES, "x.bin", "x", "x.npy"]),
)
def test_any_bytes_under_any_name_are_read_or_refused(beginning, rest, name, tmp_path_factory):
    read(tmp_path_factory.mktemp("any", numbered=True), name, beginning + rest)


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_no_pickle_is_ever_loaded(tmp_path):
    went_off = tmp_path / "went-off"
    packed = pickle.dumps(Bomb(went_off))
    objects = np.empty(2, object)
    objects[:] = Bomb(went_off)
    npy = saved(lambda file: np.save(file, objects, allow_pickle=True))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("X.npy", npy)
        zipped.writestr("y.npy", npy)
    contents = [packed, npy, archive.getvalue(), gzip.compress(packed)]
    for number, content in enumerate(contents):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name in [*FILES, "x.pkl", "x.npy", "x", "npy/y_train.npy"]:
            read(folder, name, content)
    assert not went_off.exists()


WORDS = [
    "dataset", "seed", "space", "batch_size", "alpha", "sampler", "name", "trials", "pruner",
    "reading", "keys", "options", "low", "high", "step", "log", "folds",
]  # fmt: skip
SCALARS = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.floats().map(str),
    st.sampled_from(["true", '"tpe"', '"digits"', "1e999", "[]", "{}", "1979-05-27", '"\\u0000"']),
)
VALUES = SCALARS | st.lists(SCALARS, max_size=3).map(lambda v: f"[{', '.join(v)}]")
LINES = st.one_of(
    st.tuples(st.sampled_from(WORDS), VALUES).map(" = ".join),
    st.sampled_from(WORDS).map("[{}]".format),
    st.text(string.printable, max_size=20),
)


@settings(max_examples=300, deadline=None)
@given(lines=st.lists(LINES, max_size=12), noise=st.binary(max_size=4))
def test_any_grid_file_is_read_or_refused(lines, noise, tmp_path_factory):
    path = tmp_path_factory.mktemp("grid", numbered=True) / "grid.toml"
    path.write_bytes("\n".join(lines).encode() + noise)
    with suppress(ConfigError):
        load_config(str(path))


DEEP = "has a key of more than 32 dots"
LONG = "is too long: it has "
NUMBER = "a number is too long, or brackets are nested too deep"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a = " + "[" * 100_000, NUMBER),
        ("a = " + "{b = " * 100_000, NUMBER),
        ("seed = " + "9" * 1_000_000, NUMBER),
        ("seed = 0x" + "f" * 1_000_000, "seed must be a whole number"),
        ("seed = 1e" + "9" * 1_000_000, "seed must be a whole number"),
        ("seed = 1979-05-27", "seed must be a whole number"),
        ("a." * 100_000 + "a = 1", DEEP),
        ("a = {" + "a . " * 100_000 + "a = 1}", DEEP),
        ('["it#s".' + "'a#' . " * 100_000 + "a]", DEEP),
        ('b = """\n#"""\n' + "a." * 100_000, DEEP),
        ("# " + "a." * 100_000 + "\n", "space is missing"),
        ('x = "' + "a." * 100_000 + '"', "space is missing"),
        ("'''" + "a." * 100_000, "is not valid TOML"),
        ('x = "' + '\\"' * 100_000, "is not valid TOML"),
        ("# x\n" * 2_500_000, LONG),
        ("".join(f"k{i} = 1\n" for i in range(1_000_000)), LONG),
        ("".join(f"k{i} = 1\n" for i in range(50_000)), "50001 mistakes"),
    ],
    ids=map(str, range(17)),
)
def test_a_grid_file_that_would_take_long_is_refused_at_once(text, told, tmp_path):
    path = tmp_path / "grid.toml"
    path.write_text(text)
    began = time.process_time()
    with pytest.raises(ConfigError, match=told):
        load_config(str(path))
    assert time.process_time() - began < 20  # a core that is shared takes longer, too


OPTIONS = [
    "--grid", "--sampler", "--trials", "--pruner", "--dataset", "--seed", "--seeds", "--run-dir",
    "--resume", "--fresh", "--reuse", "--refits", "--executor", "--address", "--workers", "--keys",
    "--target", "--missing", "--compare", "--watch", "serial", "tpe", "smoke", "digits", "~x", "s3://",
]  # fmt: skip
# Not a byte 0 and no surrogates: the system passes none to a program.
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)


@settings(max_examples=150, deadline=None)
@given(args=st.lists(st.sampled_from(OPTIONS) | TEXTS, max_size=6))
def test_any_command_line_is_an_answer_or_one_message(args, tmp_path_factory, monkeypatch_module):
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        for command in (run.main, status.main, runs.main):
            with suppress(SystemExit):  # by which argparse refuses
                assert command(args) in (0, 1, 2)
    assert "Traceback" not in err.getvalue()


@pytest.fixture(scope="module")
def monkeypatch_module(tmp_path_factory):
    """Work in an empty folder, where no command has anything to train."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("work"))

        def nothing(options, *args):
            raise PacksweepError(str(options.run_path))

        patch.setattr("search.session.sweep", nothing)
        yield
