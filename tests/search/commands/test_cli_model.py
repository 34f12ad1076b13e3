"""`python -m search.model`: the final model of a run in other tools, and what is said otherwise."""

import errno
import json
import os
import re
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from command_line import Outcome, invoke, write_grid, write_images

from search import model

SERIAL = ("--executor", "serial", "--no-progress")
FILES = ("m.joblib", "m.skops", "m.onnx", "m.safetensors", "card.md", "m.json")

ALONE = """
import sys, joblib, onnxruntime, skops.io, numpy as np
with np.load("../my.npz") as data:
    X, y = data["X_test"], data["y_test"]
session = onnxruntime.InferenceSession("m.onnx")
for labels in (
    joblib.load("m.joblib").predict(X),
    skops.io.load("m.skops").predict(X),
    session.run(None, {"X": X.astype(np.float64)})[0],
):
    print((labels == y).mean())
assert not {"model", "search"} & set(sys.modules)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a finished run, and files of it."""
    path = tmp_path_factory.mktemp("model")
    write_images(path / "my.npz")
    grid = write_grid(path / "small.toml", "my.npz")
    from search.run import main

    assert main(["--grid", str(grid), "--run-dir", str(path / "run"), *SERIAL]) == 0
    return path


def take(capfd, *args):
    """Run the command in this process."""
    capfd.readouterr()
    try:
        code = model.main([str(arg) for arg in args])
    except SystemExit as end:  # argparse leaves this way
        code = end.code
    return Outcome(code, *capfd.readouterr())


def test_each_file_reaches_the_figure_of_the_run_in_a_fresh_process(folder, capfd, monkeypatch):
    (folder / "out").mkdir()
    monkeypatch.chdir(folder / "out")
    outcome = take(capfd, "../run", *FILES)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines() == list(FILES)
    told = json.loads((folder / "run" / "summary.json").read_text())["test"]["accuracy"]
    found = subprocess.run(
        [sys.executable, "-I", "-c", ALONE], check=True, capture_output=True, text=True
    )
    assert [float(line) for line in found.stdout.split()] == [told] * 3
    assert json.loads(Path("m.json").read_text())["test"]["accuracy"] == told


def test_without_a_file_the_card_is_printed(folder, capfd):
    outcome = take(capfd, folder / "run")
    assert (outcome.code, outcome.err) == (0, "")
    assert "# softmax regression on my" in outcome.out
    assert "## Intended use" in outcome.out


def test_another_ending_with_the_format_named(folder, capfd, tmp_path):
    target = tmp_path / "model.bin"
    assert take(capfd, folder / "run", target, "--format", "safetensors").code == 0
    from safetensors.numpy import load_file

    assert load_file(target)["weights"].shape == (12, 3)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("m.pt",), r"The ending of .*m\.pt is not a format of this model\. It has \.joblib \("),
        (("m",), r"The ending of .*m is not a format"),
        (("m.onnx", "--format", "h5"), r"--format h5 is not a format"),
        (("none/m.onnx",), r"There is no folder .*none; make it first"),
        (("m.onnx", "m.onnx"), r"m\.onnx is named twice"),
        (("there.md",), r"there\.md exists\. Give another name, or --force"),
        (("folder.md",), r"folder\.md is a folder; name a file in it"),
        (("there.md/m.onnx",), r"There is no folder .*there\.md"),
        (("x" * 300 + ".md",), r"cannot be written: File name too long"),
    ],
)
def test_a_wrong_file_gives_one_message_and_no_file(folder, capfd, tmp_path, args, said):
    (tmp_path / "there.md").write_text("mine")
    (tmp_path / "folder.md").mkdir()
    before = sorted(tmp_path.iterdir())
    paths = [tmp_path / a if i == 0 or a == args[0] else a for i, a in enumerate(args)]
    outcome = take(capfd, folder / "run", tmp_path / "first.json", *paths)
    assert outcome.code == 2
    assert re.search(said, outcome.err), outcome.err
    assert outcome.err.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_a_name_that_no_system_takes_is_a_wrong_one_on_newer_pythons_too(
    folder, capfd, tmp_path, monkeypatch
):
    """Whose `Path.is_dir` takes every refusal for an absence."""
    monkeypatch.setattr(Path, "is_dir", lambda self, **_: os.path.isdir(self))  # noqa: PTH112
    outcome = take(capfd, folder / "run", tmp_path / ("x" * 300 + ".md"))
    assert outcome.code == 2
    assert outcome.err.endswith(" cannot be written: File name too long.\n")


def test_force_replaces_files_but_none_of_the_run(folder, capfd, tmp_path):
    (tmp_path / "card.md").write_text("mine")
    assert take(capfd, folder / "run", tmp_path / "card.md", "--force").code == 0
    assert (tmp_path / "card.md").read_text().startswith("---")
    before = (folder / "run" / "summary.json").read_bytes()
    outcome = take(capfd, folder / "run", folder / "run" / "summary.json", "--force")
    assert outcome.code == 2
    assert "is a file of the run itself; give another name" in outcome.err
    assert (folder / "run" / "summary.json").read_bytes() == before
    part = next((folder / "run" / "trials").glob("*.parquet"))
    for among_its_own in (part, part.with_name("card.md")):
        outcome = take(capfd, folder / "run", among_its_own, "--format", "md", "--force")
        assert outcome.code == 2
        assert "is a file of the run itself" in outcome.err


