"""Some names in a message: the first of them, and how many more there are."""

from collections.abc import Iterable


def listed(names: Iterable[object], most: int = 6) -> str:
    """Return names with commas between them, at most so many; ``nothing`` where there are none.

    >>> listed("abc"), listed(range(9), 2)
    ('a, b, c', '0, 1 and 7 more')
    """
    texts = list(map(str, names))
    if not texts:
        return "nothing"
    more = len(texts) - most
    return ", ".join(texts[:most]) + (f" and {more:,} more" if more > 0 else "")
