"""Mistakes in a config file in the user's own terms, one line each."""

import difflib
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from pydantic_core import ErrorDetails

from model.metrics import known_metrics
from model.trainers import Schedule, ScheduleError
from search.config.axes import AXES, BROKEN_RULE, Axes, RangeTable, Strict
from search.config.free_axes import FreeAxes
from search.config.objective import objective_of
from search.config.schema import (
    MAX_TRIALS,
    PRUNERS,
    SAMPLERS,
    UNKNOWN_METHOD,
    GridFile,
    PrunerSettings,
    ReadingSettings,
    Reference,
    ResourceSettings,
    SamplerSettings,
)
from search.config.space import Range

SETTINGS = [field.alias or name for name, field in GridFile.model_fields.items()]
_KEYS = {
    "": SETTINGS,
    "space": list(AXES),
    "sampler": list(SamplerSettings.model_fields),
    "pruner": list(PrunerSettings.model_fields),
    "reading": list(ReadingSettings.model_fields),
    "reference": list(Reference.model_fields),
    "trainer": ["name"],
    "resources": list(ResourceSettings.model_fields),
}
_METHODS = {"sampler.name": SAMPLERS, "pruner.name": PRUNERS}
_FORMS = (("list",), ("range",))
_MAX_SHOWN = 60


def explain(error: ErrorDetails, rules: Mapping[str, str]) -> str:
    """Say which key breaks which rule, whichever way pydantic put it.

    One line, save for `conflicts`, which are told together.
    """
    loc, value, kind = _without_form(error["loc"]), error["input"], error["type"]
    keys = [part for part in loc if isinstance(part, str)]
    if kind == BROKEN_RULE:
        return f"{_dotted(loc)} = {show(value)}: {error['msg']}" if keys else error["msg"]
    if not keys:
        return f"must be a table with the keys {', '.join(SETTINGS)}, not {show(value)}"
    if kind == "extra_forbidden":
        return _unknown(keys)
    if kind == "duplicates":
        twice = [v for v, count in Counter(value).items() if count > 1]
        return f"{_dotted(loc)} has duplicate values, {show(twice)}: give each value once"
    place = ".".join(keys)
    if kind == "missing":
        return f"{_dotted(loc)} is missing: it must be {rules[place]}"
    hint = closest(value, list(_METHODS[place])) if kind == UNKNOWN_METHOD else ""
    rule = f"{rules[place]}.{hint}" if hint else rules[place]
    return f"{_dotted(loc)} = {show(value)}: {keys[-1]} must be {rule}"


