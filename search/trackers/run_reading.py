"""A run's files as what a tracker is told of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from search.config import SweepConfig
from search.record import (
    COMPLETE,
    FAIL,
    PRUNED,
    Layout,
    Manifest,
    RunFolder,
    Summary,
    layout_of,
    read_log,
)
from search.storage import Place, is_there
from search.trackers.values import Run, Trial

_FACTS = ("pack", "node", "attempt", "error", "source")
_FILES = ("summary.json", "report.html")


def read_run(path: Place, name_there: str = "", command: str = "") -> tuple[Run, Sequence[Trial]]:
    """Return a run, finished or not, and its trials that have ended, by their numbers.

    Parameters
    ----------
    path : Path or RemotePath
        The run's folder.
    name_there : str
        Name of the study, experiment or folder; the grid's name where there is none.
    command : str
        Command that shows or continues the run.

    Raises
    ------
    RunFolderError
        If there is no run.
    StoreError
        If the log cannot be read.
    """
    folder = RunFolder(path)
    manifest = folder.existing_manifest()
    config, summary = manifest.sweep_config, folder.read_summary()
    layout = layout_of(config)
    log = read_log(folder.trials, run=manifest.run, layout=layout).sort_by("number")
    trials = [trial_of(row, layout) for row in log.to_pylist()]
    done = summary is not None and not summary.ended_early
    run = Run(
        id=manifest.run,
        name=config.name,
        name_there=name_there or config.name,
        ended=len(trials),
        total=config.total,
        finished=done,
        axes=config.axes_by_name,
        layout=layout,
        settings={name: str(value) for name, value in manifest.settings().items()},
        figures=figures_of(trials, config.total, layout, summary),
        texts=_texts(manifest, config, command, summary),
        files=tuple(folder.path / name for name in _FILES if is_there(folder.path / name)),
        started_at=datetime.fromisoformat(manifest.created_at),
        ended_at=max((t.finished_at for t in trials), default=None) if done else None,
    )
    return run, trials


def trial_of(row: Mapping[str, Any], layout: Layout) -> Trial:
    """Return a row of the log as a trial."""
    figures = (*layout.figures, *(f"{name}_std" for name in layout.figures))
    names = (*figures, "train_cost", "last_cost", "seconds")
    return Trial(
        number=row["number"],
        state=row["state"],
        value=row[layout.compared],
        params={name: row[name] for name in layout.axes if row[name] is not None},
        figures={name: row[name] for name in names if row[name] is not None},
        facts={name: row[name] for name in _FACTS if row[name] is not None},
        series=_series(row, layout),
        last_epoch=row["last_epoch"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
    )


def _series(row: Mapping[str, Any], layout: Layout) -> dict[str, tuple[tuple[int, float], ...]]:
    """Return the costs on the way, and the figures of the replicates."""
    series = {"reports": tuple(dict(row["reports"] or ()).items())}
    for name in layout.figures:
        values = [replicate[name] for replicate in row["replicates"] or ()]
        series[f"{name}_of_replicate"] = tuple(
            (i, value) for i, value in enumerate(values) if value is not None
        )
    return {name: points for name, points in series.items() if points}


def figures_of(
    trials: Sequence[Trial], total: int, layout: Layout, summary: Summary | None
) -> dict[str, float]:
    """Return counts of trials, the best value and its figures, and those of the test rows."""
    states = Counter(trial.state for trial in trials)
    figures: dict[str, float] = {
        "trials_total": total,
        "trials_complete": states[COMPLETE],
        "trials_pruned": states[PRUNED],
        "trials_failed": states[FAIL],
    }
    values = {t.number: (layout.sign * t.value, t) for t in trials if t.value is not None}
    if values:
        number, (value, best) = min(values.items(), key=lambda found: (found[1][0], found[0]))
        figures |= {"best_number": number, "best_value": layout.sign * value}
        columns = {"best_cost": layout.readout.cost, "best_accuracy": layout.readout.accuracy}
        figures |= {k: best.figures[name] for k, name in columns.items() if name in best.figures}
    if summary is not None and summary.test is not None:
        figures |= {"test_cost": summary.test.cost, "test_accuracy": summary.test.accuracy}
    return figures


def _texts(
    manifest: Manifest, config: SweepConfig, command: str, summary: Summary | None
) -> dict[str, str]:
    texts = {
        "grid": config.name,
        "dataset": str(manifest.dataset["name"]),
        "fingerprint": str(manifest.dataset["fingerprint"]),
        "seed": str(config.seed),
        "trainer": config.trainer.name,
        "select": config.select,
        "objective": config.compared_by.name,
        **({"command": command} if command else {}),
        **({"ended_early": summary.ended_early} if summary and summary.ended_early else {}),
    }
    return texts | {f"version_{name}": text for name, text in manifest.versions.items()}
