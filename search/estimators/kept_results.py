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
    parts = {
        "data": (work.X, work.y),
        "splits": [(np.asarray(train), np.asarray(test)) for train, test in splits],
        "error_score": work.how["error_score"],
        "configuration of scikit-learn": {name: work.config.get(name) for name in _CONFIGURED},
    }
    packages = {"sklearn", "packsweep"}
    found = code_of(work, asked, packages)
    found |= {name: _digest(value, name) for name, value in parts.items()}
    versions = {_VERSION + _DISTRIBUTION.get(p, p): version_of(p) for p in sorted(packages)}
    return found | versions


def code_of(work: Work, asked: object, packages: set[str] | None = None) -> dict[str, str]:
    """Return the digests among those of `identity_of` that may be of functions.

    Parameters
    ----------
    work : Work
    asked : object
    packages : set of str, optional
        The packages of which something is in the estimator, the space or the scoring are added.

    Raises
    ------
    ValueError
        As `identity_of`.
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
        "scoring": _scoring(how["scorer"]),
        "fit": (how["fit_params"], how["score_params"], how["return_train_score"]),
    }  # fmt: skip
    return {
        name: _digest(value, name, None if name == "fit" else packages)
        for name, value in parts.items()
    }


_CONFIGURED = ("enable_metadata_routing", "transform_output")
"""Settings of scikit-learn that may change what a fit gives."""

_VERSION, _DISTRIBUTION = "version of ", {"sklearn": "scikit-learn"}


def _scoring(scorer: Any) -> Any:
    """Return what a scorer is made of, without the estimator, which stands elsewhere."""
    if isinstance(scorer, _PassthroughScorer):
        return type(scorer), vars(scorer).get("_metadata_request")
    return scorer


def _digest(
    value: object,
    name: str,
    packages: set[str] | None = None,
    apart: Callable[[Any], str] | None = None,
) -> str:
    try:
        return digest_of(value, packages, apart)
    except Exception as error:  # of anybody's class
        raise ValueError(
            f"folder is given, and a folder holds one search, but the {name} of this search cannot "
            f"be identified ({told(error)}). Keep files, locks and generators out of "
            "it, or leave folder out."
        ) from error


_BEGAN: dict[Path, dict[str | tuple[Any, str], str]] = {}
"""By folder and digest, what it was before a search of this process changed what it is of.

A function may count its calls, keep what it has found or draw numbers: it is the same one then.
One of a candidate is in the key itself, since another may be now what this one was before.
"""


class KeptResults:
    """The results in a folder; one process writes to it at a time.

    Parameters
    ----------
    folder : Path
    about : mapping
        Digests of what the search is, as it began; a file of another one is not believed.
    """

    def __init__(self, folder: Path, about: Mapping[str, str]) -> None:
        self._folder, self._about = folder, about
        content = json.dumps(dict(about), sort_keys=True).encode()
        self._run = hashlib.sha256(content).hexdigest()[:16]
        self._began = _BEGAN.setdefault(folder.resolve(), {})
        # Digests of the params of each candidate, by its number.
        self._digests: dict[int, str] = {}
        # Of functions and classes in them, each with itself: no other has its address then.
        self._functions: dict[int, tuple[Any, str]] = {}

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
            content = read_whole(folder / _ABOUT)
            if content is None:
                _BEGAN.pop(folder.resolve(), None)
                write_whole(folder / _ABOUT, json.dumps(dict(about), indent=2).encode())
            else:
                about = _check_same(folder, content, about)
            yield cls(folder, about)

    def note_changed(self, code: Callable[[], Mapping[str, str]]) -> None:
        """Note what the search has itself changed, so that the same fit can go on from here.

        Parameters
        ----------
        code : callable
            Gives the digests of `code_of`, as they are now.
        """
        with suppress(Exception):  # what cannot be told from others now is refused by the next fit
            now = code()
            self._began |= {
                now[name]: self._about[name] for name in now if now[name] != self._about[name]
            }
            for function, began in list(self._functions.values()):
                if (digest := digest_of(function)) != began:
                    self._began[function, digest] = began

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
                self._digests[number] = _digest(dict(given), "space", apart=self._function)
        what = json.dumps([[number, self._digests[number]] for number in unit.candidates])
        digest = hashlib.sha256(what.encode()).hexdigest()[:12]
        return self._folder / f"split-{unit.split:03d}-{digest}.{ending}"

    def _function(self, of: Any) -> str:
        """Return the digest of a function or class, as it was when the search began."""
        if id(of) not in self._functions:
            digest = digest_of(of)
            self._functions[id(of)] = of, self._began.get((of, digest), digest)
        return self._functions[id(of)][1]


def _plain(value: Any) -> Any:
    """Return numbers of numpy as Python's, which JSON keeps to the bit."""
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    return value.item() if hasattr(value, "item") else value


def _check_same(folder: Path, content: bytes, about: Mapping[str, str]) -> Mapping[str, str]:
    """Return what the search in a folder is of, where it is the same one."""
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
    began = _BEGAN.get(folder.resolve(), {})
    about = {
        name: known[name] if name in known and known[name] == began.get(digest) else digest
        for name, digest in about.items()
    }
    names = [*about, *(name for name in known if name not in about)]
    differ = [name for name in names if known.get(name) != about.get(name)]
    if differ:
        verb = "differs" if len(differ) == 1 else "differ"
        # As in each fold of cross_val_score.
        one = " A folder is of one search on the same rows." if "data" in differ else ""
        if {"estimator", "scoring"} & set(differ):
            one += (
                " Functions of your own count by their code and the values that they use, such as "
                "a cache that a call outside of this search has changed."
            )
        raise ValueError(
            f"{folder} holds the results of another search: its {' and its '.join(differ)} {verb}. "
            f"Give another folder, or remove this one.{one}"
        )
    return about


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
