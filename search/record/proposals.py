"""Trials that a sampler has asked for, written down before they are trained."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.config import AXES, DTYPES
from search.errors import RunFolderError, SamplerError
from search.plan import Plan, make_plan
from search.storage import Place, prepare_folder, read_whole, write_atomically


@dataclass
class Proposal:
    """The trials of one wave, as a sampler asked for them.

    Attributes
    ----------
    index : int
        Index of the wave.
    first : int
        Number of its first trial; the others follow.
    params : list of dict
        One for each trial.
    attrs : list of dict
        What the sampler, and later the pruner, keep with each trial.
    study_attrs : dict
        Attributes that the sampler keeps with its study.
    widths : dict of int to int
        Columns per pack for each batch size.
    first_pack, n_packs : int
        Index of its first pack, and how many there are.
    reused : list of int
        Numbers of the trials whose results another run had.
    copies : dict of int to int
        Trials that repeat an earlier one: their number, and that of the earlier one.
    told : bool
        Whether all are finished and the sampler knows it.
    """

    index: int
    first: int
    params: list[dict[str, Any]]
    attrs: list[dict[str, Any]]
    study_attrs: dict[str, Any]
    widths: dict[int, int] = field(default_factory=dict)
    first_pack: int = 0
    n_packs: int = 0
    reused: list[int] = field(default_factory=list)
    copies: dict[int, int] = field(default_factory=dict)
    told: bool = False

    @property
    def numbers(self) -> range:
        """The trials' numbers."""
        return range(self.first, self.first + len(self.params))

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return the trials' params as the log stores them."""
        return {
            name: np.array([params[name] for params in self.params], DTYPES[name]) for name in AXES
        }

    def plan(self, rungs: Sequence[int]) -> Plan:
        """Return the packs of the trials that are to be trained."""
        numbers = np.array(self.numbers)
        trained = ~np.isin(numbers, [*self.copies, *self.reused])
        return make_plan(
            numbers[trained],
            {name: values[trained] for name, values in self.columns().items()},
            self.widths,
            rungs,
            self.first_pack,
        )


class Proposals:
    """All that samplers have asked for in one run.

    Parameters
    ----------
    folder : Path or RemotePath
        Folder of the files; made when there is something to write.
    """

    def __init__(self, folder: Place) -> None:
        self.folder = folder
        if folder.is_dir():  # a grid's run has none
            prepare_folder(folder)

    def write(self, proposal: Proposal) -> None:
        """Make a proposal durable: before its trials start, and again when the sampler was told.

        Raises
        ------
        StoreError
            If it cannot be written.
        """
        if not self.folder.is_dir():
            prepare_folder(self.folder)
        text = json.dumps(asdict(proposal), default=_plain)
        path = self.folder / f"wave-{proposal.index:05d}.json"
        write_atomically(path, lambda file: file.write(text.encode()))

    def read(self) -> list[Proposal]:
        """Return all proposals in their order.

        Raises
        ------
        RunFolderError
            If one is damaged: without it the log's numbers mean nothing to the sampler.
        StoreError
            If one cannot be fetched.
        """
        proposals = []
        paths: Sequence[Place] = sorted(self.folder.glob("wave-*.json"))
        for path in paths:
            try:
                proposals.append(_restored(Proposal(**json.loads(read_whole(path) or b""))))
            except (ValueError, TypeError, AttributeError) as error:
                raise RunFolderError(
                    f"{path} cannot be read ({type(error).__name__}: {error}). Use --fresh to "
                    "move this run aside and start anew; --reuse takes its finished trials over."
                ) from error
        return proposals


def _restored(proposal: Proposal) -> Proposal:
    """Turn the keys that JSON has made texts into numbers again."""
    return replace(proposal, widths=_numbered(proposal.widths), copies=_numbered(proposal.copies))


def _numbered(values: Mapping[Any, int]) -> dict[int, int]:
    return {int(key): value for key, value in values.items()}


def _plain(value: Any) -> Any:
    """Turn a number of numpy's into one of Python's."""
    if isinstance(value, np.generic):
        return value.item()
    raise SamplerError(
        f"The sampler keeps {value!r} with its trials, which cannot be written down as JSON. "
        "Choose another sampler for a new run."
    )
