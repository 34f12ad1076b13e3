"""Trains what the record lacks.

It knows which tasks an executor runs, and repeats those that lost their worker. It never knows
where the executor runs them, nor who watches.
"""

from search.engine.calibration import calibrate
from search.engine.optima import Optima
from search.engine.orchestrator import Observers, Orchestrator, Source
from search.engine.refits import Refits, final_scores
from search.engine.sampled import LAG, SampledSearch, repeated, wave_widths
from search.engine.wave import Column, Ended, Pruning, Wave

__all__ = [
    "LAG",
    "Column",
    "Ended",
    "Observers",
    "Optima",
    "Orchestrator",
    "Pruning",
    "Refits",
    "SampledSearch",
    "Source",
    "Wave",
    "calibrate",
    "final_scores",
    "repeated",
    "wave_widths",
]
