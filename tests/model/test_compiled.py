"""Loops are compiled wherever they lie, and whatever lies in the cache."""

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
