"""Files that are not data sets, told by their bytes, each with the way out."""

import zipfile
from pathlib import Path

from model.data.found import HELP
from model.errors import DataError

_UNPACK = "Unpack it, and give a file or folder of it."
_AGAIN = "Fetch the file again."
_PICKLE = (
    "a pickle",
    "Reading one runs whatever code it brings; save the arrays with numpy.savez, or a data frame "
    "with to_parquet.",
)
_PICTURE = "Give the images as one array, saved with numpy.savez."
_LFS = ("a Git LFS pointer and not the file itself", "Fetch the file: git lfs pull.")
_ANNEX = ("a git-annex pointer and not the file itself", "Fetch the file: git annex get.")

_BEGINNINGS = {
    b"version https://git-lfs": _LFS,
    b"/annex/objects/": _ANNEX,
    b"../.git/annex/": _ANNEX,
    b".git/annex/": _ANNEX,
    **{b"\x80" + bytes([protocol]): _PICKLE for protocol in (2, 3, 4, 5)},
    b"\x89PNG": ("a PNG picture", _PICTURE),
    b"\xff\xd8\xff": ("a JPEG picture", _PICTURE),
    b"GIF8": ("a GIF picture", _PICTURE),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", _UNPACK),
    b"Rar!": ("a RAR archive", _UNPACK),
    b"\xfd7zXZ": ("packed with xz", _UNPACK),
    b"BZh": ("packed with bzip2", _UNPACK),
    b"\x28\xb5\x2f\xfd": ("packed with zstd", _UNPACK),
    b"%PDF": ("a PDF", "Give the table that it was made of."),
    b"MATLAB 5.0 MAT-file": (
        "a MATLAB file",
        "Read it with scipy.io.loadmat, and save its arrays with numpy.savez.",
    ),
    b"\xd0\xcf\x11\xe0": ("an old Excel file", "Save the sheet as CSV."),
    b"SQLite format 3": ("an SQLite database", "Save the table as CSV."),
}
_PAGES = (b"<!doctype html", b"<html", b"<?xml", b"<head")


def refuse_strangers(path: Path, head: bytes) -> None:
    """Refuse a file that is recognised as something else.

    Parameters
    ----------
    path : Path
    head : bytes
        The first bytes of the file.

    Raises
    ------
    DataError
        With what it is, and what to do.
    """
    found = _stranger(path, head)
    if found:
        what, way_out = found
        raise DataError(f"{path}: is {what}. {way_out} {HELP}")


def _stranger(path: Path, head: bytes) -> tuple[str, str] | None:
    if head.startswith(b"PK"):
        return _zip(path)
    begins = (found for magic, found in _BEGINNINGS.items() if head.startswith(magic))
    return next(begins, None) or _by_content(head)


def _by_content(head: bytes) -> tuple[str, str] | None:
    start = head.lstrip().lower()
    if not head:
        return "empty", "Fetch or write the file again."
    if start.startswith(_PAGES):
        return "a web page, not data", "Open its address in a browser, and fetch the file itself."
    if head[257:262] == b"ustar":
        return "a tar archive", _UNPACK
    if start.startswith(b"{") and b'"cells"' in head:
        return "a notebook", "Save the data from it as CSV or with numpy.savez."
    return None


def zip_names(path: Path) -> list[str] | None:
    """Return the names in a zip archive; None where it cannot be read as one."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    # Damage of its directory makes zipfile raise a dozen unrelated kinds.
    except Exception:
        return None


def _zip(path: Path) -> tuple[str, str] | None:
    """Return what a zip archive is, unless it is one of arrays or cannot be read as one."""
    names = zip_names(path)
    if names is None:
        # A cut download: who reads it says so, if it was to be an archive of arrays.
        return None if path.suffix.lower() == ".npz" else ("a zip archive that breaks off", _AGAIN)
    if any(name.endswith(".npy") for name in names):
        return None
    if "[Content_Types].xml" in names:
        return "an Excel or Office file", "Save the sheet as CSV."
    if any(name.endswith("data.pkl") for name in names):
        return _PICKLE
    if not names and path.suffix.lower() == ".npz":
        return None
    listed = ", ".join(names[:4]) or "nothing"
    return f"a zip archive of {listed}", _UNPACK
