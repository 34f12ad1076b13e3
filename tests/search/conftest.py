"""A server of S3 for those tests that ask for one."""

import pytest
from s3_server import ENVIRONMENT, s3_server


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
