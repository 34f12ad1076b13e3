"""The hyperparameters' names for people."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Label:
    """A hyperparameter's name for people.

    Attributes
    ----------
    short : str
        Head of a column where there is little room.
    title : str
        Title of an axis or of a column.
    long : str
        Name in a sentence, as in "the best number of epochs".
    """

    short: str
    title: str
    long: str


_KNOWN = {
    "epochs": Label("epochs", "epochs", "number of epochs"),
    "alpha": Label("alpha", "alpha", "alpha"),
    "learning_rate": Label("rate", "learning rate", "learning rate"),
    "batch_size": Label("batch", "mini-batch size", "mini-batch size"),
}


def label_of(name: str) -> Label:
    """Return the label of a hyperparameter: of one that is not known, its name.

    Examples
    --------
    >>> label_of("batch_size").short, label_of("max_depth").long
    ('batch', 'max_depth')
    """
    return _KNOWN.get(name) or Label(name, name, name)


def in_order(names: Iterable[str]) -> list[str]:
    """Return hyperparameters in the order in which a result names them: how long first."""
    first = list(_KNOWN)
    return sorted(names, key=lambda name: first.index(name) if name in first else len(first))


def short_text(values: Mapping[str, Any]) -> str:
    """Return values of hyperparameters in a few words, without those that are missing.

    Examples
    --------
    >>> short_text({"batch_size": 8, "kind": "gini", "depth": None})
    'batch=8 kind=gini'
    """
    present = ((label_of(name).short, v) for name, v in values.items() if v is not None)
    return " ".join(f"{name}={value}" for name, value in present)
