"""The final trainings of a run, written down one by one."""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from cluster.executor import Executor
from model.data.dataset import Dataset
from model.tasks import FinalScore, FinalScores
from search.config.config import SweepConfig
from search.config.space import Params
from search.record.run_folder import RunFolder
from search.refit import final_model, final_scores, refit
from search.storage.durable import read_whole, write_atomically

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Refits:
    """Final trainings on all images that differ in their shuffles' seed alone.

    The figures of each stand in refits.json as soon as it is done, so that one which was
    interrupted, or is asked for more, trains what is missing.

    Attributes
    ----------
    folder : RunFolder
    data : Dataset
    params : Params
        Of the winner; figures of another one do not count.
    config : SweepConfig
        The training with the run's own seed gives the final model, from the readout that selects.
    """

    folder: RunFolder
    data: Dataset
    params: Params
    config: SweepConfig

    def train(
        self, count: int, examples: Any, executor: Executor, interrupted: Callable[[], bool]
    ) -> list[FinalScores]:
        """Train what is missing of the first `count`, and return what each gives.

        Parameters
        ----------
        count : int
        examples : object
            What the executor's `share` returned for the `Examples`.
        executor : Executor
        interrupted : callable

        Raises
        ------
        InterruptedSweepError
            If `interrupted` said so; what was done is written down.
        ClusterError
            If a worker is lost again and again.
        StoreError
            If the model or the figures cannot be written.
        """
        done, seeds = self.done(), self.config.refit_seeds(count)
        missing = [seed for seed in seeds if seed not in done]
        for seed, states in refit(self.params, missing, examples, executor, interrupted):
            if seed == self.config.seed:  # first, as its figures say that the model is there
                write_atomically(
                    self.folder.model, final_model(states[self.config.select], self.params).save
                )
            done[seed] = final_scores(states, self.data)
            self._write(done)
            log.info("final training done: seed %d", seed)
        return [done[seed] for seed in seeds]

    def done(self) -> dict[int, FinalScores]:
        """Return the figures that are written down; what is damaged is trained again.

        Raises
        ------
        StoreError
            If they cannot be fetched.
        """
        content = read_whole(self.folder.refits) or b""
        try:
            saved = json.loads(content)
            found: dict[int, FinalScores] = {
                int(seed): {name: FinalScore(**score) for name, score in tests.items()}
                for seed, tests in saved["tests"].items()
            }
            same = saved["params"] == asdict(self.params)
        except (ValueError, KeyError, TypeError, AttributeError):
            return {}
        if not self.folder.model.exists():
            found.pop(self.config.seed, None)
        return found if same else {}

    def _write(self, done: Mapping[int, FinalScores]) -> None:
        tests = {
            str(seed): {name: asdict(score) for name, score in scores.items()}
            for seed, scores in sorted(done.items())
        }
        text = json.dumps({"params": asdict(self.params), "tests": tests}, indent=2) + "\n"
        write_atomically(self.folder.refits, lambda file: file.write(text.encode()))
