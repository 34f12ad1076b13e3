"""A cluster that is started here has a token, with or without a home folder to keep it in."""

import os

import pytest

from cluster.token import keep_token_private


@pytest.fixture(autouse=True)
def given(monkeypatch):
    """Begin with no token, and leave none behind."""
    monkeypatch.setenv("RAY_AUTH_TOKEN", "to be put back")
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)


def provided():
    keep_token_private()
    return os.environ.get("RAY_AUTH_TOKEN")


def test_a_home_that_takes_files_is_left_to_ray(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert provided() is None


@pytest.mark.parametrize("home", ["/dev/null", "/proc/none"])
def test_a_home_that_takes_none_gives_a_token_of_the_clusters_own(monkeypatch, home):
    monkeypatch.setenv("HOME", home)
    assert len(provided()) == 64


def test_what_the_user_has_said_stays(monkeypatch):
    monkeypatch.setenv("HOME", "/dev/null")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", "/somewhere/token")
    assert provided() is None
