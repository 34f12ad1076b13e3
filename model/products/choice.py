"""Which ways of multiplying there are, by the names that users give them."""

from collections.abc import Callable
from functools import cache

import numpy as np

from model.errors import MissingProductsError
from model.products.fixed_point import FixedPointProducts
from model.products.onednn import OneDnnProducts
from model.products.products import NUMPY, Products

_MAKERS: dict[str, Callable[[], Products]] = {
    "numpy": lambda: NUMPY,
    "onednn": OneDnnProducts,
    "fixed": FixedPointProducts,
}

KINDS = tuple(_MAKERS)
"""The names of all ways, whether they are at hand or not."""


@cache
def products_named(name: str) -> Products:
    """Return a way of multiplying.

    Parameters
    ----------
    name : str
        One of `KINDS`.

    Raises
    ------
    MissingProductsError
        If this machine lacks what it needs.
    """
    return _MAKERS[name]()


def row_type(name: str) -> type[np.float32 | np.uint8]:
    """Return the type in which rows are laid out for products, whether these are at hand or not.

    Parameters
    ----------
    name : str
        One of `KINDS`, or ``auto``, which may become any of them.
    """
    return FixedPointProducts.row_type if name == FixedPointProducts.name else np.float32


def work_bytes(name: str, rows: int, n_features: int, width: int) -> int:
    """Return the memory that products take at most for blocks of a shape.

    Parameters
    ----------
    name : str
        One of `KINDS`, or ``auto``, which may become any of them.
    rows, n_features, width : int
        Rows of a block, features and columns W.
    """
    if name in {"numpy", "onednn"}:
        return 0
    # Two arrays in float64, where there is nothing better, or bytes and their sums in full panels;
    # and the rows as bytes in up to four orders, in tiles that are full too.
    padded = -(-width // 16) * 16
    return 16 * max(rows, n_features) * padded + 4 * (rows + 64) * (n_features + 64)


def available_products() -> list[Products]:
    """Return what this machine has, numpy's first."""
    found = []
    for name in KINDS:
        try:
            found.append(products_named(name))
        except MissingProductsError:
            continue
    return found
