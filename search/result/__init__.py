"""What the record says, as values and in words.

It knows how the best trial is told, and how sure it is. It never changes a run, and never
trains.
"""

from search.result.best import NAMES, as_told, top_lines
from search.result.optimality_gap import (
    ROUNDING,
    gaps,
    lacks_optimum,
    optimum_rows,
    optimum_sentences,
    optimum_told,
)
from search.result.spread import add_spread, spread_rows
from search.result.summary import (
    lacks_refits,
    make_summary,
    readout_rows,
    result_lines,
    result_text,
    with_refits,
)
from search.result.ties import find_indistinguishable, sentences
from search.result.work import Arithmetic, Command, arithmetic, make_timing

__all__ = [
    "NAMES",
    "ROUNDING",
    "Arithmetic",
    "Command",
    "add_spread",
    "arithmetic",
    "as_told",
    "find_indistinguishable",
    "gaps",
    "lacks_optimum",
    "lacks_refits",
    "make_summary",
    "make_timing",
    "optimum_rows",
    "optimum_sentences",
    "optimum_told",
    "readout_rows",
    "result_lines",
    "result_text",
    "sentences",
    "spread_rows",
    "top_lines",
    "with_refits",
]
