"""The model card: what the final model is, how good, how sure, and how it was trained."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from model.data.sources import KNOWN
from model.trainers import KNOWN as KNOWN_TRAINERS
from model.trainers import WITH_ESTIMATOR
from search.config import SOFTMAX, as_toml
from search.output import visible
from search.portable.winner import Winner
from search.record import READOUTS
from search.result import (
    guessing_sentences,
    optimum_sentences,
    readout_rows,
    result_lines,
    spread_rows,
    tie_sentences,
)

RECIPE = "winner.toml"
"""How the grid file in the card is called."""


def model_card(winner: Winner) -> str:
    """Return the card as Markdown, with the head that Hugging Face reads."""
    sections = [
        _head(winner),
        _title(winner),
        *_results(winner),
        *_how_sure(winner),
        _inputs(winner),
        _training(winner),
        _prompts(),
    ]
    return "\n\n".join(sections) + "\n"


def _head(winner: Winner) -> str:
    summary = winner.summary
    kind = "image" if summary.dataset.rows == "images" else "tabular"
    name = _quoted(summary.dataset.name)
    metrics = [
        f"          - type: {_quoted(metric)}\n            name: {_quoted(f'test {metric}')}\n"
        f"            value: {float(value)!r}"
        for metric, value in _test(winner).items()
    ]
    lines = [
        "---",
        "# license: say it here, such as mit",
        *_library(summary.trainer or SOFTMAX),
        f"pipeline_tag: {kind}-classification",
        "tags: [packsweep]",
    ]
    if metrics:
        lines += [
            "model-index:",
            f"  - name: {_quoted(_what(winner))}",
            "    results:",
            f"      - task: {{type: {kind}-classification}}",
            f"        dataset: {{type: {name}, name: {name}, revision: "
            f"{_quoted(summary.dataset.fingerprint)}}}",
            "        metrics:",
            *metrics,
        ]
    return "\n".join([*lines, "---"])


def _library(trainer: str) -> list[str]:
    """Return the line that names a trainer's library; nothing for one of the user's own."""
    known = trainer.partition(":")[0]
    name = "sklearn" if known in (SOFTMAX, *WITH_ESTIMATOR) else known
    return [f"library_name: {name}"] if known in (*KNOWN_TRAINERS, *WITH_ESTIMATOR) else []


def _test(winner: Winner) -> dict[str, float]:
    test = winner.summary.test
    if test is None:
        return {}
    found = {"accuracy": test.accuracy, "cross_entropy": test.cost, **(test.metrics or {})}
    return {name: value for name, value in found.items() if math.isfinite(value)}


def _quoted(text: str) -> str:
    """Return a text as YAML reads it, which takes JSON's strings."""
    return json.dumps(visible(text), ensure_ascii=True)


def _what(winner: Winner) -> str:
    trainer = winner.summary.trainer
    return f"{trainer or 'softmax regression'} on {winner.summary.dataset.name}"


def _title(winner: Winner) -> str:
    summary, trials = winner.summary, winner.summary.trials
    rows, by = summary.dataset.rows, _plain(summary.compared_by.title)
    early = ""
    if summary.ended_early is not None:
        left = trials.total - trials.ended
        early = f" {left} more were left out, because {_plain(summary.ended_early)}."
    return (
        f"# {_plain(_what(winner))}\n\n"
        f"The best of {trials.ended} combinations of hyperparameters by {by} on validation {rows}, "
        f"trained again on all training and validation {rows}, and tested once.{early}"
    )


def _results(winner: Winner) -> list[str]:
    summary = winner.summary
    worse = guessing_sentences(summary, winner.config.axes_by_name)
    tables: list[Sequence[Iterable[str]]] = [
        [("", ""), *result_lines(summary)],
        readout_rows(summary),
        spread_rows(summary),
    ]
    return ["## Results", *map(_plain, worse), *(_table(rows) for rows in tables if rows)]


def _how_sure(winner: Winner) -> list[str]:
    summary = winner.summary
    # Costs alone are resampled.
    ties = summary.indistinguishable if summary.compared_by.is_cost else None
    found = [
        *(tie_sentences(ties, summary.best, summary.dataset.rows) if ties else ()),
        *optimum_sentences(summary),
    ]
    if summary.refits is None and summary.test is not None:
        found.append(
            "The test figures are those of one training: with --refits 10 the run says how far "
            "they spread over shuffles."
        )
    return ["## How sure", *map(_plain, found)] if found else []


