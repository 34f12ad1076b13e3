"""The metrics of a real sweep, as Ray's agent and a real Prometheus give them."""

import json
import os
import shutil
import socket
import subprocess
import time
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from command_line import Hold, finish, pretend, start, table, write_grid, write_images
from platformdirs import user_cache_path
from prometheus_client.parser import text_string_to_metric_families
from ray._private.ray_constants import ENABLE_RAY_CLUSTERS_ENV_VAR

import cluster
from cluster.metrics import (
    BEST,
    BUSY,
    FLUSH_SECONDS,
    GFLOPS,
    LINK_SECONDS,
    LOST,
    METRICS,
    PLANNED,
    TRIALS,
    TRIALS_RATE,
    WORKERS,
)

pytestmark = [pytest.mark.ray, pytest.mark.xdist_group("ray")]

PROMETHEUS = shutil.which("prometheus")
CONFIG = Path(cluster.__file__).parent / "prometheus.yml"
DISCOVERED = "ray/prom_metrics_service_discovery.json"


@pytest.fixture(scope="module")
def ray_cluster():
    """Return the context of a cluster that outlives the sweep, as one that is joined does."""
    from cluster.ray_executor import RayExecutor

    with closing(RayExecutor(workers=2)):
        import ray

        yield ray.get_runtime_context()


@pytest.fixture(scope="module")
def endpoint(ray_cluster):
    import ray

    (node,) = ray.nodes()
    return f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"


@pytest.fixture(scope="module")
def prometheus(ray_cluster, tmp_path_factory):
    """Return the address of a Prometheus with our settings, or None where it is not installed."""
    if PROMETHEUS is None:
        yield None
        return
    folder = tmp_path_factory.mktemp("prometheus")
    here = user_cache_path("packsweep") / DISCOVERED
    settings = CONFIG.read_text()
    assert settings.count(DISCOVERED) == 1
    (folder / "prometheus.yml").write_text(settings.replace(DISCOVERED, str(here)))
    with serving(folder) as address:
        yield address


@contextmanager
def serving(folder):
    """Run Prometheus on a free port of this machine alone; end it, and nothing else."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [
        PROMETHEUS, f"--config.file={folder / 'prometheus.yml'}",
        f"--web.listen-address={address}", f"--storage.tsdb.path={folder / 'data'}",
    ]  # fmt: skip
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield address
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture(scope="module")
def seen(ray_cluster, endpoint, prometheus, tmp_path_factory):
    """Run a sweep half of whose trials diverge; return its log, and the last of each series."""
    folder, seen = tmp_path_factory.mktemp("metrics"), {}
    pretend(5e-5, [8, 16], 784, 10, workers=2)
    write_images(folder / "data.npz", rows=625, pixels=784, classes=10)
    grid = {"batch_size": [8, 16], "learning_rate": [1e-8], "epochs": [40, 80]}
    write_grid(folder / "grid.toml", "./data.npz", **grid, alpha=[0.0, 3e38])
    joined = ["--address", ray_cluster.gcs_address, "--workers", 2]
    args, hold = ("--grid", "./grid.toml", "--run-dir", "watched", *joined), Hold(2, folder)
    # Ray takes 127.0.0.1 for the machine's other address, where this cluster does not listen.
    here = os.environ | {ENABLE_RAY_CLUSTERS_ENV_VAR: "0"}
    process = start(*args, cwd=folder, hold=hold, env=here)
    while process.poll() is None:
        seen |= series_at(endpoint)
        if seen:  # so it lasts some seconds, and its rates are those of such a sweep
            hold.go()
        time.sleep(0.5)
    outcome = finish(process)
    assert outcome.code == 0, outcome.err
    deadline = time.monotonic() + 3  # Ray shows gauges that nobody sets any more for four seconds
    while logged(seen) < 8 and time.monotonic() < deadline:
        seen |= series_at(endpoint)
    return table(folder / "watched"), seen


def logged(series):
    return sum(value for (name, _), value in series.items() if name == TRIALS.exported)


def series_at(endpoint):
    """Return the value of each series of ours, by its name and its own tag."""
    with urlopen(endpoint, timeout=5) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    return {
        (sample.name, own_tag(sample.labels)): sample.value
        for family in families
        for sample in family.samples
        if "packsweep_" in sample.name and sample.labels["run"] == "watched"
    }


def own_tag(labels):
    return labels.get("state") or labels.get("batch_size") or ""


def test_every_metric_of_the_table_comes_and_no_other(seen):
    suffix = {"gauge": [""], "histogram": ["_bucket", "_count", "_sum"]}
    names = {metric.exported + end for metric in METRICS for end in suffix[metric.kind]}
    assert {name for name, _ in seen[1]} == names


def test_the_states_sum_to_the_total_and_are_those_of_the_log(seen):
    log, series = seen
    states = {tag: value for (name, tag), value in series.items() if name == TRIALS.exported}
    assert states == {"COMPLETE": 4, "FAIL": 4, "PRUNED": 0}
    assert states["COMPLETE"] == (log.state == "COMPLETE").sum()
    assert sum(states.values()) == series[PLANNED.exported, ""] == len(log)


def test_the_values_are_those_of_the_log(seen):
    log, series = seen
    assert series[BEST.exported, ""] == pytest.approx(log.val_cost.min())
    assert series[WORKERS.exported, ""] == 2
    assert series[BUSY.exported, ""] == 0
    assert series[LOST.exported, ""] == 0
    assert 0 < series[TRIALS_RATE.exported, ""] < 100
    assert 0.01 < series[GFLOPS.exported, ""] < 1000


def test_every_link_is_in_the_histograms(seen):
    log, series = seen
    links = {str(size): rows.started_at.nunique() for size, rows in log.groupby("batch_size")}
    for size, count in links.items():
        assert series[f"{LINK_SECONDS.exported}_count", size] == count
    assert series[f"{FLUSH_SECONDS.exported}_count", ""] == sum(links.values())


def test_prometheus_has_read_them(prometheus, seen):
    if prometheus is None:
        pytest.skip("prometheus is not installed")
    query = f'max_over_time({PLANNED.exported}{{run="watched"}}[5m])'
    deadline = time.monotonic() + 30
    while not (found := ask(prometheus, query)):
        assert time.monotonic() < deadline
        time.sleep(0.25)
    assert [float(series["value"][1]) for series in found] == [8.0]


def ask(address, query):
    """Return what Prometheus answers, nothing while it starts."""
    url = f"http://{address}/api/v1/query?{urlencode({'query': query})}"
    try:
        with urlopen(url, timeout=5) as answer:
            return json.load(answer)["data"]["result"]
    except URLError:
        return []
