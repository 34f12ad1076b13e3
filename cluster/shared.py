"""A value in Ray's object store that tasks share, and what it takes to put it there again."""

from typing import Any

import ray


class Shared:
    """A value that was handed over once, for as long as its user keeps this.

    Ray may say that an object is lost while the process that made it lives: under heavy load a
    machine takes a late answer for a death, and from then on answers so for that object. A new
    object has the same bytes and not that past.

    Parameters
    ----------
    value : object
        Anything that can be pickled. Here its arrays are not held twice: they are read where they
        are in the object store, unless that is on another machine. What is not an array is.

    Attributes
    ----------
    reference : ray.ObjectRef
        Where the value lies now.
    """

    def __init__(self, value: Any) -> None:
        self.reference = ray.put(value)
        # The value as it was shared, never changed: what is put again has the same bytes.
        self._value = self._held(value)
        # The names in Ray of the objects that held it and are lost.
        self._gone: set[str] = set()

    def was(self, lost: str) -> bool:
        """Return whether a lost object held this value; the first to ask shares it again.

        Parameters
        ----------
        lost : str
            The object's name in Ray, in hexadecimal digits.
        """
        if lost == self.reference.hex():
            self.reference = ray.put(self._value)
            self._value = self._held(self._value)  # or else the lost object keeps its memory
            self._gone.add(lost)
        return lost in self._gone

    def _held(self, value: Any) -> Any:
        """Return the value as it is in the object store, or itself where that cannot be."""
        if ray.util.client.ray.is_connected():  # type: ignore[no-untyped-call]
            return value
        try:
            return ray.get(self.reference)
        except ray.exceptions.RaySystemError:  # it can be read on workers alone
            return value
