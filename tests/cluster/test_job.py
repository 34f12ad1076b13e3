"""A job's own folder does not outlive it."""

from pathlib import Path

import pytest

from cluster.job import ends_with_job
from search.errors import RunFolderError
from search.session.checks import check_outlives_job

UNPACKED = Path("/tmp/ray/session/runtime_resources/working_dir_files/_ray_pkg_1")


@pytest.fixture
def job(monkeypatch):
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")


def test_only_what_ray_unpacks_ends_with_a_job(job):
    assert ends_with_job(UNPACKED / "runs" / "full")
    assert not ends_with_job(Path("/runs/full"))


def test_a_command_by_hand_may_write_anywhere(monkeypatch):
    monkeypatch.delenv("RAY_JOB_CONFIG_JSON_ENV_VAR", raising=False)
    assert not ends_with_job(UNPACKED)


def test_a_relative_run_folder_is_taken_from_where_the_job_runs(job, monkeypatch, tmp_path):
    folder = tmp_path / "runtime_resources"
    folder.mkdir()
    monkeypatch.chdir(folder)
    with pytest.raises(RunFolderError, match=r"runs/full is among the files .* deletes after it"):
        check_outlives_job(Path("runs/full"))
