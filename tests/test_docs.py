"""What the pages point at is there: files, headings, paths in the text."""

import re
import shlex
from pathlib import Path

import pytest

from search import commands
from search.command import COMPLETING
from search.commands import parser_of

ROOT = Path(__file__).parents[1]
ROOMS = {path.parent.name for path in ROOT.glob("search/*/__init__.py")}
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
PATH = re.compile(r"`((?:benchmarks|cluster|configs|docs|model|scripts|search|tests)/[\w./-]*)`")

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def prose(page):
    return FENCE.sub("", page.read_text())


def anchors(page):
    """Return the anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    plain = (re.sub(r"[^\w -]", "", heading.lower()) for heading in headings)
    return [heading.replace(" ", "-") for heading in plain]


@pages
def test_links_lead_to_files_and_headings(page):
    for link in LINK.findall(prose(page)):
        if link.startswith(("http://", "https://")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pages
def test_no_two_headings_of_a_page_have_the_same_anchor(page):
    assert len(anchors(page)) == len(set(anchors(page)))


@pages
def test_paths_in_the_text_exist(page):
    for path in PATH.findall(prose(page)):
        assert (ROOT / path).exists(), path


def test_readme_leads_to_every_page():
    linked = set(LINK.findall(prose(ROOT / "README.md")))
    assert {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} <= linked


def test_what_the_map_names_is_in_the_files_that_it_names():
    text = (ROOT / "docs" / "architecture.md").read_text()
    table = text.partition("I want to change")[2].partition("\n\n")[0]
    rows = [line.split("|")[2:4] for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 20
    for files, names in rows:
        paths = [ROOT / path for path in re.findall(r"`([\w/]+(?:\.py|\.md|/))`", files)]
        code = [f for path in paths for f in ([path] if path.is_file() else path.glob("*.py"))]
        assert code, files
        for name in re.findall(r"(?:[\w.]*\.)?(\w+)`", names):
            assert any(re.search(rf"\b{name}", f.read_text()) for f in code), (name, files)


FOLDERS_OF_MODEL = sorted(
    {str(file.parent.relative_to(ROOT)) for file in ROOT.glob("model/**/*.py")}
)


@pytest.mark.parametrize("folder", [*FOLDERS_OF_MODEL, "cluster", *sorted(ROOMS)])
def test_the_map_names_every_file_of_a_room(folder):
    text = (ROOT / "docs" / "architecture.md").read_text()
    row = re.search(rf"^\| `{folder}/` \| (.*) \|$", text.partition("What lies where")[2], re.M)
    path = ROOT / "search" / folder if folder in ROOMS else ROOT / folder
    files = {file.stem for file in path.glob("*.py")} - {"__init__", "__main__"}
    assert files - set(re.findall(r"`(\w+)`", row[1])) <= {"errors"}


# Where a command must be a module, or is told to be one: jobs of a cluster bring their own code.
AS_MODULE = {"README.md": 1, "cluster.md": 2, "reliability.md": 1, "usage.md": 1}


@pytest.mark.parametrize(
    "page",
    [p for p in PAGES if p.name not in {"CHANGELOG.md", "measurements.md", "architecture.md"}],
    ids=lambda page: page.name,
)
def test_commands_are_written_in_one_way(page):
    lines = [line for line in page.read_text().splitlines() if "python -m search." in line]
    assert len(lines) == AS_MODULE.get(page.name, 0), lines


COMMANDS = [
    (page.name, line.partition("packsweep ")[2])
    for page in PAGES
    for block in FENCE.findall(page.read_text())
    for line in block.splitlines()
    if re.match(r" *(?:docker compose exec \w+ |kubectl .* -- )?packsweep [a-z]", line)
]


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_a_command_of_a_page_is_one_that_is_understood(page, line, monkeypatch):
    monkeypatch.setenv(COMPLETING, "1")
    name, *given = shlex.split(re.split(r" [|>] ", line)[0].rstrip(')"'), comments=True)
    assert name in commands.COMMANDS
    parser_of(name, given).parse_args(given)


MEASURED = re.compile(
    r"\b\d[\d,.]*\s?(?:(?:micro|milli)?seconds?|minutes?|hours?|times|m?s|GFLOP/s|[MG]i?B|kB)\b"
    r"|\b\d+(?:\.\d+)? %"
)
SOURCE = re.compile(
    r"measurements\.md|benchmarks/|scripts/|tests/|python -m (?:pytest|search)|du -sm"
    r"|packsweep run --grid"
)
# Sections whose figures nobody measures: limits, settings, arithmetic, examples.
NOT_MEASURED = {
    "architecture.md": {"## Decisions"},  # what was seen once, and led to one
    "cluster.md": {"## Machines that come and go"},
    "data.md": {"## Tables"},
    "service.md": {"## Who is next", "## Hooks", "## The API", "## Limits"},
    "statistics.md": {"## Seeds and folds"},
    "trainers.md": {"## What goes wrong in a trainer"},
    "usage.md": {"## Ending early"},  # an example of each option
}


@pytest.mark.parametrize(
    "page",
    [p for p in PAGES if p.name not in {"CHANGELOG.md", "measurements.md"}],
    ids=lambda p: p.name,
)
def test_a_section_with_figures_names_what_makes_them(page):
    nameless = {
        section.partition("\n")[0]
        for section in re.split(r"^(?=#)", prose(page), flags=re.MULTILINE)
        if MEASURED.search(section) and not SOURCE.search(section)
    }
    assert nameless == NOT_MEASURED.get(page.name, set())
