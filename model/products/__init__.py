"""The large products of the packed trainer: the same three, done in several ways.

It knows matrices, and how exactly and how fast a way of multiplying them is. It never knows what
they mean: labels, epochs and hyperparameters are the trainer's.
"""

from model.products.choice import KINDS, available_products, products_named, row_type, work_bytes
from model.products.fixed_point import fits
from model.products.products import NUMPY, BlockProducts, NumpyProducts, Products, Rows

__all__ = [
    "KINDS",
    "NUMPY",
    "BlockProducts",
    "NumpyProducts",
    "Products",
    "Rows",
    "available_products",
    "fits",
    "products_named",
    "row_type",
    "work_bytes",
]
