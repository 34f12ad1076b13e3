"""How one hyperparameter is drawn: the places of its values on an axis, and the texts there."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from search.config import Axis as Values
from search.config import Range, label_of
from search.text import number_text

# A longer list is drawn like a range: its cells would be too thin to see.
_MOST_CATEGORIES = 40
_MOST_TICKS = 10
_BINS = 12
_DIGITS = 4

# A long list whose largest value is more than so many times the smallest has a logarithmic axis.
_WIDE = 20.0


def axis_number(value: Any) -> str:
    """Return a value of a chart or a table of the report; a dash where it is missing."""
    return "-" if _is_missing(value) else number_text(value, _DIGITS)


def _is_missing(value: Any) -> bool:
    return value is None or value != value  # noqa: PLR0124 - NaN is not itself


@dataclass(frozen=True)
class Axis:
    """One hyperparameter on paper.

    Attributes
    ----------
    name : str
    label : str
        Title of the axis.
    values : tuple or None
        The values of a short list, or of one that has texts, which are categories with the places
        0, 1, 2, ...; the last one is None where some trials have no value. None for a range or a
        long list.
    low, high : float
        The smallest and the largest value; of categories that are not numbers their places.
    log : bool
        Whether places are logarithms; never for categories.

    Examples
    --------
    >>> Axis.of("batch_size", [8, 32, 128]).places([8, 128]).tolist()
    [0.0, 2.0]
    """

    name: str
    label: str
    values: tuple[Any, ...] | None
    low: float
    high: float
    log: bool

    @classmethod
    def of(cls, name: str, axis: Values | Sequence[Any], *, has_gaps: bool = False) -> Self:
        """Return the axis of a hyperparameter's list or range.

        Parameters
        ----------
        name : str
        axis : sequence or Range
        has_gaps : bool
            Whether some trials have no value.
        """
        label = label_of(name).title
        if isinstance(axis, Range):
            return cls(name, label, None, axis.low, axis.high, axis.log)
        if has_gaps or isinstance(axis[0], str):
            named = (*axis, None) if has_gaps else tuple(axis)
            return cls(name, label, named, 0.0, len(named) - 1.0, log=False)
        values = tuple(sorted(axis))
        low, high = values[0], values[-1]
        if len(values) <= _MOST_CATEGORIES:
            return cls(name, label, values, low, high, log=False)
        return cls(name, label, None, low, high, low > 0 and high / low > _WIDE)

    @property
    def _is_named(self) -> bool:
        """Whether its categories are not in the order of numbers."""
        return any(value is None or isinstance(value, str) for value in self.values or ())

    @property
    def varies(self) -> bool:
        """Whether there is more than one value."""
        return self.high > self.low

    def places(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return where values are on the axis."""
        if self.values is not None and self._is_named:
            place = {value: float(i) for i, value in enumerate(self.values)}
            found = (None if _is_missing(v) else v for v in np.asarray(values).ravel().tolist())
            return np.array([place[value] for value in found])
        array = np.asarray(values, np.float64)
        if self.values is not None:
            return np.searchsorted(self.values, array).astype(np.float64)
        return np.log10(array) if self.log else array

    @property
    def span(self) -> tuple[float, float]:
        """The places of both ends."""
        if self._is_named:
            return self.low, self.high
        low, high = self.places([self.low, self.high])
        return float(low), float(high)

    def ticks(self) -> tuple[list[float], list[str]] | None:
        """Return places and their texts; None where plotly may choose round numbers itself."""
        if self.values is not None:
            shown = range(0, len(self.values), math.ceil(len(self.values) / _MOST_TICKS))
            return [float(i) for i in shown], [axis_number(self.values[i]) for i in shown]
        if not self.log:
            return None
        values = _round_values(self.low, self.high)
        return np.log10(values).tolist(), [axis_number(value) for value in values]

    def layout(self) -> dict[str, Any]:
        """Return the axis for a chart."""
        ticks, (low, high) = self.ticks(), self.span
        margin = 0.5 if self.values is not None else 0.03 * (high - low)
        axis = {"title": {"text": self.label}, "range": [low - margin, high + margin]}
        if ticks is None:
            return axis
        return {**axis, "tickvals": ticks[0], "ticktext": ticks[1], "zeroline": False}

    def bins(self, values: NDArray[Any]) -> tuple[NDArray[np.intp], list[str]]:
        """Return the index of the bar that each value belongs to, and the texts below the bars."""
        if self.values is not None:
            return self.places(values).astype(np.intp), [axis_number(v) for v in self.values]
        edges = np.linspace(*self.span, _BINS + 1)
        index = np.clip(np.searchsorted(edges, self.places(values), "right") - 1, 0, _BINS - 1)
        # The ends as they are: of the largest numbers the power would be rounded to infinity.
        shown = [self.low, *(10 ** edges[1:-1] if self.log else edges[1:-1]), self.high]
        texts = [
            f"{axis_number(float(f'{a:.2g}'))} to {axis_number(float(f'{b:.2g}'))}"
            for a, b in pairwise(shown)
        ]
        return index, texts


def _round_values(low: float, high: float) -> list[float]:
    """Return the powers of ten in a range, and 2, 3 or 5 times them where these are few."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1,), (1, 3), (1, 2, 5)):
        values = [float(f"{digit}e{n}") for n in decades for digit in digits]
        inside = [v for v in values if low * 0.999 <= v <= high * 1.001]
        if len(inside) >= 4:
            return inside
    return inside or [low, high]
