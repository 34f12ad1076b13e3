"""The page of measurements is what its script makes of the results that are kept."""

import doctest
import importlib.util
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SPEC = importlib.util.spec_from_file_location("tables", ROOT / "benchmarks" / "tables.py")
assert SPEC
assert SPEC.loader
tables = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(tables)


def test_page_is_what_the_script_makes_of_the_results():
    assert tables.PAGE.read_text() == tables.page(), "run python benchmarks/tables.py"


@pytest.mark.parametrize("path", sorted(tables.RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_every_figure_that_is_kept_is_on_the_page(path):
    page, kept = tables.PAGE.read_text(), json.loads(path.read_text())
    assert kept["machine"]["date"] in page
    for figure in leaves(kept.get("figures") or kept["notes"]):
        assert tables.shown(figure) in page


def leaves(value):
    if isinstance(value, dict):
        return [leaf for part in value.values() for leaf in leaves(part)]
    return [value]


def test_examples_of_the_script():
    assert doctest.testmod(tables).failed == 0
