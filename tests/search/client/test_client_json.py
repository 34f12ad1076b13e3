"""What the commands print with --json and --server, against the schemas that are published."""

import json

import jsonschema
import pytest
from command_line import write_grid
from over_http import asked
from serving import GRID, Gate, wait_for

from search.client.client import TOKEN
from search.commands import main
from search.schemas import ANSWERS, schema_of

# One service for all of them.
pytestmark = pytest.mark.xdist_group("client-json")


@pytest.fixture(scope="module")
def gate():
    return Gate()


@pytest.fixture(scope="module")
def person(tmp_path_factory, gate):
    with asked(tmp_path_factory.mktemp("service"), lambda: gate) as person:
        yield person


@pytest.fixture(scope="module")
def done(person):
    return person("ann").done()


@pytest.fixture(scope="module")
def held(person, done, gate):
    """Return a sweep of which a task has ended, and one that has not begun."""
    gate.allowed = 1
    ann = person("ann")
    first = ann.submit(seed=1)["id"]
    wait_for(lambda: ann.json("GET", f"sweeps/{first}")["finished"])
    second = ann.submit(seed=2)["id"]
    ann.json("PATCH", f"sweeps/{second}", json={"wanted": "pause"})
    yield first, second
    gate.allowed = None  # what still runs may end


@pytest.fixture
def answer(person, capfd, monkeypatch):
    """Return a function: the JSON of a command, which is as its schema says."""
    token = person("ann")._http.headers["authorization"].removeprefix("Bearer ")
    monkeypatch.setenv(TOKEN, token)

    def of(name, *args):
        capfd.readouterr()
        assert main([*map(str, args), "--server", person.url, "--json"]) == 0, capfd.readouterr()
        found = json.loads(capfd.readouterr().out, parse_constant=pytest.fail)
        schema = json.loads(schema_of(ANSWERS[name]))
        jsonschema.validate(found, schema, jsonschema.Draft202012Validator)
        assert set(found) == set(schema["required"])
        return found

    return of


def test_a_sweep_that_is_done_stands_as_its_run_folder_says(answer, person, done, capfd):
    found = answer("status", "status", done)
    folder = person.served.service.ledger.sweeps.get(done).folder
    capfd.readouterr()
    assert main(["status", folder, "--json"]) == 0
    assert found == {**json.loads(capfd.readouterr().out), "run": done}
    assert (found["state"], found["trials"]["complete"], len(found["best"])) == ("finished", 16, 10)
    assert found["test"]["accuracy"] > 0.5


def test_one_under_way_and_one_that_waits_have_their_states(answer, held):
    first, second = (answer("status", "status", sweep) for sweep in held)
    assert (first["state"], second["state"]) == ("running", "paused")
    assert 0 < first["trials"]["finished"] < 16
    assert first["best"]
    assert (second["trials"]["total"], second["best"], second["writer"]) == (16, [], None)
    assert second["dataset"] == first["dataset"]
    assert first["continue_with"] is second["continue_with"] is None


def test_the_list_has_every_sweep_the_newest_last(answer, person, done, held):
    found = answer("runs", "runs")
    assert found["folder"] == person.url
    rows = {row["run"]: row for row in found["runs"]}
    assert [row["run"] for row in found["runs"]][-2:] == list(held)
    assert [rows[sweep]["state"] for sweep in (done, *held)] == ["finished", "running", "paused"]
    assert (rows[done]["trials"], rows[done]["finished"]) == (16, 16)
    assert rows[done]["cost"] == answer("status", "status", done)["best"][0]["cost"]
    assert rows[done]["params"].keys() == GRID["space"].keys()


def test_a_plan_is_told_and_nothing_is_submitted(answer, tmp_path):
    before = answer("runs", "runs")
    write_grid(tmp_path / "tiny.toml", "digits")
    found = answer("dry-run", "run", "--grid", tmp_path / "tiny.toml", "--dry-run")
    assert (found["run"], found["trials"], found["dataset"]) == ("tiny", 16, "digits")
    assert answer("runs", "runs") == before


def test_one_that_was_cancelled_is_told_as_such(answer, held, person):
    person("ann").json("PATCH", f"sweeps/{held[1]}", json={"wanted": "cancel"})
    assert answer("status", "status", held[1])["state"] == "cancelled"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["runs", "elsewhere"], "leave DIR out"),
        (["runs", "--compare", "a", "b"], "leave --compare out"),
        (["status", "--watch", "--json"], "--json is one answer"),
        (["runs", "prune", "a", "--json"], "leave it out with --server"),
    ],
)
def test_what_is_not_of_a_service_is_refused_before_it_is_asked(capfd, args, said):
    assert main([*args, "--server", "http://127.0.0.1:9"]) == 2
    assert said in capfd.readouterr().err
