"""What can be recorded, and that recording it never hurts."""

import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest

import cluster
from cluster.executor import SerialExecutor
from cluster.metrics import METRICS, PLANNED, TRIALS, NoMetrics


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_every_metric_has_the_prefix_a_meaning_and_a_run(metric):
    assert metric.name.startswith("packsweep_")
    assert metric.exported == f"ray_{metric.name}"
    assert metric.meaning
    assert metric.tags[0] == "run"
    assert (metric.kind == "histogram") == bool(metric.bounds)
    assert list(metric.bounds) == sorted(set(metric.bounds))


def test_no_two_metrics_share_a_name():
    assert len({metric.name for metric in METRICS}) == len(METRICS)


def test_one_process_records_nothing_and_imports_no_ray():
    assert isinstance(SerialExecutor().metrics("run"), NoMetrics)
    code = (
        "import sys, search.session; from cluster.executor import SerialExecutor; "
        "from cluster.metrics import TRIALS; "
        "SerialExecutor().metrics('run').record(TRIALS, 1, 'COMPLETE'); "
        "sys.exit('ray' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_fails_is_said_once_and_then_left(monkeypatch, caplog):
    from cluster import ray_metrics

    calls = []

    def broken(*args):
        calls.append(args)
        raise RuntimeError("no such thing")

    monkeypatch.setattr(ray_metrics, "Gauge", broken)
    metrics = ray_metrics.RayMetrics("run")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            metrics.record(TRIALS, 1, "COMPLETE")
            metrics.record(PLANNED, 1)
    assert len(calls) == 1
    assert [record.message for record in caplog.records] == ["No more metrics are recorded"]


def test_the_table_of_the_documentation_is_that_of_the_program():
    text = (Path(cluster.__file__).parents[1] / "docs" / "monitoring.md").read_text()
    rows = re.findall(
        r"^\| `(ray_packsweep_\w+)` \| (\w+) \| (.*?) \| (.*) \|$", text, re.MULTILINE
    )
    assert rows == [
        (m.exported, m.kind, ", ".join(f"`{tag}`" for tag in m.tags), m.meaning) for m in METRICS
    ]
