"""How a run multiplies: what is asked for, what is chosen, and what it keeps."""

import json

import numpy as np
import pytest
from threadpoolctl import threadpool_info

import search
from model import pack
from model.errors import MissingProductsError
from model.products import NUMPY
from model.products.fixed_point import FixedPointProducts
from search.errors import ConfigError, RunFolderError
from search.session import preparation, products

SPACE = {
    "batch_size": [32],
    "learning_rate": [1e-6, 2e-6, 5e-7],
    "epochs": [1, 2],
    "alpha": [0.0, 0.1, 1.0, 10.0, 1e4, 9e5],
}
FIXED = FixedPointProducts("float64")


def sweep(folder, data="digits", grid=None, **options):
    return search.sweep(grid or {"space": SPACE}, data, folder=folder, progress=False, **options)


def manifest(folder):
    return json.loads((folder / "manifest.json").read_text())


def chosen(folder):
    return manifest(folder)["config"].get("products", "numpy")


def test_in_fixed_point_the_log_is_the_same_with_any_plan(tmp_path, monkeypatch):
    logs, widths = [], set()
    for cores in (1, 2, 16):
        monkeypatch.setattr(preparation, "available_cores", lambda cores=cores: cores)
        found = sweep(tmp_path / str(cores), products="fixed")
        log = found.log().sort_values("number")
        logs.append(log[[name for name in log if name.startswith(("val_", "last_"))]])
        widths.add(tuple(manifest(tmp_path / str(cores))["widths"].values()))
    assert len(widths) == 3
    assert logs[0].notna().to_numpy().any()
    for log in logs[1:]:
        assert log.reset_index(drop=True).equals(logs[0].reset_index(drop=True))


def test_figures_are_those_of_numpy(tmp_path):
    logs = [sweep(tmp_path / name, products=name).log() for name in ("numpy", "fixed")]
    costs = [log.sort_values("number").val_cost.to_numpy() for log in logs]
    stable = np.isfinite(costs[0])
    np.testing.assert_allclose(costs[1][stable], costs[0][stable], rtol=1e-4)


def test_nothing_is_measured_unless_it_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(products, "fastest", None)
    sweep(tmp_path / "run")
    assert chosen(tmp_path / "run") == "numpy"
    assert "products" not in manifest(tmp_path / "run")["config"]


def test_the_fastest_is_chosen_once_and_kept(tmp_path, monkeypatch):
    asked = []

    def fastest(ways, batch_sizes, n_features, n_classes):
        asked.append(([way.name for way in ways], tuple(batch_sizes), n_features, n_classes))
        threads = {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}
        assert threads == {1}
        return FIXED

    monkeypatch.setattr(products, "available_products", lambda: [NUMPY, FIXED])
    monkeypatch.setattr(products, "fastest", fastest)
    first = sweep(tmp_path / "run", products="auto")
    assert asked == [(["numpy", "fixed"], (32,), 784, 10)]
    assert chosen(tmp_path / "run") == "fixed"
    again = sweep(tmp_path / "run", products="auto")
    assert len(asked) == 1
    assert again.best_cost == first.best_cost


def test_where_one_way_alone_can_do_it_nothing_is_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(products, "available_products", lambda: [NUMPY, FIXED])
    monkeypatch.setattr(products, "fastest", None)
    X = np.random.default_rng(0).normal(size=(60, 3))
    sweep(tmp_path / "run", (X, np.arange(60) % 3), products="auto")
    assert chosen(tmp_path / "run") == "numpy"


def test_a_run_keeps_the_one_it_began_with(tmp_path):
    sweep(tmp_path / "run", products="fixed")
    with pytest.raises(RunFolderError, match="products: the run has fixed, the command numpy"):
        sweep(tmp_path / "run")