def test_no_run_and_a_run_that_is_not_finished(folder, capfd, tmp_path):
    outcome = take(capfd, tmp_path)
    assert outcome.code == 2
    assert "There is no run in" in outcome.err
    run = tmp_path / "begun"
    run.mkdir()
    (run / "manifest.json").write_bytes((folder / "run" / "manifest.json").read_bytes())
    outcome = take(capfd, run, tmp_path / "m.onnx")
    assert outcome.code == 2
    assert "is not finished, so it has no final model yet" in outcome.err
    assert f"--resume {run}" in outcome.err


def test_a_run_whose_trials_have_all_diverged_has_no_model(folder, capfd, tmp_path):
    grid = write_grid(
        tmp_path / "wild.toml", str(folder / "my.npz"), learning_rate=[1e25], alpha=[1e15]
    )
    invoke(capfd, "--grid", grid, "--run-dir", tmp_path / "run", *SERIAL)
    outcome = take(capfd, tmp_path / "run", tmp_path / "m.onnx")
    assert outcome.code == 1
    assert "has no final model. Every trial diverged." in outcome.err


def test_a_model_that_was_changed_is_not_believed(folder, capfd, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    for name in ("manifest.json", "summary.json", "best_model.npz"):
        (run / name).write_bytes((folder / "run" / name).read_bytes())
    content = bytearray((run / "best_model.npz").read_bytes())
    content[500] ^= 1
    (run / "best_model.npz").write_bytes(content)
    outcome = take(capfd, run, tmp_path / "m.onnx")
    assert outcome.code == 2
    assert "best_model.npz is not a saved softmax regression" in outcome.err
    (run / "best_model.npz").unlink()
    assert take(capfd, run, tmp_path / "m.onnx").code == 2


@pytest.mark.parametrize(
    ("name", "library"),
    [("m.onnx", "onnx"), ("m.skops", "skops"), ("m.safetensors", "safetensors")],
)
def test_a_library_that_is_missing_is_named_with_its_extra(
    folder, capfd, tmp_path, monkeypatch, name, library
):
    for module in [m for m in sys.modules if m.split(".")[0] == library]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, library, None)
    outcome = take(capfd, folder / "run", tmp_path / "card.md", tmp_path / name)
    assert outcome.code == 2
    assert f"needs {library}, which is not installed" in outcome.err
    assert 'pip install "packsweep[export]"' in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing(folder, capfd, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        outcome = take(capfd, folder / "run", tmp_path / "m.onnx")
    assert outcome.code == 1
    assert "m.onnx could not be written: No space left on device" in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_after_the_first_file(folder, capfd, tmp_path, monkeypatch):
    written = []

    def full(descriptor):
        written.append(descriptor)
        if len(written) > 2:  # of the first one the file and its folder
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    files = tmp_path / "card.md", tmp_path / "m.onnx"
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        outcome = take(capfd, folder / "run", *files)
    assert outcome.code == 1
    assert f"With --force: {files[0]} is there already." in outcome.err
    assert list(tmp_path.iterdir()) == [files[0]]
    assert take(capfd, folder / "run", *files, "--force").code == 0


def test_a_run_and_its_files_in_an_object_store(folder, capfd, s3):
    grid = write_grid(folder / "remote.toml", str(folder / "my.npz"), batch_size=[16])
    run, out = s3.uri("runs/remote"), s3.uri("models/m.safetensors")
    assert invoke(capfd, "--grid", grid, "--run-dir", run, *SERIAL).code == 0
    outcome = take(capfd, run, out)
    assert outcome.code == 0, outcome.err
    again = take(capfd, run, out)
    assert again.code == 2
    assert "exists" in again.err


def test_a_reader_that_has_seen_enough_and_a_narrow_terminal(folder):
    done = subprocess.run(
        f"{sys.executable} -m search.model {folder / 'run'} | head -1",
        shell=True, check=True, capture_output=True, text=True, env=os.environ | {"COLUMNS": "20"},
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("---\n", "")


@pytest.mark.parametrize("columns", ["40", "80"])
def test_help_fits_a_terminal(columns, capfd, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    outcome = take(capfd, "--help")
    assert outcome.code == 0
    assert max(map(len, outcome.out.splitlines())) <= 80
    assert np.all([ending in outcome.out for ending in (".onnx", ".joblib", ".md")])


class Service:
    """Sends a run folder as a service does."""

    def __init__(self, run):
        self.run = run

    def folder(self, sweep):
        archive = BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            tar.add(self.run, "run")
        return archive.getvalue()

    def close(self):
        pass


def test_a_sweep_of_a_service(folder, capfd, tmp_path, monkeypatch):
    where = ("--server", "http://127.0.0.1:1")
    monkeypatch.setattr("search.client.commands.client_of", lambda url: Service(folder / "run"))
    outcome = take(capfd, "7", tmp_path / "m.onnx", *where)
    assert outcome.code == 0, outcome.err
    assert (tmp_path / "m.onnx").stat().st_size > 0
    begun = tmp_path / "begun"
    begun.mkdir()
    (begun / "manifest.json").write_bytes((folder / "run" / "manifest.json").read_bytes())
    monkeypatch.setattr("search.client.commands.client_of", lambda url: Service(begun))
    outcome = take(capfd, "7", tmp_path / "m.skops", *where)
    assert outcome.code == 2
    assert outcome.err == (
        "error: The sweep 7 has no final model yet. See its state: "
        "python -m search.status 7 --server http://127.0.0.1:1\n"
    )
