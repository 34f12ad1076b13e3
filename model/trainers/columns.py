"""The columns of a pack while a worker trains them: what fails is kept, and touches no other."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.errors import told
from model.trainers.quiet import quietly
from model.trainers.rows import Rows
from model.trainers.stages import Stage, at_epoch, stages
from model.trainers.states import States, dumped, loaded
from model.trainers.trainer import KeepsPast, Packs, Params, State, TakesSchedules, Trainer


@dataclass(frozen=True)
class Failure:
    """Why there is no state, or no score."""

    reason: str


class Columns:
    """The states of a pack's columns in a link that is under way.

    Columns whose trainings are one so far have one state in common.

    Parameters
    ----------
    trainer : Trainer
    states : States
        Where the columns stand at the beginning of the link.
    """

    def __init__(self, trainer: Trainer, states: States) -> None:
        self.trainer, self.epoch = trainer, states.epoch
        # The states at the link's beginning, from which a column can be trained again.
        self._before, self._params = states, states.column_params
        # The state of each column: what its trainer has returned, or the reason why there is none.
        self._states: list[State | Failure | None] = [
            Failure(part.decode()) if failed else self._loaded(part) if trained else None
            for part, trained, failed in zip(
                states.parts, states.trained.tolist(), states.failed.tolist(), strict=True
            )
        ]
        self._trained = states.trained.tolist()

    def __len__(self) -> int:
        return len(self._states)

    def keep(self, places: NDArray[np.integer]) -> None:
        """Forget all other columns."""
        chosen = places.tolist()
        self._before = self._before.take(places)
        self._states = [self._states[i] for i in chosen]
        self._params = [self._params[i] for i in chosen]
        self._trained = [self._trained[i] for i in chosen]

    # --- Training

    def advance(self, until: int, training: Rows) -> None:
        """Train every column that is well up to an epoch."""
        found = self._stages(until)
        self.epoch = until
        for batch in self._batches(found):
            if len(batch) == 1 or not self._advance_pack(batch, training):
                for stage in batch:
                    self._advance_stage(stage, training)

    def _stages(self, until: int) -> list[Stage]:
        """Return what is left to train up to an epoch, in this order."""
        due = [i for i in range(len(self)) if not isinstance(self._states[i], Failure)]
        trainer = self.trainer
        if not isinstance(trainer, TakesSchedules):
            found = [Stage(self._trained[i], self._goal(i, until), (i,)) for i in due]
            return [stage for stage in found if self._trained[stage.columns[0]] < until]
        # What is exact alone can be one training; else each column is trained by itself.
        apart = [due] if trainer.exact else [[i] for i in due]
        return [
            replace(stage, columns=tuple(group[i] for i in stage.columns))
            for group in apart
            for stage in stages(
                [self._params[i] for i in group], trainer.live, self.epoch, until,
                in_step=isinstance(trainer, Packs),
            )
        ]  # fmt: skip

    def _goal(self, i: int, until: int) -> int:
        """Return how far a column is trained: where states may be cut, or where the column ends."""
        if not isinstance(self.trainer, KeepsPast):
            return until
        grain = self.trainer.grain
        return min(-(-until // grain) * grain, max(until, int(self._before.lasts[i])))

    def _batches(self, found: Sequence[Stage]) -> Iterator[tuple[Stage, ...]]:
        """Yield the stages that are trained together."""
        if not isinstance(self.trainer, Packs):
            yield from ((stage,) for stage in found)
            return
        together: dict[tuple[int, int], list[Stage]] = {}
        for stage in found:
            together.setdefault((stage.start, stage.stop), []).append(stage)
        most = self.trainer.widest
        for some in together.values():
            yield from (tuple(some[i : i + most]) for i in range(0, len(some), most))

    def _advance_stage(self, stage: Stage, training: Rows) -> None:
        first, epochs = stage.columns[0], range(stage.start, stage.stop)
        state, params = self._own_state(stage), self._at(first, stage.start)
        if not isinstance(state, Failure):
            state = attempt(
                lambda: self.trainer.advance(state, params, epochs, training),
                f"epochs {epochs.start + 1} to {epochs.stop}",
            )
        self._put(stage, state)

    def _advance_pack(self, batch: Sequence[Stage], training: Rows) -> bool:
        """Train columns together; where that fails, put them back, to see whose fault it is."""
        trainer, epochs = self.trainer, range(batch[0].start, batch[0].stop)
        if not isinstance(trainer, Packs):
            return False
        given = [self._own_state(stage) for stage in batch]
        params = [self._at(stage.columns[0], stage.start) for stage in batch]
        if any(isinstance(state, Failure) for state in given):
            return False
        after = attempt(lambda: list(trainer.advance_pack(given, params, epochs, training)), "")
        if isinstance(after, Failure) or len(after) != len(batch):
            # The call may have changed any of them: each goes back to the link's beginning.
            for stage in batch:
                self._put(replace(stage, stop=stage.start), self._again(stage, training))
            return False
        for stage, state in zip(batch, after, strict=True):
            self._put(stage, state)
        return True

    def _again(self, stage: Stage, training: Rows) -> "State | Failure | None":
        """Train a column alone, from the link's beginning to that of a stage."""
        first = stage.columns[0]
        began = int(self._before.trained[first])
        state = self._loaded(self._before.parts[first]) if began else None
        if isinstance(state, Failure) or began >= stage.start:
            return state
        return attempt(
            lambda: train_alone(
                self.trainer, self._params[first], range(began, stage.start), training, state
            ),
            f"epochs {began + 1} to {stage.start}",
        )

    def _at(self, i: int, epoch: int) -> Params:
        return at_epoch(self._params[i], live_of(self.trainer), epoch)

    def _own_state(self, stage: Stage) -> "State | Failure | None":
        """Return the state that a stage goes on from; a copy, where other columns need it too."""
        state = self._states[stage.columns[0]]
        holders = [i for i in range(len(self)) if self._states[i] is state]
        if state is None or isinstance(state, Failure) or set(holders) <= set(stage.columns):
            return state
        return attempt(lambda: loaded(self.trainer, dumped(self.trainer, state)), "copying a state")

    def _put(self, stage: Stage, state: "State | Failure | None") -> None:
        for i in stage.columns:
            self._states[i], self._trained[i] = state, stage.stop

    # --- Scores, and what is written down

    def scores(
        self, places: Sequence[int], epoch: int, scoring: Rows
    ) -> "list[Mapping[str, float] | Failure]":
        """Return the metrics of some columns at an epoch, or why there are none.

        A column that cannot be scored is trained no further.
        """
        # By state: columns with one in common are scored once.
        known: dict[tuple[int, int], Mapping[str, float] | Failure] = {}
        found = []
        for i in places:
            key = id(self._states[i]), self._trained[i]
            if key not in known:
                known[key] = self._score(i, epoch, scoring)
            found.append(known[key])
        for i, metrics in zip(places, found, strict=True):
            if isinstance(metrics, Failure):
                self._states[i] = metrics
        return found

    def _score(self, i: int, epoch: int, scoring: Rows) -> "Mapping[str, float] | Failure":
        state, trainer, asked = self._states[i], self.trainer, scoring.metrics
        if isinstance(state, Failure):
            return state

        def score() -> Mapping[str, float]:
            if isinstance(trainer, KeepsPast) and self._trained[i] > epoch:
                return checked(trainer, trainer.score_at(state, epoch, scoring), asked)
            return checked(trainer, trainer.score(state, scoring), asked)

        found: Mapping[str, float] | Failure = attempt(score, "scoring")
        return found

    def written(self) -> States:
        """Return the states, written down."""
        contents: dict[int, bytes | Failure] = {}
        for state in self._states:
            if id(state) not in contents:
                contents[id(state)] = self._written(state)
        found = [contents[id(state)] for state in self._states]
        parts = [c.reason.encode() if isinstance(c, Failure) else c for c in found]
        return replace(
            self._before.with_parts(parts),
            epoch=self.epoch,
            trained=np.array(self._trained, np.int64),
            failed=np.array([isinstance(content, Failure) for content in found], bool),
        )

    def _written(self, state: "State | Failure") -> "bytes | Failure":
        if isinstance(state, Failure):
            return state
        found: bytes | Failure = attempt(lambda: dumped(self.trainer, state), "writing its state")
        return found

    def _loaded(self, content: bytes) -> State:
        return loaded(self.trainer, content)


