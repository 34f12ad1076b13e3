"""Exceptions of the places where work runs."""

from model.errors import PacksweepError


class ClusterError(PacksweepError):
    """The cluster cannot be used, or has lost a task too often."""
