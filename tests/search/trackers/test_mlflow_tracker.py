"""Runs in MLflow: the same whichever way they are written, mended where a command was killed."""

from contextlib import closing
from dataclasses import replace

import pytest

from search.errors import ConfigError, StoreError
from search.testing.trackers import a_run, a_trial, sent_to
from search.trackers import MLFLOW, Target, open_tracker
from search.trackers.mlflow_opening import told
from search.trackers.mlflow_tracker import MlflowTracker

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.xdist_group("mlflow"),
]


def opened(uri):
    return lambda run: open_tracker(Target(MLFLOW, uri), run)


def runs_in(uri):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(uri)
    ids = [found.experiment_id for found in client.search_experiments()]
    return client, list(client.search_runs(ids))


def told_of(client, found, parent):
    """Return all that MLflow says of a run, but for what it makes up itself."""
    points = {key: client.get_metric_history(found.info.run_id, key) for key in found.data.metrics}
    history = {
        key: sorted((p.step, p.timestamp, p.value) for p in of) for key, of in points.items()
    }
    tags = {**found.data.tags, "mlflow.parentRunId": parent}
    info = found.info
    artifacts = info.artifact_uri.replace(info.run_id, "RUN")
    said = (info.run_name, info.status, info.start_time, info.end_time, info.lifecycle_stage)
    return *said, info.user_id, artifacts, tags, found.data.params, found.data.metrics, history


def test_the_tables_hold_what_the_calls_would_have_written(mlflow_database, monkeypatch):
    trials = [a_trial(0), a_trial(1, "PRUNED"), a_trial(2, "FAIL")]
    trials.append(replace(a_trial(3), series={"reports": ((1, 0.9), (2, 0.8)), "x": ((0, 1.0),)}))
    sent_to(opened(mlflow_database), a_run(4), trials)
    monkeypatch.setattr("search.trackers.mlflow_tracker.is_server", lambda uri: True)
    sent_to(opened(mlflow_database), replace(a_run(4), id="calls"), trials)
    client, runs = runs_in(mlflow_database)
    ways = {}
    for way in (a_run(4).id, "calls"):
        mine = [run for run in runs if run.data.tags["packsweep.run"] == way]
        children = [run for run in mine if "packsweep.number" in run.data.tags]
        for run in children:
            run.data.tags["packsweep.run"] = "RUN"
        ways[way] = sorted((told_of(client, run, "PARENT") for run in children), key=lambda t: t[0])
    one, other = ways.values()
    assert len(one) == 4
    assert one == other


def test_a_trial_that_is_there_in_part_or_twice_is_there_once(mlflow_database):
    trials = [a_trial(0), a_trial(1)]
    sent_to(opened(mlflow_database), a_run(2), trials)
    client, runs = runs_in(mlflow_database)
    (first,) = [run for run in runs if run.data.tags.get("packsweep.number") == "0"]
    (second,) = [run for run in runs if run.data.tags.get("packsweep.number") == "1"]
    client.update_run(first.info.run_id, "RUNNING")  # as if it were killed there
    tags = {key: text for key, text in second.data.tags.items() if key != "mlflow.runName"}
    twin = client.create_run(second.info.experiment_id, tags=tags)
    client.set_terminated(twin.info.run_id)
    sent = sent_to(opened(mlflow_database), a_run(2), trials)
    assert (sent.new, sent.changed, sent.same) == (0, 2, 0)
    _, runs = runs_in(mlflow_database)
    assert sorted(r.data.tags.get("packsweep.number", "-") for r in runs) == ["-", "0", "1"]
    assert not sent_to(opened(mlflow_database), a_run(2), trials).anything


def test_the_sweep_has_its_figures_and_files_and_ends(mlflow_database, tmp_path):
    (tmp_path / "summary.json").write_text("{}")
    run = replace(a_run(2), ended=1, figures={"best_cost": 0.5}, files=(tmp_path / "summary.json",))
    sent_to(opened(mlflow_database), run, [a_trial(0)])
    client, runs = runs_in(mlflow_database)
    (sweep,) = [run for run in runs if "packsweep.number" not in run.data.tags]
    assert (sweep.info.status, sweep.info.run_name) == ("RUNNING", "tiny")
    assert sweep.data.tags["packsweep.dataset"] == "digits"
    assert sweep.data.params == {"seed": "0"}
    done = replace(
        run,
        settings={"seed": "1"},
        ended=2,
        finished=True,
        figures={"best_cost": 0.4},
        ended_at=a_trial(1).finished_at,
    )
    sent_to(opened(mlflow_database), done, [a_trial(0), a_trial(1)])
    sweep = client.get_run(sweep.info.run_id)
    assert (sweep.info.status, sweep.data.metrics["best_cost"]) == ("FINISHED", 0.4)
    assert sweep.info.end_time == a_trial(1).finished_at.timestamp() * 1000
    assert (sweep.data.params["seed"], sweep.data.tags["packsweep.now.seed"]) == ("0", "1")
    course = client.get_metric_history(sweep.info.run_id, "best_cost")
    assert [(point.step, point.value) for point in course] == [(1, 0.5), (2, 0.4)]
    assert [file.path for file in client.list_artifacts(sweep.info.run_id)] == ["summary.json"]


def test_a_version_without_such_tables_takes_the_calls(mlflow_database, monkeypatch):
    def gone(*_):
        raise LookupError

    monkeypatch.setattr("search.trackers.mlflow_tracker.Tables", gone)
    assert sent_to(opened(mlflow_database), a_run(1), [a_trial(0)]).new == 1
    with closing(opened(mlflow_database)(a_run(1))) as tracker:
        assert tracker.known() == {0: a_trial(0).mark}


def test_an_experiment_that_was_deleted_is_said(mlflow_database):
    sent_to(opened(mlflow_database), a_run(1), [])
    client, runs = runs_in(mlflow_database)
    client.delete_experiment(runs[0].info.experiment_id)
    with pytest.raises(ConfigError, match=r"'first' .* is deleted"):
        MlflowTracker(mlflow_database, a_run(1))


class Refused(Exception):  # noqa: N818 - as short as the table of its uses needs it
    """What a library raises of an answer that is no good."""

    def __init__(self, text, code="", json=None):
        super().__init__(text)
        self.error_code, self.json = code, json


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (Refused("x failed with error code 401 != 200"), ConfigError, "refuses the login. Give"),
        (Refused("no", "PERMISSION_DENIED", {}), ConfigError, "refuses the login"),
        (Refused("x failed with error code 404 != 200. Response body: '<html>'"), StoreError,
         "does not answer as a server of MLflow: its answer has status 404."),
        (Refused("HTTPConnectionPool(host='h'): Max retries exceeded with url: /x (Caused by "
                "NewConnectionError(\"HTTPConnection(host='h', port=9): Connection refused\"))"),
         StoreError, "MLflow: HTTPConnection(host='h', port=9): Connection refused."),
        (Refused("got unsupported URI 'foo://x'"), ConfigError, "is not an MLflow address. Give a"),
        (ImportError("No module named 'psycopg'"), ConfigError, "No module named 'psycopg'."),
        (Refused("INVALID: bad key s3cr3t-token. See https://mlflow.org/docs.", "INVALID", {}),
         StoreError, "cannot be written to http://h:9: INVALID: bad key ***."),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_said_without_links_and_tokens(monkeypatch, error, kind, said):
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "s3cr3t-token")
    with pytest.raises(kind) as raised, told("http://h:9"):
        raise error
    assert said in str(raised.value)
    assert "https://" not in str(raised.value)
    assert "s3cr3t" not in str(raised.value)
