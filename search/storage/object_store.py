"""An object store as pyarrow sees it, with errors in words, one guard, and few requests."""

import errno
import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from typing import Any

from search.errors import ObjectStoreError
from search.storage.address import StoreAddress
from search.storage.writer_memory import WriterMemory

# The user learns within half a minute that a store does not answer: three tries of this length,
# and the pauses between them.
_CONNECT_SECONDS, _REQUEST_SECONDS, _TRIES = 3.0, 6.0, 3
_GS_SECONDS = 10  # after which no further try begins; its pauses grow up to as much again

_THREADS = 16

NO_BUCKET = "there is no such bucket; create it first, or name another"

# What the libraries of the stores say, and what is meant.
_REASONS = (
    (r"NO_SUCH_BUCKET|does not exist.*bucket|bucket.*does not exist",
     NO_BUCKET),
    (r"ACCESS_DENIED|INVALID_ACCESS_KEY|SIGNATURE_DOES_NOT_MATCH|INVALID_CLIENT_TOKEN|EXPIRED_TOKEN"
     r"|UNRECOGNIZED_CLIENT|MISSING_AUTHENTICATION|HTTP status 40[13]|PERMISSION_DENIED"
     r"|UNAUTHENTICATED|credentials",
     "the store refuses this login; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or "
     "AWS_PROFILE, or GOOGLE_APPLICATION_CREDENTIALS for gs://) to one that may read and write "
     "there"),
    (r"HTTP status 400",
     "the store refuses the request; look at the login, the region and endpoint_override"),
    (r"HTTP status 301|PERMANENT_REDIRECT|AUTHORIZATION_HEADER_MALFORMED",
     "the bucket is in another region; give it as ?region=NAME"),
    (r"NETWORK_CONNECTION|curlCode|[Tt]imed? ?out|UNAVAILABLE|CURL error|Retry policy exhausted",
     "the store does not answer; look at endpoint_override, the region and the network"),
)  # fmt: skip


