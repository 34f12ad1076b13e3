"""The examples in the docstrings are true."""

import doctest
import importlib

import pytest


@pytest.mark.parametrize("module", ["packs", "legs", "links"])
def test_examples_give_what_they_show(module):
    found = doctest.testmod(importlib.import_module(f"search.plan.{module}"))
    assert found.attempted > 0
    assert found.failed == 0
