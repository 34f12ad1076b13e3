"""The page docs/measurements.md, made of the files in benchmarks/results.

A file `NAME.json` is what the script whose name NAME begins with has kept: its docstring says what
was measured. `noted.json` holds figures that were noted by hand. The same files give the same page,
and a test compares it with the one that is there.

    python benchmarks/tables.py    write the page again, after a benchmark has kept its result
"""

import ast
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

BENCHMARKS = Path(__file__).parent
RESULTS = BENCHMARKS / "results"
NOTED = "noted"
PAGE = BENCHMARKS.parent / "docs" / "measurements.md"
INTRODUCTION = """\
# Measurements

`python benchmarks/tables.py` makes this page from `benchmarks/results/`; do not edit it.
The other pages draw the conclusions; `--help` of a script explains how it measures.

Most of the machines are virtual and shared: seconds vary by some ten per cent from day to day, and
only figures within one table can be compared."""
UNITS = {"s": "s", "ms": "ms", "h": "h", "mib": "MiB", "percent": "%"}
WORDS = {"gflops": "GFLOP/s", "us": "µs", "cpu": "processor", "std": "s.d.", "gemm": "product"}

Row = Mapping[str, Any]


def main() -> None:
    PAGE.write_text(page())


def page(results: Path = RESULTS) -> str:
    """Return the text of the page."""
    kept = {path.stem: json.loads(path.read_text()) for path in sorted(results.glob("*.json"))}
    noted = kept.pop(NOTED)
    sections = [section(name, result) for name, result in kept.items()]
    contents = [f"- [{title(name)}](#{anchor(title(name))}): {subject(name)}" for name in kept]
    contents.append("- [Noted by hand](#noted-by-hand): figures of single runs")
    notes = [note(heading, entry) for heading, entry in noted["notes"].items()]
    intro = (
        f"## Noted by hand\n\nSingle runs, `results/noted.json`. {machine_text(noted['machine'])}"
    )
    return "\n\n".join([INTRODUCTION, "\n".join(contents), *sections, intro, *notes]) + "\n"


def section(name: str, result: Row) -> str:
    """Return one script's figures: single values in one table, tables of their own after it."""
    command = f"`python benchmarks/{script(name).name}`, `results/{name}.json`."
    parts = [f"## {title(name)}", subject(name), f"{command} {machine_text(result['machine'])}"]
    figures = result["figures"]
    single = {key: {"": value} for key, value in figures.items() if not isinstance(value, Mapping)}
    if single:
        parts.append(table({heading_text(key): row for key, row in single.items()}))
    for key, rows in figures.items():
        if isinstance(rows, Mapping):
            parts += [f"**{heading_text(key)}**", table(rows)]
    return "\n\n".join(parts)


def note(heading: str, entry: Row) -> str:
    """Return figures that were noted by hand, with what is known of how they came about."""
    made = f" Made by `{entry['command']}`." if "command" in entry else ""
    return f"### {heading}\n\n{entry['about']}{made}\n\n{table(entry['rows'])}"


def title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def anchor(heading: str) -> str:
    return heading.lower().replace(" ", "-")


def script(name: str) -> Path:
    """Return the script that keeps its result under this name."""
    stems = [path for path in BENCHMARKS.glob("*.py") if name.startswith(path.stem)]
    return max(stems, key=lambda path: len(path.stem))


def subject(name: str) -> str:
    """Return the first line of the docstring of the script."""
    return (ast.get_docstring(ast.parse(script(name).read_text())) or "").splitlines()[0]


def machine_text(machine: Row) -> str:
    """Return what the figures depend on, in one line."""
    versions = machine.get("versions", {})
    parts = [
        machine["processor"],
        f"{machine['cores']} cores" if machine["cores"] > 1 else "1 core",
        *([f"Python {machine['python']}"] if "python" in machine else []),
        *(f"{package} {version}" for package, version in versions.items()),
        machine["date"],
    ]
    return ", ".join(parts) + "."


def table(rows: Mapping[str, Row]) -> str:
    """Return rows as a table: one line for each name, one column for each key that has a value.

    >>> print(table({"tpe": {"ask_ms": 11.3, "note": ""}, "qmc": {"ask_ms": 0.67, "note": ""}}))
    | | ask, ms |
    | --- | --- |
    | tpe | 11.3 |
    | qmc | 0.67 |
    """
    keys = dict.fromkeys(key for row in rows.values() for key in row)
    keys = [key for key in keys if any(row.get(key, "") != "" for row in rows.values())]
    lines = [["", *map(heading_text, keys)], ["---"] * (len(keys) + 1)]
    lines += [[name, *(shown(row.get(key, "")) for key in keys)] for name, row in rows.items()]
    return "\n".join(map(line, lines))


def line(cells: Iterable[str]) -> str:
    return "".join(f"| {cell} " if cell else "| " for cell in cells) + "|"


def heading_text(key: str) -> str:
    """Return a key in words, with its unit at the end.

    >>> heading_text("training_s"), heading_text("row_epochs_per_s"), heading_text("alpha 10")
    ('training, s', 'row epochs per s', 'alpha 10')
    """
    words = [WORDS.get(word, word) for word in key.replace("gb_s", "GB/s").split("_")]
    *name, last = words
    is_unit = last in UNITS and name and name[-1] != "per" and not name[-1].isdigit()
    return f"{' '.join(name)}, {UNITS[last]}" if is_unit else " ".join(words)


def shown(value: Any) -> str:
    """Return a value with four digits, and thousands apart.

    >>> shown(0.43303983), shown(36884.7), shown(True), shown([25.3, 13.0])
    ('0.433', '36,885', 'yes', '25.3, 13')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(shown, value))
    if isinstance(value, int) or (isinstance(value, float) and 1000 <= abs(value) < 1e9):
        return f"{value:,.0f}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
