"""What several rooms' tests ask for: a browser, a server of S3, a disk that does not answer."""

import errno
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest
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
