"""Test suites of the protocols, for your own trainers, executors, stores and trackers.

It knows what each protocol promises, and what pytest collects: a subclass of a suite. It never
knows who keeps the promises, and nothing that a sweep does depends on it.
"""

import contextlib

with contextlib.suppress(ImportError):
    import pytest

    # So that an assertion of a suite shows its values, as one of a test's own does.
    pytest.register_assert_rewrite(
        f"{__name__}.executors",
        f"{__name__}.storage",
        f"{__name__}.trackers",
        f"{__name__}.trainers",
    )

from search.testing.executors import ExecutorSuite
from search.testing.storage import StorageSuite
from search.testing.trackers import TrackerSuite
from search.testing.trainers import TrainerSuite, blurred

__all__ = ["ExecutorSuite", "StorageSuite", "TrackerSuite", "TrainerSuite", "blurred"]
