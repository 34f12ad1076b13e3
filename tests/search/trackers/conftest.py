"""What takes seconds to make, made once."""

import shutil

import pytest


@pytest.fixture(scope="session")
def empty_mlflow_database(tmp_path_factory):
    """Return an empty database of MLflow."""
    from search.trackers.mlflow_opening import open_client

    path = tmp_path_factory.mktemp("mlflow") / "empty.db"
    open_client(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def mlflow_database(empty_mlflow_database, tmp_path, monkeypatch):
    """Return the URI of a database of a test's own; files of runs go to its folder."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(empty_mlflow_database, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path}/mlflow.db"
