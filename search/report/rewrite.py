"""Rewrites the report of a finished run from its folder alone."""

from model.data.dataset import Dataset
from model.data.fashion_mnist import Notify
from model.data.sources import load_dataset
from model.errors import PacksweepError
from search.config import SweepConfig
from search.errors import RunFolderError
from search.record import Manifest, RunFolder, TrialLog, lost_rows
from search.report import write_report
from search.storage import Place


def rewrite_report(run: Place, notify: Notify) -> Place:
    """Write the report of a finished run and return its path.

    Parameters
    ----------
    run : Path or RemotePath
        The run's folder.
    notify : callable
        Takes a sentence if the data set cannot be had; the report goes without it then.

    Raises
    ------
    RunFolderError
        If there is no run, or it is not finished.
    StoreError
        If the log cannot be read, or the report not be written.
    """
    folder = RunFolder(run)
    manifest, summary = folder.existing_manifest(), folder.read_summary()
    if summary is None:
        raise RunFolderError(
            f"The run in {run} is not finished: it has no summary.json. Finish it with "
            f"--resume {run}."
        )
    data = _same_data(manifest, notify, summary.dataset.rows)
    trial_log = TrialLog(folder.trials, run=manifest.run, layout=folder.layout)
    (numbers,), total = trial_log.columns("number"), SweepConfig.from_dict(manifest.config).total
    if len(numbers) < total:
        notify(lost_rows(run, len(numbers), total))
    write_report(folder, manifest, trial_log, summary, data)
    return folder.report


def _same_data(manifest: Manifest, notify: Notify, rows: str) -> Dataset | None:
    """Return the run's data set, if it can be had and is still what it was."""
    name = manifest.config["dataset"]
    reading = SweepConfig.from_dict(manifest.config).reading.to_reading()
    try:
        # "auto" may mean another data set today.
        data = load_dataset(
            manifest.dataset["name"] if name == "auto" else name, reading, notify=notify
        )
    except PacksweepError as error:
        notify(f"The report goes without test {rows}: {error}")
        return None
    if data.fingerprint == manifest.dataset["fingerprint"]:
        return data
    notify(f"The report goes without test {rows}: {name} is not the data set it was.")
    return None
