"""A cluster is started in odd surroundings, and what cannot be is one message."""

import logging
import os
import re
from pathlib import Path

import pytest
from ray._private.node import Node

from cluster import connection
from cluster.errors import AddressError, ClusterError


class Context:
    def __init__(self, url):
        self.dashboard_url, self.address_info = url, {"session_dir": "/tmp/ray/session"}


@pytest.fixture
def init(monkeypatch):
    """Return what `ray.init` was called with, and where; it does what `init.act` does."""

    class Init:
        def act(self):
            return Context("127.0.0.1:8265")

        def __call__(self, **options):
            self.options, self.cwd = options, Path.cwd()
            self.told = {name for name in os.environ if name.startswith("PYTHON")}
            return self.act()

    made = Init()
    monkeypatch.setattr(connection.ray, "init", made)
    return made


def test_ray_starts_beside_the_code_and_we_stay_where_we_were(init, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    assert connection.connect(None, 1) == "http://127.0.0.1:8265"
    assert init.cwd == connection._ROOT
    assert "PYTHONWARNINGS" not in init.told
    assert os.environ["PYTHONWARNINGS"] == "error"
    assert Path.cwd() == tmp_path


def test_workers_of_a_cluster_have_our_code_and_an_empty_folder(init, monkeypatch):
    monkeypatch.delenv("RAY_JOB_CONFIG_JSON_ENV_VAR", raising=False)
    monkeypatch.setattr("cluster.knock.knock", lambda address: None)
    folders = []
    init.act = lambda: (
        folders.append(list(Path(init.options["runtime_env"]["working_dir"]).iterdir()))
        or Context(None)
    )
    assert connection.connect("127.0.0.1:1", None) is None
    assert folders == [[]]
    assert len(init.options["runtime_env"]["py_modules"]) == 3
    assert not Path(init.options["runtime_env"]["working_dir"]).exists()


def test_a_dashboard_that_cannot_start_is_told_and_no_failure(init, caplog):
    init.act = lambda: Context(None)
    with caplog.at_level(logging.WARNING):
        assert connection.connect(None, 1) is None
    assert "Ray's dashboard cannot be started, and the sweep runs without it" in caplog.text


@pytest.mark.parametrize("error", [Exception("the node timed out"), KeyError("x"), OSError("x")])
def test_a_cluster_that_cannot_start_is_one_message_whatever_ray_raises(init, error):
    def fail():
        raise error

    init.act = fail
    with pytest.raises(ClusterError, match=r"Cannot use a local Ray cluster: .*--executor serial"):
        connection.connect(None, 1)


@pytest.mark.parametrize(
    "said",
    [
        "Starting Ray client server failed. See x.err.",
        "Initialization failure from server: ... psutil.ZombieProcess: PID still exists",
    ],
)
@pytest.mark.parametrize("failures", [1, 2, 3])
def test_a_head_too_busy_to_start_a_process_for_us_is_asked_again(
    init, monkeypatch, failures, said
):
    monkeypatch.setattr("cluster.knock.knock", lambda address: None)
    attempts = []

    def act():
        attempts.append(init.options["address"])
        if len(attempts) <= failures:
            raise ConnectionAbortedError(said)
        return Context(None)

    init.act = act
    if failures < 3:
        assert connection.connect("ray://host:10001", None) is None
    else:
        with pytest.raises(AddressError, match=re.escape(said)):
            connection.connect("ray://host:10001", None)
    assert attempts == ["ray://host:10001"] * min(3, failures + 1)


def test_a_machine_too_busy_to_start_a_cluster_in_time_is_given_another_chance(init):
    attempts = []

    def act():
        attempts.append(init.options["address"])
        if len(attempts) == 1:
            raise Exception("The current node timed out during startup. This could happen.")
        return Context(None)

    init.act = act
    assert connection.connect(None, 1) is None
    assert attempts == ["local"] * 2


def test_a_cluster_that_refuses_us_is_asked_once(init, monkeypatch):
    monkeypatch.setattr("cluster.knock.knock", lambda address: None)
    attempts = []

    def act():
        attempts.append(1)
        raise ValueError("another version")

    init.act = act
    with pytest.raises(AddressError, match="another version"):
        connection.connect("ray://host:10001", None)
    assert attempts == [1]


def test_the_end_of_a_cluster_here_does_not_wait_for_what_heeds_no_request(init, monkeypatch):
    ended = []

    class OneNode:
        def kill_monitor(self, check_alive=True):
            assert not check_alive
            ended.append("monitor")

    assert callable(Node.kill_monitor)  # or Ray has it otherwise now
    monkeypatch.setattr(connection.ray._private.worker, "_global_node", OneNode())
    monkeypatch.setattr(connection.ray, "shutdown", lambda: ended.append("all"))
    connection.connect(None, 1)
    connection.disconnect()
    connection.disconnect()  # as of a cluster that was joined, whose processes are not ours
    assert ended == ["monitor", "all", "all"]
