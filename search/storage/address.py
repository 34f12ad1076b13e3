"""Where an object store is and how it is asked, read from a URI; nothing is connected here."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from search.errors import RunFolderError

# What a URI may say besides; all of it may be shown.
_OPTIONS = {
    "s3": ("endpoint_override", "region", "scheme", "tls_ca_file_path"),
    "gs": ("endpoint_override", "project_id", "scheme"),
}
ANONYMOUS = "anonymous"

_SCHEMES = {"s3": "s3", "gs": "gs", "gcs": "gs"}

# As in pathlib, a name that is all dots means another place; a store would take it as a name.
_DOTS = re.compile(r"(^|/)\.{0,2}(/|$)")


@dataclass(frozen=True)
class StoreAddress:
    """An object store and how to log in to it.

    Attributes
    ----------
    scheme : str
        ``s3`` or ``gs``.
    bucket : str
    options : tuple of (str, str)
        The URI's query.
    user, secret : str
        Credentials that stand in the URI, empty where the surroundings have them. They are in
        no text that is made of an address.
    """

    scheme: str
    bucket: str
    options: tuple[tuple[str, str], ...] = ()
    user: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)

    def uri(self, key: str) -> str:
        """Return the URI of an object or a folder, without credentials.

        Parameters
        ----------
        key : str
            The bucket and what is in it, with slashes between.
        """
        query = "&".join(f"{name}={quote(value, safe='/:')}" for name, value in self.options)
        user = f"{ANONYMOUS}@" if self.scheme == "gs" and self.user else ""
        return f"{self.scheme}://{user}{_shown(key)}{'?' if query else ''}{query}"

    def option(self, name: str) -> str | None:
        """Return what the URI says of an option, or None."""
        return dict(self.options).get(name)


def _shown(key: str) -> str:
    """Write a key as it is given, but for what would end the path or be read as something else."""
    return key.replace("%", "%25").replace("?", "%3F")


def is_uri(text: str) -> bool:
    """Whether a text is a URI and no path."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text) is not None


def parse_uri(text: str) -> tuple[StoreAddress, str]:
    """Return the store of a URI and the key of the folder in it, its bucket first.

    Raises
    ------
    RunFolderError
        If the scheme or an option is unknown, or the bucket or the folder is missing. The
        message shows no credentials.
    """
    try:
        parts = urlsplit(text, allow_fragments=False)
    except ValueError:
        raise RunFolderError(f"This URI cannot be read. {_FORM}") from None  # it may show a secret
    scheme = _SCHEMES.get(parts.scheme)
    if scheme is None:
        raise RunFolderError(
            f"{parts.scheme}:// is not a store that a run can be in; there are s3://, gs:// and "
            "file://, and plain paths."
        )
    login, _, bucket = parts.netloc.rpartition("@")
    if ":" in bucket:  # or a part of a login, which is not to be shown
        raise RunFolderError(
            f"The bucket's name in this URI has a colon. In a login write / as %2F. {_FORM}"
        )
    folder = unquote(parts.path).strip("/")
    user, secret = _login(scheme, login)
    address = StoreAddress(scheme, bucket, _options(scheme, parts.query), user, secret)
    shown = address.uri(f"{bucket}/{folder}".rstrip("/"))
    if not bucket or not folder or _DOTS.search(folder):
        missing = "a bucket" if not bucket else "a plain name for the folder in its bucket"
        raise RunFolderError(f"{shown} lacks {missing}. {_FORM}")
    return address, f"{bucket}/{folder}"


_FORM = "Give s3://bucket/folder, with ?endpoint_override=URL if it is not Amazon's."


def _login(scheme: str, login: str) -> tuple[str, str]:
    user, _, secret = map(unquote, login.partition(":"))
    if scheme == "s3" and bool(user) == bool(secret):
        return user, secret
    if scheme == "gs" and (user, secret) in (("", ""), (ANONYMOUS, "")):
        return user, secret
    raise RunFolderError(_LOGIN)


_LOGIN = (
    "A login in a URI is s3://KEY:SECRET@bucket/folder or gs://anonymous@bucket/folder. "
    "Leave it out, and the store's own environment variables and files are used."
)


def _options(scheme: str, query: str) -> tuple[tuple[str, str], ...]:
    options = tuple(parse_qsl(query, keep_blank_values=True))
    unknown = [name for name, _ in options if name not in _OPTIONS[scheme]]
    if unknown:
        raise RunFolderError(
            f"A {scheme}:// URI has no option {_listed(unknown)}; there are "
            f"{_listed(_OPTIONS[scheme])}."
        )
    if "@" in dict(options).get("endpoint_override", ""):
        raise RunFolderError(f"An endpoint takes no login. {_LOGIN}")
    return options


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
