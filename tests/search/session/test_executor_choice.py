"""Where a sweep is trained that does not say it."""

import json

import pytest

import search
from search.session import preparation

SPACE = {"batch_size": [64], "learning_rate": [1e-6], "epochs": [1, 2], "alpha": [0.1, 1.0]}


class RayStartedError(Exception):
    """What a stand-in for Ray raises."""


@pytest.fixture(autouse=True)
def _without_ray(monkeypatch):
    def start(address, workers, resources):
        raise RayStartedError(address, workers)

    monkeypatch.setattr(preparation, "_ray_executor", lambda: start)


def sweep(folder, space=SPACE, **options):
    return search.sweep(space, "digits", folder=folder, progress=False, **options)


def test_a_short_one_here_and_planned_as_for_all_cores(tmp_path, monkeypatch):
    monkeypatch.setattr(preparation, "available_cores", lambda: 2)
    sweep(tmp_path / "run")
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["workers"] == 2


def test_one_that_asks_for_this_process_is_planned_for_it(tmp_path, monkeypatch):
    monkeypatch.setattr(preparation, "available_cores", lambda: 2)
    sweep(tmp_path / "run", executor="serial")
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["workers"] == 1


@pytest.mark.parametrize(
    "options",
    [
        {"executor": "ray"},
        {"workers": 2},
        {"address": "10.0.0.1:6379"},
        {"optimum": True},
        {"refits": 5000},
        {"space": SPACE | {"epochs": [2000]}},
    ],
)
def test_what_asks_for_a_cluster_or_takes_long_has_one(tmp_path, options):
    with pytest.raises(RayStartedError):
        sweep(tmp_path / "run", **options)


def test_a_job_s_cluster_is_joined(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    with pytest.raises(RayStartedError):
        sweep(tmp_path / "run")
