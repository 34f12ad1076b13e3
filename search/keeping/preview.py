"""What a deletion would do, before anything is deleted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from search.keeping.removal import leftovers, look
from search.keeping.rules import KeptRun, Rules, why_kept
from search.schemas import KeptRun as KeptRunAnswer
from search.schemas import Leftover, Pruning
from search.storage import Place


@dataclass(frozen=True)
class Preview:
    """Which runs go and why the others stay.

    Attributes
    ----------
    runs : sequence of KeptRun
    reasons : sequence of str
        Why each stays; empty where it goes.
    leftovers : dict of Path or RemotePath to int
        What is left of runs that were deleted before, with its bytes.
    """

    runs: Sequence[KeptRun]
    reasons: Sequence[str]
    leftovers: dict[Place, int]

    @classmethod
    def of(cls, paths: Sequence[Place], rules: Rules, now: float) -> "Preview":
        """Look at some runs.

        Raises
        ------
        RunFolderError
            If one is no run.
        StoreError
            If its files cannot be looked at.
        """
        runs = [look(path) for path in paths]
        return cls(runs, why_kept(runs, rules, now), leftovers({path.parent for path in paths}))

    @property
    def doomed(self) -> list[KeptRun]:
        """The runs that go."""
        return [run for run, reason in zip(self.runs, self.reasons, strict=True) if not reason]

    @property
    def size(self) -> int:
        """Bytes that are free then."""
        return sum(run.size for run in self.doomed) + sum(self.leftovers.values())

    @property
    def answer(self) -> Pruning:
        """The preview for ``--json``."""
        return Pruning(
            runs=list(map(_kept, self.runs, self.reasons)),
            leftovers=[Leftover(path=str(p), bytes=size) for p, size in self.leftovers.items()],
            bytes=self.size,
        )


def _kept(run: KeptRun, reason: str) -> KeptRunAnswer:
    return KeptRunAnswer(
        run=str(run.path),
        state=run.state,
        changed_at=datetime.fromtimestamp(run.changed_at, UTC).isoformat(timespec="seconds"),
        bytes=run.size,
        goes=not reason,
        reason=reason or None,
    )
