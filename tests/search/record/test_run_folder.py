"""A run's folder: one writer, no foreign folder, nothing deleted, differences named."""

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import asdict, replace

import pytest
from summaries import summary_of

from search.errors import LockedError, RunFolderError, StoreError
from search.record import Manifest, RunFolder, versions
from search.record.manifest import SCHEMA_VERSION
from search.text import utc_now

MANIFEST = Manifest(
    config={
        "name": "mine",
        "dataset": "digits",
        "seed": 0,
        "validation_fraction": 0.2,
        "space": {"batch_size": [8], "learning_rate": [1e-6], "epochs": [5], "alpha": [0.0]},
    },
    dataset={"name": "digits", "fingerprint": "0123456789abcdef"},
    widths={"8": 1},
    trainer_version=1,
    versions=versions(),
    created_at=utc_now(),
)


@contextmanager
def writer(path):
    """Another process that holds the run folder until it is killed."""
    code = """if True:
        import pathlib, sys
        from search.record import RunFolder
        with RunFolder.locked(pathlib.Path(sys.argv[1])):
            print("locked", flush=True)
            sys.stdin.read()
    """
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout.readline() == "locked\n"
            yield process
        finally:
            process.kill()


def refusal(path, error=RunFolderError, **options):
    with pytest.raises(error) as caught, RunFolder.locked(path, **options):
        pass
    assert caught.value.exit_code == (2 if error is not StoreError else 1)
    assert str(path) in str(caught.value)
    return str(caught.value)


def make_run(path):
    with RunFolder.locked(path) as folder:
        folder.write_manifest(MANIFEST)
    return folder


# --- One writer


def test_a_second_writer_is_refused_and_told_who_the_first_is(tmp_path):
    with writer(tmp_path / "run") as first:
        message = refusal(tmp_path / "run", LockedError)
        assert f"is being written by process {first.pid} on " in message
        assert "--run-dir" in message


def test_fresh_does_not_take_the_folder_from_its_writer(tmp_path):
    make_run(tmp_path / "run")
    with writer(tmp_path / "run") as first:
        assert f"process {first.pid} " in refusal(tmp_path / "run", LockedError, fresh=True)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_the_lock_ends_with_a_killed_writer(tmp_path):
    with writer(tmp_path / "run") as first:
        first.send_signal(signal.SIGKILL)
        first.wait()
        with RunFolder.locked(tmp_path / "run"):
            assert f"process {os.getpid()} " in refusal(tmp_path / "run", LockedError)


@pytest.mark.parametrize("fresh", [False, True])
def test_the_lock_is_given_back(tmp_path, fresh):
    make_run(tmp_path / "run")
    for _ in range(2):
        with RunFolder.locked(tmp_path / "run", fresh=fresh) as folder:
            folder.write_manifest(MANIFEST)


def test_the_lock_is_given_back_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), RunFolder.locked(tmp_path / "run"):
        raise ZeroDivisionError
    make_run(tmp_path / "run")


# --- Which folders may be used


def test_a_folder_and_its_parents_are_made(tmp_path):
    make_run(tmp_path / "a" / "b" / "run")
    assert (tmp_path / "a" / "b" / "run" / "manifest.json").is_file()


def test_an_empty_folder_may_be_used(tmp_path):
    (tmp_path / ".DS_Store").touch()
    make_run(tmp_path)


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("all of it")
    for fresh in (False, True):
        assert "is not a run folder" in refusal(tmp_path, fresh=fresh)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "run").touch()
    assert "is not a run folder" in refusal(tmp_path / "run")


def test_a_folder_that_cannot_be_made_is_a_store_error(tmp_path):
    (tmp_path / "file").touch()
    assert "cannot be used: Not a directory" in refusal(tmp_path / "file" / "run", StoreError)


def test_a_file_system_without_locks_is_a_store_error(tmp_path, monkeypatch):
    def no_locks(file, operation):
        raise OSError(37, os.strerror(37))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    assert "No locks available" in refusal(tmp_path / "run", StoreError)


def test_what_a_killed_writer_left_is_removed(tmp_path):
    make_run(tmp_path)
    (tmp_path / ".tmp-killed").touch()
    make_run(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "manifest.json"]


# --- Fresh


def test_fresh_moves_the_old_run_aside_and_deletes_nothing(tmp_path):
    folder = make_run(tmp_path / "run")
    folder.trials.mkdir()
    (folder.trials / "rows.parquet").write_bytes(b"rows")
    for count in (1, 2):
        with RunFolder.locked(tmp_path / "run", fresh=True) as folder:
            assert folder.read_manifest() is None
            assert not folder.trials.exists()
            folder.write_manifest(MANIFEST)
        aside = [path for path in tmp_path.iterdir() if path.name != "run"]
        assert len(aside) == count
        assert all(re.fullmatch(r"run\.\d{8}-\d{6}-\d{6}", path.name) for path in aside)
        assert all((path / "manifest.json").exists() for path in aside)
    kept = list(tmp_path.glob("run.*/trials/rows.parquet"))
    assert [path.read_bytes() for path in kept] == [b"rows"]


def test_fresh_without_an_old_run_is_a_new_one(tmp_path):
    with RunFolder.locked(tmp_path / "run", fresh=True) as folder:
        assert folder.read_manifest() is None
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_fresh_that_the_system_refuses_is_a_store_error(tmp_path, monkeypatch):
    make_run(tmp_path / "run")

    def refuse(self, target):
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(type(tmp_path), "rename", refuse)
    assert "Permission denied" in refusal(tmp_path / "run", StoreError, fresh=True)


# --- Manifest and summary


