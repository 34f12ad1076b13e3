"""What ``--json`` prints: a class for each answer, from which its JSON Schema is made.

It knows the keys of an answer, their types and what they mean. It never knows where a value comes
from, and reads and prints nothing.
"""

from search.schemas.answer import Answer, as_json, schema_of
from search.schemas.data_set import ClassRows, DataSet, Memory, Part, Scaling
from search.schemas.plan import DryRun, Pruner, Share
from search.schemas.runs import (
    Comparison,
    Counts,
    Figures,
    KeptRun,
    Leftover,
    Link,
    Listed,
    Pruning,
    Runs,
    SharedTrials,
    StateName,
    Status,
    TestFigures,
    Trial,
    WriterProcess,
)
from search.schemas.tokens import Token, Tokens
from search.schemas.trainers import Check, TrainerCheck

ANSWERS: dict[str, type[Answer]] = {
    "status": Status,
    "runs": Runs,
    "compare": Comparison,
    "prune": Pruning,
    "dry-run": DryRun,
    "data": DataSet,
    "check-trainer": TrainerCheck,
    "tokens": Tokens,
}
"""Each answer by the name of its schema."""

__all__ = [
    "ANSWERS",
    "Answer",
    "Check",
    "ClassRows",
    "Comparison",
    "Counts",
    "DataSet",
    "DryRun",
    "Figures",
    "KeptRun",
    "Leftover",
    "Link",
    "Listed",
    "Memory",
    "Part",
    "Pruner",
    "Pruning",
    "Runs",
    "Scaling",
    "Share",
    "SharedTrials",
    "StateName",
    "Status",
    "TestFigures",
    "Token",
    "Tokens",
    "TrainerCheck",
    "Trial",
    "WriterProcess",
    "as_json",
    "schema_of",
]
