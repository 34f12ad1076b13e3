"""Trainings of one trial that differ in their shuffles, or in the rows that score them.

A trial of a run with seeds and folds is trained once for each pair of them. Such a training is
a replicate. Replicate r of trial t is planned, trained and resumed like a separate trial, with
the number t + r * total; of the packs, each has one replicate. What a trial's row says is made of
all its replicates; see `search.record.ReplicateBooks`.
"""

from dataclasses import dataclass

from search.config.config import SweepConfig


@dataclass(frozen=True)
class Replicate:
    """What sets one training of a trial apart from the others.

    Attributes
    ----------
    seed : int
        The seed of the shuffles.
    fold : int or None
        The part of the training rows that scores it; None without folds.
    """

    seed: int
    fold: int | None


def replicates_of(config: SweepConfig) -> list[Replicate]:
    """Return the replicates that every trial has; of a seed all folds follow each other."""
    folds = range(config.folds) if config.folds else (None,)
    seeds = range(config.seed, config.seed + config.seeds)
    return [Replicate(seed, fold) for seed in seeds for fold in folds]


def replicates_text(config: SweepConfig) -> str:
    """Return in words what sets the replicates apart: 3 seeds, 5 folds or both."""
    counts = {"seeds": config.seeds, "folds": config.folds}
    return " and ".join(f"{count} {name}" for name, count in counts.items() if count > 1)
