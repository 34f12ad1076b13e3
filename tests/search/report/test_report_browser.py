"""The report in a real browser: drawn, quiet, offline, light and dark, wide and narrow."""

from functools import cache

import numpy as np
import pytest
from reports import FULL, config_of, finished_run, images

from model.data.dataset import Dataset
from search.report import write_report
from search.run import main

pytestmark = pytest.mark.xdist_group("browser")

DRAWN = "[...document.querySelectorAll('.chart')].every((box) => box.dataset.drawn !== undefined)"
# What a chart draws that is not an axis: marks of a trace, an image, or the lines of a canvas.
EMPTY = """[...document.querySelectorAll('.chart')].filter((box) => {
  const marks = box.querySelectorAll('.trace path, .points path, .hm image, .imagelayer image');
  const canvas = [...box.querySelectorAll('canvas')].some((c) => c.width && c.height);
  return !box.querySelector('svg.main-svg') || !(marks.length || canvas);
}).map((box) => box.id)"""


def opened(pages, path, width=1200, scheme="light"):
    """Open a report, without a network, and wait for its charts."""
    own = ("file:", "data:", "blob:")
    page = pages(path.resolve().as_uri(), own=own, width=width, scheme=scheme, offline=True)
    page.wait_for_function(DRAWN)
    return page


@pytest.fixture(scope="module")
def wide(lasting_pages, request):
    """Return a function: the page of a kind of report, light and wide, which is opened once.

    To draw one takes seconds of a core, so whoever changes it changes it back.
    """
    return cache(lambda kind: opened(lasting_pages, request.getfixturevalue(kind)))


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    """Write the report of a pruned grid in which something diverged."""
    costs = np.random.default_rng(0).lognormal(0, 0.5, 4096)
    costs[::50] = np.nan
    data = images("fashion-mnist", pixels=784, classes=10)
    folder = tmp_path_factory.mktemp("grid")
    parts = finished_run(folder, costs, data, space=FULL, pruned=range(1000, 1400))
    write_report(*parts)
    return parts[0].report


@pytest.fixture(scope="module")
def search_report(tmp_path_factory):
    """Run a small search for real."""
    folder = tmp_path_factory.mktemp("search")
    (folder / "small.toml").write_text(
        'dataset = "digits"\n[space]\nbatch_size = [32, 64]\n'
        "learning_rate = {low = 1e-6, high = 1e-4, log = true}\nepochs = [2, 4]\n"
        'alpha = {low = 0.0, high = 10.0}\n[sampler]\nname = "random"\ntrials = 24\nbatch = 8\n'
    )
    args = ["--grid", str(folder / "small.toml"), "--run-dir", str(folder / "run")]
    assert main([*args, "--executor", "serial", "--no-progress"]) == 0
    return folder / "run" / "report.html"


@pytest.fixture(scope="module")
def colours(tmp_path_factory):
    """Write the report of images of colours, higher than wide, in forty classes."""
    X = np.random.default_rng(0).integers(0, 256, (400, 12 * 7 * 3), np.uint8)
    y = np.arange(400) % 40
    names = tuple(f"class {k:02d} of a long name" for k in range(40))
    return own_report(
        tmp_path_factory.mktemp("colours"),
        Dataset("mine", X, y, X, np.roll(y, 1), classes=names, image_shape=(12, 7, 3)),
    )


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Write the report of a table with words that have no end, in 200 classes."""
    X = np.random.default_rng(0).normal(size=(400, 9))
    y = np.arange(400) % 200
    classes = tuple(f"{k:03d}{'x' * 60}" for k in range(200))
    features = tuple(f"{k}{'y' * 60}" for k in range(9))
    data = Dataset("mine", X, y, X, np.roll(y, 1), classes=classes, features=features)
    return own_report(tmp_path_factory.mktemp("table"), data)


def own_report(folder, data):
    parts = finished_run(folder, np.linspace(1, 2, 16), data)
    write_report(*parts)
    return parts[0].report


KINDS = pytest.mark.parametrize("kind", ["grid", "search_report", "colours", "table"])


@KINDS
def test_every_chart_is_drawn(wide, kind):
    page = wide(kind)
    assert page.locator(".chart").count() >= 10
    assert page.evaluate(EMPTY) == []


@KINDS
def test_a_phone_need_not_scroll_sideways_and_has_every_chart_in_the_dark(pages, request, kind):
    page = opened(pages, request.getfixturevalue(kind), width=390, scheme="dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("document.body.scrollWidth") <= 390
    assert page.locator(".modebar").count() == 0  # a finger has no need of toolbars
    assert page.locator(".chart").count() >= 10
    assert page.evaluate(EMPTY) == []


def test_a_search_shows_its_course(wide):
    page = wide("search_report")
    assert page.locator("#history .main-svg").count() > 0
    assert page.locator("#pair-learning_rate-alpha .points path").count() == 24
    assert page.locator("#timeline .point").count() > 0


# Whether a chart's toolbar lies over its frame, or over a text of a chart that has none.
COVERED = """(id) => {
  const box = document.getElementById(id), bar = box.querySelector('.modebar');
  if (!bar) return null;
  const one = bar.getBoundingClientRect();
  return [...box.querySelectorAll('.nsewdrag, .parcoords text')].some((part) => {
    const other = part.getBoundingClientRect();
    return one.bottom > other.top && one.top < other.bottom && one.right > other.left
      && one.left < other.right;
  });
}"""


@pytest.mark.parametrize("kind", ["grid", "search_report"])
def test_a_toolbar_covers_no_chart(wide, pages, request, kind):
    names = "[...document.querySelectorAll('.chart')].map((box) => box.id)"
    for page in wide(kind), opened(pages, request.getfixturevalue(kind), width=660):
        covered = {name: page.evaluate(COVERED, name) for name in page.evaluate(names)}
        assert sum(found is not None for found in covered.values()) > 5
        assert [name for name, found in covered.items() if found] == []


def test_the_switch_shows_other_costs_and_another_scale(wide):
    page = wide("grid")
    shown = "document.getElementById('pair-epochs-alpha').data[0].z[3][3]"
    best = page.evaluate(shown)
    page.get_by_label("median over the others").check()
    page.wait_for_function(f"{shown} > {best}")
    assert page.locator(".scale:visible").get_attribute("data-mode") == "median"
    page.get_by_label("the others at their best").check()
    page.wait_for_function(f"{shown} === {best}")


@KINDS
def test_charts_are_as_dark_as_the_page(wide, kind):
    page = wide(kind)
    fill = "getComputedStyle(document.querySelector('#importance .xtick text, #importance .ytick "
    fill += "text')).fill"
    light = page.evaluate(fill)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"{fill} !== '{light}'")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 30)"
    assert page.evaluate(EMPTY) == []
    page.emulate_media(color_scheme="light")
    page.wait_for_function(f"{fill} === '{light}'")


def test_hostile_names_are_text(pages, tmp_path):
    folder = tmp_path / "<img src=x onerror=document.title='hit'>"
    folder.mkdir()
    hostile = "</script><script>document.title='hit'</script>"
    config = config_of(FULL, dataset=f"./{hostile}.npz")
    parts = finished_run(folder, np.ones(4096), images(hostile), space=FULL, config=config)
    write_report(*parts)
    page = opened(pages, parts[0].report)
    assert page.title() == folder.name
    assert page.locator("h1").inner_text() == folder.name
    assert hostile in page.locator("pre").first.inner_text()
