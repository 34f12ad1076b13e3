"""How a column of a table becomes features: itself, or one for each of its texts."""

import json
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Encoding:
    """What the training rows say of a column: one or several features.

    Attributes
    ----------
    name : str
    categories : tuple of str
        Values of a text column, each a feature; empty for numbers.
    fill : float
        Replaces a missing number: the mean of the others. A missing text is 0 in all of
        its features.
    decimal_point : str
        With which the file of numbers was written: a comma, a point, or nothing where no number
        told it.
    """

    name: str
    categories: tuple[str, ...]
    fill: float
    decimal_point: str = ""

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features."""
        if not self.categories:
            return (self.name,)
        return tuple(f"{self.name}={value}" for value in self.categories)

    @property
    def fills(self) -> list[float]:
        """The value that replaces a missing value of each feature."""
        return [0.0] * len(self.categories) if self.categories else [self.fill]


def encodings_text(columns: Iterable[Encoding]) -> str:
    """Return the columns of a table as a saved model keeps them; see `encodings_of`."""
    return json.dumps([
        [c.name, c.categories, c.fill, *([c.decimal_point] if c.decimal_point else [])]
        for c in columns
    ])  # fmt: skip


def encodings_of(text: str) -> tuple[Encoding, ...]:
    """Return the columns that `encodings_text` wrote.

    Raises
    ------
    ValueError
        If it has not written this.
    """
    rows = json.loads(text)
    return tuple(
        Encoding(str(name), tuple(kinds), float(fill), *map(str, point))
        for name, kinds, fill, *point in rows
    )
