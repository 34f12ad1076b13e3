"""Which array is what, by the names that people give to them."""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from model.data.found import HELP, ROLES, Found, Part, Reading
from model.data.listing import listed
from model.errors import DataError

_PARTS = {
    **dict.fromkeys(("train", "training", "tr"), ""),
    **dict.fromkeys(("test", "testing", "te", "t10k"), "_test"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "_val"),
}
_KINDS = {
    **dict.fromkeys(
        ("x", "image", "images", "imgs", "data", "feature", "features", "embedding", "embeddings",
         "input", "inputs", "pixels"),
        "X",
    ),
    **dict.fromkeys(("y", "label", "labels", "target", "targets"), "y"),
    **dict.fromkeys(("w", "weight", "weights"), "weights"),
}  # fmt: skip
# What may stand in a name and says nothing of its role.
_FILLERS = frozenset(("idx1", "idx2", "idx3", "idx4", "ubyte", "sample", "set", "arr", "array"))
_GLUED = re.compile(r"^(x|y|w)(train|test|val|valid)$|^(train|test|val|valid)(x|y|w)$")

Read = Callable[[str], NDArray[Any]]
"""Returns the array of a name."""


def role_of(name: str) -> tuple[str, str] | None:
    """Return what precedes a name's role, and the role; None where it has none.

    >>> role_of("x_train"), role_of("emnist-letters-test-labels-idx1-ubyte")
    (('', 'X'), ('emnist-letters', 'y_test'))
    """
    words = [word for word in re.split(r"[^a-z0-9]+", _snake(name).lower()) if word]
    words = [part for word in words for part in _unglued(word) if part not in _FILLERS]
    parts = {_PARTS[word] for word in words if word in _PARTS}
    # The last word that names a kind: "data_labels" are labels.
    kinds = [_KINDS[word] for word in words if word in _KINDS]
    if len(parts) > 1 or not kinds:
        return None
    first = next(i for i, word in enumerate(words) if word in _PARTS or word in _KINDS)
    if any(word not in _PARTS and word not in _KINDS for word in words[first:]):
        return None
    return "-".join(words[:first]), kinds[-1] + (parts.pop() if parts else "")


def part_of(name: str) -> tuple[str, str]:
    """Return what a name says beside its part, and the part: nothing for training rows.

    >>> part_of("iris_test"), part_of("train"), part_of("iris")
    (('iris', '_test'), ('', ''), ('iris', ''))
    """
    words = [word for word in re.split(r"[^a-z0-9]+", _snake(name).lower()) if word]
    parts = [_PARTS[word] for word in words if word in _PARTS]
    rest = "-".join(word for word in words if word not in _PARTS)
    return rest, parts[0] if len(parts) == 1 else ""


def _snake(name: str) -> str:
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name)


def _unglued(word: str) -> list[str]:
    found = _GLUED.match(word)
    return [part for part in found.groups() if part] if found else [word]


def choose(source: Path | str, names: Iterable[str], reading: Reading) -> dict[str, str]:
    """Return the name of the array for each role that is filled.

    Parameters
    ----------
    source : Path or str
        Where the arrays are, as a message begins.
    names : iterable of str
        Names of all arrays that are there.
    reading : Reading
        Its `keys` come before all that names say; its `weights` names the weights.

    Raises
    ------
    DataError
        If rows or labels are lacking, or two arrays could have one role.
    """
    names = list(names)
    given = dict(reading.keys)
    if reading.weights is not None:
        given["weights"] = reading.weights
    for role, name in given.items():
        if role not in ROLES:
            raise DataError(
                f"{source}: --keys names the role {role!r}; the roles are {', '.join(ROLES)}. "
                f"{HELP}"
            )
        if name not in names:
            raise DataError(f"{source}: has no array {name!r}; found {listed(names)}. {HELP}")
    chosen = given if reading.keys else {**_by_name(source, names, given), **given}
    _check_pairs(source, chosen, names)
    return chosen


