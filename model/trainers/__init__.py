"""Trainers: what trains in epochs or rounds, and what the engine needs of it.

Its face has the protocol. The trainers that come with it are in their own files, which import
their libraries only when they are used.
"""

from model.trainers.figures import classification_figures
from model.trainers.final_state import FinalState
from model.trainers.loading import KNOWN, WITH_ESTIMATOR, load_trainer
from model.trainers.rows import Rows
from model.trainers.schedules import Schedule, ScheduleError
from model.trainers.stages import at_epoch, count_epochs, schedule_of
from model.trainers.trainer import (
    PROTOCOL,
    HasModelFile,
    KeepsPast,
    OwnFormat,
    Packs,
    Params,
    Predicts,
    State,
    TakesSchedules,
    Trainer,
    Value,
)

__all__ = [
    "KNOWN",
    "PROTOCOL",
    "WITH_ESTIMATOR",
    "FinalState",
    "HasModelFile",
    "KeepsPast",
    "OwnFormat",
    "Packs",
    "Params",
    "Predicts",
    "Rows",
    "Schedule",
    "ScheduleError",
    "State",
    "TakesSchedules",
    "Trainer",
    "Value",
    "at_epoch",
    "classification_figures",
    "count_epochs",
    "load_trainer",
    "schedule_of",
]
