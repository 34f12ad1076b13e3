"""The private folder of a local cluster, and the token that its user alone reads."""

import os
import stat
import tempfile
from pathlib import Path

import pytest
from ray._private import ray_constants

from cluster.connection import connect
from cluster.errors import ClusterError
from cluster.seclusion import PrivateFolder, secluded
from cluster.token import keep_token_private, place_of_a_token, token_place

NAMES = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_TMPDIR")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def parent(monkeypatch):
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setenv("RAY_TMPDIR", folder)
        yield os.path.realpath(folder)


def names(parent):
    return sorted(path.name for path in Path(parent).iterdir())


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_folder_is_its_users_alone_and_leaves_nothing(parent, tmp_path):
    folder = PrivateFolder()
    (name,) = names(parent)
    assert str(folder.ray.parent) == f"{parent}/{name}"
    assert mode(folder.ray.parent) == 0o700
    folder.ray.mkdir()
    (folder.ray / "prom_metrics_service_discovery.json").write_text("[]")
    link = tmp_path / "cache/packsweep/ray"
    assert (link / "prom_metrics_service_discovery.json").read_text() == "[]"
    other = PrivateFolder()
    folder.remove()
    assert link.readlink() == other.ray  # the newest one stays
    other.remove()
    assert names(parent) == []
    assert list(link.parent.iterdir()) == []


def test_what_a_killed_command_left_goes_and_what_is_in_use_stays(parent):
    old = (0, 0)
    held = PrivateFolder()
    os.utime(held.ray.parent, old)
    for name in ("packsweep-ray-dead", "packsweep-ray-fresh", "another"):
        Path(parent, name).mkdir()
    Path(parent, "packsweep-ray-link").symlink_to(f"{parent}/another")
    for name in ("packsweep-ray-dead", "another"):
        os.utime(f"{parent}/{name}", old)
    PrivateFolder().remove()
    left = {held.ray.parent.name, "packsweep-ray-fresh", "another", "packsweep-ray-link"}
    assert set(names(parent)) == left
    held.remove()


def test_paths_of_sockets_are_never_too_long(tmp_path, monkeypatch):
    long = tmp_path / ("x" * 60)
    long.mkdir()
    monkeypatch.setenv("RAY_TMPDIR", str(long))
    folder = PrivateFolder()
    socket = folder.ray / "session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store"
    assert len(str(socket)) <= 107
    folder.remove()


def test_a_cluster_that_does_not_start_is_one_message_and_leaves_nothing(parent, monkeypatch):
    def too_late(**options):
        raise Exception("The current node timed out during startup.")

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr("ray.init", too_late)
    with pytest.raises(ClusterError, match=r"timed out during startup.*--executor serial"):
        connect(None, 1)
    assert names(parent) == []


def test_the_surroundings_are_as_before(parent, monkeypatch):
    monkeypatch.delenv("TMPDIR", raising=False)
    name, before = ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR, ray_constants.ENABLE_RAY_CLUSTER
    folder = PrivateFolder()
    with secluded(folder):
        assert (os.environ[name], ray_constants.ENABLE_RAY_CLUSTER) == ("0", False)
        assert os.environ["TMPDIR"] == str(folder.ray.parent)
    assert name not in os.environ
    assert "TMPDIR" not in os.environ
    assert before == ray_constants.ENABLE_RAY_CLUSTER
    folder.remove()


@pytest.mark.parametrize("there", [None, "", "t" * 64])
def test_the_token_is_its_users_to_read(home, there):
    path = home / ".ray/auth_token"
    if there is not None:
        path.parent.mkdir()
        path.write_text(there)
        path.chmod(0o644)
    keep_token_private()
    assert mode(path) == 0o600
    assert len(path.read_text()) == 64
    assert names(path.parent) == ["auth_token"]
    if there:
        assert path.read_text() == there
    first = path.read_text()
    keep_token_private()
    assert path.read_text() == first


def test_a_token_that_is_given_is_left_as_it_is(home, tmp_path, monkeypatch):
    given = tmp_path / "given"
    given.write_text("t" * 64)
    given.chmod(0o640)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(given))
    keep_token_private()
    assert mode(given) == 0o640
    assert names(home) == []
    assert place_of_a_token() == str(given)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "t" * 64)
    assert place_of_a_token() == "the environment variable RAY_AUTH_TOKEN"


def test_no_place_is_named_where_no_token_is_asked_for(home, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    keep_token_private()
    assert names(home) == []
    assert token_place() is None
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    keep_token_private()
    assert token_place() == "~/.ray/auth_token"
