"""A sweep from Python is the command's, to the bit."""

import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.datasets import load_iris
from sklearn.metrics import log_loss

import search
from model.data.digits import load_digits
from model.errors import DataError
from search.errors import ConfigError, InterruptedSweepError, NoResultError, RunFolderError
from search.record import TrialLog
from search.run import main
from search.session.call_checks import SweepOptions

SPACE = {
    "batch_size": [32, 64, 128],
    "learning_rate": [1e-6, 5e-6],
    "epochs": [1, 2, 4],
    "alpha": [0.1, 10.0],
}
QUIET = {"executor": "serial", "progress": False}
TABLE = {"dataset": "digits", "seed": 3, "space": SPACE}
COLUMNS = ["number", "val_cost", "val_accuracy", "val_cost_avg", "last_epoch"]


def rows(run):
    return search.load(run)[COLUMNS]


@pytest.fixture(scope="module")
def by_command(tmp_path_factory):
    folder = tmp_path_factory.mktemp("command")
    lists = "\n".join(f"{name} = {values}" for name, values in SPACE.items())
    (folder / "grid.toml").write_text(f'dataset = "digits"\nseed = 3\n[space]\n{lists}\n')
    args = ["--grid", str(folder / "grid.toml"), "--run-dir", str(folder / "run")]
    assert main([*args, "--executor", "serial", "--no-progress"]) == 0
    return folder


@pytest.mark.parametrize("how", ["table", "file", "space", "rows"])
def test_it_gives_what_the_command_gives(by_command, tmp_path, how):
    rows_of_digits = load_digits()
    calls = {
        "table": lambda: search.sweep(TABLE, folder=tmp_path / "run", **QUIET),
        "file": lambda: search.sweep(by_command / "grid.toml", folder=str(tmp_path / "r"), **QUIET),
        "space": lambda: search.sweep(SPACE, "digits", seed=3, **QUIET),
        "rows": lambda: search.sweep(SPACE, rows_of_digits, seed=3, **QUIET),
    }
    found = calls[how]()
    pd.testing.assert_frame_equal(rows(found.folder), rows(by_command / "run"))
    pd.testing.assert_frame_equal(found.log()[COLUMNS], rows(by_command / "run"))
    best = search.load(by_command / "run").nsmallest(1, "val_cost").iloc[0]
    assert found.best_cost == best["val_cost"]
    assert found.best_params == {name: best[name] for name in SPACE}
    assert found.report.read_text().startswith("<!DOCTYPE html>")
    assert found.summary.trials.total == 36
    assert "best learning rate" in str(found)
    assert "best learning rate" in found._repr_html_()


def test_the_model_gives_the_figures_that_were_told():
    found = search.sweep(SPACE, "digits", **QUIET)
    data = load_digits()
    proba = found.model.predict_proba(data.X_test)
    assert log_loss(data.y_test, proba) == pytest.approx(found.summary.test.cost, abs=1e-9)


def test_a_temporary_folder_goes_with_the_result():
    found = search.sweep(SPACE, "digits", **QUIET)
    folder = found.folder
    assert folder.exists()
    del found
    assert not folder.exists()


