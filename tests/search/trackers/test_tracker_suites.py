"""Every tracker passes the suite, read back with its own library."""

import optuna
import pytest

from search.testing import TrackerSuite
from search.trackers import MLFLOW, OPTUNA, TENSORBOARD, Target, open_tracker


class TestOptunaJournal(TrackerSuite):
    @pytest.fixture
    def place(self, tmp_path):
        return str(tmp_path / "trials.journal")

    @pytest.fixture
    def opened(self, place):
        return lambda run: open_tracker(Target(OPTUNA, place), run)

    @pytest.fixture
    def stored(self, place):
        def stored(run):
            storage = place
            if "://" not in place:
                backend = optuna.storages.journal.JournalFileBackend(place)
                storage = optuna.storages.JournalStorage(backend)
            study = optuna.load_study(study_name=run.name_there, storage=storage)
            return [(trial.user_attrs["number"], trial.state.name) for trial in study.trials]

        return stored


class TestOptunaDatabase(TestOptunaJournal):
    @pytest.fixture
    def place(self, tmp_path):
        return f"sqlite:///{tmp_path}/trials.db"


class TestTensorboard(TrackerSuite):
    @pytest.fixture
    def opened(self, tmp_path):
        return lambda run: open_tracker(Target(TENSORBOARD, str(tmp_path / "boards")), run)

    @pytest.fixture
    def stored(self, tmp_path):
        from tensorboard_reading import sessions

        def stored(run):
            folder = tmp_path / "boards" / run.name_there
            return [
                (int(name.removeprefix("trial-")), session["state"])
                for name, session in sessions(folder).items()
            ]

        return stored


STATES = {"FINISHED": "COMPLETE", "KILLED": "PRUNED", "FAILED": "FAIL"}


# What MLflow's own code does is not ours to mend.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.xdist_group("mlflow")
class TestMlflowDatabase(TrackerSuite):
    """In a database, which is copied where it is new: MLflow takes seconds to make one."""

    @pytest.fixture
    def opened(self, mlflow_database):
        return lambda run: open_tracker(Target(MLFLOW, mlflow_database), run)

    @pytest.fixture
    def stored(self, mlflow_database):
        from mlflow.tracking import MlflowClient

        def stored(run):
            client = MlflowClient(mlflow_database)
            found = client.get_experiment_by_name(run.name_there)
            runs = client.search_runs([found.experiment_id])
            (sweep,) = [run for run in runs if "packsweep.number" not in run.data.tags]
            trials = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
            assert {run.data.tags["mlflow.parentRunId"] for run in trials} <= {sweep.info.run_id}
            return [
                (int(run.data.tags["packsweep.number"]), STATES[run.info.status]) for run in trials
            ]

        return stored


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.xdist_group("mlflow")
class TestMlflowCalls(TestMlflowDatabase):
    """By the calls that a server takes, for which the database stands."""

    @pytest.fixture(autouse=True)
    def by_calls(self, monkeypatch):
        monkeypatch.setattr("search.trackers.mlflow_tracker.is_server", lambda uri: True)
        monkeypatch.setattr("search.trackers.mlflow_tracker._THREADS", 1)
