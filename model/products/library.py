"""oneDNN's matrix products, by its C interface, from the wheel ``onednn-cpu-gomp``.

The library finds out what the processor has: AVX-512 with VNNI, which multiplies bytes four times
as fast as float32, or AMX. What is multiplied lies row after row.
"""

import ctypes
from ctypes import byref, c_char, c_float, c_int8, c_int32, c_int64, c_uint8, c_void_p
from functools import cache
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.errors import MissingProductsError

F32 = NDArray[np.float32]

_WHEEL = "onednn-cpu-gomp"
_AS_IT_IS, _TRANSPOSED, _FIXED = c_char(b"N"), c_char(b"T"), c_char(b"F")
_SUCCESS = 0


class OneDnn:
    """The functions of the library.

    Parameters
    ----------
    library, openmp : ctypes.CDLL
        The library, and the OpenMP that runs its threads.
    """

    def __init__(self, library: Any, openmp: Any) -> None:
        self._sgemm = library.dnnl_sgemm
        self._integers = library.dnnl_gemm_u8s8s32
        self._set_threads = openmp.omp_set_num_threads

    def in_one_thread(self) -> None:
        """Have all that this thread multiplies done by it alone.

        Tasks fill the cores already, and a sum in float32 that is shared out has other bits.
        """
        self._set_threads(1)

    def multiply(self, A: NDArray[Any], B: F32, C: F32, *, transposed: bool = False) -> None:
        """C = A B, or A^T B, in float32.

        Parameters
        ----------
        A : ndarray of shape (m, k), or (k, m) where it is transposed
        B : ndarray of shape (k, n)
        C : ndarray of shape (m, n)
        """
        self._call(self._sgemm, A, B, C, transposed, 1.0, 0.0)

    def subtract(self, A: NDArray[Any], B: F32, C: F32) -> None:
        """C <- C - A^T B, in float32; A has the shape (k, m)."""
        self._call(self._sgemm, A, B, C, True, -1.0, 1.0)

    def multiply_bytes(
        self,
        A: NDArray[np.uint8],
        B: NDArray[np.int8],
        C: NDArray[np.int32],
        *,
        transposed: bool = False,
    ) -> None:
        """C = A B, or A^T B, in whole numbers: exact where no sum leaves int32."""
        m, n, k = _shape(A, B, C, transposed)
        status = self._integers(
            _TRANSPOSED if transposed else _AS_IT_IS, _AS_IT_IS, _FIXED,
            c_int64(m), c_int64(n), c_int64(k), c_float(1.0),
            _address(A), _stride(A), c_uint8(0), _address(B), _stride(B), c_int8(0),
            c_float(0.0), _address(C), _stride(C), byref(c_int32(0)),
        )  # fmt: skip
        _check(status)

    @staticmethod
    def _call(
        function: Any, A: NDArray[Any], B: F32, C: F32, transposed: bool, alpha: float, beta: float
    ) -> None:
        m, n, k = _shape(A, B, C, transposed)
        status = function(
            _TRANSPOSED if transposed else _AS_IT_IS, _AS_IT_IS,
            c_int64(m), c_int64(n), c_int64(k), c_float(alpha),
            _address(A), _stride(A), _address(B), _stride(B),
            c_float(beta), _address(C), _stride(C),
        )  # fmt: skip
        _check(status)


def _shape(
    A: NDArray[Any], B: NDArray[Any], C: NDArray[Any], transposed: bool
) -> tuple[int, int, int]:
    """Return m, n and k of a product, whose arrays a library reads without looking."""
    k, m = A.shape if transposed else A.shape[::-1]
    if B.shape[0] != k or C.shape != (m, B.shape[1]):
        raise ValueError(f"{A.shape}, {B.shape} and {C.shape} do not go together")
    for array in (A, B, C):
        if array.shape[1] > 1 and array.strides[1] != array.itemsize:
            raise ValueError("the rows of a matrix are not in one piece")
    return m, B.shape[1], k


def _address(array: NDArray[Any]) -> c_void_p:
    return c_void_p(array.ctypes.data)


def _stride(array: NDArray[Any]) -> c_int64:
    # numpy may have any stride for a single row or column.
    return c_int64(max(array.strides[0] // array.itemsize, array.shape[1]))


def _check(status: int) -> None:
    if status != _SUCCESS:
        raise RuntimeError(f"oneDNN has refused a product with status {status}")


@cache
def onednn() -> OneDnn:
    """Return the library, loaded once in a process.

    Raises
    ------
    MissingProductsError
        If it is not installed, or cannot be loaded.
    """
    try:
        files = metadata.files(_WHEEL) or ()
        path = next(file for file in files if file.name == "libdnnl.so.3")
        return OneDnn(ctypes.CDLL(str(path.locate())), ctypes.CDLL("libgomp.so.1"))
    except (metadata.PackageNotFoundError, StopIteration) as error:
        raise MissingProductsError(
            'oneDNN is not installed on this machine. Install it: pip install "packsweep[onednn]".'
        ) from error
    except OSError as error:
        raise MissingProductsError(
            f"oneDNN cannot be loaded on this machine: {error}. It needs the system's libgomp.so.1."
        ) from error
