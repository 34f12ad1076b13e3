"""The seal of a file: whose it is, and a digest of all its bytes, as a line of text in it.

A file that is read back may have been changed by a disk, a program or a person. Formats have
checksums for some of their bytes; the seal has one for all of them. It stands where the format
keeps remarks, so that any other program still reads the file.
"""

import hashlib
import re
import zipfile
from dataclasses import dataclass
from io import BytesIO
from typing import IO, Literal, Protocol
from urllib.parse import quote, unquote

EARLIER = "earlier"
"""Stands for the identity of a run of a version without seals: its files may lack theirs."""

ANOTHER_RUN = "it belongs to another run"

_ZEROS = b"0" * 64
_FORM = re.compile(rb"packsweep-seal-1 run=(\S*) name=(\S*) sha256=([0-9a-f]{64})")


class Openable(Protocol):
    """The path of a file, wherever that is."""

    def open(self, mode: Literal["rb"]) -> IO[bytes]:
        """Open the file to be read."""


@dataclass(frozen=True)
class Seal:
    r"""Which file of which run something is.

    Attributes
    ----------
    run : str
        Identity of the run; empty for a file that belongs to none.
    name : str
        Path of the file in the run's folder; empty where it may have any name.

    Examples
    --------
    >>> seal = Seal("a1b2", "notes.txt")
    >>> content = seal.close(f"The cost is 0.4.\n{seal.blank}".encode())
    >>> seal.problem(content)
    >>> seal.problem(content.replace(b"0.4", b"0.3"))
    'its bytes are not those that were written'
    >>> Seal("c3d4", "notes.txt").problem(content)
    'it belongs to another run'
    """

    run: str = ""
    name: str = ""

    @property
    def blank(self) -> str:
        """The line that a file must contain once before it is closed; the last one counts."""
        return f"packsweep-seal-1 run={self.run} name={quote(self.name)} sha256={_ZEROS.decode()}"

    def close(self, content: bytes) -> bytes:
        """Return a file's bytes with the digest of all the others in its last seal."""
        found = _last(content)
        if found is None:
            raise ValueError("There is no seal to close.")
        return _with_digest(content, found, _digest(content, found))

    def problem(self, content: bytes) -> str | None:
        """Return what is wrong with a file's bytes, as a sentence about it, if anything is.

        A file of a run of an earlier version may lack the seal: its format is all that can be
        checked then.
        """
        found = _last(content)
        if found is None:
            return None if self.run == EARLIER else "it has no seal"
        if broken := damage(content):
            return broken
        run, name = found[1].decode(), unquote(found[2].decode())
        if run != self.run:
            return ANOTHER_RUN
        return f"it is a copy of {name}" if name != self.name else None


def has_seal(content: bytes) -> bool:
    """Whether a file has a seal, broken or not."""
    return _last(content) is not None


def damage(content: bytes) -> str | None:
    """Return what is wrong with a file of any run, as a sentence about it, if anything is.

    A file without a seal is not judged.
    """
    found = _last(content)
    broken = found is not None and _digest(content, found) != found[3]
    return "its bytes are not those that were written" if broken else None


def _last(content: bytes) -> re.Match[bytes] | None:
    start = content.rfind(b"packsweep-seal-1 ")
    return _FORM.match(content, start) if start >= 0 else None


def _digest(content: bytes, found: re.Match[bytes]) -> bytes:
    view, (start, end) = memoryview(content), found.span(3)
    digest = hashlib.sha256(view[:start])
    digest.update(_ZEROS)
    digest.update(view[end:])
    return digest.hexdigest().encode()


def _with_digest(content: bytes, found: re.Match[bytes], digest: bytes) -> bytes:
    start, end = found.span(3)
    return content[:start] + digest + content[end:]


def sealed_archive(archive: BytesIO, seal: Seal) -> bytes:
    """Return an npz file, or another zip archive, with a seal as its comment."""
    with zipfile.ZipFile(archive, "a") as file:
        file.comment = seal.blank.encode()
    return seal.close(archive.getvalue())
