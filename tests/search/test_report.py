"""The report: one file, safe to open, with the best trials first."""

from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.dataset import Dataset
from search.arithmetic import Arithmetic
from search.manifest import Manifest
from search.report import best_by, top_trials, write_report
from search.run_folder import RunFolder
from search.space import SearchSpace
from search.store import COMPLETE, FAIL, TrialStore
from search.study import Study
from search.summary import make_summary

SPACE = SearchSpace((8, 16), (1e-7, 1e-6), (5, 10), (0.0, 1.0))
SCRIPT = "<script>alert('x')</script>"
VOID = {"meta", "br", "link"}


class Page(HTMLParser):
    """Reads a page strictly: every tag that is opened is closed in order."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.rows, self.text, self._open = [], [], "", []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        assert not {"src", "href", "onload"} & dict(attrs).keys()  # needs nothing else
        if tag not in VOID:
            self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.text += data
        if self._open and self._open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


def write(folder, costs, dataset="digits"):
    """Write the report of a finished run of `SPACE` and read it."""
    costs, number = np.array(costs, np.float64), np.arange(len(SPACE))
    finite, accuracy = np.isfinite(costs), np.linspace(0, 1, len(costs))
    store, folder = TrialStore(folder / "trials"), RunFolder(folder)
    columns = {
        "number": number, "state": np.where(finite, COMPLETE, FAIL), **SPACE.columns(),
        "val_cost": costs, "val_accuracy": np.where(finite, accuracy, np.nan), "seconds": 0.5,
        "pack": 0, "node": "localhost", "started_at": 0.0, "finished_at": 1.0, "attempt": 1,
        "error": [None if ok else "diverged" for ok in finite], "last_cost": costs,
        "last_epoch": SPACE.columns()["epochs"], "reports": None, "source": None,
    }  # fmt: skip
    store.write("rows", columns)
    study = Study(len(SPACE))
    study.tell(columns)
    data = Dataset(dataset, np.zeros((4, 2), np.uint8), np.arange(4))
    work, timing = Arithmetic(120, 120), {"wall_s": 1.0, "compute_s": 95.0}
    summary = make_summary(study, None, data, timing, work)
    manifest = Manifest({"seed": 42}, {}, {}, 1, {"numpy": "2.0 <beta>"}, "2024-01-01T00:00:00")
    write_report(folder, manifest, store, summary)
    html = folder.report.read_text(encoding="utf-8")
    return html, Page(html)


def test_names_are_escaped(tmp_path):
    folder = tmp_path / "<script>alert(1)"
    html, page = write(folder, np.ones(16), dataset=SCRIPT)
    assert "<script" not in html
    assert "script" not in page.tags
    assert "<script>alert(1)" in page.text
    assert f"16 trials on {SCRIPT}" in page.text


def test_the_page_holds_result_seed_versions_and_fingerprint(tmp_path):
    _, page = write(tmp_path, np.linspace(1, 2, 16))
    assert ["best number of epochs", "5"] in page.rows
    assert ["validation cost", "1.0000"] in page.rows
    for text in ("1:35 min of compute time", "seed 42", "numpy 2.0 <beta>", "fingerprint "):
        assert text in page.text


def test_the_ten_best_trials_come_sorted(tmp_path):
    costs = np.roll(np.linspace(1, 2, 16), 5)
    costs[7] = np.nan
    _, page = write(tmp_path, costs)
    head = next(i for i, row in enumerate(page.rows) if row[0] == "trial")
    shown = [row[:2] for row in page.rows[head + 1 : head + 11]]
    best = sorted((cost, n) for n, cost in enumerate(costs) if np.isfinite(cost))[:10]
    assert shown == [[str(n), f"{cost:.4f}"] for cost, n in best]
    assert page.rows[head + 11][0] == r"alpha \ learning_rate"


def test_a_pair_of_values_that_always_diverged_says_so(tmp_path):
    costs = np.where(SPACE.columns()["alpha"] == 1.0, np.nan, 0.5)
    _, page = write(tmp_path, costs)
    assert ["1", "diverged", "diverged"] in page.rows
    assert ["0", "0.5000", "0.5000"] in page.rows


@pytest.mark.parametrize("costs", [np.nan, 0.0, 1.0, 1e300])
def test_all_trials_alike_are_a_report_too(tmp_path, costs):
    html, _ = write(tmp_path, np.full(16, costs))
    assert "--s: nan" not in html
    assert "--s: inf" not in html


def test_a_cost_of_zero_is_the_darkest(tmp_path):
    html, _ = write(tmp_path, [0.0] * 8 + [0.5] * 8)
    assert '--s: 1.000">0.0000' in html
    assert '--s: 0.000">0.5000' in html


costs_of_a_log = st.lists(
    st.one_of(st.just(np.nan), st.floats(0, 1e30)), min_size=len(SPACE), max_size=len(SPACE)
)


@given(costs_of_a_log)
def test_the_best_trials_are_those_of_a_sort(costs):
    trials = {"number": np.arange(len(SPACE)), "val_cost": np.array(costs)}
    best = sorted((c, n) for n, c in enumerate(costs) if np.isfinite(c))[:10]
    assert [(t["val_cost"], t["number"]) for t in top_trials(trials)] == best


@given(costs_of_a_log)
def test_each_cell_is_the_lowest_cost_of_its_pair(costs):
    table = best_by({**SPACE.columns(), "val_cost": np.array(costs)}, "batch_size", "epochs")
    assert table["columns"] == [8, 16]
    assert [row["value"] for row in table["rows"]] == [5, 10]
    for row in table["rows"]:
        for batch_size, cell in zip(table["columns"], row["cells"], strict=True):
            pair = [
                cost
                for params, cost in zip(SPACE, costs, strict=True)
                if (params.batch_size, params.epochs) == (batch_size, row["value"])
            ]
            finite = [cost for cost in pair if np.isfinite(cost)]
            assert (cell and cell["cost"]) == (min(finite) if finite else None)
            assert cell is None or 0 <= cell["shade"] <= 1