def test_frames_arrays_and_a_grid_that_suits_them():
    X, y = load_iris(return_X_y=True, as_frame=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    given = {**QUIET, "sampler": "random", "trials": 8}
    one = search.sweep(None, (X, names), **given)
    assert one.model.predict(X.to_numpy()[:1]).tolist() == ["setosa"]
    other = search.sweep(None, X.assign(species=names), target="species", **given)
    assert one.best_cost == other.best_cost
    assert tuple(one.model.feature_names) == tuple(X.columns)


def test_another_trainer():
    X, y = load_iris(return_X_y=True)
    space = {"epochs": [1, 3], "alpha": [0.0001, 0.01]}
    trainer = "partial_fit:sklearn.linear_model.SGDClassifier"
    table = {"trainer": trainer, "space": {**space, "loss": ["log_loss"]}}
    found = search.sweep(table, (X, y), **QUIET)
    assert found.summary.trials.total == 4
    _, estimator = found.model.open()
    assert estimator.predict(X).shape == (150,)


def test_what_happens_is_told():
    told = []
    found = search.sweep(SPACE, "digits", on_event=told.append, **QUIET)
    ended = [event for event in told if event.kind == "advanced"]
    assert sum(event.kind == "started" for event in told) == len(ended)
    assert [event.finished for event in ended] == sorted(event.finished for event in ended)
    assert (ended[-1].finished, ended[-1].total) == (36, 36)
    assert ended[-1].best_cost == found.best_cost


class StopError(Exception):
    """Raised by a callback of the user's own."""


def test_what_a_callback_raises_stops_it_and_the_same_call_goes_on(by_command, tmp_path):
    run, seen = tmp_path / "run", []

    def stop(event):
        seen.append(event)
        if event.kind == "advanced":
            raise StopError

    with pytest.raises(StopError):
        search.sweep(TABLE, folder=run, on_event=stop, **QUIET)
    assert 0 < len(search.load(run)) < 36
    told = []
    search.sweep(TABLE, folder=run, on_event=told.append, **QUIET)
    assert told[-1].finished == 36
    pd.testing.assert_frame_equal(rows(run), rows(by_command / "run"))
    again = []
    search.sweep(TABLE, folder=run, on_event=again.append, **QUIET)
    assert again == []


def test_ctrl_c_is_noted_and_the_second_one_interrupts(tmp_path):
    data, run = load_digits(), tmp_path / "run"

    def once(event):
        if event.kind == "advanced":
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(InterruptedSweepError, match="the same command continues"):
        search.sweep(SPACE, data, folder=run, on_event=once, **QUIET)
    with pytest.raises(KeyboardInterrupt):
        search.sweep(SPACE, data, folder=run, on_event=lambda e: [once(e), once(e)], **QUIET)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert search.sweep(SPACE, data, folder=run, **QUIET).summary.trials.total == 36


def test_other_data_or_settings_in_the_same_folder_are_refused(tmp_path):
    data = load_digits()
    search.sweep(SPACE, data, folder=tmp_path / "run", **QUIET)
    with pytest.raises(RunFolderError, match="holds a run with other settings"):
        search.sweep(SPACE, (data.X[:-1], data.y[:-1]), folder=tmp_path / "run", **QUIET)
    with pytest.raises(RunFolderError, match="seed"):
        search.sweep(SPACE, data, folder=tmp_path / "run", seed=9, **QUIET)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: search.sweep(SPACE, "digits", trails=3), TypeError, "Did you mean trials"),
        (lambda: search.sweep(SPACE, "digits", workers=0), ConfigError, "workers is 0"),
        (lambda: search.sweep(SPACE, "digits", refits="2"), ConfigError, "refits is '2'"),
        (lambda: search.sweep(SPACE, "digits", target_value=float("nan")), ConfigError, "finite"),
        (lambda: search.sweep(SPACE, "digits", target_value="low"), ConfigError, "is 'low'"),
        (lambda: search.sweep(SPACE, "digits", extend=True, fresh=True), ConfigError, "leave one"),
        (lambda: search.sweep(SPACE, "digits", executor="dask"), ConfigError, "'ray' or 'serial'"),
        (lambda: search.sweep({"alpha": [1]}, "digits"), ConfigError, "batch_size"),
        (lambda: search.sweep("nowhere", "digits"), ConfigError, "nowhere"),
        (lambda: search.sweep({"space": SPACE, "sede": 1}, "digits"), ConfigError, "sede"),
        (lambda: search.sweep(SPACE, "./nowhere.npz"), DataError, "nowhere"),
        (lambda: search.sweep(SPACE, 3), DataError, "The data is int"),
        (
            lambda: search.sweep(5, "digits"),
            ConfigError,
            "^grid is 5; it must be the name of a grid",
        ),
        (lambda: search.sweep([SPACE], "digits"), ConfigError, r"^grid is \[\{"),
        (lambda: search.sweep({5: [1]}, "digits"), ConfigError, "the key 5; each must be the name"),
        (lambda: search.sweep(SPACE, "digits", reuse=5), ConfigError, "reuse is 5"),
        (lambda: search.sweep(SPACE, "digits", code=5), ConfigError, "code is 5"),
        (lambda: search.sweep(SPACE, "digits", target_value=True), ConfigError, "finite"),
    ],
)
def test_a_mistake_is_one_message(call, error, said):
    with pytest.raises(error, match=said) as caught:
        call()
    assert isinstance(caught.value, ValueError | TypeError)


ROWS = load_iris(return_X_y=True)
FRAME = pd.DataFrame(ROWS[0], columns=list("abcd"))
MASKED = np.ma.masked_greater(ROWS[0], 7)


