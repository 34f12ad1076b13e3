"""The house itself: how high it is, and that each room says what it is for.

Who may import whom is import-linter's to hold (`make check`). What it cannot count stands here.
"""

import ast
from functools import cache
from pathlib import Path

import pytest

import search

SEARCH = Path(search.__file__).parent
ROOMS = sorted(path.parent.relative_to(SEARCH) for path in SEARCH.glob("*/**/__init__.py"))

# A chain of imports from the top to the ground is as long as a reader has to go.
MOST_FLOORS = 16

# The service stands on top of what one command does, and no command but its own needs it.
TOWER, MOST_WITH_TOWER = ("search.service", "search.api", "search.serve"), 23


def name_of(path):
    """Return the name of a module, given its file."""
    parts = ("search", *path.relative_to(SEARCH).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in SEARCH.rglob("*.py")}


@cache
def imports_of(module):
    """Return (module, name) of all that a module imports from the package, late imports too."""
    tree = ast.parse(MODULES[module].read_text())
    return [
        (node.module, alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "search"
        for alias in node.names
    ]


def home_of(module, name):
    """Return the module that defines a name: a room's face only passes it on."""
    if f"{module}.{name}" in MODULES:
        return f"{module}.{name}"
    if MODULES[module].name == "__init__.py":
        for origin, given in imports_of(module):
            if given == name and origin.startswith(f"{module}."):
                return home_of(origin, name)
    return module


@cache
def floor_of(module):
    """Return how many modules stand on each other up to this one."""
    below = {home_of(*found) for found in imports_of(module)} - {module}
    return 1 + max(map(floor_of, below), default=0)


def test_the_house_is_no_higher_than_it_was():
    files = [module for module, path in MODULES.items() if path.name != "__init__.py"]
    house = [module for module in files if not module.startswith(TOWER)]
    assert max(map(floor_of, house)) <= MOST_FLOORS
    assert max(map(floor_of, files)) <= MOST_WITH_TOWER


@pytest.mark.parametrize("room", ROOMS, ids=str)
def test_a_room_says_what_it_is_for_what_it_knows_and_what_it_never_knows(room):
    told = ast.get_docstring(ast.parse((SEARCH / room / "__init__.py").read_text())) or ""
    assert "knows" in told
    assert "never" in told


@pytest.mark.parametrize("room", ROOMS, ids=str)
def test_the_tests_of_a_room_are_found_under_its_name(room):
    tests = Path(__file__).parent / room
    assert list(tests.glob("test_*.py"))
