"""Trains what the record lacks.

It knows which tasks an executor runs, and repeats those that lost their worker. It never knows
where the executor runs them, nor who watches.
"""

from search.engine.attempts import Task, run_tasks
from search.engine.calibration import calibrate
from search.engine.limits import Enough, Limits
from search.engine.measuring import TrainerSpeed, measure_trainer
from search.engine.optima import Optima
from search.engine.orchestrator import Observers, Orchestrator
from search.engine.protocols import Column, Decision, EndedTrial, Observer, Pruning, Source
from search.engine.refits import Refits, final_models, final_scores, model_is_whole
from search.engine.sampled import (
    WAVES_UNDER_WAY,
    FirstSeen,
    SampledSearch,
    WaveRequest,
    wave_widths,
)
from search.engine.training_tasks import LinkTasks, link_tasks
from search.engine.wave import Wave, newest_trials

__all__ = [
    "WAVES_UNDER_WAY",
    "Column",
    "Decision",
    "EndedTrial",
    "Enough",
    "FirstSeen",
    "Limits",
    "LinkTasks",
    "Observer",
    "Observers",
    "Optima",
    "Orchestrator",
    "Pruning",
    "Refits",
    "SampledSearch",
    "Source",
    "Task",
    "TrainerSpeed",
    "Wave",
    "WaveRequest",
    "calibrate",
    "final_models",
    "final_scores",
    "link_tasks",
    "measure_trainer",
    "model_is_whole",
    "newest_trials",
    "run_tasks",
    "wave_widths",
]
