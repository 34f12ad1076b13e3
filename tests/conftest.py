"""What all tests share: a cache of their own, and one place that code comes from."""

import gc
import os
from pathlib import Path

import hypothesis
import pytest

# Threads of OpenMP and OpenBLAS that have nothing to do sleep at once, in what tests start too. By
# default they turn round and round for a while, which costs others their cores. Libraries read this
# when they are loaded.
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
os.environ["OPENBLAS_THREAD_TIMEOUT"] = "4"

import search

# How long an example takes says how busy the machine is; benchmarks/ is for speed.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Let no search for garbage look at what is imported for the tests, a million objects.

    It is there to the end, and Python would go through it again and again.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def pytest_unconfigure():
    """Let libraries be tidied up in the end, of which some tell what was left."""
    gc.unfreeze()


@pytest.fixture(scope="session", autouse=True)
def _surroundings(tmp_path_factory):
    """Keep tests, and the processes that they start, out of the user's cache.

    These processes run in other folders and shall import the same code all the same.
    """
    code = [str(Path(search.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    with pytest.MonkeyPatch.context() as patch:
        cache = tmp_path_factory.mktemp("cache")
        if "PYTEST_XDIST_WORKER" in os.environ:
            _share_checks(cache / "packsweep", tmp_path_factory.getbasetemp().parent)
        patch.setenv("XDG_CACHE_HOME", str(cache))
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, code)))
        patch.delenv("RAY_ADDRESS", raising=False)
        # Ray's workers would come after all other tests.
        patch.setenv("RAY_worker_niceness", "0")
        yield


def _share_checks(cache, common):
    """Let a trainer that has passed its check at one tester have passed at all: it takes seconds.

    A mark is an empty file by the name of all that the check depends on.
    """
    (common / "checked-trainers").mkdir(exist_ok=True)
    cache.mkdir()
    (cache / "checked-trainers").symlink_to(common / "checked-trainers")