def test_a_manifest_comes_back(tmp_path):
    folder = make_run(tmp_path)
    assert folder.read_manifest() == MANIFEST
    assert folder.read_manifest().plan_widths == {8: 1}


def test_a_new_folder_has_none(tmp_path):
    assert RunFolder(tmp_path).read_manifest() is None
    assert RunFolder(tmp_path).read_summary() is None


@pytest.mark.parametrize(
    "content", [b"", b'{"config": ', b"[]", b"{}", b'{"schema_version": 3}', b"null", b"\xff\xfe"]
)
def test_a_damaged_manifest_says_so_and_names_the_way_out(tmp_path, content):
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(RunFolderError, match=r"manifest\.json cannot be believed: .*--fresh"):
        RunFolder(tmp_path).read_manifest()


@pytest.mark.parametrize("version", [1, SCHEMA_VERSION + 1])
def test_a_manifest_of_another_version_says_which(tmp_path, version):
    folder = make_run(tmp_path)
    folder.write_manifest(replace(MANIFEST, schema_version=version))
    with pytest.raises(
        RunFolderError, match=rf"has schema version {version}, and this program reads 3 and 4\."
    ):
        folder.read_manifest()


def test_a_damaged_summary_is_none(tmp_path):
    folder = make_run(tmp_path)
    folder.write_summary(summary_of())
    assert folder.read_summary() == summary_of()
    (tmp_path / "summary.json").write_bytes(b'{"state": ')
    assert folder.read_summary() is None


@pytest.mark.parametrize(("content", "wrong"), [
    ({"best": 3}, "trials is missing"),
    ({"trials": {"total": "many"}}, "trials.total is of another kind"),
    ({"best": {"number": 3}}, "best.params is missing"),
    ({"select": "first"}, "select is of another kind"),
    ({"timing": {"wall_s": 1.0}}, "timing.startup_s is missing"),
])  # fmt: skip
def test_a_summary_of_another_program_is_refused_with_the_place_that_is_wrong(
    tmp_path, content, wrong
):
    if isinstance(content, dict) and content != {"best": 3}:
        content = summary_of().to_json() | content
    folder = make_run(tmp_path)  # of a version whose summaries have no seal
    (tmp_path / "summary.json").write_text(json.dumps(content))
    with pytest.raises(RunFolderError, match=rf"summary\.json cannot be read: {wrong}\. Remove it"):
        folder.read_summary()


def test_differences_name_the_setting_and_both_values():
    assert MANIFEST.differences(MANIFEST) == []
    changed = asdict(MANIFEST)
    changed["config"]["seed"] = 5
    changed["config"]["space"]["alpha"] = [1.0]
    changed["dataset"]["fingerprint"] = "fedcba9876543210"
    assert MANIFEST.differences(Manifest(**changed)) == [
        "alpha: the run has [0.0], the command [1.0]",
        "seed: the run has 0, the command 5",
        "dataset: the run has digits (0123456789abcdef), the command digits (fedcba9876543210)",
    ]


def test_the_same_data_by_another_name_is_no_difference():
    changed = asdict(MANIFEST)
    changed["dataset"]["name"] = "/home/ada/digits.csv"  # as a name was before
    other = Manifest(**changed)
    assert MANIFEST.differences(other) == other.differences(MANIFEST) == []
    assert MANIFEST.settings() == other.settings()
    assert str(other.settings()["dataset"]) == "/home/ada/digits.csv (0123456789abcdef)"


def test_a_step_of_an_earlier_version_is_what_it_was_used_as(tmp_path):
    folder = make_run(tmp_path)
    config = {
        **MANIFEST.config,
        "trainer": {"name": "mine:Trainer", "pack_by": None},
        "sampler": {"name": "random", "trials": 3},
        "space": {"epochs": [1], "m": {"low": 1, "high": 10, "log": False, "step": 1.5}},
    }
    folder.write_manifest(replace(MANIFEST, config=config))
    found = folder.read_manifest().sweep_config.axes_by_name["m"].step
    assert (found, type(found)) == (1, int)


def test_differences_are_readable_for_samplers_pruners_and_ranges():
    changed = asdict(MANIFEST)
    changed["config"]["space"]["alpha"] = {"low": 5e-8, "high": 1e-5, "log": True, "step": None}
    changed["config"]["space"]["epochs"] = {"low": 5, "high": 40, "log": False, "step": 5}
    options = {"multivariate": True, "gamma": [1, 2]}
    changed["config"] |= {
        "sampler": {"name": "tpe", "trials": 500, "batch": 32, "options": options},
        "pruner": {"name": "halving", "interval": 5, "options": {}},
    }
    assert MANIFEST.differences(Manifest(**changed)) == [
        "epochs: the run has [5], the command 5 .. 40, step 5",
        "alpha: the run has [0.0], the command 5e-08 .. 1e-05, log",
        "sampler: the run has grid, the command tpe, 500 trials, batch 32, "
        "{'gamma': [1, 2], 'multivariate': True}",
        "pruner: the run has none, the command halving, interval 5",
    ]


def test_a_run_from_before_samplers_had_the_grid_and_no_pruner():
    changed = asdict(MANIFEST)
    changed["config"] |= {
        "sampler": {"name": "grid", "trials": None, "batch": None, "options": {}},
        "pruner": {"name": "none", "interval": None, "options": {}},
    }
    assert MANIFEST.differences(Manifest(**changed)) == []


def test_the_plan_the_versions_and_the_time_are_no_difference():
    other = replace(MANIFEST, widths={"8": 9}, versions={}, created_at="later")
    assert MANIFEST.differences(other) == []
