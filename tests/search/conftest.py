"""What several rooms' tests ask for: a browser, a Ray cluster, a server of S3, a broken disk."""

import errno
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest
from ray_nodes import Nodes
from s3_server import ENVIRONMENT, s3_server

from search.errors import ObjectStoreError


@pytest.fixture(scope="module")
def browser():
    """Return a Chromium that runs; it ends with the module, since others may want the loop."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("needs Chromium")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(
            executable_path=chromium, headless=True, args=["--no-sandbox"]
        )
        yield started
        started.close()


@contextmanager
def _opening(browser):
    contexts, complaints = [], []

    def at(url, *, own, expected=(), width=1200, scheme="light", offline=False):
        contexts.append(browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, offline=offline
        ))  # fmt: skip
        page = contexts[-1].new_page()
        # As long as a test may take: how soon a page is drawn says how busy the machine is.
        page.set_default_timeout(240_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda m: m.type != "error" or m.text.endswith(expected)
                or complaints.append(m.text))  # fmt: skip
        page.on("request", lambda r: r.url.startswith(own) or complaints.append(r.url))
        page.goto(url)
        return page

    at.complaints = complaints
    yield at
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def pages(browser):
    """Return a function that opens a page; what pages complain of or ask elsewhere fails the test.

    A page asks only for what begins with one of ``own``; what ends with one of ``expected`` is no
    complaint. Complaints stand in ``complaints`` of the function, to take out what a test provokes.
    """
    with _opening(browser) as at:
        yield at


@pytest.fixture(scope="module")
def lasting_pages(browser):
    """Return the same for pages that several tests of a module look at, each of them in turn."""
    with _opening(browser) as at:
        yield at


@pytest.fixture(scope="session")
def _nodes():
    with Nodes() as nodes:
        yield nodes


@pytest.fixture
def cluster(_nodes):
    """Return a cluster whose head computes nothing, and which no node has joined yet.

    Its head is started once: that takes ten seconds of a core.
    """
    yield _nodes
    _nodes.dismiss()


@pytest.fixture(scope="session")
def _s3_server():
    with s3_server() as server:
        yield server


@pytest.fixture
def s3(_s3_server, monkeypatch, request):
    """Return the server, the credentials for it in the environment, with an empty bucket."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    return _s3_server.with_new_bucket()


@pytest.fixture
def quick_lease(monkeypatch):
    """Let writers of this process show in tenths of a second that they live."""
    from search.storage import lease

    for name, seconds in {"BEAT": 0.1, "STALE": 0.8, "PAUSE": 0.02, "_UNSURE": 0.3}.items():
        monkeypatch.setattr(lease, name, seconds)


@pytest.fixture(params=[OSError, ObjectStoreError])
def broken_reads(monkeypatch, request):
    """Return a context in which no npz file can be read: its disk or its store does not answer."""

    @contextmanager
    def broken():
        def opened(path, *args, **kwargs):
            if path.suffix == ".npz":
                raise request.param(errno.EIO, "it does not answer", str(path))
            return really_opened(path, *args, **kwargs)

        with monkeypatch.context() as patched:
            really_opened = Path.open
            patched.setattr(Path, "open", opened)
            yield

    return broken
