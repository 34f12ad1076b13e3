"""A task's libraries keep to its threads, be they loaded before the first task or after it."""

import subprocess
import sys

import pytest
import scipy.linalg.blas  # noqa: F401  (loads a BLAS)
from threadpoolctl import threadpool_info

from model.thread_limits import limited_threads

LOADED_LATER = """
import numpy
from threadpoolctl import threadpool_info
from model.thread_limits import limited_threads

with limited_threads(1, "blas"):
    before = {one["filepath"] for one in threadpool_info()}
import scipy.linalg.blas
with limited_threads(1, "blas"):
    later = [one for one in threadpool_info() if one["filepath"] not in before]
assert later, "scipy brings a BLAS of its own"
assert all(one["num_threads"] == 1 for one in later if one["user_api"] == "blas"), later
"""


@pytest.mark.parametrize("api", ["blas", None])
def test_only_inside_the_context(api):
    before = threadpool_info()
    with limited_threads(1, api):
        inside = [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]
    assert inside
    assert set(inside) == {1}
    assert threadpool_info() == before


def test_a_library_that_comes_after_the_first_task_is_limited_in_the_next():
    subprocess.run([sys.executable, "-c", LOADED_LATER], check=True)
