"""From the word or path that the user gives to a data set."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from model.data import fashion_mnist
from model.data.assembly import assemble
from model.data.dataset import Dataset
from model.data.digits import load_digits
from model.data.download import DownloadError
from model.data.fashion_mnist import FileProgress, Notify, load_fashion_mnist
from model.data.formats.folder import FolderReader, NpyReader
from model.data.formats.hdf5 import Hdf5Reader
from model.data.formats.npz import NpzReader
from model.data.formats.safetensors import SafetensorsReader
from model.data.formats.strangers import refuse_strangers
from model.data.formats.svmlight import SvmlightReader
from model.data.formats.tables import TableReader
from model.data.found import HEAD, HELP, Reader, Reading
from model.errors import DataError

KNOWN = ("auto", "fashion-mnist", "digits")
"""The names that `load_dataset` understands next to paths."""

READERS: Sequence[Reader] = (
    TableReader(),
    FolderReader(),
    NpzReader(),
    NpyReader(),
    Hdf5Reader(),
    SafetensorsReader(),
    SvmlightReader(),
)
"""The formats, asked in this order whether a path is theirs."""

_RULER = "=" * 78
_FALLBACK = f"""\
{_RULER}
NOT FASHION-MNIST: this run uses the digits of scikit-learn instead, 1,500 small
training images. Its results say nothing about Fashion-MNIST.

Why: Fashion-MNIST is neither on disk nor to be had from the network.
{{reason}}

For the real data set, set FASHION_MNIST_DIR to a folder with its four files, or
run again with a network. --dataset digits asks for digits without this notice,
--dataset fashion-mnist stops instead of using them.
{_RULER}"""


def load_dataset(
    spec: str,
    reading: Reading | None = None,
    *,
    notify: Notify,
    progress: FileProgress | None = None,
) -> Dataset:
    """Load the data set that a name or a path stands for.

    Parameters
    ----------
    spec : str
        ``fashion-mnist``, ``digits``, ``auto`` (Fashion-MNIST, or digits with a
        notice where it is neither on disk nor to be had from the network), or
        the path of a file or folder in a format of docs/data.md.
    reading : Reading, optional
        What the user says of a file beside its path.
    notify : callable
        Told in words what the user should know: a download, a data set replaced.
    progress : callable, optional
        Called with (file name, bytes there, bytes in all or None) during a download.

    Returns
    -------
    Dataset
        X of shape (n, D) in the precision of the source.

    Raises
    ------
    DataError
        If the name is unknown, or the data cannot be had or read.
    """
    loaders: dict[str, Callable[[], Dataset]] = {
        "auto": lambda: _load_auto(notify, progress),
        "fashion-mnist": lambda: load_fashion_mnist(notify=notify, progress=progress),
        "digits": load_digits,
    }
    reading = reading or Reading()
    if spec not in loaders:
        return _load_path(spec, reading)
    if reading != Reading():
        raise DataError(
            f"--dataset {spec} is complete as it is; --target, --weights, --missing and --keys are "
            f"for your own files. Leave them out. {HELP}"
        )
    return loaders[spec]()


def _load_auto(notify: Notify, progress: FileProgress | None) -> Dataset:
    try:
        return load_fashion_mnist(notify=notify, progress=progress)
    except DownloadError as error:
        notify(_FALLBACK.format(reason=error))
        return load_digits()


def kind_of(spec: str) -> str:
    """Return what file a data set is, in a few words.

    Parameters
    ----------
    spec : str
        As for `load_dataset`, which has loaded it.
    """
    if spec in KNOWN:
        return "comes with packsweep" if spec == "digits" else "Fashion-MNIST's four IDX files"
    path, reader = _reader_of(spec)
    ending = path.suffix.lstrip(".")
    return f"{reader.kind} ({ending})" if path.is_file() and ending else reader.kind


def _load_path(spec: str, reading: Reading) -> Dataset:
    try:
        path, reader = _reader_of(spec)
        return _named(assemble(reader.read(path, reading)), path)
    except OSError as error:  # such as a folder that may not be listed
        raise DataError(
            f"{error.filename or spec}: cannot be read ({error.strerror}). Check the path and its "
            "permissions."
        ) from error


def _reader_of(spec: str) -> tuple[Path, Reader]:
    """Return a path, and the reader whose format is there."""
    try:
        path = Path(spec).expanduser()
        is_folder, is_file = path.is_dir(), path.is_file()
        head = _head(path) if is_file else b""
    except (OSError, RuntimeError) as error:
        raise DataError(f"--dataset {spec}: cannot be looked at ({error}).") from error
    if is_file:
        refuse_strangers(path, head)
    there = bool(spec) and (is_folder or is_file)
    reader = next((r for r in READERS if there and r.is_yours(path, head)), None)
    if reader is not None:
        return path, reader
    found = "a file of another kind" if is_file else "neither"
    raise DataError(
        f"--dataset {spec!r}: expected {', '.join(KNOWN)}, or the path of a file or folder "
        f"in a format of docs/data.md; found {found}. {HELP}"
    )


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD)


def _named(data: Dataset, path: Path) -> Dataset:
    """Give a data set the name that is known for it, and keep that name from any other."""
    if data.fingerprint == fashion_mnist.FINGERPRINT:
        return replace(data, name=fashion_mnist.NAME)
    return replace(data, name=str(path)) if data.name in KNOWN else data
