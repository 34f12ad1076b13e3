"""Trials that a sampler has asked for, written down before they are trained."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from search.errors import RunFolderError, SamplerError
from search.plan import Plan, make_plan
from search.record.log import SOFTMAX_LAYOUT, Layout
from search.storage import (
    Place,
    is_there,
    json_content,
    listed,
    parse_json,
    prepare_folder,
    read_whole,
    seal_of,
    write_whole,
)


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
    widths : dict of int to int, or int
        Columns per pack, of the softmax trainer for each batch size.
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
    widths: dict[int, int] | int = field(default_factory=dict)
    first_pack: int = 0
    n_packs: int = 0
    reused: list[int] = field(default_factory=list)
    copies: dict[int, int] = field(default_factory=dict)
    told: bool = False

    @property
    def numbers(self) -> range:
        """The trials' numbers."""
        return range(self.first, self.first + len(self.params))

    def columns(self, layout: Layout = SOFTMAX_LAYOUT) -> dict[str, NDArray[Any]]:
        """Return the trials' params as the log stores them."""
        return {
            name: np.array([params[name] for params in self.params], layout.dtype(name))
            for name in layout.axes
        }

    def plan(
        self,
        rungs: Sequence[int],
        layout: Layout = SOFTMAX_LAYOUT,
        pack_by: Sequence[str] = ("batch_size",),
        live: Sequence[str] = (),
    ) -> Plan:
        """Return the packs of the trials that are to be trained."""
        numbers = np.array(self.numbers)
        trained = ~np.isin(numbers, [*self.copies, *self.reused])
        return make_plan(
            numbers[trained],
            {name: values[trained] for name, values in self.columns(layout).items()},
            self.widths,
            rungs,
            self.first_pack,
            pack_by,
            live,
        )


class Proposals:
    """All that samplers have asked for in one run.

    Parameters
    ----------
    folder : Path or RemotePath
        Folder of the files; made when there is something to write.
    run : str
        Identity of the run, for the seals.
    layout : Layout
        The columns of the log that depend on the trainer.
    """

    def __init__(self, folder: Place, run: str = "", layout: Layout = SOFTMAX_LAYOUT) -> None:
        self.folder, self._run, self._layout = folder, run, layout
        if is_there(folder):  # a grid's run has none
            prepare_folder(folder)

    def write(self, proposal: Proposal) -> None:
        """Make a proposal durable: before its trials start, and again when the sampler was told.

        Raises
        ------
        StoreError
            If it cannot be written.
        """
        if not is_there(self.folder):
            prepare_folder(self.folder)
        path = self.folder / _file(proposal.index)
        write_whole(path, json_content(asdict(proposal), seal_of(path, self._run), _plain))

    def read(self) -> list[Proposal]:
        """Return all proposals in their order.

        Raises
        ------
        RunFolderError
            If one is damaged or missing: without it the log's numbers mean nothing to the sampler.
        StoreError
            If one cannot be fetched.
        """
        paths = {int(found[1]): path for path in listed(self.folder) if (found := _name(path))}
        proposals: list[Proposal] = []
        for index in range(max(paths, default=-1) + 1):
            path = paths.get(index, self.folder / _file(index))
            first = proposals[-1].numbers.stop if proposals else 0
            try:
                proposals.append(self._read(path, index, first))
            except ValueError as error:
                raise RunFolderError(
                    f"{path} cannot be believed: {error}. Put the file back as it was, or use "
                    "--fresh to move this run aside and start again; --reuse takes its finished "
                    "trials over."
                ) from error
        return proposals

    def _read(self, path: Place, index: int, first: int) -> Proposal:
        """Return one proposal, of an index and from a number on; else a ValueError says why."""
        content = read_whole(path)
        if content is None:
            raise ValueError("it is missing")
        data = parse_json(content, seal_of(path, self._run))
        try:
            proposal = _reader().validate_python(data)
        except ValidationError as error:
            wrong = error.errors(include_url=False, include_context=False)[0]
            raise ValueError(f"{'.'.join(map(str, wrong['loc']))} is missing or wrong") from error
        if (proposal.index, proposal.first) != (index, first):
            raise ValueError(f"it is wave {proposal.index}, from trial {proposal.first} on")
        _check_params(proposal, self._layout.axes)
        return proposal


def _file(index: int) -> str:
    return f"wave-{index:05d}.json"


def _name(path: Place) -> re.Match[str] | None:
    return re.fullmatch(r"wave-(\d{5,})\.json", path.name)


@cache
def _reader() -> TypeAdapter[Proposal]:
    return TypeAdapter(Proposal)


def _check_params(proposal: Proposal, axes: Sequence[str]) -> None:
    n = len(proposal.params)
    if not n or len(proposal.attrs) != n:
        raise ValueError("params and attrs are not of the same trials")
    for params in proposal.params:
        plain = all(isinstance(params.get(name), int | float | str) for name in axes)
        if not plain:
            raise ValueError("params lack a value")
    known = {*proposal.numbers}
    if not known.issuperset([*proposal.reused, *proposal.copies]):
        raise ValueError("it speaks of trials of other waves")


def _plain(value: Any) -> Any:
    """Turn a number of numpy's into one of Python's."""
    if isinstance(value, np.generic):
        return value.item()
    raise SamplerError(
        f"The sampler keeps {value!r} with its trials, which cannot be written down as JSON. "
        "Choose another sampler for a new run."
    )
