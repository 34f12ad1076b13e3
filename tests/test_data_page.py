"""The tables of docs/data.md are what their script makes."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("data_page", ROOT / "scripts" / "data_page.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def section(name):
    page = (ROOT / "docs" / "data.md").read_text()
    return re.search(rf"<!-- {name}: [^>]*-->\n(.*?)\n<!-- end -->", page, re.DOTALL)[1]


def test_each_format_does_what_the_page_says(script):
    """Each file is made by the line that the page shows, and loaded."""
    made = script.formats()
    assert section("formats") == made
    refused = [line for line in made.splitlines() if "| refused: " in line]
    assert len(refused) == 8


def test_the_accuracies_are_those_that_were_measured(script):
    results = json.loads(script.ACCURACY.read_text())
    assert section("accuracy") == script.accuracy_table(results)
    assert list(results["data_sets"]) == [
        "iris",
        "wine",
        "breast_cancer",
        "digits",
        "fashion-mnist",
    ]
