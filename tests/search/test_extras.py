"""The core without its extras: what works, and what is said where one is missing."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from search.extras import EXTRAS, needed

# One core run for all of them.
pytestmark = pytest.mark.xdist_group("extras")

ROOT = Path(__file__).parents[2]
# Put before a program: it runs as if libraries were not installed.
HIDDEN = """
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Hidden())
"""
ALL = tuple(name for names in EXTRAS.values() for name in names)
SMOKE = ["run", "--grid", "smoke", "--no-progress"]


def python(code, hidden, folder):
    """Run a program without some libraries."""
    done = subprocess.run(
        [sys.executable, "-c", HIDDEN.format(names=set(hidden)) + code],
        cwd=folder, capture_output=True, text=True, check=False, timeout=240,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done


def packsweep(args, hidden, folder):
    return python(
        f"sys.argv = ['packsweep', *{args!r}]\nfrom search.commands import main\nsys.exit(main())",
        hidden,
        folder,
    )


@pytest.fixture(scope="module")
def core(tmp_path_factory):
    """Return a folder with a run that the core alone has made, and how that command ended."""
    folder = tmp_path_factory.mktemp("core")
    return folder, packsweep([*SMOKE, "--executor", "serial"], ALL, folder)


def test_the_core_sweeps_and_says_in_one_line_that_there_is_no_report(core):
    folder, done = core
    assert done.returncode == 0, done.stderr
    assert json.loads((folder / "runs" / "smoke" / "summary.json").read_text())["best"]
    assert not (folder / "runs" / "smoke" / "report.html").exists()
    (line,) = [line for line in done.stderr.splitlines() if "report" in line]
    assert re.fullmatch(
        r"The report needs \w+, which is not installed\. Install it with pip install "
        r'"packsweep\[report\]"\. packsweep report \S*runs/smoke writes it then\.',
        line,
    )
    assert "Log and model are in runs/smoke" in done.stdout
    assert "in a browser" not in done.stdout


def test_the_report_is_written_later_by_the_command_that_was_told(core):
    folder, _ = core
    done = packsweep(["report", "runs/smoke"], (), folder)
    assert done.returncode == 0, done.stderr
    assert (folder / "runs" / "smoke" / "report.html").stat().st_size > 10**6


def test_the_core_has_sweeps_from_python_and_the_estimators(tmp_path):
    code = """
import search
from search.estimators import PackSweepSearchCV, SoftmaxClassifier
from sklearn.datasets import load_iris
from sklearn.ensemble import GradientBoostingClassifier

space = {"batch_size": [64], "learning_rate": [1e-6], "epochs": [1, 2], "alpha": [0]}
print(search.sweep(space, "digits", executor="serial", progress=False).best_params["epochs"])
X, y = load_iris(return_X_y=True)
print(SoftmaxClassifier(epochs=2).fit(X, y).score(X, y) > 0.3)
grid = {"n_estimators": [1, 2]}
print(len(PackSweepSearchCV(GradientBoostingClassifier(), grid, cv=2).fit(X, y).best_params_))
"""
    done = python(code, ALL, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["2", "True", "1"]


@pytest.mark.parametrize(
    "args",
    [
        ["status"], ["runs", "--json"], ["data", "digits"], ["schema", "runs"],
        ["run", "--grid", "smoke", "--run-dir", "other", "--dry-run"],
    ],
)  # fmt: skip
def test_the_core_looks_and_plans_without_what_trains(core, args):
    folder, _ = core
    done = packsweep(args, (*ALL, "numba", "scipy"), folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


@pytest.mark.parametrize(
    ("extra", "args", "what"),
    [
        ("ray", [*SMOKE, "--executor", "ray"], "--executor ray"),
        ("optuna", [*SMOKE, "--sampler", "random", "--trials", "2"], "A sampler"),
        ("optuna", [*SMOKE, "--pruner", "halving"], "A sampler, a pruner"),
        ("optuna", ["export", "{core}/runs/smoke", "--storage", "sqlite:///x.db"], "A sampler"),
        ("report", ["report", "{core}/runs/smoke"], "The report"),
        ("serve", ["serve"], "The service"),
        ("serve", ["status", "--server", "http://127.0.0.1:1"], "A service's client"),
        ("serve", ["runs", "--server", "http://127.0.0.1:1"], "A service's client"),
    ],
)
def test_what_needs_an_extra_says_so_and_leaves_nothing(core, tmp_path, extra, args, what):
    args = [arg.format(core=core[0]) for arg in args]
    done = packsweep(args, EXTRAS[extra], tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    said = done.stderr.splitlines()[-1]
    library = re.fullmatch(
        rf"error: {re.escape(what)}.* needs (\w+), which is not installed\. Install it with "
        rf'pip install "packsweep\[{extra}\]".*\.',
        said,
    )
    assert library, said
    assert library[1] in EXTRAS[extra]
    left = [path for path in tmp_path.rglob("*") if path.is_file() and ".cache" not in path.parts]
    assert left == []
    assert not (tmp_path / "runs").exists()


def test_a_finished_run_is_shown_where_its_executor_is_missing(core):
    folder, _ = core
    done = packsweep([*SMOKE, "--dataset", "digits"], EXTRAS["ray"], folder)
    assert done.returncode == 0, done.stderr
    assert "16 trials on digits" in done.stdout


def test_a_plan_needs_no_cluster(tmp_path):
    done = packsweep([*SMOKE, "--dry-run"], ALL, tmp_path)
    assert done.returncode == 0, done.stderr


def test_what_is_missing_beside_an_extra_is_no_question_of_it():
    with pytest.raises(ModuleNotFoundError, match="No module named 'mine'"), needed("ray", "It"):
        raise ModuleNotFoundError("No module named 'mine'", name="mine")


def test_each_extra_is_one_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    assert set(Requirement(extras["all"][0]).extras) == set(EXTRAS)
    core = {Requirement(line).name for line in project["dependencies"]}
    for name in EXTRAS:
        brought = {Requirement(line).name.replace("grpcio", "grpc") for line in extras[name]}
        assert brought <= set(EXTRAS[name])
        assert not brought & core