@pytest.mark.parametrize(
    ("data", "given", "said"),
    [
        (ROWS, {"target": "kind"}, "target is 'kind', .* the data is arrays. Leave target out"),
        (ROWS, {"missing": "mean"}, "missing is 'mean', .* the data is arrays"),
        ((FRAME, ROWS[1]), {"target": "kind"}, "the data is rows with their labels"),
        (load_digits(), {"target": "kind"}, "the data is a Dataset"),
        (load_digits(), {"weights": "w"}, "weights is 'w', .* the data is a Dataset"),
        (FRAME, {"target": "a", "keys": {"X": "b"}}, "keys is .* the data is a data frame"),
        (FRAME, {"target": "d", "weights": "d"}, "weights names the column 'd', which holds the"),
        ("digits", {"code": "mine"}, "code mine holds .* the trainer is 'softmax'"),
        ("digits", {"workers": 2}, "workers is 2, and executor='serial' is one process"),
        ("digits", {"address": "head:1"}, "address is 'head:1', and executor='serial' is one"),
        ("digits", {"fresh": True}, "fresh is True, .* without a folder"),
        ("digits", {"extend": True}, "extend is True, .* without a folder"),
        ("digits", {"retry_failed": True}, "retry_failed is True, .* without a folder"),
    ],
    ids=repr,
)
def test_what_would_have_no_effect_is_refused(data, given, said):
    with pytest.raises(ValueError, match=said):
        search.sweep(SPACE, data, **QUIET, **given)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ((None, ROWS[1]), "X is None; give an array"),
        ((ROWS[0], None), "y is None; give an array"),
        ((scipy.sparse.csr_matrix(ROWS[0]), ROWS[1]), r"X is a sparse csr_matrix.*X\.toarray\(\)"),
        ((ROWS[0], scipy.sparse.coo_matrix(ROWS[1])), "y is a sparse coo_matrix"),
        ((MASKED, ROWS[1]), r"X is an array of which 12 values are masked.*X\.filled"),
        ((FRAME.set_axis(list("aacd"), axis=1), ROWS[1]), "X has two columns 'a'.*Rename one"),
        (FRAME.set_axis(list("aacd"), axis=1), "data: has two columns 'a'.*Rename one"),
    ],
    ids=lambda given: given if isinstance(given, str) else type(given).__name__,
)
def test_data_that_cannot_be_used_is_named_with_the_way_out(data, said):
    with pytest.raises(ValueError, match=said):
        search.sweep(SPACE, data, target="d" if isinstance(data, pd.DataFrame) else None, **QUIET)


def test_arrays_and_ranges_are_lists_of_values():
    lists = {"batch_size": [32], "learning_rate": [0.01], "epochs": [1, 2], "alpha": [0.1, 1.0]}
    given = {**lists, "epochs": range(1, 3), "alpha": np.logspace(-1, 0, 2)}
    logs = [search.sweep(space, ROWS, **QUIET).log() for space in (lists, given)]
    costs = [log["val_cost"].tolist() for log in logs]
    assert costs[0] == costs[1]


SMALL = {"batch_size": [32], "learning_rate": [0.01], "epochs": [2], "alpha": [0.1]}


@pytest.mark.parametrize("how", ["table", "file"])
def test_what_a_grid_says_of_rows_holds_for_rows_in_memory(how, tmp_path):
    weights = np.linspace(0.5, 2, len(ROWS[1]))
    frame = FRAME.assign(t=ROWS[1], w=weights)
    grid = {"reading": {"weights": "w"}, "features": "standardized", "space": SMALL}
    if how == "file":
        lists = "\n".join(f"{name} = {values}" for name, values in SMALL.items())
        grid = tmp_path / "grid.toml"
        grid.write_text(
            'dataset = "digits"\nfeatures = "standardized"\n[reading]\nweights = "w"\n'
            f"[space]\n{lists}\n"
        )
    found = search.sweep(grid, frame, target="t", **QUIET)
    assert list(found.model.feature_names) == list("abcd")
    given = {"X": ROWS[0], "y": ROWS[1], "weights": weights}
    same = {"features": "standardized", "space": SMALL}
    assert found.best_cost == search.sweep(same, given, **QUIET).best_cost
    # What the call says goes before what the grid says.
    lighter = frame.rename(columns={"w": "v"})
    assert search.sweep(grid, lighter, target="t", weights="v", **QUIET).best_cost == (
        found.best_cost
    )


