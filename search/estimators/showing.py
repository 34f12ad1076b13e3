"""A search as a notebook shows it: the best candidates, charts of all, and the diagram."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from search.errors import MissingLibraryError

_ROWS = 10
_LONGEST_VALUE = 40

# In the notebook's own colours, light or dark.
_STYLE = """<style>
.packsweep-search { font-variant-numeric: tabular-nums; overflow-x: auto; }
.packsweep-search > table { border-collapse: collapse; margin: .5em 0; }
.packsweep-search > table th, .packsweep-search > table td {
  padding: .2em .8em; text-align: right; background: none;
  border: 0; border-bottom: 1px solid #8886;
}
.packsweep-search > iframe { width: 100%; height: 60em; border: 0; }
</style>"""


def search_html(search: Any, diagram: str) -> str:
    """Return a fitted search as HTML, which asks no other machine for anything.

    Parameters
    ----------
    search : PackSweepSearchCV
        Fitted.
    diagram : str
        What scikit-learn shows of it.
    """
    results = search.cv_results_
    metric = search.refit if isinstance(search.refit, str) else "score"
    if f"mean_test_{metric}" not in results:
        metric = next(name.removeprefix("mean_test_") for name in results if "mean_test_" in name)
    scores, params = results[f"mean_test_{metric}"], results["params"]
    parts = [
        f"<p>{html.escape(_summary(search, scores, metric))}</p>",
        _table(params, scores, results[f"std_test_{metric}"], _last_rung(results)),
        _charts(params, scores, search.resource),
        f"<details><summary>{type(search).__name__}</summary>{diagram}</details>",
    ]
    return f'<div class="packsweep-search">{_STYLE}{"".join(parts)}</div>'


def _summary(search: Any, scores: Any, metric: str) -> str:
    failed = int(np.isnan(scores).sum())
    lost = f", of which {failed} failed" if failed else ""
    return (
        f"{len(scores)} candidates on {search.n_splits_} splits{lost}, by {search.n_trainings_} "
        f"trainings. The best by {metric}:"
    )


def _last_rung(results: Mapping[str, Any]) -> Any:
    """Return which candidates are compared: of halving those of its last rung."""
    rungs = results.get("iter")
    return np.ones(len(results["params"]), bool) if rungs is None else rungs == rungs.max()


def _table(params: Sequence[Mapping[str, Any]], scores: Any, stds: Any, compared: Any) -> str:
    losses = np.where(compared & np.isfinite(scores), -scores, np.inf)
    best = [int(k) for k in np.argsort(losses, kind="stable")[:_ROWS] if np.isfinite(losses[k])]
    names = list(dict.fromkeys(name for k in best for name in params[k]))
    head = "".join(f"<th>{html.escape(name)}</th>" for name in ("", "score", *names))
    rows = []
    for k in best:
        values = (_value(params[k][name]) if name in params[k] else "" for name in names)
        cells = (str(k), f"{scores[k]:.4f} ± {stds[k]:.4f}", *values)
        rows.append("".join(f"<td>{html.escape(cell)}</td>" for cell in cells))
    return f"<table><tr>{head}</tr>" + "".join(f"<tr>{row}</tr>" for row in rows) + "</table>"


def _value(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else " ".join(str(value).split())
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


def _charts(params: Sequence[Mapping[str, Any]], scores: Any, resource: str | None) -> str:
    """Return a frame with the charts of the report; nothing where it is not installed."""
    # Late: what draws takes half a second, and nothing else needs it.
    from search.report import search_charts

    try:
        page = search_charts(params, np.asarray(scores, np.float64), resource)
    except MissingLibraryError:
        return ""
    if not page:
        return ""
    return f'<iframe title="Charts of the candidates" srcdoc="{html.escape(page)}"></iframe>'