class ObjectStore:
    """A store of objects, each whole or absent, and durable when a call that writes it returns.

    The guard is asked before anything is written; a run's writer sets one that raises when another
    has taken the run over. As long as there is a guard, what this process wrote is answered from
    `memory`, and the store is not asked.

    Parameters
    ----------
    address : StoreAddress
        Connected when it is first used.

    Attributes
    ----------
    guard : callable or None
        Raises where this process must not write; None where no run is locked.
    memory : WriterMemory
        What this process knows of the store's objects; used while there is a guard.
    """

    def __init__(self, address: StoreAddress) -> None:
        self.address = address
        self.guard: Callable[[], None] | None = None
        self.memory = WriterMemory()
        self._pool = ThreadPoolExecutor(_THREADS, "object-store")
        self._meanwhile: list[Future[None]] = []

    @cached_property
    def _files(self) -> Any:
        with _words(self.address.uri(self.address.bucket)):
            return _s3(self.address) if self.address.scheme == "s3" else _gs(self.address)

    def read(self, key: str) -> bytes:
        """Return what an object holds.

        Raises
        ------
        OSError
            A FileNotFoundError where it is not there.
        """
        if self.known(key) is False:
            raise _absent(self.address.uri(key))
        return self.fetched(key) if self.guard is None else self._kept(key)

    def read_folder(self, folder: str, names: Sequence[str]) -> list[bytes]:
        """Return what objects of a folder hold, fetched at the same time.

        Who comes again fetches what is new: a listing tells.
        """
        infos = [] if self.guard is not None else self.listed(folder)
        versions = {info.path: (info.mtime_ns, info.size) for info in infos}
        keys = [f"{folder}/{name}" for name in names]
        return list(self._pool.map(lambda key: self._kept(key, versions.get(key)), keys))

    def _kept(self, key: str, version: object = None) -> bytes:
        content = self.memory.content(key, version)
        if content is None:
            content = self.fetched(key)
            self.memory.keep(key, content, version)
        return content

    def fetched(self, key: str) -> bytes:
        """Return what an object holds in the store at this moment, whatever is remembered."""
        # As a file and not as a stream, which would be fetched in many small pieces.
        with _words(self.address.uri(key)), self._files.open_input_file(key) as file:
            content: bytes = file.readall()
            return content

    def known(self, key: str) -> bool | None:
        """Whether there is an object, as its writer remembers; None where the store must tell."""
        folder, _, name = key.rpartition("/")
        names = self.memory.names(folder) if self.guard is not None else None
        return None if names is None else name in names

    def info(self, key: str) -> Any:
        """Return the type, size and time of an object or a folder as a pyarrow.fs.FileInfo."""
        with _words(self.address.uri(key)):
            return self._files.get_file_info(key)

    def lacks_bucket(self) -> bool:
        """Whether the bucket is not there; false where that is not to be known."""
        try:
            return bool(self.info(self.address.bucket).type.name == "NotFound")
        except OSError:
            return False

    def listed(self, key: str, *, recursive: bool = False) -> list[Any]:
        """Return `info` of all that is in a folder, which need not exist."""
        import pyarrow.fs as pafs  # here, because --help should not wait for it

        selector = pafs.FileSelector(key, allow_not_found=True, recursive=recursive)
        with _words(self.address.uri(key)):
            infos: list[Any] = self._files.get_file_info(selector)
            # The folder itself may be listed as an empty object.
            return [info for info in infos if info.path.rstrip("/") != key]

    def write(self, key: str, content: bytes, *, guarded: bool = True) -> None:
        """Put an object, which is then durable; an older one stays if that fails."""
        if guarded:
            self._ask_guard()
        with _words(self.address.uri(key)), self._files.open_output_stream(key) as stream:
            stream.write(content)
        self.memory.keep(key, content)
        self.memory.added(key)

    def copy(self, source: str, target: str) -> None:
        """Copy an object within the store; nothing of it passes through here."""
        self._ask_guard()
        with _words(self.address.uri(target)):
            self._files.copy_file(source, target)
        content = self.memory.content(source)
        if content is None:
            self.memory.forget(target)
        else:
            self.memory.keep(target, content)
        self.memory.added(target)

    def copy_all(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Copy many objects at the same time, all of them or with an error."""
        list(self._pool.map(lambda pair: self.copy(*pair), pairs))

    def delete(self, key: str, *, guarded: bool = True) -> None:
        """Delete an object.

        Raises
        ------
        OSError
            A FileNotFoundError where it is not there.
        """
        if guarded:
            self._ask_guard()
        self.memory.removed(key)
        with _words(self.address.uri(key)):
            self._files.delete_file(key)

    def delete_meanwhile(self, key: str) -> None:
        """Delete an object that does no harm until it is gone, and do not wait for that.

        To delete is three requests, because pyarrow asks for the object first and puts an empty
        one for the folder afterwards.
        """
        self.memory.removed(key)
        self._meanwhile = [task for task in self._meanwhile if not task.done()]
        self._meanwhile.append(self._pool.submit(self.delete, key))

    def delete_folder(self, key: str) -> None:
        """Delete a folder and all that is in it."""
        self._ask_guard()
        with _words(self.address.uri(key)):
            self._files.delete_dir(key)

    def finish(self) -> None:
        """Wait for all that is done meanwhile."""
        wait(self._meanwhile)

    def _ask_guard(self) -> None:
        if self.guard is not None:
            self.guard()


def _absent(uri: str) -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), uri)


@contextmanager
def _words(uri: str) -> Iterator[None]:
    """Raise errors of the store's library as our own, with a reason in words."""
    try:
        yield
    except FileNotFoundError:
        raise _absent(uri) from None
    except ObjectStoreError:
        raise
    except (OSError, ValueError) as error:
        # Not as its cause: the library's text may hold what should not be shown.
        raise ObjectStoreError(errno.EIO, reason(str(error)), uri) from None


def reason(text: str) -> str:
    """Say what the text of a store's library means, and what can be done."""
    for pattern, meaning in _REASONS:
        if re.search(pattern, text):
            return meaning
    found = re.search(r"AWS Error .*", text)
    return re.sub(r"\s*\(Request ID.*", "", found[0] if found else text.partition("\n")[0])


def _s3(address: StoreAddress) -> Any:
    import pyarrow.fs as pafs  # here, because --help should not wait for it

    return pafs.S3FileSystem(
        access_key=address.user or None,
        secret_key=address.secret or None,
        **{**dict(address.options), "region": _region(address)},
        connect_timeout=_CONNECT_SECONDS,
        request_timeout=_REQUEST_SECONDS,
        retry_strategy=pafs.AwsStandardS3RetryStrategy(max_attempts=_TRIES),
        allow_delayed_open=True,  # one request for an object of less than five megabytes
    )


def _region(address: StoreAddress) -> str | None:
    """Return the region that a bucket of Amazon's is in, or None where the surroundings say it."""
    import pyarrow.fs as pafs

    given = address.option("region")
    if given or address.option("endpoint_override") or any(map(os.environ.get, _SAY_WHERE)):
        return given
    region: str = pafs.resolve_s3_region(address.bucket)
    return region


_SAY_WHERE = ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")


def _gs(address: StoreAddress) -> Any:
    import pyarrow.fs as pafs  # here, because --help should not wait for it

    return pafs.GcsFileSystem(
        anonymous=bool(address.user),
        **dict(address.options),
        retry_time_limit=timedelta(seconds=_GS_SECONDS),
    )
