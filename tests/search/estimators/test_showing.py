"""What a notebook shows of a search: charts, a table, the diagram; never a flood or a request."""

import html
import json
import re
import sys
from itertools import islice, product

import numpy as np
import pytest
from scipy import stats
from sklearn import config_context
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

from search.estimators import PackSweepSearchCV, SharesNothingWarning
from search.estimators.showing import search_html
from search.report import search_charts

X, Y = load_iris(return_X_y=True)
DEPTHS = {"max_depth": [2, 3, None], "n_estimators": [2, 4], "criterion": ["gini", "<b>&"]}


@pytest.fixture(scope="module")
def search():
    space = {**DEPTHS, "criterion": ["gini", "entropy"]}
    model = RandomForestClassifier(random_state=0)
    return PackSweepSearchCV(model, space, resource="n_estimators", cv=2).fit(X, Y)


def shown(search):
    return search._repr_html_()


def page_of(text):
    return html.unescape(re.search(r'srcdoc="([^"]*)"', text)[1])


def specs_of(page):
    return json.loads(re.search(r'id="specs">(.*?)</script>', page, re.S)[1])


def test_before_fit_it_is_scikit_learn_s_diagram_and_afterwards_it_has_it():
    fresh = PackSweepSearchCV(DecisionTreeClassifier(), {"max_depth": [1]}, cv=2)
    assert "srcdoc" not in shown(fresh)
    assert 'class="sk-top-container' in shown(fresh)


def test_after_fit_it_has_charts_the_best_and_the_diagram(search):
    text = shown(search)
    assert search._repr_mimebundle_()["text/html"] == shown(search) or "srcdoc" in text
    assert "12 candidates on 2 splits, by 12 trainings." in text
    assert "<details><summary>PackSweepSearchCV</summary>" in text
    assert 'class="sk-top-container' in text
    specs = specs_of(page_of(text))
    assert {"trajectories", "importance", "parallel"} <= set(specs)
    assert sum(name.startswith("pair-") for name in specs) == 3
    # Scores, not costs: the highest of the best line is the best score.
    lines = specs["trajectories"]["data"]
    assert max(max(line["y"]) for line in lines) == pytest.approx(search.best_score_, abs=1e-5)
    assert "max_depth" in text
    assert ">None<" in text


def test_without_the_diagram_it_is_a_text(search):
    with config_context(display="text"):
        assert not hasattr(search, "_repr_html_")
        assert set(search._repr_mimebundle_()) == {"text/plain"}


