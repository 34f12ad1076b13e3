"""Trainings of one trial that differ in their shuffles, or in the images that score them.

A trial of a run with seeds and folds is trained once for each pair of them. Such a training is
a replicate. Replicate r of trial t is planned, trained and resumed like a trial of its own, with
the number t + r * total; of the packs, each has one replicate. What a trial's row says is made of
all its replicates; see `search.replicate_study`.
"""

from search.config.config import SweepConfig


def workers_each(config: SweepConfig, workers: int) -> int:
    """Return for how many workers the packs of one replicate are planned: the others share them.

    With fewer of them packs are wider, and do less work in all.
    """
    return max(1, workers // config.replicates)
