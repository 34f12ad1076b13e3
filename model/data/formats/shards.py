"""Tables that are parts of one: shards, by the numbers in their names, each of them once."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from model.data.found import HELP
from model.data.listing import listed
from model.errors import DataError

_LISTED = 6
# As the libraries of data sets write them: train-00000-of-00003.
_OF = re.compile(r"(?<![0-9])([0-9]{1,18})[-_]of[-_]([0-9]{1,18})(?![0-9])", re.IGNORECASE)
# As pyarrow, Dask, Hadoop and Spark write them: part-0, part.0, part-r-00000.
_PART = re.compile(r"(?<![A-Za-z0-9])part[-_.](?:[rm]-)?([0-9]{1,18})(?![0-9])", re.IGNORECASE)
# What Spark writes behind the number: the job's own name, and the piece of what one task wrote.
_JOB = re.compile(
    r"(?:-tid-[0-9]+)?-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
    r"((?:-[0-9]+)*(?:_[0-9]+)?(?:[-.]c[0-9]+)?)",
    re.IGNORECASE,
)
# What stands before the number of a shard; before other numbers anything may.
_PARTS = ("", "train", "training", "test", "testing", "val", "valid", "validation", "dev", "data")
# Folders of tables whose files are not all theirs any more, by what lies in them.
_KEPT_BOOKS = {"_delta_log": "Delta", ".hoodie": "Hudi"}


@dataclass(frozen=True)
class Shard:
    """What the name of a file says of its place among others.

    Attributes
    ----------
    number : int
    total : int or None
        How many there are; None where the name does not say it.
    job : str
        Name of the job that has written it, where it has one. Such jobs write no empty files.
    piece : str
        Which of several files of one number and job it is.
    """

    number: int
    total: int | None = None
    job: str = ""
    piece: str = ""

    def __str__(self) -> str:
        return f"shard {self.number}" + ("" if self.total is None else f" of {self.total}")


def shard_of(name: str) -> Shard | None:
    """Return which shard a file is; None where its name has no number of one.

    >>> shard_of("train-00001-of-00003.csv (1).gz")
    Shard(number=1, total=3, job='', piece='')
    >>> shard_of("iris-2.csv")
    """
    if found := _OF.search(name):
        return Shard(int(found[1]), int(found[2]))
    if not (found := _PART.search(name)):
        return None
    job = _JOB.match(name, found.end())
    return Shard(int(found[1]), None, *(job.groups() if job else ()))


def check_shards(folder: Path, paths: Sequence[Path]) -> list[str]:
    """Refuse files that are not one table: two of one shard, or not all of them.

    Parameters
    ----------
    folder : Path
    paths : sequence of Path
        All tables of a part.

    Returns
    -------
    list of str
        What their user should know, a sentence each.

    Raises
    ------
    DataError
        With the names of the files.
    """
    shards = {path.name: shard_of(path.name) for path in paths}
    kinds = {name: None if shard is None else shard.total is None for name, shard in shards.items()}
    if len(paths) > 1 and (None in kinds.values() or len(set(kinds.values())) > 1):
        first, *others = kinds
        other = next((name for name in others if kinds[name] != kinds[first]), others[0])
        raise DataError(
            f"{folder}: {first} and {other} could both be the same part; expected one table each "
            f"for train, test and validation. {HELP}"
        )
    found = {name: shard for name, shard in shards.items() if shard is not None}
    if not found:
        return []
    if len(paths) == 1 and not _is_surely_one(*found):
        return _alone(folder, *found.items())
    _check_each_once(folder, found)
    return [*_check_all(folder, found), *_of_several_jobs(folder, found)]


def _is_surely_one(name: str) -> bool:
    """Whether a file that stands alone is a shard by its name: others have numbers there too.

    >>> _is_surely_one("train-1-of-5.csv"), _is_surely_one("fold-1-of-5-train.csv")
    (True, False)
    """
    found = _OF.search(name) or _PART.search(name)
    if found is None:
        return False
    before = name[: found.start()].rstrip("-_.").lower()
    return before in _PARTS or found[1].startswith("00")


def _alone(folder: Path, found: tuple[str, Shard]) -> list[str]:
    name, shard = found
    if shard.total == 1 or (shard.total is None and shard.number <= 1):
        return []
    return [f"{folder}: {name} is read as a whole table; if it is {shard}, the others are missing."]


def _check_each_once(folder: Path, shards: Mapping[str, Shard]) -> None:
    seen: dict[Shard, str] = {}
    first, begun = next(iter(shards.items()))
    for name, shard in shards.items():
        if shard.total != begun.total:
            raise DataError(
                f"{folder}: {first} is {begun}, and {name} {shard}; the shards of a table say one "
                f"number. Leave those of one table there, and put others into a folder of their "
                f"own. {HELP}"
            )
        if shard in seen:
            raise DataError(
                f"{folder}: {seen[shard]} and {name} are both {shard}, whose rows would be read "
                "twice. Remove the one that is a copy, or put each table into a folder of its own. "
                f"{HELP}"
            )
        seen[shard] = name


def _check_all(folder: Path, shards: Mapping[str, Shard]) -> list[str]:
    """Refuse a number that is not there; where it may have had no rows, tell it."""
    numbers = {shard.number for shard in shards.values()}
    total = next(iter(shards.values())).total
    # Some count from 1. Of how many there are without a total, the last one says what it can.
    start = min(*numbers, 1) if total is None else int(0 not in numbers and total in numbers)
    end = max(numbers) + 1 if total is None else start + total
    names = listed(sorted(shards), _LISTED)
    gap = next((number for number in range(start, end) if number not in numbers), None)
    if gap is not None and all(shard.job for shard in shards.values()):
        return [
            f"{folder}: has no shard {gap} beside {names}. Spark writes no file for an "
            "empty part, so it was empty, or it is lost."
        ]
    if gap is not None:
        raise DataError(
            f"{folder}: lacks {Shard(gap, total)}, counted from {start}; found {names}. Fetch it, "
            "or if these are all you need, renumber them: part-0, part-1 and so on. "
            f"{HELP}"
        )
    if beyond := [name for name, shard in shards.items() if shard.number >= end]:
        raise DataError(
            f"{folder}: {beyond[0]} is {shards[beyond[0]]}, counted from {start}; it may be of "
            f"another table. {HELP}"
        )
    if total is None and start == 1:
        return [f"{folder}: its shards are counted from 1; if others count from 0, one is lacking."]
    return []


def _of_several_jobs(folder: Path, shards: Mapping[str, Shard]) -> list[str]:
    jobs = {shard.job: name for name, shard in sorted(shards.items(), reverse=True)}
    if len(jobs) < 2:
        return []
    return [
        f"{folder}: its files are of {len(jobs)} jobs, such as {listed(sorted(jobs.values()), 2)}, "
        "and all are read; rows of earlier jobs may be left among them."
    ]


def shards_beside(path: Path) -> Iterator[str]:
    """Give what lies beside a file that is one shard of several."""
    shard = shard_of(path.name)
    if shard is None:
        return
    if shard.total is not None:
        if shard.total > 1:
            yield f"the other shards, as this is {shard} (give the folder to use all)"
        return
    for other in sorted(path.parent.iterdir()):
        theirs = shard_of(other.name)
        alike = theirs is not None and (theirs.total, theirs.job) == (None, shard.job)
        if alike and other != path and other.suffix == path.suffix:
            yield f"{other.name} beside it (give the folder to use all)"


def refuse_kept_books(folder: Path) -> None:
    """Refuse a folder of which a book says what of its files still counts.

    Raises
    ------
    DataError
        With the kind of table that it is.
    """
    for name, kind in _KEPT_BOOKS.items():
        if (folder / name).is_dir():
            raise DataError(
                f"{folder}: is a table of {kind}, whose files hold rows too that were deleted or "
                f"replaced since. Write its rows as Parquet into another folder. {HELP}"
            )
