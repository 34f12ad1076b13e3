"""Ray Tune: every trial an actor of one core, or an actor for many trials with reuse_actors.

The images are in the object store (tune.with_parameters), which actors read
without a copy; the trials are one grid_search over their params. Nothing is
reported in mid-training and nothing checkpointed; the loggers are the defaults.
"""

import logging
import os
import tempfile
from typing import Any

# Before ray is imported: nothing is reported to anybody, and no notice about it printed.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

import ray
from ray import tune

from model.examples import Examples
from peers.task import Outcome, Task, Trial, train
from search.config import AXES, Params


class Textbook(tune.Trainable):
    """One step is the whole training of one trial."""

    def setup(self, config: dict[str, Any], examples: Examples, seed: int) -> None:
        self.examples, self.seed = examples, seed
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        trial = new_config["trial"]
        self.trial = Trial(trial["number"], Params(**trial["params"]))
        return True

    def step(self) -> dict[str, Any]:
        outcome = train(self.trial, self.examples, self.seed)
        return {**vars(outcome), "done": True}


def run(task: Task) -> list[Outcome]:
    """Start a new actor for every trial, as Ray Tune does when not told otherwise."""
    return _run(task, reuse_actors=False)


def run_reusing_actors(task: Task) -> list[Outcome]:
    """Give an actor that has finished a trial the next one, through reset_config."""
    return _run(task, reuse_actors=True)


def _run(task: Task, *, reuse_actors: bool) -> list[Outcome]:
    ray.init(
        address="local",
        num_cpus=task.cores,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    try:
        with tempfile.TemporaryDirectory() as folder:
            results = _tuner(task, folder, reuse_actors=reuse_actors).fit()
            if results.num_errors:
                raise RuntimeError(f"{results.num_errors} trials failed: {results.errors[0]}")
    finally:
        ray.shutdown()
    keys = ("number", "cost", "started", "finished")
    return [Outcome(*(result.metrics[key] for key in keys)) for result in results]


def _tuner(task: Task, folder: str, *, reuse_actors: bool) -> tune.Tuner:
    trainable = tune.with_parameters(Textbook, examples=task.examples, seed=task.seed)
    trials = [{"number": t.number, "params": _plain(t.params)} for t in task.trials]
    return tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1}),
        param_space={"trial": tune.grid_search(trials)},
        tune_config=tune.TuneConfig(metric="cost", mode="min", reuse_actors=reuse_actors),
        run_config=tune.RunConfig(
            storage_path=folder,
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            verbose=0,
        ),
    )


def _plain(params: Params) -> dict[str, Any]:
    return {name: params[name] for name in AXES}