def _by_name(source: Path | str, names: list[str], given: Mapping[str, str]) -> dict[str, str]:
    groups: dict[str, dict[str, str]] = {}
    for name in names:
        found = role_of(name)
        if found is None or name in given.values():
            continue
        prefix, role = found
        group = groups.setdefault(prefix, {})
        if role in group:
            raise DataError(
                f"{source}: {group[role]!r} and {name!r} could both be {role}; say which: "
                f"--keys X=NAME,y=NAME,... {HELP}"
            )
        group[role] = name
    chosen = _one_of(source, groups)
    # Validation rows alone are of no use, and may be left where they are.
    if ("X_val" in chosen) != ("y_val" in chosen):
        chosen = {role: name for role, name in chosen.items() if not role.endswith("_val")}
    return {role: name for role, name in chosen.items() if _has_rows(role, chosen)}


def _one_of(source: Path | str, groups: Mapping[str, dict[str, str]]) -> dict[str, str]:
    """Return the arrays of the one data set that is complete; those without a prefix come first."""
    complete = {prefix: group for prefix, group in groups.items() if {"X", "y"} <= set(group)}
    if "" in complete:
        return complete[""]
    if len(complete) > 1:
        raise DataError(
            f"{source}: holds several data sets, {' and '.join(sorted(complete))}; put each into "
            f"its own folder, or say which arrays are meant: --keys X=NAME,y=NAME,... {HELP}"
        )
    # What is not complete is refused later, by what it lacks.
    return next(iter(complete.values())) if complete else groups.get("", _largest(groups))


def _largest(groups: Mapping[str, dict[str, str]]) -> dict[str, str]:
    return max(groups.values(), key=len, default={})


def _has_rows(role: str, chosen: Mapping[str, str]) -> bool:
    """Whether weights, if it is they, belong to rows that are there."""
    kind, _, part = role.partition("_")
    return kind != "weights" or (f"X_{part}" if part else "X") in chosen


def _check_pairs(source: Path | str, chosen: Mapping[str, str], names: list[str]) -> None:
    wanted = ["X", "y"]
    for part in ("test", "val"):
        if {f"X_{part}", f"y_{part}"} & set(chosen):
            wanted += [f"X_{part}", f"y_{part}"]
    missing = [role for role in wanted if role not in chosen]
    if missing:
        raise DataError(
            f"{source}: lacks {' and '.join(missing)}; expected X and y, and optionally X_test and "
            f"y_test together, found {listed(names)}. Other names: --keys X=NAME,y=NAME. {HELP}"
        )


def found_arrays(
    source: Path | str, name: str, chosen: Mapping[str, str], names: Iterable[str], read: Read
) -> Found:
    """Return the data set that some arrays are.

    Parameters
    ----------
    source : Path or str
        Where the arrays are, as a message begins.
    name : str
        How the data set calls itself.
    chosen : mapping of str to str
        Name of the array for each role, as `choose` returns it.
    names : iterable of str
        Names of all arrays that are there.
    read : callable
        Reads one.
    """
    parts = {part: _part(source, chosen, part, read) for part in ("", "_test", "_val")}
    train = parts[""]
    if train is None:
        raise ValueError("choose returns training rows")
    return Found(
        name=name,
        train=train,
        test=parts["_test"],
        validation=parts["_val"],
        unused=tuple(other for other in names if other not in chosen.values()),
    )


def _part(source: Path | str, chosen: Mapping[str, str], part: str, read: Read) -> Part | None:
    if f"X{part}" not in chosen:
        return None
    X_name, y_name = chosen[f"X{part}"], chosen[f"y{part}"]
    weights = chosen.get(f"weights{part}")
    return Part(
        X=read(X_name),
        y=read(y_name),
        X_name=f"{source}: {X_name}",
        y_name=f"{source}: {y_name}",
        weights=read(weights) if weights else None,
    )
