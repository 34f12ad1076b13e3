"""Results of a search in a folder, so that another process can go on with them."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any, Self

import joblib
import numpy as np
from sklearn.metrics._scorer import _PassthroughScorer

from model.data.listing import listed
from model.errors import told
from model.seal import Seal
from search.errors import StoreError
from search.estimators.digests import digest_of, version_of
from search.estimators.shared_fits import Params, Result, Split, Unit, Work
from search.storage import json_content, lock, parse_json, prepare_folder, read_whole, write_whole

_ABOUT, _SEED = "search.json", "seed.json"


def identity_of(work: Work, asked: object, splits: Sequence[Split]) -> dict[str, str]:
    """Return digests of all that a search's results depend on, each by what it is of.

    Parameters
    ----------
    work : Work
    asked : object
        What says which candidates there are: those of a grid, or how they are found.
    splits : sequence of Split

    Raises
    ------
    ValueError
        If there is something in it that cannot be identified in another process.
    """
    how, estimator = work.how, work.estimator
    given = vars(estimator) if hasattr(estimator, "__dict__") else {}
    parts = {
        "estimator": (
            type(estimator), estimator.get_params(deep=False),
            # What a clone takes over besides.
            given.get("_metadata_request"), given.get("_sklearn_output_config"),
        ),
        "space": asked,
        "data": (work.X, work.y),
        "splits": [(np.asarray(train), np.asarray(test)) for train, test in splits],
        "scoring": _scoring(how["scorer"]),
        "fit": (how["fit_params"], how["score_params"], how["return_train_score"]),
        "error_score": how["error_score"],
        "configuration of scikit-learn": {name: work.config.get(name) for name in _CONFIGURED},
    }  # fmt: skip
    packages = {"sklearn", "packsweep"}
    found = {
        name: _digest(value, name, packages if name in ("estimator", "space", "scoring") else None)
        for name, value in parts.items()
    }
    versions = {_VERSION + _DISTRIBUTION.get(p, p): version_of(p) for p in sorted(packages)}
    return found | versions


_CONFIGURED = ("enable_metadata_routing", "transform_output")
"""Settings of scikit-learn that may change what a fit gives."""

_VERSION, _DISTRIBUTION = "version of ", {"sklearn": "scikit-learn"}


def _scoring(scorer: Any) -> Any:
    """Return what a scorer is made of, without the estimator, which stands elsewhere."""
    if isinstance(scorer, _PassthroughScorer):
        return type(scorer), vars(scorer).get("_metadata_request")
    return scorer


def _digest(value: object, name: str, packages: set[str] | None = None) -> str:
    try:
        return digest_of(value, packages)
    except Exception as error:  # of anybody's class
        raise ValueError(
            f"folder is given, and a folder holds one search, but the {name} of this search cannot "
            f"be identified ({told(error)}). Keep files, locks and generators out of "
            "it, or leave folder out."
        ) from error


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
        # Digests of the params of each candidate, by its number.
        self._digests: dict[int, str] = {}

    @classmethod
    @contextmanager
    def opened(cls, folder: Path, about: Mapping[str, str]) -> Iterator[Self]:
        """Open a folder for a search, made where it is missing.

        Raises
        ------
        ValueError
            If it holds the results of another search, or anything else.
        LockedError
            If another process writes to it.
        StoreError
            If the system refuses.
        """
        _check_own(folder)
        prepare_folder(folder)
        with lock(folder / ".lock"):
            run = hashlib.sha256(json.dumps(dict(about), sort_keys=True).encode()).hexdigest()[:16]
            content = read_whole(folder / _ABOUT)
            if content is None:
                write_whole(folder / _ABOUT, json.dumps(dict(about), indent=2).encode())
            else:
                _check_same(folder, content, about)
            yield cls(folder, run)

    def seed(self, draw: Callable[[], int]) -> int:
        """Return the seed of the search, drawn when the folder was new."""
        path, seal = self._folder / _SEED, Seal(self._run, _SEED)
        content = read_whole(path)
        with suppress(ValueError, KeyError):
            if content is not None:
                return int(parse_json(content, seal)["seed"])
        seed = draw()
        write_whole(path, json_content({"seed": seed}, seal))
        return seed

    def read(self, unit: Unit, params: Sequence[Params]) -> list[Result | None] | None:
        """Return what is kept of candidates that were trained together; None if damaged.

        In the place of one that could not be trained there is None.
        """
        path = self._path(unit, params, "json")
        content = read_whole(path)
        if content is None:
            return None
        try:
            found: list[Result | None] = parse_json(content, Seal(self._run, path.name))["results"]
        except (ValueError, KeyError):
            return None
        return found if len(found) == len(params) else None

    def write(self, unit: Unit, params: Sequence[Params], results: Sequence[Result]) -> None:
        """Make results durable, but of fits that have failed: the next search tries them again.

        Raises
        ------
        StoreError
            If the disk is full, or the like.
        """
        path = self._path(unit, params, "json")
        rows = [None if result["fit_error"] else _plain(result) for result in results]
        if any(rows):
            write_whole(path, json_content({"results": rows}, Seal(self._run, path.name)))

    def fitted(self, unit: Unit, params: Sequence[Params]) -> tuple[Any, ...]:
        """Return the estimators that were kept to be trained on; none if they cannot be read."""
        path = self._path(unit, params, "fitted")
        content = read_whole(path)
        if content is None or Seal(self._run, path.name).problem(content) is not None:
            return ()
        with suppress(Exception):  # what a class of anybody's raises when it is read
            found: tuple[Any, ...] = joblib.load(BytesIO(content))
            return found if len(found) == len(params) else ()
        return ()

    def write_fitted(self, unit: Unit, params: Sequence[Params], fitted: tuple[Any, ...]) -> None:
        """Keep estimators that may be trained on, where they can be pickled.

        Raises
        ------
        StoreError
            If the disk is full, or the like.
        """
        path, content = self._path(unit, params, "fitted"), BytesIO()
        try:
            joblib.dump(fitted, content)
        except Exception:  # they are trained again by a search that goes on
            return
        seal = Seal(self._run, path.name)
        write_whole(path, seal.close(content.getvalue() + seal.blank.encode()))

    def forget_fitted(self, unit: Unit, params: Sequence[Params]) -> None:
        """Delete estimators that nobody will train on."""
        with suppress(OSError):
            self._path(unit, params, "fitted").unlink(missing_ok=True)

    def _path(self, unit: Unit, params: Sequence[Params], ending: str) -> Path:
        """Return where the results of some candidates are; others of the same numbers have another.

        Samplers may propose others to a search whose seed nobody knows.
        """
        for number, given in zip(unit.candidates, params, strict=True):
            if number not in self._digests:
                self._digests[number] = _digest(dict(given), "space")
        what = json.dumps([[number, self._digests[number]] for number in unit.candidates])
        digest = hashlib.sha256(what.encode()).hexdigest()[:12]
        return self._folder / f"split-{unit.split:03d}-{digest}.{ending}"


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
    known = known if isinstance(known, dict) else {}
    if known and f"{_VERSION}packsweep" not in known:
        raise ValueError(
            f"{folder} holds the results of a search by an earlier version of packsweep, which did "
            "not write down all that they depend on. Give another folder, or remove this one."
        )
    names = [*about, *(name for name in known if name not in about)]
    differ = [name for name in names if known.get(name) != about.get(name)]
    if differ:
        verb = "differs" if len(differ) == 1 else "differ"
        # As in each fold of cross_val_score.
        one = " A folder is of one search on the same rows." if "data" in differ else ""
        if {"estimator", "scoring"} & set(differ):
            one += " Functions of your own count by their code and the values that they use."
        raise ValueError(
            f"{folder} holds the results of another search: its {' and its '.join(differ)} {verb}. "
            f"Give another folder, or remove this one.{one}"
        )


def _check_own(folder: Path) -> None:
    """Refuse a folder with other things than a search's, of which files would be among them."""
    try:
        found = sorted(path.name for path in folder.iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(
            f"The folder {folder} cannot be used: {error.strerror}. Give another folder."
        ) from error
    # A search that was killed at its start may have left a hidden file alone.
    others = [name for name in found if not name.startswith(".")]
    if others and _ABOUT not in found:
        raise ValueError(
            f"{folder} holds {listed(others, 3)}, which are not results of a search. Give a folder "
            "that is new or empty."
        )
