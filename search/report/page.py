"""The page of a report: all its sections, put into one HTML template."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from model.errors import PacksweepError
from search.config import ACCURACY, COST, as_toml
from search.record import Proposals, layout_of
from search.report.charts import Chart, plotly_script, template
from search.report.final_model import FinalModel, final_model_of
from search.report.run_data import RunData, outcomes
from search.report.sections import (
    MOST_LINES,
    Pairs,
    Picture,
    confusion_chart,
    confusions,
    feature_weights,
    figures,
    gap_charts,
    history_chart,
    importance_chart,
    loss_charts,
    mistake_pictures,
    mistake_rows,
    optimum_table,
    parallel_chart,
    result_table,
    ribbons_of,
    tie_chart,
    tie_rows,
    timeline_chart,
    top_trials,
    trajectory_chart,
    weight_pictures,
)
from search.result import (
    edge_warnings,
    grid_importances,
    guessing_sentences,
    optimum_sentences,
    readout_rows,
    spread_rows,
    tie_sentences,
)


def render(run: RunData) -> str:
    """Return the report of a run as one HTML page."""
    sections = _sections(run)
    return template("report.html.j2").render(
        name=run.folder.path.resolve().name,
        run=run,
        summary=run.summary,
        started=_time_text(run.manifest.created_at),
        specs={chart.name: chart.spec for chart in _charts(sections)},
        plotly=plotly_script(),
        **sections,
    )


def _sections(run: RunData) -> dict[str, Any]:
    pairs, ties = Pairs(run), run.summary.indistinguishable
    return {
        "worse_than_guessing": guessing_sentences(run.summary, run.config.axes_by_name),
        "result": result_table(run.summary, run.config.reference),
        "readouts": readout_rows(run.summary),
        "spread": spread_rows(run.summary),
        "warnings": _edge_warnings(run),
        "figures": figures(run.summary),
        "top": (top := _top(run)),
        "compared": _compared(run, [trial["number"] for trial in top]),
        "objective": run.config.compared_by,
        "extra_column": run.config.objective not in (COST, ACCURACY),
        "tie_sentences": tie_sentences(ties, run.summary.best, run.summary.dataset.rows),
        "tie_rows": tie_rows(ties),
        "tie_chart": tie_chart(ties),
        "optimum_table": optimum_table(run.summary.optimum),
        "optimum_sentences": optimum_sentences(run.summary),
        "gap_charts": gap_charts(run),
        "pairs": pairs.charts(),
        "modes": pairs.modes,
        "pairs_note": pairs.note,
        "clips": pairs.clips,
        "trajectories": trajectory_chart(run, "alpha" if run.config.trainer.is_softmax else None),
        "ribbons": ribbons_of(run, MOST_LINES),
        "parallel": parallel_chart(run),
        "importance": importance_chart(_importances(run), run.axes),
        "losses": loss_charts(run),
        "timeline": timeline_chart(run),
        "history": history_chart(run, _waves(run)),
        "settings": as_toml(run.manifest.config),
        **_model_section(final_model_of(run)),
    }


def _model_section(final: FinalModel | str) -> dict[str, Any]:
    if isinstance(final, str):
        return {"no_model": final}
    return {
        "no_model": "",
        "by_deviation": final.by_deviation,
        "unweighted": final.unweighted,
        "left_out": len(final.names) - len(final.shown_classes),
        "confusion": confusion_chart(final),
        "confusions": confusions(final),
        "weights": weight_pictures(final),
        "mistakes": mistake_pictures(final),
        "feature_weights": feature_weights(final),
        "mistake_rows": mistake_rows(final),
    }


def _charts(sections: dict[str, Any]) -> list[Chart]:
    """Return all charts of the sections, also those inside lists and pictures."""
    found: list[Chart] = []
    for value in sections.values():
        for item in value if isinstance(value, Sequence) else [value]:
            part = item.chart if isinstance(item, Picture) else item
            found += [part] if isinstance(part, Chart) else []
    return found


def _edge_warnings(run: RunData) -> list[str]:
    best = run.summary.best
    return edge_warnings(best.params, run.config.axes_by_name) if best else []


def _top(run: RunData) -> list[dict[str, Any]]:
    names = ("number", "val_cost", "val_cost_std", "val_accuracy", *run.axes)
    columns = {name: run.trials[name] for name in names}
    sign = -1.0 if run.config.compared_by.greater else 1.0
    return top_trials(columns, sign * run.compared)


def _compared(run: RunData, numbers: list[int]) -> dict[int, float]:
    """Return the value of the objective of some trials."""
    places = np.searchsorted(run.trials["number"], numbers)
    return dict(zip(numbers, run.compared[places].tolist(), strict=True))


def _waves(run: RunData) -> list[int]:
    """Return the first trial number of each wave; none where the proposals cannot be read."""
    try:
        proposals = Proposals(run.folder.proposals, run.manifest.run, layout_of(run.config)).read()
        return [proposal.first for proposal in proposals]
    except PacksweepError:
        return []


def _importances(run: RunData) -> dict[str, float]:
    if run.summary.best is None or not run.varying:
        return {}
    if run.config.is_grid:
        values = {axis.name: run.trials[axis.name] for axis in run.varying}
        return grid_importances(outcomes(run.trials), values)
    # Here, because it takes a second to import, and a grid goes without.
    from search.tuning.importance import importances
    from search.tuning.studies import study_of_run

    return importances(study_of_run(run.folder.path))


def _time_text(created_at: str) -> str:
    """Return an ISO time to the minute, as people write it."""
    return created_at[:16].replace("T", " ") + " UTC"