def test_a_run_is_not_gone_on_with_where_fixed_point_has_other_numbers_now(tmp_path, monkeypatch):
    monkeypatch.setitem(pack._VERSIONS, "fixed", 2)
    sweep(tmp_path / "fixed", products="fixed")
    sweep(tmp_path / "numpy")
    monkeypatch.setitem(pack._VERSIONS, "fixed", 3)
    with pytest.raises(RunFolderError, match="trainer_version: the run has 2, the command 3"):
        sweep(tmp_path / "fixed", products="fixed")
    sweep(tmp_path / "numpy")


def test_trials_are_taken_over_from_runs_that_multiply_alike(tmp_path):
    sweep(tmp_path / "run")
    with pytest.raises(RunFolderError, match="products"):
        sweep(tmp_path / "other", products="fixed", reuse=[tmp_path / "run"])


@pytest.mark.parametrize(
    ("grid", "data", "message"),
    [
        ({"space": SPACE, "features": "standardized"}, "digits", 'features = "standardized"'),
        (
            {"space": SPACE},
            (np.full((20, 2), 0.5), np.arange(20) % 2),
            "whole numbers from 0 to 255, and a feature is 0.5",
        ),
        (
            {"space": {"epochs": [1], "max_depth": [2]}, "trainer": "xgboost"},
            "digits",
            'only the trainer "softmax"',
        ),
    ],
)
def test_what_cannot_be_multiplied_so_is_refused(tmp_path, grid, data, message):
    with pytest.raises(ConfigError, match=message):
        sweep(tmp_path / "run", data, grid, products="fixed")
    assert not (tmp_path / "run").exists()


def test_an_unknown_way_is_refused_with_those_there_are(tmp_path):
    with pytest.raises(ConfigError, match='"numpy", "onednn", "fixed" or "auto"'):
        sweep(tmp_path / "run", products="mkl")


def missing(name):
    raise MissingProductsError(f"{name} is not installed on this machine.")


def test_a_missing_library_is_told_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(products, "products_named", missing)
    with pytest.raises(MissingProductsError, match="onednn is not installed"):
        sweep(tmp_path / "run", products="onednn")
    assert not (tmp_path / "run").exists()


def test_a_finished_run_is_shown_where_the_library_is_gone(tmp_path, monkeypatch):
    first = sweep(tmp_path / "run", products="fixed")
    monkeypatch.setattr(products, "products_named", missing)
    assert sweep(tmp_path / "run", products="fixed").best_cost == first.best_cost
    with pytest.raises(MissingProductsError, match="fixed is not installed"):
        sweep(tmp_path / "run", products="fixed", refits=2)


def test_one_feature_and_two_classes(tmp_path):
    X = np.random.default_rng(0).integers(0, 256, (80, 1)).astype(np.uint8)
    data = (X, (X[:, 0] > 99).astype(int))
    costs = [
        sweep(tmp_path / name, data, products=name).log().sort_values("number").val_cost
        for name in ("numpy", "fixed", "auto")
    ]
    for found in costs[1:]:
        np.testing.assert_allclose(found, costs[0], rtol=1e-4)


def test_a_worker_without_it_ends_the_sweep_with_one_message(tmp_path, monkeypatch):
    monkeypatch.setattr("model.examples.products_named", missing)
    with pytest.raises(MissingProductsError, match="fixed is not installed"):
        sweep(tmp_path / "run", products="fixed")


def test_the_fastest_is_measured_in_turns(monkeypatch):
    from model import speed

    clock = {"now": 0.0}
    costs = {"numpy": 1.0, "fixed": 0.5}

    def advance(state, X, y, until, *, products):
        clock["now"] += costs[products.name]

    monkeypatch.setattr(speed, "advance", advance)
    monkeypatch.setattr(speed.time, "perf_counter", lambda: clock["now"])
    assert speed.fastest([NUMPY, FIXED], [8, 32], 4, 3) is FIXED
    costs["fixed"] = 2.0
    assert speed.fastest([NUMPY, FIXED], [8, 32], 4, 3) is NUMPY
