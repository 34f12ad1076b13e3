"""What a deletion would do, before anything is deleted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from search.errors import StoreError
from search.keeping.removal import leftovers, look, look_or_keep
from search.keeping.rules import UNREADABLE, KeptRun, Rules, why_kept
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
    def of(
        cls,
        paths: Sequence[Place],
        rules: Rules,
        now: float,
        tell: Callable[[StoreError], object],
        *,
        named: bool = True,
    ) -> "Preview":
        """Look at some runs.

        Parameters
        ----------
        paths : sequence of Path or RemotePath
        rules : Rules
        now : float
            Seconds since 1970.
        tell : callable
            Gets why something that is left of a run cannot be read.
        named : bool
            Whether somebody has named these runs. Of those that were found, one that cannot be
            looked at stays.

        Raises
        ------
        RunFolderError
            If one is not a run.
        StoreError
            If the files of one that was named cannot be read.
        """
        runs = [look(path) if named else look_or_keep(path) for path in paths]
        left = leftovers({path.parent for path in paths}, tell)
        return cls(runs, why_kept(runs, rules, now), left)

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
    changed_at = datetime.fromtimestamp(run.changed_at, UTC)
    return KeptRunAnswer(
        run=str(run.path),
        state=run.state,
        changed_at=None if run.state == UNREADABLE else changed_at.isoformat(timespec="seconds"),
        bytes=run.size,
        goes=not reason,
        reason=reason or None,
    )
