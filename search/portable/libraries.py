"""Libraries that only some formats need."""

import importlib
from typing import Any

from search.extras import missing

EXTRA = "export"
"""The extra of this package that brings them."""


def library(name: str, what: str) -> Any:
    """Return a module that need not be installed, imported now.

    Parameters
    ----------
    name : str
        Such as ``onnx`` or ``skops.io``.
    what : str
        What needs it, as a message begins.

    Raises
    ------
    MissingLibraryError
        If it is not installed; an ImportError too.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise missing(EXTRA, what, name.partition(".")[0]) from error
