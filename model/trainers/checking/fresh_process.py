"""Epochs trained in their own process, which knows nothing but what it is given."""

import pickle
import subprocess
import sys
from dataclasses import dataclass

from model.errors import TrainerError
from model.trainers.quiet import quietly
from model.trainers.reference import TrainerName
from model.trainers.rows import Rows
from model.trainers.states import dumped, loaded
from model.trainers.trainer import Params


@dataclass(frozen=True)
class Job:
    """A range of epochs to train.

    Attributes
    ----------
    named : TrainerName
    content : bytes or None
        The state, written down; None before the first epoch.
    params : mapping
    epochs : range
    data : Rows
    """

    named: TrainerName
    content: bytes | None
    params: Params
    epochs: range
    data: Rows

    def run(self) -> bytes:
        """Return the state after it, written down."""
        trainer = self.named.load()
        state = None if self.content is None else loaded(trainer, self.content)
        return dumped(trainer, trainer.advance(state, dict(self.params), self.epochs, self.data))

    def run_in_a_fresh_process(self, seconds: float) -> bytes:
        """Return the same as `run`, of a process that is started for it.

        Parameters
        ----------
        seconds : float
            How long it may take.

        Raises
        ------
        TrainerError
            If that process ends badly, or not in time.
        """
        command = [sys.executable, "-m", "model.trainers.checking.fresh_process"]
        try:
            done = subprocess.run(  # noqa: S603 - this very program
                command, input=pickle.dumps((sys.path, self)), capture_output=True,
                timeout=seconds, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise TrainerError(f"a fresh process was not done in {seconds:.0f} s") from error
        if done.returncode:
            last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            raise TrainerError(f"a fresh process failed: {last or f'exit {done.returncode}'}")
        return done.stdout


def _main() -> None:
    content = sys.stdin.buffer.read()
    # The job may be of modules that only the paths of the other process lead to.
    sys.path[:], job = _read(content)
    with quietly():
        found = job.run()
    sys.stdout.buffer.write(found)


def _read(content: bytes) -> tuple[list[str], Job]:
    found: tuple[list[str], Job] = pickle.loads(content)  # noqa: S301 - of the process that started this
    return found


if __name__ == "__main__":
    _main()
