"""Trainers: what trains in epochs or rounds, and what the engine needs of it.

Its face has the protocol. The trainers that come with it lie in files of their own, which import
their libraries only when they are used.
"""

from model.trainers.figures import classification_figures
from model.trainers.final_state import FinalState
from model.trainers.loading import KNOWN, WITH_ESTIMATOR, load_trainer
from model.trainers.rows import Rows
from model.trainers.trainer import (
    PROTOCOL,
    KeepsPast,
    OwnFormat,
    Packs,
    Params,
    State,
    Trainer,
    Value,
)

__all__ = [
    "KNOWN",
    "PROTOCOL",
    "WITH_ESTIMATOR",
    "FinalState",
    "KeepsPast",
    "OwnFormat",
    "Packs",
    "Params",
    "Rows",
    "State",
    "Trainer",
    "Value",
    "classification_figures",
    "load_trainer",
]
