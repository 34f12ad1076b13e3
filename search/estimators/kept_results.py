"""Results of a search in a folder, so that another process can go on with them."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any, Self

import joblib

from model.seal import Seal
from search.estimators.shared_fits import Params, Split, Work
from search.storage import json_content, lock, parse_json, prepare_folder, read_whole, write_whole

_ABOUT = "search.json"

Results = dict[tuple[int, int], dict[str, Any]]
"""What a candidate gave on a split, by the numbers of the split and of the candidate."""


def identity_of(
    work: Work, candidates: Sequence[Params], splits: Sequence[Split]
) -> dict[str, str]:
    """Return digests of all that a search's results depend on, each by what it is of."""
    how = work.how
    return {
        "estimator": _digest((type(work.estimator), work.estimator.get_params(deep=False))),
        "space": _digest(list(candidates)),
        "data": joblib.hash((work.X, work.y)),
        "splits": joblib.hash([(list(train), list(test)) for train, test in splits]),
        "scoring": _shown(how["scorer"]),
        "fit": joblib.hash((how["fit_params"], how["score_params"], how["return_train_score"])),
        "scikit-learn": metadata.version("scikit-learn"),
    }


def _digest(value: object) -> str:
    """Return a digest of all of a value; how it is shown leaves out what is long."""
    try:
        return str(joblib.hash(value))
    except Exception:  # what cannot be pickled, such as a function without a name
        return _shown(value)


def _shown(value: object) -> str:
    """Return how something is shown, in every process alike: without an address in memory."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


class KeptResults:
    """The results in a folder; one process writes to it at a time.

    Parameters
    ----------
    folder : Path
    run : str
        Digest of what the search is; a file of another one is not believed.
    """

    def __init__(self, folder: Path, run: str) -> None:
        self._folder, self._run = folder, run

    @classmethod
    @contextmanager
    def opened(cls, folder: Path, about: Mapping[str, str]) -> Iterator[Self]:
        """Open a folder for a search, made where it is missing.

        Raises
        ------
        ValueError
            If it holds the results of another search.
        LockedError
            If another process writes to it.
        StoreError
            If the system refuses.
        """
        prepare_folder(folder)
        with lock(folder / ".lock"):
            run = hashlib.sha256(json.dumps(dict(about), sort_keys=True).encode()).hexdigest()[:16]
            content = read_whole(folder / _ABOUT)
            if content is None:
                write_whole(folder / _ABOUT, json.dumps(dict(about), indent=2).encode())
            else:
                _check_same(folder, content, about)
            yield cls(folder, run)

    def read(self, split: int, candidates: Sequence[int]) -> Results:
        """Return what is kept of candidates that were trained together; nothing if damaged."""
        path = self._path(split, candidates)
        content = read_whole(path)
        if content is None:
            return {}
        try:
            found = parse_json(content, Seal(self._run, path.name))["results"]
        except (ValueError, KeyError):
            return {}
        return {(split, k): result for k, result in zip(candidates, found, strict=True)}

    def write(self, split: int, candidates: Sequence[int], results: Results) -> None:
        """Make results durable.

        Raises
        ------
        StoreError
            If the disk is full, or the like.
        """
        path = self._path(split, candidates)
        rows = [_plain(results[split, k]) for k in candidates]
        write_whole(path, json_content({"results": rows}, Seal(self._run, path.name)))

    def _path(self, split: int, candidates: Sequence[int]) -> Path:
        digest = hashlib.sha256(json.dumps(list(candidates)).encode()).hexdigest()[:12]
        return self._folder / f"split-{split:03d}-{digest}.json"


def _plain(value: Any) -> Any:
    """Return numbers of numpy as Python's, which JSON keeps to the bit."""
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    return value.item() if hasattr(value, "item") else value


def _check_same(folder: Path, content: bytes, about: Mapping[str, str]) -> None:
    try:
        known = json.loads(content)
    except ValueError:
        known = {}
    differ = [name for name in about if known.get(name) != about[name]]
    if differ:
        raise ValueError(
            f"{folder} holds the results of another search: its {' and its '.join(differ)} differ. "
            "Give another folder, or remove this one."
        )
