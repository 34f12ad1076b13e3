"""search.export: one target, whatever the run's state, again and again."""

import shutil

import pytest
from command_line import write_grid, write_images

from search import export
from search.run import main

BARE = ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "OPTUNA_STORAGE")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return a finished run of 16 trials."""
    folder = tmp_path_factory.mktemp("exports")
    data = write_images(folder / "data.npz")
    grid = write_grid(folder / "tiny.toml", str(data))
    args = ["--grid", str(grid), "--run-dir", str(folder / "run"), "--executor", "serial"]
    assert main([*args, "--no-progress"]) == 0
    return folder / "run"


@pytest.fixture
def exported(tmp_path, monkeypatch, capfd):
    """Return a function that runs the command in an empty folder: code, output, messages."""
    monkeypatch.chdir(tmp_path)
    for name in BARE:
        monkeypatch.delenv(name, raising=False)

    def exported(*args):
        capfd.readouterr()
        try:
            code = export.main([str(arg) for arg in args])
        except SystemExit as end:  # argparse leaves this way
            code = end.code
        return code, *capfd.readouterr()

    return exported


def test_a_run_that_goes_on_is_completed(run, exported, tmp_path):
    half = tmp_path / "half"
    shutil.copytree(run, half)
    (half / "summary.json").unlink()
    *_, last = sorted((half / "trials").glob("*.parquet"))
    last.rename(tmp_path / "later")
    to = ("--tensorboard", "boards")
    code, out, err = exported(half, *to)
    ended = int(out.split()[0])
    assert (code, err) == (0, "")
    assert 0 < ended < 16
    assert out.endswith(f"The other {16 - ended} trials of the run have no result yet.\n")
    (tmp_path / "later").rename(last)
    shutil.copy(run / "summary.json", half)
    told = f"16 trials are in boards as 'tiny' ({16 - ended} new)\n"
    assert exported(half, *to) == (0, told, "")
    same = "16 trials are in boards as 'tiny', as they were before\n"
    assert exported(half, *to) == (0, same, "")
    assert len(list(tmp_path.glob("boards/tiny/trial-*/events*"))) == 16


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.xdist_group("mlflow")
def test_a_database_of_mlflow_by_its_own_variables(run, exported, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "my first")
    told = "16 trials are in sqlite:///mlflow.db as 'my first'"
    assert exported(run, "--mlflow") == (0, f"{told}\n", "")
    assert exported(run, "--mlflow") == (0, f"{told}, as they were before\n", "")
    from mlflow.tracking import MlflowClient

    client = MlflowClient("sqlite:///mlflow.db")
    experiment = client.get_experiment_by_name("my first").experiment_id
    (sweep,) = client.search_runs([experiment], "attributes.run_name = 'tiny'")
    assert sweep.info.status == "FINISHED"
    assert {"best_cost", "best_accuracy", "trials_complete"} <= sweep.data.metrics.keys()
    assert sweep.data.tags["packsweep.command"].endswith(f"search.run --resume {run}")
    files = {file.path for file in client.list_artifacts(sweep.info.run_id)}
    assert files == {"summary.json", "report.html"}


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "No storage is named. Give --storage, or its URL in OPTUNA_STORAGE."),
        (("--mlflow",), "MLflow has no address. Give --mlflow URI"),
        (("--mlflow", "mlruns"), "'mlruns' is not an MLflow address: MLflow no longer keeps runs"),
        (("--storage", "x.journal", "--tensorboard", "y"), "not allowed with argument"),
        (("--tensorboard", "s3://bucket/x"), "event files can only be written to a disk"),
        (("--tensorboard", "x", "--name", "../y"), "'../y' cannot be the name of a folder"),
    ],
)
def test_a_target_that_is_none(run, exported, args, said, tmp_path):
    code, out, err = exported(run, *args)
    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("library", "args"),
    [("mlflow", ("--mlflow", "sqlite:///x.db")), ("tensorboard", ("--tensorboard", "x"))],
)
def test_a_library_that_is_not_installed(run, exported, monkeypatch, library, args):
    for name in ("mlflow", "mlflow.tracking", "tensorboard", "tensorboard.compat.proto.event_pb2"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    for name in ("tensorboard_events", "mlflow_opening"):
        monkeypatch.delitem(__import__("sys").modules, f"search.trackers.{name}", raising=False)
    monkeypatch.delattr("search.trackers.tensorboard_events", raising=False)
    code, _, err = exported(run, *args)
    assert code == 2
    assert f'Install it with pip install "packsweep[{library}]".' in err
