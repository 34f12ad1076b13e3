"""Loops are compiled wherever they lie, and whatever lies in the cache."""

import os
import subprocess
import sys

import numpy as np
import pytest

from model.compiled import compiled

LOOP = "from model.compiled import compiled\n\n@compiled()\ndef double(x):\n    return 2 * x\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a folder with a loop, and its cache beside it."""
    (tmp_path / "loop.py").write_text(LOOP)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path


def use(folder):
    """Call the loop in a fresh process; return how often it was found in the cache."""
    code = "import loop; loop.double(3.0); print(sum(loop.double.stats.cache_hits.values()))"
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return int(ended.stdout)


def test_a_loop_is_compiled_once(folder):
    assert [use(folder), use(folder)] == [0, 1]


def test_a_damaged_cache_is_written_anew(folder):
    use(folder)
    for kept in (folder / "cache").rglob("*.nb?"):
        kept.write_bytes(b"")  # as a lost power supply leaves it
    assert [use(folder), use(folder)] == [0, 1]


def test_without_a_place_for_a_cache_a_loop_is_compiled_all_the_same(monkeypatch):
    monkeypatch.setattr("numba.core.caching.CacheImpl._locator_classes", [])
    assert compiled()(lambda x: x + 1)(np.float32(1)) == 2


def test_a_cache_that_takes_nothing_is_no_failure(monkeypatch, tmp_path):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("numba.core.caching.IndexDataCacheFile.save", full)
    assert compiled()(lambda x: x + 1)(np.float32(1)) == 2


LINK = """
import sys
import numpy as np
from model import tasks
from model.examples import Examples
from model.pack import PackState
from model.results import LegTask



examples = Examples(np.zeros((8, 4), np.float32), np.arange(8) % 2, 6, 2, products={way!r})
state = PackState.start(2, np.ones(1), np.ones(1), n_features=4, n_classes=2, seed=0)
leg = LegTask(1, np.arange(1), np.arange(1))
train, before = tasks._run_leg, []
def training(*args):
    before.append(set(sys.modules))
    return train(*args)
tasks._run_leg = training
tasks.run_link(examples, state, np.arange(1), [leg])
late = set(sys.modules) - before[0]
assert not [name for name in late if name.split(".")[0] in ("model", "numba", "scipy")], late
"""


@pytest.mark.parametrize("way", ["numpy", "fixed"])
def test_what_trains_is_loaded_before_its_seconds_are_counted(way):
    done = subprocess.run(
        [sys.executable, "-c", LINK.format(way=way)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


THREADS = """
from threadpoolctl import threadpool_info
from cluster.executor import one_blas_thread
with one_blas_thread():
    from model.scoring import compile_kernels
    compile_kernels()
    found = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    assert len(found) > 1 and set(found) == {1}, found
"""


def test_what_is_loaded_late_has_one_thread_too():
    """Numpy and scipy bring a BLAS each, and a limit is of those that are loaded by then."""
    variables = {**os.environ, "OPENBLAS_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", THREADS], env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