def _inputs(winner: Winner) -> str:
    names = list(winner.feature_names)
    taken = ["Rows as the data set has them, in its own scale."]
    if texts := [column.name for column in winner.columns if column.categories]:
        names = [column.name for column in winner.columns]
        taken.append(f"Text: {_plain(', '.join(texts))}; other texts match none of the categories.")
    if winner.fill is not None:
        taken.append("A missing number is replaced by the mean of its column.")
    parts = ["## Input and output", " ".join(taken)]
    if names:
        parts.append(f"Columns, in their order:\n\n{_block(names)}")
    parts.append(f"Labels, in the order of the probabilities:\n\n{_block(winner.classes)}")
    if winner.summary.trainer is None:
        parts.append(f"Files of it are read so:\n\n```python\n{_reading(winner)}\n```")
    return "\n\n".join(parts)


def _reading(winner: Winner) -> str:
    # The one type beyond what skops knows: an imputer notes that of its numbers.
    trusted = "" if winner.fill is None else ', trusted=["numpy.dtype"]'
    return "\n".join([
        'joblib.load("model.joblib")  # runs the code of whoever wrote it',
        f'skops.io.load("model.skops"{trusted})  # runs none',
        'onnxruntime.InferenceSession("model.onnx")',
        'safetensors.numpy.load_file("model.safetensors")',
    ])  # fmt: skip


def _training(winner: Winner) -> str:
    dataset, manifest = winner.summary.dataset, winner.manifest
    versions = [(name, text) for name, text in manifest.versions.items()]
    readout = READOUTS[winner.summary.select].title
    return "\n\n".join(
        [
            "## Training",
            f"Data set: {_plain(dataset.name)}, fingerprint `{dataset.fingerprint}`. The weights "
            f"are the {readout}. Begun {manifest.created_at}, run `{manifest.run}`.",
            f"With this as {RECIPE} beside the data set, `python -m search.run --grid ./{RECIPE}` "
            "trains it again:",
            f"```toml\n{_recipe(winner)}\n```",
            _table([("version of", ""), *versions]),
        ]
    )


def _recipe(winner: Winner) -> str:
    """Return the grid of which the winner is the only trial."""
    config, best = winner.config.to_dict(), winner.summary.best
    left_out = ("sampler", "pruner", "reference", "seeds", "folds", "trials")
    kept = {name: value for name, value in config.items() if name not in left_out}
    dataset = config["dataset"]
    if dataset not in KNOWN:  # where it is on this machine is nobody's affair
        dataset = f"./{Path(dataset).name}"
    params = dict(best.params) if best else {}
    return visible(as_toml({**kept, "dataset": dataset, "space": _values(params)})).replace(
        "`", "\\u0060"
    )


def _values(params: Mapping[str, Any]) -> dict[str, list[Any]]:
    return {name: [value] for name, value in params.items()}


def _prompts() -> str:
    return (
        "## Intended use\n\n_Say here what this model is for, and for whom._\n\n"
        "## Limits\n\n_Say here on which data it must not be used, and what its mistakes cost._"
    )


def _table(rows: Sequence[Iterable[str]]) -> str:
    """Return a table of Markdown, the first row its header."""
    cells = [[_plain(cell) for cell in row] for row in rows]
    lines = [f"| {' | '.join(row)} |" for row in cells]
    return "\n".join([lines[0], f"|{' --- |' * len(cells[0])}", *lines[1:]])


def _plain(text: str) -> str:
    """Return a text that Markdown shows as it is, whoever has written it."""
    for mark in "\\`|<>[]*_":
        text = text.replace(mark, f"\\{mark}")
    return " ".join(visible(text).split())


def _block(values: Sequence[Any]) -> str:
    """Return values as JSON in a block that none of them can end."""
    lines = [json.dumps(value, ensure_ascii=False).replace("`", "\\u0060") for value in values]
    return f"```json\n[{', '.join(map(visible, lines))}]\n```"
