"""Searches whose trials a pruner stops early, through the command line."""

import numpy as np
import pandas as pd
import pytest
from command_line import table, write_images
from searches import (
    LISTS,
    RANGES,
    SERIAL,
    Textbook,
    assert_same_log,
    assert_whole,
    costs_by_params,
    search,
    summary_of,
    write_search,
)

from cluster.executor import SerialExecutor
from search.config import AXES
from search.run import main

GRID = LISTS | {"learning_rate": [1e-7, 5e-7, 1e-6, 5e-6], "epochs": [2, 6, 12]}
PERCENTILE = "optuna.pruners.PercentilePruner"
PRUNERS = {
    "halving": 'name = "halving"',
    "median": 'name = "median"\noptions = {n_startup_trials = 1}',
    "hyperband": 'name = "hyperband"\noptions = {reduction_factor = 2}',
    "percentile": f'name = "{PERCENTILE}"\noptions = {{percentile = 25.0, n_startup_trials = 1}}',
    "often": 'name = "halving"\ninterval = 1\noptions = {reduction_factor = 2}',
}
RUNGS = {
    ("grid", None): {2, 6},
    ("grid", 1): set(range(1, 12)),
    ("sampled", None): set(range(1, 12)),
    ("sampled", 1): set(range(1, 12)),
}
TPE = 'name = "tpe"\ntrials = 32\nbatch = 8\noptions = {n_startup_trials = 8}'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a small data set."""
    path = tmp_path_factory.mktemp("pruners")
    write_images(path / "data.npz")
    return path


def run(folder, kind, pruner, run_dir):
    """Search a grid, or ranges with a sampler; return the run's folder."""
    sampler = {"grid": "", "sampled": TPE}[kind]
    axes = {"grid": GRID, "sampled": RANGES}[kind]
    settings = write_search(folder / f"{run_dir}.toml", axes, sampler, pruner)
    command = ["--grid", str(settings), "--dataset", str(folder / "data.npz"), *SERIAL]
    assert main([*command, "--run-dir", str(folder / run_dir)]) == 0
    return folder / run_dir


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((kind, name), marks=pytest.mark.xdist_group(f"{kind}-{name}"))
        for kind in ("grid", "sampled")
        for name in PRUNERS
    ],
    ids="-".join,
)
def pruned(request, folder):
    """Return the folder of a pruned run, its kind and its pruner's name."""
    kind, name = request.param
    return run(folder, kind, PRUNERS[name], f"{kind}-{name}"), kind, name


@pytest.fixture(scope="module")
def textbook(folder):
    """Return the oracle of the data set."""
    return Textbook(folder / "data.npz")


def reports_of(log):
    """Return a row for each report: number, epoch and cost."""
    rows = [(n, e, c) for n, told in zip(log.number, log.reports, strict=True) for e, c in told]
    return pd.DataFrame(rows, columns=["number", "epoch", "cost"])


def test_every_trial_has_one_row_as_its_state_promises(pruned):
    run_dir, kind, name = pruned
    log = table(run_dir)
    assert_whole(log, {"grid": 48, "sampled": 32}[kind])
    assert set(log.state) == {"COMPLETE", "PRUNED"}
    stopped = log[log.state == "PRUNED"]
    assert set(stopped.last_epoch) <= RUNGS[kind, 1 if name == "often" else None]
    assert log.error.isna().all()


def test_no_state_is_left_behind(pruned):
    run_dir, _, _ = pruned
    assert list((run_dir / "checkpoints").iterdir()) == []
    assert not list(run_dir.rglob(".staged-*"))


def test_newest_costs_are_those_of_a_textbook(pruned, textbook):
    run_dir, _, _ = pruned
    textbook.check(table(run_dir).sample(20, random_state=0))


def test_reports_are_the_costs_at_the_rungs_up_to_the_end(pruned, textbook):
    run_dir, kind, name = pruned
    rungs = RUNGS[kind, 1 if name == "often" else None]
    log = table(run_dir)
    for row in log.itertuples():
        told = dict(row.reports)
        passed = {rung for rung in rungs if rung <= row.last_epoch}
        ends = set(log.epochs[log[["pack", "learning_rate", "alpha"]].eq(
            [row.pack, row.learning_rate, row.alpha]).all(axis=1)])  # fmt: skip
        assert passed | {row.last_epoch} <= set(told) <= passed | ends
        assert told[row.last_epoch] == row.last_cost
    chosen = log.sample(3, random_state=1)
    for row in chosen.itertuples():
        for epoch, cost in row.reports:
            assert cost == pytest.approx(textbook.cost(row, epoch), 1e-4)


def test_the_summary_counts_what_was_pruned_and_saved(pruned):
    run_dir, kind, _ = pruned
    log, summary = table(run_dir), summary_of(run_dir)
    counts = log.state.value_counts()
    assert summary["trials"] == {
        "total": len(log), "complete": counts["COMPLETE"], "pruned": counts["PRUNED"], "failed": 0
    }  # fmt: skip
    keys = ["batch_size", "learning_rate", "alpha"]
    ways = log[log.source.isna()].groupby(keys if kind == "grid" else [*keys, "pack"])
    trained, unpruned = ways.last_epoch.max().sum(), ways.epochs.max().sum()
    assert trained < unpruned
    assert summary["arithmetic"] == {
        "trained_epochs": trained,
        "unpruned_epochs": unpruned,
        "saved": pytest.approx(1 - trained / unpruned),
    }
    assert summary["best"]["number"] == log.val_cost.idxmin()


