"""Exceptions of the places where work runs."""

from model.errors import PacksweepError, UsageError


class ClusterError(PacksweepError):
    """The cluster cannot be used, or has lost a task too often."""


class AddressError(ClusterError, UsageError):
    """There is no cluster at an address that this program can work with."""
