"""The order of the keys in a space numbers the trials, and a run that is there keeps its own."""

import pytest

import search
from model.trainers import Trainer, classification_figures

AXES = {"epochs": [1, 3], "m": [1, 2], "k": [5, 6, 7]}


class Plain(Trainer):
    """A trainer whose figures depend on both of its hyperparameters."""

    version = "1"

    def advance(self, state, params, epochs, data):
        return (0 if state is None else state) + len(epochs) * (params["m"] + 10 * params["k"])

    def score(self, state, data):
        p = data.rng(None).random((len(data.y), data.n_classes)) + state
        return classification_figures(p / p.sum(axis=1, keepdims=True), data)


def swept(folder, space, **options):
    """Sweep a space in this process."""
    grid = {"dataset": "digits", "trainer": f"{__name__}:Plain", "space": space}
    return search.sweep(grid, folder=folder, executor="serial", progress=False, **options)


def ordered(names, axes=AXES):
    return {name: axes[name] for name in names}


def stopped(folder, space, links, **options):
    """Begin a sweep, and stop it after some links."""
    left = [links]

    def stop(event):
        left[0] -= event.kind == "advanced"
        if not left[0]:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        swept(folder, space, on_event=stop, **options)


def rows(folder):
    log = search.load(folder).sort_values("number")
    return log.drop(columns=["seconds", "started_at", "finished_at", "node"])


@pytest.mark.parametrize("names", [("k", "m", "epochs"), ("m", "epochs", "k")])
def test_a_finished_run_is_shown_again(tmp_path, names):
    summary = swept(tmp_path / "run", AXES).summary
    before = search.load(tmp_path / "run")
    for options in ({}, {"extend": True}, {"retry_failed": True}):
        assert swept(tmp_path / "run", ordered(names), **options).summary == summary
    assert search.load(tmp_path / "run").equals(before)
    assert not (tmp_path / "run" / "set-aside").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("options", [{}, {"seeds": 2}, {"sampler": "random", "trials": 9}])
def test_a_run_that_was_stopped_goes_on_where_it_was(tmp_path, options):
    swept(tmp_path / "whole", AXES, **options)
    stopped(tmp_path / "run", AXES, 2, **options)
    swept(tmp_path / "run", ordered(["k", "m", "epochs"]), **options)
    assert rows(tmp_path / "run").equals(rows(tmp_path / "whole"))
    assert not (tmp_path / "run" / "set-aside").exists()


def test_so_is_that_of_several_tables(tmp_path):
    tables = [{"m": [1, 2], "epochs": [1, 2]}, {"epochs": [3], "k": [5, 6], "m": [4]}]
    # A trainer of both takes each of them everywhere.
    tables[0]["k"] = [0]
    swept(tmp_path / "whole", tables)
    stopped(tmp_path / "run", tables, 1)
    swept(tmp_path / "run", [dict(reversed(table.items())) for table in tables])
    assert rows(tmp_path / "run").equals(rows(tmp_path / "whole"))


def test_a_new_run_has_the_order_of_the_command(tmp_path):
    swept(tmp_path / "run", AXES)
    swept(tmp_path / "run", ordered(["k", "m", "epochs"]), fresh=True)
    assert search.load(tmp_path / "run").epochs.tolist()[:2] == [1, 3]
    log = swept(tmp_path / "run", ordered(["m", "k", "epochs"]) | {"k": [5, 8]}, extend=True).log()
    assert log.source.notna().sum() == 4