def test_trials_of_a_pruned_trajectory_end_together(pruned):
    run_dir, _, _ = pruned
    log = table(run_dir)
    own = log[log.source.isna()]
    for _, way in own.groupby(["pack", "learning_rate", "alpha"]):
        stopped = way[way.state == "PRUNED"]
        assert stopped.last_epoch.nunique() <= 1
        if len(stopped):
            assert (way[way.state == "COMPLETE"].epochs <= stopped.last_epoch.iloc[0]).all()
            assert stopped.last_cost.nunique() == 1


def test_a_pruned_grid_has_the_costs_of_the_whole_one(folder):
    whole = costs_by_params(table(run(folder, "grid", "", "grid-whole")))
    for name in ("halving", "percentile"):
        log = table(run(folder, "grid", PRUNERS[name], f"again-{name}"))
        complete = log[log.state == "COMPLETE"]
        for params, cost in costs_by_params(complete).items():
            assert cost == pytest.approx(whole[params], 1e-4)


@pytest.mark.parametrize(("kind", "name"), [("grid", "halving"), ("sampled", "hyperband")])
def test_the_same_command_prunes_the_same_trials(folder, kind, name):
    logs = [table(run(folder, kind, PRUNERS[name], f"{word}-{name}")) for word in ("once", "twice")]
    assert_same_log(*logs)


@pytest.mark.parametrize("name", ["halving", "often"])
def test_under_halving_the_best_at_each_rung_goes_on(folder, name):
    log = table(run(folder, "grid", PRUNERS[name], f"best-{name}"))
    reports = reports_of(log).merge(log[["number", "last_epoch", "epochs"]], on="number")
    rungs = RUNGS["grid", 1 if name == "often" else None]
    for rung in rungs:
        ahead = reports[(reports.epoch == rung) & (reports.epochs > rung)]
        best = ahead.loc[ahead.cost.idxmin()]
        assert best.last_epoch > rung


def test_a_grid_is_halved_as_the_definition_has_it(folder):
    """Replays asynchronous halving from the log alone: at 2 and 6 epochs a third goes on."""
    log = table(run(folder, "grid", PRUNERS["halving"], "definition"))
    ways = log.groupby(["pack", "learning_rate", "alpha"])
    longest = log.loc[ways.epochs.idxmax()]
    assert set(longest.epochs) == {12}
    order = longest.sort_values(["pack", "learning_rate", "alpha"])
    for rung in (2, 6):
        live = order[order.last_epoch >= rung]
        costs = [dict(told)[rung] for told in live.reports]
        expected, seen = set(), []
        for i in np.random.default_rng([0, 0, rung]).permutation(len(live)):
            seen.append(costs[i])
            if sorted(seen).index(costs[i]) < max(1, len(seen) // 3):
                expected.add(live.number.iloc[i])
        assert set(live.number[live.last_epoch > rung]) == expected


@pytest.mark.parametrize("kind", ["grid", "sampled"])
def test_decisions_do_not_depend_on_the_number_of_workers(folder, monkeypatch, kind):
    def columns(run_dir):
        log = table(run_dir)
        return log, log[["number", "state", "last_epoch", *AXES]]

    one, expected = columns(run(folder, kind, PRUNERS["halving"], f"{kind}-one"))
    monkeypatch.setattr(SerialExecutor, "workers", 7)
    many, found = columns(run(folder, kind, PRUNERS["halving"], f"{kind}-many"))
    assert many.pack.nunique() > one.pack.nunique()
    pd.testing.assert_frame_equal(found, expected, rtol=1e-4)
    np.testing.assert_allclose(many.last_cost, one.last_cost, rtol=1e-4)


def test_a_finished_pruned_run_is_shown_again_and_told_of_in_words(folder, capfd):
    settings = write_search(folder / "words.toml", GRID, "", PRUNERS["halving"])
    command = ["--grid", settings, "--dataset", folder / "data.npz", "--run-dir", folder / "words"]
    first = search(capfd, *command)
    pruned = (table(folder / "words").state == "PRUNED").sum()
    assert f"{48 - pruned} complete, {pruned} pruned" in first.out
    saved = summary_of(folder / "words")["arithmetic"]
    assert f"Pruning saved {100 * saved['saved']:.0f} % of the arithmetic: " in first.out
    assert search(capfd, *command).out == first.out


def test_a_trial_that_diverges_is_no_reason_to_stop_the_others(folder, capfd):
    for name in ("halving", "median"):
        axes = GRID | {"alpha": [0.0, 1.0, 1e40]}
        settings = write_search(folder / f"wild-{name}.toml", axes, "", PRUNERS[name])
        args = ["--dataset", folder / "data.npz", "--run-dir", folder / f"wild-{name}"]
        search(capfd, "--grid", settings, *args)
        log = table(folder / f"wild-{name}")
        assert log.number.tolist() == list(range(72))
        wild = log[log.alpha > 1.0]
        assert not (wild.state == "COMPLETE").any()
        assert (log.state == "COMPLETE").any()
        assert log.val_cost.isna().eq(log.state != "COMPLETE").all()
