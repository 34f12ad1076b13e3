"""A run handed over to Optuna: in memory, in a database, in a journal file."""

import optuna
import pytest
from command_line import table, write_grid, write_images
from optuna.trial import TrialState

from search import export, load_study
from search.errors import RunFolderError

SERIAL = ("--executor", "serial", "--no-progress")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Return a folder with a finished grid, a pruned one, and a search."""
    folder = tmp_path_factory.mktemp("export")
    data = write_images(folder / "data.npz")
    grid = str(write_grid(folder / "tiny.toml", str(data)))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        from search.run import main

        for name, options in {
            "grid": (),
            "pruned": ("--pruner", "halving"),
            "tpe": ("--sampler", "tpe", "--trials", "12"),
        }.items():
            assert main(["--grid", grid, *options, "--run-dir", name, *SERIAL]) == 0
    return folder


def exported(capfd, *args):
    capfd.readouterr()
    code = export.main([str(arg) for arg in args])
    return code, *capfd.readouterr()


def assert_same(study, log):
    """Compare a study with the log, trial by trial."""
    assert [trial.number for trial in study.trials] == log.number.tolist()
    for trial, row in zip(study.trials, log.itertuples(), strict=True):
        assert trial.state.name == row.state
        assert trial.params == {name: getattr(row, name) for name in trial.params}
        assert set(trial.params) == {"batch_size", "learning_rate", "epochs", "alpha"}
        if row.state == "COMPLETE":
            assert trial.value == row.val_cost
        if row.reports is not None:
            assert trial.intermediate_values == dict(row.reports)
        assert trial.user_attrs["last_epoch"] == row.last_epoch
        assert trial.datetime_start <= trial.datetime_complete
    best = log[log.state == "COMPLETE"].sort_values("val_cost", kind="stable").number.iloc[0]
    assert study.best_trial.number == best


@pytest.mark.parametrize("name", ["grid", "pruned", "tpe"])
def test_every_trial_is_in_the_study(runs, name):
    assert_same(load_study(runs / name), table(runs / name))


def test_optunas_own_tools_work_on_it(runs):
    study = load_study(str(runs / "grid"))
    importances = optuna.importance.get_param_importances(study)
    assert set(importances) == {"batch_size", "learning_rate", "epochs", "alpha"}
    assert len(study.trials_dataframe()) == 16


def test_trials_without_a_row_wait_under_their_numbers(runs, tmp_path):
    (tmp_path / "trials").mkdir()
    (tmp_path / "manifest.json").write_bytes((runs / "grid" / "manifest.json").read_bytes())
    assert load_study(tmp_path).trials == []
    *_, last = sorted((runs / "grid" / "trials").glob("pack-*"))
    (tmp_path / "trials" / last.name).write_bytes(last.read_bytes())
    study, log = load_study(tmp_path), table(tmp_path)
    assert 0 < len(log) < log.number.max() + 1
    known = [trial for trial in study.trials if trial.state is not TrialState.WAITING]
    assert [trial.number for trial in known] == log.number.tolist()


@pytest.mark.parametrize("storage", ["sqlite:///{}/trials.db", "{}/trials.journal"])
def test_copied_into_a_storage(runs, tmp_path, capfd, storage):
    storage = storage.format(tmp_path)
    code, out, err = exported(capfd, runs / "pruned", "--storage", storage)
    assert (code, err) == (0, "")
    assert out == f"16 trials are in {storage} as 'tiny'\n"
    backend = storage
    if "journal" in storage:
        journal = optuna.storages.journal.JournalFileBackend(storage)
        backend = optuna.storages.JournalStorage(journal)
    assert_same(optuna.load_study(study_name="tiny", storage=backend), table(runs / "pruned"))
    again = exported(capfd, runs / "pruned", "--storage", storage)
    assert again == (0, f"16 trials are in {storage} as 'tiny', as they were before\n", "")
    code, _, err = exported(capfd, runs / "tpe", "--storage", storage)
    assert code == 2
    assert "already, which is not of this run. Give another --name." in err
    assert exported(capfd, runs / "tpe", "--storage", storage, "--name", "b")[0] == 0


@pytest.mark.parametrize(
    ("storage", "code", "text"),
    [
        ("nothing", 2, "nothing is not a usable storage"),
        ("foo://bar", 2, "foo://bar is not a usable storage"),
        ("sqlite:////nowhere/x.db", 1, "The study cannot be written to sqlite:////nowhere/x.db"),
        ("/nowhere/x.journal", 1, "The study cannot be written to /nowhere/x.journal"),
    ],
)
def test_a_storage_that_cannot_be_used(runs, capfd, storage, code, text):
    got, _, err = exported(capfd, runs / "grid", "--storage", storage)
    assert got == code
    assert err.startswith(f"error: {text}")
    assert "Traceback" not in err
    assert "http" not in err  # a library's link
    assert err.count("\n") == 1


def test_a_folder_without_a_run(tmp_path, capfd):
    with pytest.raises(RunFolderError, match=r"no manifest\.json"):
        load_study(tmp_path)
    code, _, err = exported(capfd, tmp_path / "nowhere", "--storage", "sqlite://")
    assert (code, err.count("\n")) == (2, 1)
