"""What the tests of reports share: synthetic runs, and a strict reader of pages."""

import json
import math
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from model.data.dataset import Dataset
from model.results import FinalScore
from model.softmax import SoftmaxRegression
from search.config import SearchSpace, SweepConfig
from search.record import (
    COMPLETE,
    FAIL,
    PRUNED,
    READOUTS,
    Arithmetic,
    Manifest,
    RunFolder,
    Standings,
    Timing,
    TrialLog,
)
from search.record.log.columns import SOFTMAX_LAYOUT
from search.report import write_report
from search.result import Findings, make_summary

SPACE = SearchSpace(
    batch_size=(8, 16), learning_rate=(1e-7, 1e-6), epochs=(5, 10), alpha=(0.0, 1.0)
)
FULL = SearchSpace(
    batch_size=(8, 16, 32, 64, 128, 256, 512, 1024),
    learning_rate=(5e-8, 1e-7, 2e-7, 5e-7, 1e-6, 2e-6, 5e-6, 1e-5),
    epochs=(5, 10, 15, 20, 25, 30, 35, 40),
    alpha=(0.0, 0.01, 0.1, 1.0, 10.0, 100.0, 1e3, 1e4),
)
SCRIPT = "<script>alert('x')</script>"
VOID = {"meta", "br", "link", "input"}


class Page(HTMLParser):
    """Reads a page strictly: every tag that is opened is closed in order."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.rows, self.text, self.charts, self._open = [], [], "", [], []
        self._scripts = []
        self.feed(html)
        self.close()
        assert self._open == []
        self.specs = json.loads(self._scripts[0])
        assert len(self._scripts) == 3  # data, plotly, ours
        assert set(self.charts) == set(self.specs)
        assert len(self.charts) == len(self.specs)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append(tag)
        assert not {"src", "href", "onload"} & attrs.keys()  # needs nothing else
        if tag not in VOID:
            self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag == "script":
            self._scripts.append("")
        if "chart" in attrs.get("class", "").split():
            self.charts.append(attrs["id"])

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open and self._open[-1] in ("script", "style"):
            if self._open[-1] == "script":
                self._scripts[-1] += data
            return
        self.text += data
        if {"td", "th"} & set(self._open):
            self.rows[-1][-1] += data


def images(name="digits", pixels=4, classes=3):
    """Return a data set whose test images a model can take for others."""
    random = np.random.default_rng(0)
    X, y = random.integers(0, 256, (60, pixels), np.uint8), np.arange(60) % classes
    side = math.isqrt(pixels)
    shape = (side, side) if side * side == pixels else ()
    return Dataset(name, X, y, X[:30], np.roll(y[:30], 1), image_shape=shape)


def columns_of(space, costs, pruned=()):
    """Return the log of a grid: not a number has diverged, and some were pruned."""
    costs, params = np.array(costs, np.float64), space.columns()
    pruned = np.isin(np.arange(len(space)), pruned)
    shown = np.where(pruned, np.nan, costs)
    finite = np.isfinite(shown)
    state = np.where(finite, COMPLETE, np.where(pruned, PRUNED, FAIL))
    epochs = params["epochs"]
    reports = [[(2, c + 0.1), (int(e), c)] for c, e in zip(costs, epochs, strict=True)]
    return {
        "number": np.arange(len(space)), "state": state, **params, "val_cost": shown,
        "val_accuracy": np.where(finite, np.linspace(0, 1, len(costs)), np.nan),
        # The other way round, so that another trial is the best.
        "val_cost_avg": 3 - shown,
        "val_accuracy_avg": np.where(finite, np.linspace(1, 0, len(costs)), np.nan),
        "last_cost": costs, "last_epoch": np.where(pruned, epochs // 2, epochs),
        "reports": reports if pruned.any() else None,
        "seconds": 0.5, "pack": np.searchsorted(space.axes["batch_size"], params["batch_size"]),
        "node": "localhost", "started_at": 1.0 * params["epochs"],
        "finished_at": 1.0 * params["epochs"] + 4, "attempt": 1,
        "error": [None if ok else "diverged" for ok in finite], "source": None,
    }  # fmt: skip


def config_of(space, name="made-up", dataset="./data.npz", **more):
    """Return the settings of a grid."""
    axes = {axis: list(values) for axis, values in space.axes.items()}
    data = {"name": name, "dataset": dataset, "seed": 42, "space": axes, **more}
    return SweepConfig.from_dict(data).to_dict()


def finished_run(folder, costs, data=None, space=SPACE, pruned=(), config=None, has_test=True):
    """Make a finished run, and return what its report is written from."""
    data = data or images()
    folder = RunFolder(Path(folder))
    config = config or config_of(space)
    select = config["select"]
    about = {"name": data.name, "fingerprint": data.fingerprint}
    manifest = Manifest(config, about, {}, 1, {"numpy": "2.0 <beta>"}, "2024-01-01T00:00:00+00:00")
    folder.path.mkdir(parents=True, exist_ok=True)
    folder.write_manifest(manifest)
    trial_log = TrialLog(folder.trials, run=folder.run)
    standings = Standings(len(space), replace(SOFTMAX_LAYOUT, select=select))
    columns = columns_of(space, costs, pruned)
    trial_log.write("rows", columns)
    standings.count(columns)
    tests = {}
    if standings.best_trial and has_test:
        model = SoftmaxRegression(8, 1e-6, 2, 1.0).fit(data.X, data.y)
        folder.model.write_bytes(model.sealed(folder.seal(folder.model)))
        predicted = np.argmax(model.predict_proba(data.X_test), axis=1)
        accuracy = float(np.mean(predicted == data.y_test))
        tests = dict.fromkeys(READOUTS, FinalScore(0.5, 0.75))
        tests[select] = FinalScore(model.cost(data.X_test, data.y_test), accuracy)
    timing = Timing(
        wall_s=12.0, startup_s=3.0, training_s=9.0, predicted_training_s=10.0, workers=2,
        compute_s=95.0, gflops=3.0,
    )  # fmt: skip
    work = Arithmetic(trained_epochs=120, unpruned_epochs=120 + 10 * len(pruned))
    settings = SweepConfig.from_dict(config)
    findings = Findings(timing=timing, arithmetic=work, tests=[tests])
    summary = make_summary(standings, trial_log, settings, data, findings)
    folder.write_summary(summary)
    return folder, manifest, trial_log, summary, data


def write(folder, costs, data=None, **more):
    """Write the report of a finished run and read it."""
    parts = finished_run(folder, costs, data, **more)
    write_report(*parts)
    html = parts[0].report.read_text(encoding="utf-8")
    return html, Page(html)
