"""The result that a record gives, as a value and in words.

It knows how the best trial is reported, and how sure it is. It never changes a run, and never
trains.
"""

from search.result.best import edge_warnings, top_lines, top_trial
from search.result.guessing import guessing_sentences, rates_warning, sizes_of, why_no_result
from search.result.importance import grid_importances
from search.result.optimality_gap import (
    ROUNDING,
    gaps,
    lacks_optimum,
    optimum_figures,
    optimum_rows,
    optimum_sentences,
)
from search.result.spread import spread_rows
from search.result.summary import Findings, lacks_refits, make_summary, with_refits
from search.result.tie_words import tie_sentences
from search.result.ties import find_ties
from search.result.words import (
    cost_line,
    params_lines,
    readout_rows,
    result_lines,
    result_text,
    score_lines,
)
from search.result.work import Command, arithmetic, make_timing

__all__ = [
    "ROUNDING",
    "Command",
    "Findings",
    "arithmetic",
    "cost_line",
    "edge_warnings",
    "find_ties",
    "gaps",
    "grid_importances",
    "guessing_sentences",
    "lacks_optimum",
    "lacks_refits",
    "make_summary",
    "make_timing",
    "optimum_figures",
    "optimum_rows",
    "optimum_sentences",
    "params_lines",
    "rates_warning",
    "readout_rows",
    "result_lines",
    "result_text",
    "score_lines",
    "sizes_of",
    "spread_rows",
    "tie_sentences",
    "top_lines",
    "top_trial",
    "why_no_result",
    "with_refits",
]
