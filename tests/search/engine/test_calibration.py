"""Measured once, kept for the next sweep, and never a reason to fail."""

import sys
import types

import pytest
from platformdirs import user_cache_path

from cluster.executor import SerialExecutor
from cluster.outcomes import Lost
from model.speed import TYPICAL, SpeedModel
from search.engine import calibrate, calibration

SHAPE = ([8, 4], 12, 3)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "packsweep"


@pytest.fixture
def measured(monkeypatch):
    """Measure 1, 2, 3, ... seconds instead of the machine; return what was measured."""
    models = []

    def measure(batch_sizes, n_features, n_classes, products):
        assert (batch_sizes, n_features, n_classes, products) == ([4, 8], 12, 3, "numpy")
        n = float(len(models) + 1)
        models.append(SpeedModel({4: (n, 10 * n), 8: (2 * n, 20 * n)}, (3 * n, 30 * n)))
        return models[-1]

    monkeypatch.setattr(calibration, "measure", measure)
    return models


class Workers(SerialExecutor):
    """Several workers of which some are lost."""

    def __init__(self, workers, lost=()):
        super().__init__()
        self.workers, self._lost, self.names = workers, lost, []

    def submit(self, key, name, function, *args, **options):
        self.names.append(name)
        super().submit(key, name, function, *args, **options)

    def wait(self, timeout):
        if self._queue and self._queue[0][0][1] in self._lost:
            return [Lost(self._queue.popleft()[0], "WorkerCrashedError")]
        return super().wait(timeout)


def test_the_machine_at_hand_is_measured(cache):
    model = calibrate(SerialExecutor(), *SHAPE)
    assert set(model.training) == {4, 8}
    assert all(model.training_row(n, 64) > 0 for n in (4, 8))
    assert [path.parent for path in cache.iterdir()] == [user_cache_path("packsweep")]


def test_what_was_measured_is_kept_for_the_next_sweep(measured):
    first = calibrate(SerialExecutor(), *SHAPE)
    assert calibrate(SerialExecutor(), *SHAPE) == first == measured[0]
    assert calibrate(SerialExecutor(), [4, 8], 12, 3) == first
    assert len(measured) == 1


def test_another_number_of_workers_is_measured_anew(measured):
    calibrate(SerialExecutor(), *SHAPE)
    calibrate(Workers(2), *SHAPE)
    assert len(measured) == 3


@pytest.mark.parametrize("other", [([8, 16], 12, 3), ([4, 8], 13, 3), ([4, 8], 12, 4)])
def test_another_shape_is_measured_anew(cache, other):
    calibrate(SerialExecutor(), *SHAPE)
    calibrate(SerialExecutor(), *other)
    assert len(list(cache.iterdir())) == 2


def test_all_workers_measure_and_the_median_counts(measured):
    executor = Workers(5)
    assert calibrate(executor, *SHAPE) == measured[2]
    assert executor.names == ["calibrate"] * 5


def test_workers_that_are_lost_do_not_count(measured):
    assert calibrate(Workers(4, lost={0}), *SHAPE) == measured[1]
    assert len(measured) == 3


def test_when_all_workers_are_lost_typical_times_count_and_the_next_sweep_measures(measured, cache):
    assert calibrate(Workers(2, lost={0, 1}), *SHAPE) is TYPICAL
    assert not cache.exists()
    assert calibrate(Workers(2), *SHAPE).training[4] == (1.5, 15.0)
    assert len(measured) == 2


LINES = '"scoring": [1, 1]}'


@pytest.mark.parametrize(
    "content",
    [
        "", "{", "[]", "null", "7", "{}", '{"training": {}}', '{"training": [], ' + LINES,
        '{"training": {}, ' + LINES, '{"training": {"4": [1, 1]}, ' + LINES,
        '{"training": {"4": [1], "8": [1, 1]}, ' + LINES,
        '{"training": {"4": [1, 1, 1], "8": [1, 1]}, ' + LINES,
        '{"training": {"x": [1, 1], "8": [1, 1]}, ' + LINES,
        '{"training": {"4": [1, 1], "8": [1, NaN]}, ' + LINES,
        '{"training": {"4": [1, 1], "8": [Infinity, 1]}, ' + LINES,
        '{"training": {"4": [1, 1], "8": [-1, 1]}, ' + LINES,
        '{"training": {"4": [1, 1], "8": [0, 0]}, ' + LINES,
        '{"training": {"4": [1, 1], "8": [1, 1]}, "scoring": [0, 0]}',
        '{"training": {"4": [1, 1], "8": [1, 1]}, "scoring": null}',
        '{"training": {"4": [1, 1], "8": [1, 1]}, "scoring": ["a", 1]}', "\udcff",
    ],
)  # fmt: skip
def test_a_damaged_file_is_measured_again_and_mended(measured, cache, content):
    calibrate(SerialExecutor(), *SHAPE)
    (path,) = cache.iterdir()
    path.write_bytes(content.encode(errors="surrogateescape"))
    assert calibrate(SerialExecutor(), *SHAPE) == measured[1]
    assert calibrate(SerialExecutor(), *SHAPE) == measured[1]
    assert len(measured) == 2


def test_a_cut_off_file_is_measured_again(measured, cache):
    calibrate(SerialExecutor(), *SHAPE)
    (path,) = cache.iterdir()
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        assert calibrate(SerialExecutor(), *SHAPE) == measured[-1]
    assert len(measured) == 1 + len(whole)


@pytest.mark.parametrize("place", ["a file for the folder", "a folder for the file"])
def test_a_cache_that_cannot_be_written_costs_the_time_to_measure_again(measured, cache, place):
    if place == "a file for the folder":
        cache.parent.write_bytes(b"")
    else:
        calibrate(SerialExecutor(), *SHAPE)
        (path,) = cache.iterdir()
        path.unlink()
        path.mkdir()
        measured.clear()
    for n in (1, 2):
        assert calibrate(SerialExecutor(), *SHAPE) == measured[-1]
        assert len(measured) == n


def test_what_else_is_loaded_does_not_hide_what_was_measured(monkeypatch):
    key = [[8, 16], 784, 10, 2]
    monkeypatch.delitem(sys.modules, "xgboost", raising=False)
    before = calibration._cache_path(key)
    monkeypatch.setitem(sys.modules, "xgboost", types.ModuleType("xgboost"))
    assert calibration._cache_path(key) == before
