"""The dashboard is one that Grafana takes, and asks for what there is."""

import json
import re
import shutil
import subprocess
from itertools import combinations
from pathlib import Path

import pytest

import cluster
from cluster.grafana_dashboard import dashboard
from cluster.metrics import METRICS

FILE = Path(cluster.__file__).parent / "grafana" / "packsweep.json"
BOARD = json.loads(FILE.read_text())
TARGETS = [target for panel in BOARD["panels"] for target in panel["targets"]]
NAMES = {metric.exported for metric in METRICS if metric.kind == "gauge"} | {
    f"{metric.exported}_bucket" for metric in METRICS if metric.kind == "histogram"
}


def names_in(expr):
    return set(re.findall(r"\b\w*packsweep_\w+", expr))


def test_the_file_is_what_the_program_makes():
    assert dashboard() == BOARD


def test_it_has_what_grafana_needs():
    assert BOARD["uid"] == "packsweep"
    assert isinstance(BOARD["schemaVersion"], int)
    assert [panel["id"] for panel in BOARD["panels"]] == list(range(1, len(BOARD["panels"]) + 1))
    for panel in BOARD["panels"]:
        assert panel["type"] in {"stat", "timeseries", "heatmap"}
        assert panel["title"]
        assert panel["targets"]
        letters = [target["refId"] for target in panel["targets"]]
        assert len(set(letters)) == len(letters)


def test_panels_lie_inside_the_grid_and_not_on_each_other():
    places = [panel["gridPos"] for panel in BOARD["panels"]]
    for place in places:
        assert place["x"] >= 0
        assert place["x"] + place["w"] <= 24
        assert place["h"] > 0
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below


def test_the_data_source_and_the_run_are_chosen_above():
    source, run = BOARD["templating"]["list"]
    assert (source["name"], source["type"], source["query"]) == (
        "datasource", "datasource", "prometheus",
    )  # fmt: skip
    assert (run["name"], run["type"]) == ("run", "query")
    assert names_in(run["query"]["query"]) <= NAMES
    for part in [run, *BOARD["panels"], *TARGETS]:
        assert part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


@pytest.mark.parametrize("expr", sorted({target["expr"] for target in TARGETS}))
def test_an_expression_asks_for_metrics_that_exist_of_the_chosen_run(expr):
    assert names_in(expr)
    assert names_in(expr) <= NAMES
    assert expr.count('{run="$run"}') == len(re.findall("packsweep_", expr))


def test_every_metric_is_shown():
    shown = set().union(*(names_in(target["expr"]) for target in TARGETS))
    assert shown == NAMES


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_prometheus_can_read_every_expression_and_our_settings(tmp_path):
    exprs = [target["expr"].replace("$__rate_interval", "1m") for target in TARGETS]
    rules = [{"record": f"r{i}", "expr": expr} for i, expr in enumerate(exprs)]
    path = tmp_path / "rules.json"  # which is YAML too
    path.write_text(json.dumps({"groups": [{"name": "all", "rules": rules}]}))
    settings = FILE.parents[1] / "prometheus.yml"
    for command in (["check", "rules", path], ["check", "config", settings]):
        result = subprocess.run(["promtool", *command], capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr
