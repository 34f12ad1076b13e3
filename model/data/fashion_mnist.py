"""Fashion-MNIST: found on disk, or downloaded into the user's cache folder.

Xiao, Rasul and Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking
Machine Learning Algorithms", 2017, https://arxiv.org/abs/1708.07747.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from model import user_folders
from model.data.assembly import assemble
from model.data.dataset import Dataset
from model.data.download import DownloadError, download, file_sha256
from model.data.formats.folder import FolderReader
from model.data.found import Reading
from model.errors import DataError

NAME = "fashion-mnist"

FINGERPRINT = "9a199d609ec5d3cd"
"""The fingerprint of its data set, however the arrays were stored."""

CLASS_NAMES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
    "Ankle boot",
)  # fmt: skip
"""The meaning of the labels 0 to 9."""

FILES = {
    "train-images-idx3-ubyte.gz": (
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"
    ),
    "train-labels-idx1-ubyte.gz": (
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"
    ),
    "t10k-images-idx3-ubyte.gz": (
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"
    ),
    "t10k-labels-idx1-ubyte.gz": (
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"
    ),
}
"""The published files and their sha256."""

SOURCES = [
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
]
"""The publisher's addresses; a file name is added to the end."""

FOLDER_VARIABLE = "FASHION_MNIST_DIR"

Notify = Callable[[str], None]
"""Called with a message for the user."""

FileProgress = Callable[[str, int, int | None], None]
"""Called with a file name, the bytes that are there and, where known, the bytes in all."""


def cache_folder() -> Path:
    """Return the folder for downloaded files; it need not exist yet."""
    return user_folders.cache_folder() / "fashion-mnist"


def find() -> Path | None:
    """Find the folder that holds the four published files.

    Returns
    -------
    Path or None
        ``FASHION_MNIST_DIR`` where that is set, else the cache folder if all its
        files are there and right, else None.

    Raises
    ------
    DataError
        If ``FASHION_MNIST_DIR`` is set and lacks a file or holds another one.
    """
    given = os.environ.get(FOLDER_VARIABLE)
    if given:
        folder = user_folders.expanded(given)
        for name, sha256 in FILES.items():
            _check(folder / name, sha256)
        return folder
    folder = cache_folder()
    return folder if all(_is_right(folder / name, sha) for name, sha in FILES.items()) else None


def load_fashion_mnist(*, notify: Notify, progress: FileProgress | None = None) -> Dataset:
    """Load Fashion-MNIST from disk, downloading it first where need be.

    Parameters
    ----------
    notify : callable
        Told when a download begins and ends.
    progress : callable, optional
        Called with (file name, bytes there, bytes in all or None) during a download.

    Returns
    -------
    Dataset
        60,000 training and 10,000 test images; X of shape (n, 784), uint8.

    Raises
    ------
    DownloadError
        If the files are not on disk and cannot be had from the network.
    DataError
        If ``FASHION_MNIST_DIR`` is set and lacks a file or holds another one.
    """
    folder = find()
    if folder is None:
        folder = cache_folder()
        notify(f"Fashion-MNIST is not on disk yet: downloading 30 MB to {folder}.")
        _download_into(folder, progress)
        notify("Fashion-MNIST is downloaded, and its checksums are right.")
    return replace(assemble(FolderReader().read(folder, Reading())), name=NAME)


def _download_into(folder: Path, progress: FileProgress | None) -> None:
    for name, sha256 in FILES.items():
        download(
            [f"{source.rstrip('/')}/{name}" for source in SOURCES],
            sha256,
            folder / name,
            progress=None if progress is None else partial(progress, name),
        )


def _is_right(path: Path, sha256: str) -> bool:
    try:
        return file_sha256(path) == sha256
    except OSError as error:
        raise DownloadError(
            f"{path}: cannot be read ({error.strerror}). Fix its permissions, or set "
            f"{FOLDER_VARIABLE} to a folder that holds the files."
        ) from error


def _check(path: Path, sha256: str) -> None:
    try:
        found = file_sha256(path)
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}). Fix its permissions, or unset "
            f"{FOLDER_VARIABLE} to have the file downloaded."
        ) from error
    if found != sha256:
        described = "no such file" if found is None else f"a file with {found}"
        raise DataError(
            f"{path}: expected the published file of Fashion-MNIST (sha256 {sha256}), found "
            f"{described}. Put it there, unset {FOLDER_VARIABLE} to have it downloaded, or read "
            "a folder of other or unpacked IDX files with --dataset PATH."
        )
