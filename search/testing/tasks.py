"""Functions that the suite for executors submits: workers import them from here."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_info

from model.errors import DataError
from model.seen_rows import SeenRows
from model.steps import Steps


def double(x: Any) -> Any:
    """Return twice a value."""
    return 2 * x


def fail(error: BaseException) -> None:
    """Raise an exception that was made elsewhere."""
    raise error


def raise_new(kind: type[BaseException], values: tuple[Any, ...]) -> None:
    """Raise an exception that is made here."""
    raise kind(*values)


def last_of(array: NDArray[np.float32]) -> float:
    """Return the last number of an array."""
    return float(array[-1])


def last_row_of(rows: SeenRows) -> tuple[float, int]:
    """Return the last number of some rows, and how many of their sources are files."""
    rows.check()
    return float(rows[-1:][0, -1]), len(rows.files)


def blas_threads() -> list[int]:
    """Return how many threads each BLAS library of this process may use."""
    _ = np.ones((8, 8)) @ np.ones((8, 8))
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def counting_steps(start: int, stop: int) -> Steps[int]:
    """Sum up in steps."""
    total = 0
    for i in range(start, stop):
        total += i
        yield
    return total


def failing_steps() -> Steps[None]:
    """Fail after a step."""
    yield
    raise DataError("no such luck")


class LocalError(Exception):
    """An error that cannot be sent, because of what it holds."""

    def __init__(self, text: str) -> None:
        super().__init__(text, lambda: text)

    def __str__(self) -> str:
        return str(self.args[0])

    def __reduce__(self) -> Any:
        raise TypeError("it stays here")


class TwoLinesError(Exception):
    """An error that is made with two values, but pickled with one."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(f"{one}\n{other}")