@pytest.mark.parametrize("data", [ROWS, load_digits()], ids=["arrays", "Dataset"])
@pytest.mark.parametrize("said", [{"target": "kind"}, {"missing": "mean"}])
def test_what_a_grid_says_and_rows_in_memory_have_no_use_for_is_refused(data, said):
    (name,) = said
    with pytest.raises(ValueError, match=rf"^{name} of the grid's \[reading\] is .* Leave it out"):
        search.sweep({"reading": said, "space": SMALL}, data, **QUIET)


def test_arrays_by_other_names_are_said_by_keys():
    named = {"P": ROWS[0], "q": ROWS[1]}
    with pytest.raises(ValueError, match=r"Other names: keys=\{'X': 'NAME', 'y': 'NAME'\}"):
        search.sweep(SPACE, named, **QUIET)
    found = search.sweep(SPACE, named, keys={"X": "P", "y": "q"}, **QUIET)
    assert found.best_cost == search.sweep(SPACE, ROWS, **QUIET).best_cost


@pytest.mark.filterwarnings("ignore:overflow")
def test_without_a_result_it_says_why():
    space = {**SPACE, "learning_rate": [1e6], "epochs": [1]}
    found = search.sweep(space, "digits", **QUIET)
    assert found.log()["state"].unique().tolist() == ["FAIL"]
    for look in ("best_params", "best_cost", "model"):
        with pytest.raises(NoResultError, match="diverged"):
            getattr(found, look)


def test_a_uri_is_a_folder_too(tmp_path):
    found = search.sweep(SPACE, "digits", folder=(tmp_path / "run").as_uri(), **QUIET)
    assert isinstance(found.folder, Path)


def test_killed_while_its_log_is_merged_the_next_call_brings_it_to_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr("search.record.log.trial_log._FEW", 2)
    run = tmp_path / "run"
    with monkeypatch.context() as patch:  # the files that are replaced stay, as after a kill
        patch.setattr(TrialLog, "_delete_replaced", lambda log: None)
        search.sweep(SPACE, "digits", folder=run, **QUIET)
    assert {path.name for path in (run / "trials").iterdir()} > {"merged.parquet"}
    before = rows(run)
    assert len(before) == 36
    found = search.sweep(SPACE, "digits", folder=run, **QUIET)
    assert {path.name for path in (run / "trials").iterdir()} == {"merged.parquet"}
    pd.testing.assert_frame_equal(rows(run), before)
    assert found.summary.trials.total == 36


@pytest.mark.parametrize(
    "given",
    [
        {"folder": 3}, {"folder": ""}, {"on_event": 5}, {"reuse": [3]}, {"budget": -1},
        {"budget": "10m"}, {"patience": 0}, {"patience": "x"}, {"fresh": "x"}, {"optimum": 1},
        {"progress": "no"}, {"address": 5},
    ],
)  # fmt: skip
def test_an_argument_of_another_kind_is_refused_by_its_name(given):
    (name,) = given
    with pytest.raises(ConfigError, match=f"^{name} is "):
        search.sweep(SPACE, "digits", **{**QUIET, **given})


def test_none_leaves_an_option_out_where_it_can_be_left_out():
    left_out = {
        "target": None, "weights": None, "missing": None, "trainer": None, "code": None,
        "seed": None, "seeds": None, "sampler": None, "trials": None, "objective": None,
        "metrics": None, "products": None, "pruner": None, "reuse": None, "budget": None,
        "target_value": None, "patience": None, "keys": None, "address": None, "workers": None,
    }  # fmt: skip
    found = search.sweep(SPACE, "digits", **{**left_out, **QUIET})
    assert found.config == search.sweep(SPACE, "digits", **QUIET).config
    others = SweepOptions.__annotations__.keys() - left_out.keys()
    assert others == {
        "refits", "optimum", "retry_failed", "extend", "fresh", "executor", "progress"
    }  # fmt: skip
    for name in others:
        with pytest.raises(ConfigError, match=f"^{name} is None; "):
            search.sweep(SPACE, "digits", **{**QUIET, name: None})
    for name in ("sede", "run_dir"):
        with pytest.raises(TypeError, match=f"has no option {name}"):
            search.sweep(SPACE, "digits", **{name: None})


def test_a_run_whose_trials_are_taken_over_is_named_by_text(by_command, tmp_path):
    found = search.sweep(TABLE, folder=tmp_path / "run", reuse=str(by_command / "run"), **QUIET)
    assert rows(found.folder).equals(rows(by_command / "run"))
