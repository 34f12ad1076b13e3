"""The state of a run before a sweep begins: whether it is whole, and what it lacks."""

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from model.data.dataset import Dataset
from search.config import SweepConfig
from search.engine import model_is_whole
from search.record import Manifest, Proposals, RunFolder, Summary, layout_of, open_books
from search.result import lacks_optimum, lacks_refits
from search.session.checks import check_same_reuse, check_same_settings
from search.session.options import Options
from search.session.trials import Run
from search.storage import Place

log = logging.getLogger(__name__)


def is_read_only(path: Place) -> bool:
    """Whether a folder is there, and nobody with this login may write to it."""
    return isinstance(path, Path) and os.access(path, os.F_OK) and not os.access(path, os.W_OK)


def in_its_order(folder: RunFolder, config: SweepConfig) -> SweepConfig:
    """Return the settings with the hyperparameters in the order of a run that is there.

    It numbers the trials of the run, and a command may have another: settings are the same by their
    names and values.

    Raises
    ------
    RunFolderError
        If the manifest cannot be read.
    """
    manifest = None if config.trainer.is_softmax else folder.read_manifest()
    return config if manifest is None else config.in_order_of(manifest.sweep_config)


def found_run(
    folder: RunFolder,
    config: SweepConfig,
    data: Dataset,
    reuse: Sequence[Place],
    notify: Callable[[str], None],
) -> tuple[Manifest | None, Summary | None]:
    """Return the manifest and the summary of a run with the settings of this command.

    A summary whose log is not what it was does not count.
    """
    manifest = folder.read_manifest()
    if manifest is None:
        return None, None
    check_same_settings(folder.path, manifest, config, data)
    check_same_reuse(folder.path, manifest, reuse)
    summary = folder.read_summary()
    if summary and not _is_whole(config, data, folder, manifest, summary):
        if summary.ended_early:
            return manifest, None  # it was gone on with
        notify(f"The run in {folder.path} was finished, and files of it were changed since.")
        return manifest, None
    return manifest, summary


def _is_whole(
    config: SweepConfig, data: Dataset, folder: RunFolder, manifest: Manifest, summary: Summary
) -> bool:
    """Whether the log of a run is still what it was when its summary was written."""
    return run_of(config, data, folder, manifest).log_is_whole(summary.trials.ended)


def without_failed(
    run: Run, summary: Summary | None, notify: Callable[[str], None]
) -> Summary | None:
    """Have failed trials trained again; return the summary where there is none of them."""
    run.set_aside(lambda *found: notify(set_aside_text(*found)))
    count = run.drop_failed()
    if not count:
        notify("No trial of the run has failed, except for diverged ones.")
        return summary
    notify(f"{count} failed trials are trained again." if count > 1 else
           "1 failed trial is trained again.")  # fmt: skip
    return None


def set_aside_text(path: Place, problem: str, kept: Place) -> str:
    """Return the message about a file of the log that was moved away."""
    return f"{path} cannot be believed: {problem}. Its trials are trained again; it is now {kept}"


def run_of(config: SweepConfig, data: Dataset, folder: RunFolder, manifest: Manifest) -> Run:
    """Return a run that was finished."""
    proposals = Proposals(folder.proposals, manifest.run, layout_of(config))
    return Run(config, data, manifest, open_books(config, data, folder), proposals)


def lacks(summary: Summary, options: Options, folder: RunFolder) -> bool:
    """Whether a run with a summary has less than is asked for, or has lost its model."""
    return (
        (summary.ended_early is not None and not _is_good_enough(summary, options))
        or lacks_refits(summary, options.refits)
        or (options.optimum and lacks_optimum(summary))
        or (summary.best is not None and not model_is_whole(folder))
    )


def _is_good_enough(summary: Summary, options: Options) -> bool:
    """Whether the best trial of a run that has ended early is what this command asks for too."""
    best, sign = summary.best, -1.0 if summary.compared_by.greater else 1.0
    return best is not None and options.limits.is_good_enough(summary.value_of(best), sign)


def tell_other_versions(manifest: Manifest | None, notify: Callable[[str], None]) -> None:
    """Say which versions were others when the run began, which is not a reason to stop."""
    if manifest and manifest.changed_versions:
        text = (
            f"The run began with {', '.join(manifest.changed_versions)}: what is trained from here "
            "on may differ in its last digits."
        )
        notify(text)
        log.info(text)
