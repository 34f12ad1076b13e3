"""Where a run is written down: the trial log, the states of packs, and the best so far."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.data.dataset import Dataset
from model.results import LinkResult
from search.config import SweepConfig
from search.plan import Link, Pack
from search.record.checkpoints import (
    Checkpoint,
    Checkpoints,
    SoftmaxStates,
    StateKind,
    TrainerStates,
)
from search.record.link_log import LinkLog, LinkRecord
from search.record.log import READOUTS, TrialLog, link_name, link_of
from search.record.manifest import layout_of
from search.record.resamples import Resamples, resampled_of
from search.record.rows import Rows
from search.record.run_folder import RunFolder
from search.record.standings import Standings


@dataclass
class Books:
    """Where a run is written down, and the order in which that is done.

    What is counted is durable already: a figure that the user sees is in the log.

    Attributes
    ----------
    trial_log : TrialLog
    checkpoints : Checkpoints
    standings : Standings
        The counts and the best of the trials.
    resamples : Resamples or None
        None where trials have replicates, are compared by another metric than the cost, or are
        those of another trainer than the softmax trainer.
    links : LinkLog or None
        The links as data, for reading only; None where nobody reads them.
    """

    trial_log: TrialLog
    checkpoints: Checkpoints
    # All and only trials whose rows are published in the log, once `count_log` was called.
    standings: Standings
    resamples: Resamples | None = None
    links: LinkLog | None = None

    @property
    def closed(self) -> NDArray[np.bool_]:
        """Which numbers have their final row in the log; the last entry, true, is `NO_TRIAL`'s."""
        return self.standings.closed

    def count_log(self) -> None:
        """Count the trials that the log holds from earlier commands; called once, before all else.

        Raises
        ------
        StoreError
            If the log cannot be read.
        """
        names = self.standings.layout.standings
        columns = self.trial_log.columns(*names)
        self.standings.count(dict(zip(names, columns, strict=True)))

    def log(self, name: str, rows: Rows) -> None:
        """Make final rows durable, then count them.

        Parameters
        ----------
        name : str
            What the rows are called in the log; written twice they are written once.
        rows : dict of str to array or scalar
            The columns of the log; see `TrialLog.stage`.

        Raises
        ------
        StoreError
            If the rows cannot be written; nothing is counted then.
        """
        self.trial_log.write(name, rows)
        self.standings.count(rows)

    def log_link(self, link: Link, result: LinkResult, rows: Rows, after: Checkpoint) -> None:
        """Make a link durable, then count its trials.

        In this order, so that `settle` finds both the rows and the state or neither, whenever
        this is killed:

        1. The rows are staged. No reader sees them.
        2. The resampled costs of those that may be as good as the best are saved.
        3. The state is saved. From here on the link is done; before, it is trained again.
        4. The rows are published. Every reader sees them.
        5. The link is added to `links`, if the disk takes it.
        6. The trials are counted.

        Parameters
        ----------
        link : Link
        result : LinkResult
            What its task returned.
        rows, after
            What `record` made of it.

        Raises
        ------
        StoreError
            If something cannot be written; nothing is counted then.
        """
        self._write_link(link, result, rows, after)
        if link.has_trials:
            self.standings.count(rows)

    def _write_link(self, link: Link, result: LinkResult, rows: Rows, after: Checkpoint) -> None:
        name = link_name(link.pack.index, link.epoch)
        if link.has_trials:
            name = self.trial_log.stage(name, rows)
            self._save_resampled(name, link, result, rows)
        self.checkpoints.save(link.pack, after)
        if link.has_trials:
            self.trial_log.publish(name)
        if self.links is not None:
            self.links.append(LinkRecord.of(link, result, after.node))

    def _save_resampled(self, name: str, link: Link, result: LinkResult, rows: Rows) -> None:
        if self.resamples is None:
            return
        select, best = self.standings.select, self.standings.best_trial
        so_far = best.value if best else math.inf
        lowest = np.fmin.reduce(rows[READOUTS[select].cost], initial=so_far)
        self.resamples.save(name, resampled_of(link, result, select), float(lowest))


def settle(packs: Mapping[int, Pack], trial_log: TrialLog, checkpoints: Checkpoints) -> None:
    """Finish what a killed command had begun to record.

    Staged rows of a link are published where its state was saved. Others are discarded, and
    their link is trained again.

    Parameters
    ----------
    packs : mapping of int to Pack
        All packs that may be unfinished, by their index.
    trial_log : TrialLog
    checkpoints : Checkpoints

    Raises
    ------
    StoreError
        If the log cannot be read or written.
    """
    for name in trial_log.staged():
        index, epoch = link_of(name) or (-1, 0)
        if index in packs and checkpoints.reached(packs[index])[0] >= epoch:
            trial_log.publish(name)
        else:
            trial_log.discard(name)


def open_books(config: SweepConfig, data: Dataset, folder: RunFolder) -> Books:
    """Return the run's trial log, the states of its packs, and standings without any trial yet.

    Raises
    ------
    PacksweepError
        If one of their folders cannot be made.
    """
    layout, is_softmax = layout_of(config), config.trainer.is_softmax
    shape = data.X.shape[1], data.n_classes
    states: StateKind = SoftmaxStates(shape) if is_softmax else TrainerStates()
    compares = is_softmax and config.replicates == 1 and config.compared_by.is_cost
    return Books(
        TrialLog(folder.trials, _about(data), folder.run, layout=layout),
        Checkpoints(folder.checkpoints, folder.run, states),
        Standings(config.total, layout),
        Resamples(folder.resamples, folder.run) if compares else None,
        LinkLog(folder.links),
    )


def _about(data: Dataset) -> dict[str, str]:
    """Return what every file of the log says of the data set."""
    found = {"dataset": data.name, "fingerprint": data.fingerprint}
    return found if data.plain_classes else found | {"classes": json.dumps(data.classes)}