def test_without_plotly_there_is_a_table(search, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    for name in [n for n in sys.modules if n.startswith("search.report.")]:
        monkeypatch.delitem(sys.modules, name)
    text = shown(search)
    assert "srcdoc" not in text
    assert f"{search.best_score_:.4f}" in text


def test_markup_in_a_value_is_shown_and_not_obeyed():
    text = search_charts([{"kind": "</script><b>"}, {"kind": "b"}], np.array([0.5, 0.7]))
    assert "</script><b>" not in text
    model, space = RandomForestClassifier(n_estimators=1), {"max_depth": [1, 2]}
    with pytest.warns(SharesNothingWarning):
        searched = PackSweepSearchCV(model, space, cv=2).fit(X, Y)
    searched.cv_results_["params"][0]["max_depth"] = "<img src=x>"
    assert "<img src=x>" not in search_html(searched, "")


@pytest.fixture
def many():
    """Ten thousand candidates of eight parameters, of every kind, some of which have failed."""
    rng = np.random.default_rng(0)
    lists = {f"list_{k}": list(range(12)) for k in range(4)}
    params = [
        {
            **dict(zip(lists, values, strict=True)),
            "range": float(rng.uniform(1e-6, 1)),
            "long_name_of_a_parameter__inside": "a rather long text in a list"[rng.integers(20) :],
            "object": DecisionTreeClassifier(max_depth=int(rng.integers(1, 9000))),
            **({"some": None} if k % 2 else {}),
        }
        for k, values in enumerate(islice(product(*lists.values()), 10_000))
    ]  # fmt: skip
    scores = rng.normal(size=10_000)
    scores[::17] = np.nan
    return params, scores


def test_ten_thousand_candidates_are_no_flood(many):
    page = search_charts(*many, "list_0")
    from search.report.charts import plotly_script

    own = len(html.escape(page)) - len(html.escape(str(plotly_script())))
    assert own < 200_000
    assert "object" not in specs_of(page)["importance"]["data"][0]["y"]


@pytest.mark.parametrize("scores", [[0.5, np.nan], [0.1, 0.2]], ids=str)
@pytest.mark.parametrize(
    "params",
    [
        [{"a": 1}, {"a": 1}], [{"a": 1}, {"b": 2}], [{"a": 1}, {"a": None}],
        [{"a": [1]}, {"a": {}}], [{"a": True}, {"a": False}],
        [{"a": np.float32(2)}, {"a": np.int64(3)}], [{}, {}],
        [{"a": float("nan")}, {"a": 1.0}], [{"a": float("inf")}, {"a": 1}],
    ],
    ids=str,
)  # fmt: skip
def test_any_values_are_drawn_or_left_out(params, scores):
    page = search_charts(params, np.array(scores), "a")
    if page:
        json.dumps(specs_of(page), allow_nan=False)


def test_halving_and_several_metrics_are_shown():
    model = RandomForestClassifier(random_state=0)
    halved = PackSweepSearchCV(
        model, {"max_depth": stats.randint(1, 5)}, resource="n_estimators", strategy="halving",
        n_trials=4, max_resources=4, cv=2, factor=2, random_state=0,
    ).fit(X, Y)  # fmt: skip
    rows = re.findall(r"<tr><td>(\d+)", shown(halved))
    assert set(rows) <= {str(k) for k in np.flatnonzero(halved.cv_results_["iter"] == 2)}
    named = PackSweepSearchCV(
        model, {"n_estimators": [1, 2]}, resource="n_estimators", cv=2,
        scoring=["accuracy", "neg_log_loss"], refit="neg_log_loss",
    ).fit(X, Y)  # fmt: skip
    assert "The best by neg_log_loss" in shown(named)


def test_where_all_have_failed_or_are_alike_there_is_no_chart():
    params = [{"a": 1}, {"a": 2}]
    assert search_charts(params, np.array([np.nan, np.nan])) == ""
    assert search_charts([{"a": 1}, {"a": 1}], np.array([0.1, 0.2])) == ""


DRAWN = """() => {
  const page = document.querySelector("iframe").contentDocument;
  const boxes = [...page.querySelectorAll(".chart")];
  return boxes.length > 3 && boxes.every((box) => box.dataset.drawn !== undefined);
}"""
SEEN = """() => {
  const frame = document.querySelector("iframe"), page = frame.contentDocument;
  const style = page.defaultView.getComputedStyle(page.body);
  return [style.backgroundColor, frame.clientHeight >= page.body.offsetHeight];
}"""


@pytest.mark.xdist_group("browser")
@pytest.mark.parametrize(
    ("scheme", "says", "paper"),
    [
        ("light", "", "rgb(255, 255, 255)"),
        ("dark", "", "rgb(20, 24, 30)"),
        ("light", ' data-jp-theme-light="false"', "rgb(20, 24, 30)"),
        ("dark", ' data-jp-theme-light="true"', "rgb(255, 255, 255)"),
    ],
)
def test_in_a_browser_it_draws_offline_in_the_colours_of_the_notebook(
    search, pages, tmp_path, scheme, says, paper
):
    path = tmp_path / "notebook.html"
    path.write_text(f"<!DOCTYPE html><body{says}>{shown(search)}</body>")
    own = ("file:", "data:", "blob:", "about:")
    page = pages(path.as_uri(), own=own, width=1000, scheme=scheme, offline=True)
    page.wait_for_function(DRAWN)
    page.wait_for_timeout(300)  # the frame follows its content
    assert page.evaluate(SEEN) == [paper, True]
