"""Fetch one file over HTTP so that it is either whole and right, or not there at all."""

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from io import FileIO
from pathlib import Path
from typing import cast
from urllib import request
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from model.data.trickle import TrickleError, WatchedHTTPHandler, WatchedHTTPSHandler
from model.errors import DataError

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are there and, where the server tells, the bytes in all."""

TIMEOUT_S = 15.0
_ATTEMPTS = 5
_CHUNK = 1 << 18
# A server that never stops sending must not fill the disk.
_MAX_BYTES = 1 << 30
_WAY_OUT = (
    "Set FASHION_MNIST_DIR to a folder that holds the files, or use --dataset digits, "
    "which needs no network."
)


class DownloadError(DataError):
    """No source delivered the file, or it could not be stored."""


class _SourceError(Exception):
    """One source failed; the message is the reason, fit for the list of all of them."""


def download(
    urls: Sequence[str], sha256: str, target: Path, *, progress: Progress | None = None
) -> Path:
    """Fetch a file from the first source that delivers it.

    What arrives is kept in ``<target>.part``; a later call, from any source,
    continues there. The target appears only when its checksum is right. Two
    processes that want the same file take turns: the second waits, then finds
    the file done.

    Parameters
    ----------
    urls : sequence of str
        The sources, http or https, in the order in which they are tried.
    sha256 : str
        The checksum of the whole file, 64 hex digits.
    target : Path
        Where the file goes; its folder is made if need be.
    progress : callable, optional
        Called with (bytes there, bytes in all or None) as the file grows.

    Returns
    -------
    Path
        `target`.

    Raises
    ------
    DownloadError
        If every source fails, with the reason of each, or the disk does.
    """
    try:
        if file_sha256(target) == sha256:
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(target.with_name(f"{target.name}.part")) as (path, part):
            if file_sha256(target) == sha256:  # finished by another process as we waited
                part.truncate(0)
            else:
                _obtain(urls, sha256, part, progress or (lambda *_: None))
                _publish(path, part, target)
    except OSError as error:
        raise _storage_error(target, error) from error
    return target


def file_sha256(path: Path) -> str | None:
    """Return the sha256 of a file as hex digits, or None where there is no file.

    Raises
    ------
    OSError
        If the file is there and cannot be read.
    """
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _locked(path: Path) -> Iterator[tuple[Path, FileIO]]:
    """Open the partial file for this process alone."""
    while True:
        # Unbuffered: nothing is left to flush, and to fail, when the file is closed.
        with FileIO(path, "r+b", opener=_open_or_create) as part:
            fcntl.flock(part, fcntl.LOCK_EX)
            if not _is_at(path, part):
                continue  # the one before us finished and renamed the file away
            try:
                yield path, part
            finally:
                if not _size(part):
                    path.unlink(missing_ok=True)
            return


def _open_or_create(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CREAT, 0o666)


def _is_at(path: Path, part: FileIO) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(part.fileno()))
    except FileNotFoundError:
        return False


def _size(part: FileIO) -> int:
    return os.fstat(part.fileno()).st_size


def _sha256(part: FileIO) -> str:
    part.seek(0)
    return hashlib.file_digest(part, "sha256").hexdigest()


def _obtain(urls: Sequence[str], sha256: str, part: FileIO, progress: Progress) -> None:
    if _size(part) and _sha256(part) == sha256:  # stopped just before it was renamed
        return
    failures = []
    for url in urls:
        try:
            _fetch_verified(url, sha256, part, progress)
        except (_SourceError, TrickleError, OSError, HTTPException, ValueError) as error:
            failures.append(f"  {url}: {_reason(error)}")
        else:
            return
    listed = "\n".join(failures) or "  there is no source to try"
    raise DownloadError(f"The download failed from every source:\n{listed}\n{_WAY_OUT}")


def _fetch_verified(url: str, sha256: str, part: FileIO, progress: Progress) -> None:
    if urlsplit(url).scheme not in {"http", "https"}:
        raise _SourceError("only http and https addresses are fetched")
    resumed = _size(part) > 0
    _fetch_patiently(url, part, progress)
    found = _sha256(part)
    if found == sha256:
        return
    part.truncate(0)
    if not resumed:
        raise _SourceError(f"sends another file (sha256 {found}, expected {sha256})")
    # The fault may lie in what an earlier source had sent: this one gets a clean start.
    _fetch_verified(url, sha256, part, progress)


def _fetch_patiently(url: str, part: FileIO, progress: Progress) -> None:
    """Fetch the rest of the file, over again for as long as each try gets further."""
    for attempt in range(1, _ATTEMPTS + 1):
        before = _size(part)
        try:
            _fetch(url, part, progress)
        except TrickleError:  # trying again would get further, but never to the end
            raise
        except (_SourceError, OSError, HTTPException):
            if attempt == _ATTEMPTS or _size(part) <= before:
                raise
        else:
            return


def _fetch(url: str, part: FileIO, progress: Progress) -> None:
    response, start = _request(url, _size(part))
    with response:
        part.truncate(start)
        part.seek(start)
        _receive(response, part, start, progress)


def _request(url: str, start: int) -> tuple[HTTPResponse, int]:
    """Ask for the bytes from `start` on; return the answer and where its body begins."""
    headers = {"User-Agent": "packsweep", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    asked = request.Request(url, headers=headers)  # noqa: S310 - the caller checks the scheme
    try:
        response = cast(HTTPResponse, _opener().open(asked, timeout=TIMEOUT_S))
    except HTTPError as error:
        error.close()
        if start and error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return _request(url, 0)
        raise
    if not start or response.status != HTTPStatus.PARTIAL_CONTENT:
        return response, 0
    if response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        return response, start
    response.close()
    return _request(url, 0)


def _opener() -> request.OpenerDirector:
    # The default opener would also follow a redirect to ftp.
    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler,
        request.UnknownHandler,
        WatchedHTTPHandler,
        WatchedHTTPSHandler,
        request.HTTPRedirectHandler,
        request.HTTPErrorProcessor,
        request.HTTPDefaultErrorHandler,
    ):
        opener.add_handler(handler())
    return opener


def _receive(response: HTTPResponse, part: FileIO, start: int, progress: Progress) -> None:
    total = None if response.length is None else start + response.length
    done = start
    progress(done, total)
    # read1 hands over what has arrived, so little is lost when the connection breaks.
    while piece := response.read1(_CHUNK):
        done += len(piece)
        if done > _MAX_BYTES:
            part.truncate(0)
            raise _SourceError(f"sends more than {_MAX_BYTES} bytes")
        _write(part, piece)
        progress(done, total)
    if total is not None and done < total:
        raise _SourceError(f"the connection ended after {done} of {total} bytes")


def _write(part: FileIO, piece: bytes) -> None:
    rest = memoryview(piece)
    try:
        while rest:
            rest = rest[part.write(rest) :]
    except OSError as error:  # a full disk is not a fault of the source
        raise _storage_error(Path(part.name), error) from error


def _publish(path: Path, part: FileIO, target: Path) -> None:
    os.fsync(part.fileno())
    path.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _storage_error(path: Path, error: OSError) -> DownloadError:
    return DownloadError(f"{path}: cannot be stored ({error.strerror or error}). {_WAY_OUT}")


def _reason(error: Exception) -> str:
    if isinstance(error, HTTPError):
        return f"answered {error.code} {error.reason}"
    if isinstance(error, URLError) and isinstance(error.reason, Exception):
        return _reason(error.reason)
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT_S:g} seconds"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