def _without_form(loc: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Leave out what pydantic puts behind an axis: whether it took it for a list or a range."""
    return loc[:2] + loc[3:] if loc[:1] == ("space",) and loc[2:3] in _FORMS else loc


def conflicts(grid: GridFile) -> list[str]:
    """Say in one line each what does not go together, though each setting is right alone.

    Parameters
    ----------
    grid : GridFile
        The settings with the command line's already among them.

    Returns
    -------
    list of str
        Empty where all is well.
    """
    found = [
        *_trainer_conflicts(grid), *_pruner_conflicts(grid.pruner), *_replicate_conflicts(grid),
        *_objective_conflicts(grid),
    ]  # fmt: skip
    if "seed" in grid.sampler.options:
        found.append(
            "sampler.options has a seed, which would be the same whenever the sampler is asked; "
            "give it beside them, as seed below [sampler]"
        )
    if grid.sampler.name == "grid":
        return [*_grid_conflicts(grid.sampler, grid.axes), *found]
    if grid.sampler.trials is None:
        found.insert(
            0,
            f"sampler.trials is missing: the sampler {show(grid.sampler.name)} needs a whole "
            f"number from 1 to {MAX_TRIALS}; give trials = 500 below [sampler], or --trials 500",
        )
    return found


def _grid_conflicts(sampler: SamplerSettings, axes: Axes | FreeAxes) -> Iterator[str]:
    for key, value in _given(sampler).items():
        yield (
            f'sampler.{key} = {show(value)}: the sampler "grid" tries every combination and takes '
            f"no {key}; leave it out, or name another sampler, such as --sampler tpe"
        )
    tables = [axes.by_name()] if isinstance(axes, Axes) else axes.tables
    lengths: list[list[int]] = [[] for _ in tables]
    ranges = 0
    for table, found in zip(tables, lengths, strict=True):
        for name, axis in table.items():
            if isinstance(axis, Range):
                ranges += 1
                yield (
                    f"space.{name} = {show(_range_as_given(axis))}: ranges need a "
                    "sampler, such as --sampler tpe --trials 500; give one, or a list of values"
                )
            else:
                found.append(len(axis))
    if not ranges and sum(map(math.prod, lengths)) > MAX_TRIALS:
        yield _too_many(lengths)


def _range_as_given(axis: Range) -> dict[str, object]:
    given = {"low": axis.low, "high": axis.high, "log": axis.log, "step": axis.step}
    return {key: value for key, value in given.items() if value not in (None, False)}


def _trainer_conflicts(grid: GridFile) -> Iterator[str]:
    """Say what belongs to the softmax trainer alone, or to the others."""
    if grid.trainer.is_softmax:
        if grid.resources != ResourceSettings():
            yield (
                'the table [resources] is for other trainers than "softmax", which trains in one '
                "core per link; leave it out"
            )
        return
    if grid.products != "numpy":
        yield (
            f'products = {show(grid.products)}: only the trainer "softmax" multiplies by ours; '
            "leave it out"
        )
    if grid.select != "last":
        yield (
            f'select = {show(grid.select)}: only the trainer "softmax" has averaged weights; leave '
            "it out"
        )
    if grid.reference is not None:
        yield 'the table [reference] is for the trainer "softmax"; leave it out'
    yield from _schedule_conflicts(grid)
    if isinstance(grid.axes, FreeAxes) and len(grid.axes.root) > 1 and grid.sampler.name != "grid":
        yield (
            f"the sampler {show(grid.sampler.name)} takes one table [space], and there are "
            f"{len(grid.axes.root)}; give one, or leave the sampler out"
        )


def _schedule_conflicts(grid: GridFile) -> Iterator[str]:
    """Say which schedules the trainer does not take, once it was asked, and which are none."""
    live = grid.trainer.live
    texts = {
        name: [value for value in axis if isinstance(value, str)]
        for name, axis in grid.axes.by_name().items()
        if isinstance(axis, tuple)
    }
    for name, value in ((name, value) for name, values in texts.items() for value in values):
        try:
            schedule = Schedule.parse(value)
        except ScheduleError as error:
            if live is not None and name in live:
                yield f"space.{name}: {error}"
            continue
        if live is not None and name not in live and not schedule.is_constant:
            takes = f"those of {', '.join(live)}" if live else "none"
            yield (
                f"space.{name} = {show(value)}: this is a schedule, and the trainer "
                f"{grid.trainer.name} takes {takes}; give numbers"
            )


def _pruner_conflicts(pruner: PrunerSettings) -> Iterator[str]:
    if pruner.name == "none":
        for key, value in _given(pruner).items():
            yield (
                f'pruner.{key} = {show(value)}: the pruner "none" stops no trial and takes no '
                f"{key}; leave it out, or name another pruner, such as --pruner halving"
            )


def _replicate_conflicts(grid: GridFile) -> Iterator[str]:
    if grid.seed + grid.seeds > 2**63:
        yield (
            f"seed = {grid.seed} leaves no room for seeds = {grid.seeds}: the last of them must be "
            f"below 2**63; give a smaller seed"
        )
    if grid.seeds * (grid.folds or 1) > 1 and grid.pruner.name != "none":
        yield (
            f"seeds = {grid.seeds} and folds = {grid.folds} train each trial several times, but "
            f"the pruner {show(grid.pruner.name)} would judge a single training; leave the pruner "
            "out, or seeds and folds"
        )


def _objective_conflicts(grid: GridFile) -> Iterator[str]:
    """Say that a trainer does not return the metric by which trials are compared."""
    objective, trainer = objective_of(grid.objective), grid.trainer
    if objective is None or not objective.own:
        return
    known = trainer.is_softmax or trainer.live is not None  # else it was not asked yet
    if known and objective.name not in trainer.metrics:
        yield (
            f"objective = {show(grid.objective)}: the trainer {show(trainer.name)} returns "
            f"{', '.join(trainer.metrics)}; name one of these, or one that is computed for every "
            f"trainer: {', '.join(known_metrics())}"
        )


def _given(method: Strict) -> dict[str, object]:
    """Return what is set besides the name."""
    return method.model_dump(exclude={"name"}, exclude_defaults=True)


def _too_many(lengths: list[list[int]]) -> str:
    product = " + ".join(" x ".join(map(str, table)) for table in lengths)
    return (
        f"space has {product} = {sum(map(math.prod, lengths))} combinations, more than "
        f"{MAX_TRIALS} (2**31): give fewer values"
    )


def _unknown(keys: list[str]) -> str:
    table, key = ".".join(keys[:-1]), keys[-1]
    here = _KEYS.get(table, list(RangeTable.model_fields))
    where = f" in [{table}]" if table in _KEYS else f" in {table}"
    hint = _elsewhere(key) or closest(key, here) or f" The keys here are {', '.join(here)}."
    return f"unknown key {show(key)}{where if table else ''}.{hint}"


def _elsewhere(key: str) -> str:
    """Return a hint at the one table that has this key, or at the top of the file."""
    tables = [table for table, keys in _KEYS.items() if key in keys]
    for likely in ("", "space"):  # [reference] has keys of both too
        if likely in tables:
            tables = [likely]
    if len(tables) != 1:
        return ""
    return f" Move it below [{tables[0]}]." if tables[0] else " Move it to the top of the file."


def closest(word: str, words: Sequence[str]) -> str:
    """Return a hint at the most similar of the words, or nothing."""
    close = difflib.get_close_matches(word.lower(), words, n=1)
    return f" Did you mean {close[0]}?" if close else ""


def _dotted(loc: tuple[int | str, ...]) -> str:
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc]
    return "".join(parts).removeprefix(".")


def show(value: object) -> str:
    """Write a value about as TOML does, on one line and cut to a bearable length."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):  # an integer of thousands of digits, for one
        text = f"<{type(value).__name__}>"
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."
