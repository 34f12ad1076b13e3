"""What a trainer promises, tried on some rows: each demand with the likely cause where it fails.

It knows trainers by their protocol alone, and starts its own processes. `check_trainer` is all
that others need.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from model.trainers.checking.checks import CHECKS, LEFT_ALONE
from model.trainers.checking.probe import EPOCHS, Probe
from model.trainers.checking.report import BrokenPromiseError, CheckReport, Finding
from model.trainers.quiet import quietly
from model.trainers.reference import TrainerName
from model.trainers.rows import Rows
from model.trainers.trainer import Params

__all__ = ["EPOCHS", "CheckReport", "Finding", "check_trainer"]

# Combinations that are tried in search of one whose cost stays a number.
_MOST_TRIED = 4


def check_trainer(
    named: TrainerName, params: Sequence[Params], training: Rows, scoring: Rows
) -> CheckReport:
    """Try what a trainer promises.

    Parameters
    ----------
    named : TrainerName
    params : sequence of mapping
        Hyperparameters to try, one or more; most checks take the first by which the cost is a
        number.
    training, scoring : Rows
        A few hundred rows each, so that it takes seconds. They are copied: whatever a trainer
        does to its rows, these stay.

    Raises
    ------
    TrainerError
        If the trainer cannot be imported.
    """
    with quietly():
        trainer = named.load()
        rows = _copy(training), _copy(scoring)
        probe = Probe(named, trainer, list(params), *rows)
        if len(params) > 1:
            probe = _that_converges(probe)
        findings = tuple(_findings(probe).values())
        trained = findings[0].passed is not False
        written = probe.written if trained else b""
    return CheckReport(
        trainer=named.name,
        version=trainer.version,
        findings=findings,
        epoch_s=probe.epoch_s if trained else 0.0,
        state_bytes=len(written) if isinstance(written, bytes) else 0,
        epochs=probe.last if trained else 0,
        limits=probe.limits if trained else "",
    )


def _copy(rows: Rows) -> Rows:
    weights = None if rows.weights is None else np.array(rows.weights)
    return Rows(np.array(rows.X), np.array(rows.y), rows.n_classes, weights, rows.seed)


def _that_converges(probe: Probe) -> Probe:
    """Return the trainer with hyperparameters first by which its cost stays a number, if it has."""
    params = probe.params
    for k in range(min(_MOST_TRIED, len(params))):
        turned = Probe(
            probe.named, probe.trainer, [*params[k:], *params[:k]], probe.training, probe.scoring
        )
        try:
            if math.isfinite(turned.figures["cost"]) or turned.has_changed_rows:
                return turned
        except (Exception, SystemExit):  # the first check says it
            return turned
    return probe


def _findings(probe: Probe) -> dict[str, Finding]:
    """Return what each check finds; what one that fails makes meaningless is not tried."""
    findings: dict[str, Finding] = {}
    ended = ""
    for name, check in CHECKS.items():
        findings[name] = Finding(name, None, ended) if ended else _found(name, check, probe)
        if ended:
            continue
        if probe.has_changed_rows:
            ended = "it writes to its rows"
            findings[name] = replace(findings[name], passed=None, message=ended)
        elif len(findings) == 1 and findings[name].passed is False:
            ended = "it does not train"
    if probe.has_changed_rows:
        findings[LEFT_ALONE] = Finding(LEFT_ALONE, False, _WRITES)
    return findings


_WRITES = (
    "It writes to the rows that it is given, which all trials share, and gets round their "
    "protection, as torch.from_numpy does. Let it change a copy."
)


def _found(name: str, check: Callable[[Probe], str | None], probe: Probe) -> Finding:
    began = time.perf_counter()
    found = _tried(name, check, probe)
    return replace(found, seconds=time.perf_counter() - began)


def _tried(name: str, check: Callable[[Probe], str | None], probe: Probe) -> Finding:
    try:
        skipped = check(probe)
    except BrokenPromiseError as error:
        return Finding(name, False, str(error))
    except (Exception, SystemExit) as error:  # a trainer may raise anything
        return Finding(name, False, _explained(error))
    return Finding(name, None if skipped else True, skipped or "")


def _explained(error: BaseException) -> str:
    text = f"{type(error).__name__}: {str(error)[:500]}"
    if isinstance(error, KeyError):
        return f"It raises {text}. If that is a hyperparameter, it is not among those tried."
    if "read-only" in text:
        return (
            f"It writes to the rows that it is given, which all trials share ({text}). Let it "
            "change a copy."
        )
    return f"It raises {text}"