def live_of(trainer: Trainer) -> tuple[str, ...]:
    """Return the hyperparameters that may change from epoch to epoch."""
    return tuple(trainer.live) if isinstance(trainer, TakesSchedules) else ()


def train_alone(
    trainer: Trainer, params: Params, epochs: range, data: Rows, state: State | None = None
) -> State:
    """Return the state of one training after some epochs, whatever its trainer raises."""
    live = live_of(trainer)
    for stage in stages([params], live, epochs.start, epochs.stop):
        now = at_epoch(params, live, stage.start)
        state = trainer.advance(state, now, range(stage.start, stage.stop), data)
    return state


def attempt(call: Callable[[], Any], doing: str) -> Any:
    """Return what a call of a trainer returns, or why it does not."""
    try:
        with quietly():
            return call()
    except (Exception, SystemExit) as error:  # a trainer may raise anything
        return Failure(f"{told(error)}, {doing}" if doing else told(error))


def checked(
    trainer: Trainer, metrics: Mapping[str, float], asked: Sequence[str] = ()
) -> dict[str, float]:
    """Return the metrics as numbers: those that the trainer has announced, and what was asked."""
    wanted = dict.fromkeys((*trainer.metrics, *asked))
    if set(metrics) != set(wanted):
        missing = [name for name in asked if name not in metrics]
        if missing and set(trainer.metrics) <= set(metrics):
            raise ValueError(
                f"score has not returned {', '.join(missing)}, which the sweep asks for; "
                "model.trainers.classification_figures returns it"
            )
        raise ValueError(
            f"score has returned {', '.join(map(str, metrics)) or 'nothing'}, and the trainer's "
            f"metrics are {', '.join(wanted)}"
        )
    return {name: float(metrics[name]) for name in wanted}
