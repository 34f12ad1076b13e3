"""Where a run is written down: the trial log, the states of packs, and the best so far."""

from collections.abc import Mapping
from dataclasses import dataclass

from model.data.dataset import Dataset
from search.config import SweepConfig
from search.plan import Pack
from search.record.checkpoints import Checkpoints
from search.record.resamples import Resamples
from search.record.run_folder import RunFolder
from search.record.standings import Standings
from search.record.trial_log import TrialLog, link_of


@dataclass(frozen=True)
class Books:
    """Where a run is written down.

    Attributes
    ----------
    trial_log : TrialLog
    checkpoints : Checkpoints
    standings : Standings
    resamples : Resamples or None
        None where trials have replicates.
    """

    trial_log: TrialLog
    checkpoints: Checkpoints
    standings: Standings
    resamples: Resamples | None = None


def settle(packs: Mapping[int, Pack], trial_log: TrialLog, checkpoints: Checkpoints) -> None:
    """Finish what a killed command had begun to record.

    Staged rows of a link count where its state was saved; others are made again.

    Parameters
    ----------
    packs : mapping of int to Pack
        All that may be unfinished, by their index.
    trial_log : TrialLog
    checkpoints : Checkpoints

    Raises
    ------
    StoreError
        If the log cannot be read or written.
    """
    for name in trial_log.staged():
        index, epoch = link_of(name) or (-1, 0)
        saved = index in packs and checkpoints.reached(packs[index])[0] >= epoch
        (trial_log.publish if saved else trial_log.discard)(name)


def open_books(config: SweepConfig, data: Dataset, folder: RunFolder) -> Books:
    """Return the run's trial log, the states of its packs, and standings without any trial yet.

    Raises
    ------
    PacksweepError
        If a folder of theirs cannot be made.
    """
    about = {"dataset": data.name, "fingerprint": data.fingerprint}
    return Books(
        TrialLog(folder.trials, about),
        Checkpoints(folder.checkpoints),
        Standings(config.total, config.select),
        Resamples(folder.resamples) if config.replicates == 1 else None,
    )
