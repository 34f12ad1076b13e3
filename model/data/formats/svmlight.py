"""Svmlight and libsvm: a label, then ``feature:value`` for what is not zero."""

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.data.found import HELP, Found, Part, Reading, refuse_for_arrays, refuse_keys
from model.data.memory import check_unpacked, raise_lack_of_memory
from model.errors import DataError

_SUFFIXES = (".svm", ".svmlight", ".libsvm")
_LINE = re.compile(
    rb"^[-+]?[\d.]+([eE][-+]?\d+)?(,[\d.+-]+)*(\s+qid:\d+)?(\s+\d+:[-+\d.eE]+)+\s*(#.*)?$"
)
# Bytes of the dense array at most.
_LARGEST = 1 << 32


class SvmlightReader:
    """Reads a file, and the test part that lies beside it as ``NAME.t``."""

    kind = "svmlight, sparse rows"

    def is_yours(self, path: Path, head: bytes) -> bool:
        """Whether it calls itself so, or its first line is of that form."""
        if path.suffix.lower() in _SUFFIXES:
            return True
        lines = [line for line in head.splitlines() if line.strip() and not line.startswith(b"#")]
        return bool(lines) and len(head) > len(lines[0]) and bool(_LINE.match(lines[0]))

    def read(self, path: Path, reading: Reading) -> Found:
        """Read the rows, as a dense array."""
        refuse_for_arrays(path, reading)
        refuse_keys(path, reading)
        beside = path.with_name(f"{path.name}.t")
        paths = [path, beside] if beside.is_file() else [path]
        parts = _load(paths)
        shown = [Part(X, y, str(p), f"{p}: labels") for p, (X, y) in zip(paths, parts, strict=True)]
        return Found(name=path.stem, train=shown[0], test=shown[1] if len(shown) > 1 else None)


def _load(paths: list[Path]) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    # It takes half a second to import, which only those who have such files should pay.
    from sklearn.datasets import load_svmlight_files

    try:
        found = load_svmlight_files([str(path) for path in paths], zero_based="auto")
    except (OSError, ValueError, OverflowError, UnicodeDecodeError) as error:
        raise_lack_of_memory(error)
        raise DataError(
            f"{' and '.join(map(str, paths))}: cannot be read ({error}); expected lines such as "
            f"1 3:0.5 7:2, with one label each. {HELP}"
        ) from error
    size = 8 * sum(X.shape[0] * X.shape[1] for X in found[::2])
    if size > _LARGEST:
        raise DataError(
            f"{paths[0]}: would take {size / 2**30:.0f} GiB with its zeros; up to 4 GiB are read. "
            f"Choose fewer features. {HELP}"
        )
    check_unpacked(paths[0], size)
    return [(X.toarray(), _labels(y)) for X, y in zip(found[::2], found[1::2], strict=True)]


def _labels(y: NDArray[Any]) -> NDArray[Any]:
    """Return labels as they are written: whole numbers without a point."""
    whole = np.isfinite(y).all() and (np.abs(y) < 2**53).all() and (np.rint(y) == y).all()
    return y.astype(np.int64) if whole else y
