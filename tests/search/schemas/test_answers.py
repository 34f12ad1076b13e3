"""What --json prints, of real runs, against the schemas that are published."""

import json
import math
from pathlib import Path

import jsonschema
import pytest
from command_line import start_until, write_grid, write_images

from search.check_trainer import main as check_trainer
from search.commands import main
from search.run import main as run
from search.schema import NAMES
from search.schemas import ANSWERS, Answer, DataSet, Trial, as_json
from search.serve import main as serve

# One set of runs for all of them.
pytestmark = pytest.mark.xdist_group("answers")

SERIAL = ("--executor", "serial", "--no-progress")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Make a folder with a finished run, one that was interrupted, and one that is damaged."""
    here = tmp_path_factory.mktemp("answers")
    write_images(here / "data.npz")
    write_grid(here / "tiny.toml", str(here / "data.npz"))
    # With trials that diverge, so that figures are missing.
    write_grid(here / "wild.toml", str(here / "data.npz"), learning_rate=[1e-6, 1e6])
    (here / "runs").mkdir()
    for name in ("tiny", "wild"):
        folder = str(here / "runs" / name)
        assert run(["--grid", str(here / f"{name}.toml"), "--run-dir", folder, *SERIAL]) == 0
    process, hold = start_until(
        1, here / "runs" / "cut", "--grid", here / "tiny.toml", "--run-dir", here / "runs" / "cut",
        *SERIAL, cwd=here,
    )  # fmt: skip
    with process:
        process.kill()
    hold.go()
    (here / "runs" / "broken").mkdir()
    (here / "runs" / "broken" / "manifest.json").write_text("{}")
    return here


@pytest.fixture
def answer(place, capfd, monkeypatch):
    """Return a function: the JSON of a command, which is as its schema says."""
    monkeypatch.chdir(place)

    def of(name, *args, code=0, call=main):
        capfd.readouterr()
        assert main(["schema", name]) == 0
        schema = json.loads(capfd.readouterr().out)
        jsonschema.Draft202012Validator.check_schema(schema)
        assert call([*map(str, args), "--json"]) == code
        text = capfd.readouterr().out
        found = json.loads(text, parse_constant=pytest.fail)
        jsonschema.validate(found, schema, jsonschema.Draft202012Validator)
        assert found["schema"].partition("/")[0] == name
        assert set(found) == set(schema["required"])
        return found

    return of


def test_the_status_of_a_finished_run(answer, place):
    found = answer("status", "status", "runs/tiny")
    summary = json.loads((place / "runs" / "tiny" / "summary.json").read_text())
    assert found["state"] == "finished"
    assert found["trials"] == {
        "total": 16, "finished": 16, "complete": 16, "pruned": 0, "failed": 0,
    }  # fmt: skip
    assert found["best"][0]["params"] == summary["best"]["params"]
    assert found["best"][0]["cost"] == pytest.approx(summary["best"]["val_cost"])
    assert found["test"]["accuracy"] == summary["test"]["accuracy"]
    assert (found["writer"], found["continue_with"]) == (None, None)


def test_the_status_of_an_interrupted_run_has_the_command_that_continues(answer):
    found = answer("status", "status", "runs/cut")
    assert (found["state"], found["wall_s"], found["test"]) == ("interrupted", None, None)
    assert 0 < found["trials"]["finished"] < found["trials"]["total"]
    assert found["continue_with"].endswith("--resume runs/cut")


def test_trials_that_diverged_have_no_cost(answer):
    found = answer("status", "status", "runs/wild")
    assert found["trials"]["failed"] > 0
    assert all(math.isfinite(trial["cost"]) for trial in found["best"])


def test_the_list_has_every_run_and_why_one_cannot_be_read(answer):
    found = {Path(run["run"]).name: run for run in answer("runs", "runs")["runs"]}
    assert {name: run["state"] for name, run in found.items()} == {
        "tiny": "finished", "wild": "finished", "cut": "interrupted", "broken": "unreadable",
    }  # fmt: skip
    assert "manifest" in found["broken"]["problem"]
    assert found["tiny"]["params"]["epochs"] in (1, 3)
    assert all(run["problem"] is None for name, run in found.items() if name != "broken")


def test_a_comparison_has_figures_settings_and_shared_trials(answer):
    found = answer("compare", "runs", "--compare", "runs/tiny", "runs/wild")
    assert list(found["settings"]) == ["learning_rate"]
    assert found["shared"]["trials"] == 8
    assert found["shared"]["largest_difference"] <= 1e-4
    by_name = {figure["name"]: figure for figure in found["figures"]}
    one, other = by_name["validation cost"]["values"]
    assert by_name["validation cost"]["difference"] == other - one


def test_a_preview_of_a_deletion_deletes_nothing(answer, place):
    found = answer("prune", "runs", "prune", "runs/tiny", "runs/cut")
    assert [(run["run"], run["goes"]) for run in found["runs"]] == [
        ("runs/tiny", True), ("runs/cut", True),
    ]  # fmt: skip
    assert found["bytes"] == sum(run["bytes"] for run in found["runs"]) > 0
    assert (place / "runs" / "tiny" / "summary.json").exists()
    kept = answer("prune", "runs", "prune", "--older-than", "1d", "--dir", "runs")
    assert not any(run["goes"] for run in kept["runs"])
    assert all(run["reason"] for run in kept["runs"])


@pytest.mark.parametrize(
    "more", [[], ["--pruner", "halving"], ["--sampler", "random", "--trials", "9"], ["--seeds", 2]]
)
def test_a_plan(answer, more):
    found = answer("dry-run", "run", "--grid", "tiny.toml", "--dry-run", *SERIAL, *more)
    assert found["trials"] == (9 if "--trials" in more else 16)
    assert (found["pruner"] is None) == ("--pruner" not in more)
    assert found["trainings"] == (2 if "--seeds" in more else 1)
    assert sum(share["share"] for share in found["shares"]) == pytest.approx(1)
    assert found["epochs"] <= found["epochs_without_sharing"]


def test_a_data_set(answer):
    assert answer("data", "data", "data.npz")["features"] == 12
    assert answer("data", "data", "digits")["image_shape"] == [28, 28]


@pytest.mark.parametrize(("rate", "code"), [("0.5", 0), ("-1", 1)])
def test_the_check_of_a_trainer(answer, place, rate, code):
    args = ("partial_fit:sklearn.naive_bayes.GaussianNB", "--param", f"var_smoothing={rate}")
    found = answer("check-trainer", *args, "--dataset", "data.npz", code=code, call=check_trainer)
    assert any(check["passed"] is False for check in found["findings"]) == bool(code)


def test_tokens_are_listed_without_themselves(answer, place, capfd):
    root = ("--root", str(place / "service"))
    assert serve(["token", "add", "ann", "--role", "admin", *root]) == 0
    token = capfd.readouterr().out.strip()
    found = answer("tokens", "token", "list", *root, call=serve)
    assert found["tokens"] == [{"token": 1, "person": "ann", "role": "admin", "state": "valid"}]
    assert token not in json.dumps(found)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["status", "--watch", "--json"], "--json is one answer, and --watch gives many"),
        (["runs", "prune", "a", "--server", "http://x", "--json"], "leave it out with --server"),
        (["runs", "prune", "runs/tiny", "--yes", "--json"], "leave it out with --yes"),
        (["run", "--grid", "smoke", "--json"], "--json prints the plan of --dry-run"),
        (["schema", "stats"], "invalid choice: 'stats'"),
    ],
)
def test_where_there_is_no_such_answer_it_is_said(place, capfd, monkeypatch, args, said):
    monkeypatch.chdir(place)
    try:
        code = main(args)
    except SystemExit as end:
        code = end.code
    out, err = capfd.readouterr()
    assert (code, out) == (2, "")
    assert said in err
    assert (place / "runs" / "tiny").exists()


def test_every_answer_has_a_schema_of_its_name():
    assert tuple(ANSWERS) == NAMES
    assert set(ANSWERS.values()) == set(Answer.__subclasses__())


def test_what_is_no_number_is_null_and_a_key_that_is_not_known_is_a_mistake():
    trial = Trial(number=1, params={"rate": 0.1}, value=2, cost=math.inf, accuracy=math.nan)
    assert json.loads(as_json(trial)) == {
        "number": 1, "params": {"rate": 0.1}, "value": 2.0, "cost": None, "accuracy": None,
    }  # fmt: skip
    with pytest.raises(ValueError, match="acuracy"):
        Trial(number=1, params={}, value=1.0, cost=1.0, acuracy=1.0)
    assert "additionalProperties" not in json.dumps(DataSet.model_json_schema())
