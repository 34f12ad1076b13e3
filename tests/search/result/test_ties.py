"""Trials that cannot be told from the best one, against a bootstrap by hand on all their losses."""

import random
import shutil
from dataclasses import replace

import numpy as np
import pytest
from command_line import invoke, table, tied, write_grid, write_images
from summaries import trial_of

from model.bootstrap import RESAMPLES, resample_counts
from model.examples import AVERAGE, LAST
from model.shuffle import split_order
from model.softmax import SoftmaxRegression
from search.config import AXES, Params, SearchSpace
from search.record import COMPLETE, FAIL, READOUTS, Resampled, Resamples, Standings, TrialLog
from search.record.log.columns import SOFTMAX_LAYOUT
from search.record.log.reading import SCHEMA
from search.report.sections.ties import tie_chart, tie_rows
from search.result import find_ties, tie_sentences
from search.result.ties import SHOWN

SERIAL = ("--executor", "serial", "--no-progress")
SPACE = SearchSpace(
    batch_size=(8, 16, 32),
    learning_rate=(1e-7, 1e-6),
    epochs=(5, 10, 15, 20),
    alpha=(0.0, 0.1, 1.0),
)
N = 300
COUNTS = resample_counts(N, 0)


def losses_of_trials(spread=0.02):
    """Return the losses of 72 trials on the same images, of which many are about as good."""
    chance = np.random.default_rng(2)
    level = 1 + spread * chance.exponential(3, len(SPACE))
    return level[:, None] * chance.gamma(1, 1, N) + chance.normal(0, 0.2, (len(SPACE), N))


LOSSES = losses_of_trials()


def by_hand(losses):
    """Return who cannot be told from the best by an interval of the drawn losses' differences."""
    best = losses.mean(axis=1).argmin()
    rows = [np.repeat(np.arange(N), COUNTS[:, b]) for b in range(RESAMPLES)]
    gaps = losses - losses[best]
    drawn = np.array([gaps[:, r].mean(axis=1) for r in rows])
    low = np.sort(drawn, axis=0)[round(0.05 * RESAMPLES) - 1]
    return best, {n for n in range(len(losses)) if low[n] <= 0 and n != best}


def columns(numbers, costs, space=SPACE):
    given = dict.fromkeys(SCHEMA.names) | space.columns(numbers)
    figures = {name: costs for r in READOUTS.values() for name in (r.cost, r.accuracy)}
    times = {"seconds": 1.0, "node": "here", "started_at": 1.0, "finished_at": 2.0, "attempt": 1}
    state = np.where(np.isfinite(costs), COMPLETE, FAIL)
    last = {"last_cost": costs, "last_epoch": 1, "number": numbers, "state": state}
    return given | figures | times | last


class Log:
    """A run's log and resamples, to which links add some trials at a time."""

    def __init__(self, folder, losses=LOSSES, select=LAST):
        self.trial_log, self.resamples = (
            TrialLog(folder / "trials"),
            Resamples(folder / "resamples"),
        )
        self.standings, self.losses = (
            Standings(len(SPACE), replace(SOFTMAX_LAYOUT, select=select)),
            losses,
        )

    def link(self, numbers, name=None, *, again=False):
        numbers = np.array(sorted(numbers))
        name = name or f"link-{numbers[0]:03d}"
        rows = columns(numbers, self.losses[numbers].mean(axis=1))
        best = min(np.nanmin(rows["val_cost"]), getattr(self.standings.best_trial, "value", np.inf))
        resampled = (self.losses[numbers] @ COUNTS / N).astype(np.float32)
        params = np.column_stack([rows[axis] for axis in AXES]).astype(float)
        self.resamples.save(name, Resampled(params, rows["val_cost"], resampled), best)
        if not again:
            self.trial_log.write(name, rows)
        self.standings.count(rows)
        return self

    def find(self):
        return find_ties(self.trial_log, self.resamples, self.standings, N)


def numbers_of(found):
    return [trial.number for trial in found.trials]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return what is found where all trials end in one link."""
    return Log(tmp_path_factory.mktemp("whole")).link(range(len(SPACE))).find()


def test_they_are_those_of_a_bootstrap_by_hand(whole):
    best, expected = by_hand(LOSSES)
    costs = LOSSES.mean(axis=1)
    assert 5 < len(expected) < SHOWN
    assert whole.count == len(expected)
    assert numbers_of(whole) == sorted(expected, key=lambda n: costs[n])
    assert (whole.level, whole.resamples, whole.images) == (0.95, RESAMPLES, N)
    assert whole.not_compared == 0
    for trial in whole.trials:
        assert trial.difference == costs[trial.number] - costs[best]
        assert trial.params == SPACE[trial.number]
        low, high = trial.interval
        assert low <= 0 < high
        assert trial.chance >= 0.05


def test_the_simplest_has_the_fewest_epochs_then_the_largest_batches(whole):
    best, expected = by_hand(LOSSES)
    params = {n: SPACE[n] for n in {best, *expected}}
    simplest = min(params.values(), key=lambda p: (p.epochs, -p["batch_size"]))
    told = whole.simplest.params
    assert (told.epochs, told["batch_size"]) == (simplest.epochs, simplest["batch_size"])


@pytest.mark.parametrize("seed", range(4))
def test_the_order_in_which_links_end_does_not_matter(tmp_path, whole, seed):
    chance, log = random.Random(seed), Log(tmp_path)
    order = chance.sample(range(len(SPACE)), len(SPACE))
    links = [order[i : i + 9] for i in range(0, len(order), 9)]
    for numbers in links:
        log.link(numbers)
    log.link(links[0], again=True)  # its resampled costs saved twice, as after a kill
    assert log.find() == whole


def test_far_trials_are_not_kept(tmp_path):
    losses = losses_of_trials(spread=1.0)
    log = Log(tmp_path, losses).link(range(len(SPACE)))
    kept = sum(len(part.cost) for part in log.resamples.parts())
    assert kept < len(SPACE) / 4
    assert set(numbers_of(log.find())) == by_hand(losses)[1]


def test_what_diverged_is_left_out(tmp_path):
    losses = LOSSES.copy()
    losses[::7] = np.nan
    found = Log(tmp_path, losses).link(range(len(SPACE))).find()
    assert not {n for n in numbers_of(found) if n % 7 == 0}
    assert found.count > 0
    assert Log(tmp_path / "none").find() is None


def test_the_same_losses_are_never_told_apart(tmp_path):
    found = Log(tmp_path, np.tile(LOSSES[0], (len(SPACE), 1))).link(range(len(SPACE))).find()
    assert found.count == len(SPACE) - 1
    assert len(found.trials) == SHOWN
    assert {trial.interval for trial in found.trials} == {(0.0, 0.0)}


def test_a_far_better_trial_is_alone(tmp_path):
    losses = LOSSES.copy()
    losses[20] -= 0.5
    found = Log(tmp_path, losses).link(range(len(SPACE))).find()
    assert (found.count, found.trials, found.simplest.number) == (0, (), 20)
    assert tie_sentences(found, trial_of(20)) == [
        "Every other trial can be told apart from the best one on these 300 validation images "
        "(95 %, paired bootstrap)."
    ]


@pytest.mark.parametrize(
    ("damage", "damaged"), [(lambda p: p.unlink(), 0), (lambda p: p.write_bytes(b"PK\3\4no"), 1)]
)
def test_what_is_lost_is_said_to_be_not_compared(tmp_path, whole, damage, damaged):
    log = Log(tmp_path)
    for number in range(len(SPACE)):
        log.link([number])
    lost = numbers_of(whole)[0]
    damage(tmp_path / "resamples" / f"link-{lost:03d}.npz")
    found = log.find()
    assert (found.count, found.not_compared) == (whole.count - 1, 1)
    assert (found.reused, found.damaged) == (0, damaged)
    assert lost not in numbers_of(found)
    best = log.standings.best_trial.number
    said = tie_sentences(found, trial_of(best))[-1]
    assert said.startswith("1 more of such costs is not compared: this run has no losses of it.")
    assert ("Besides, 1 file of losses is damaged." in said) == bool(damaged)
    assert "another run" not in said
    damage(tmp_path / "resamples" / f"link-{best:03d}.npz")
    alone = log.find()
    assert (alone.count, alone.not_compared, alone.simplest) == (None, None, None)
    assert "compared with no other" in tie_sentences(alone, trial_of(best))[0]


def test_what_varies_too_little_is_left_out_and_nothing_else_is_given_as_the_reason(tmp_path):
    steady = LOSSES.copy()
    best = steady.mean(axis=1).argmin()
    second = np.argsort(steady.mean(axis=1))[1]
    steady[second] = steady[second].mean()  # without any spread, and a little above the best one
    found = Log(tmp_path, steady).link(range(len(SPACE))).find()
    assert (found.not_compared, found.reused, found.damaged) == (1, 0, 0)
    said = tie_sentences(found, trial_of(best))[-1]
    assert said == (
        "1 more of such costs is not compared: this run has no losses of it. Losses are not "
        "kept if a cost varies too little to come near the best one."
    )


def test_what_another_run_has_trained_is_said_to_be_taken_over(whole):
    taken = replace(whole, not_compared=3, reused=3)
    assert tie_sentences(taken, trial_of(60))[-1] == (
        "3 more of such costs are not compared: taken over from another run, without the losses."
    )
    both = tie_sentences(replace(taken, not_compared=5), trial_of(60))[-2:]
    assert both[0].startswith("2 more of such costs are not compared: this run has no losses of")
    assert both[1].startswith("3 of such costs are not compared: taken over from another run")


def test_the_result_says_how_many_and_which_is_the_simplest(whole):
    found, params = whole.simplest, Params(whole.simplest.params, learning_rate=1e-7)
    whole = replace(whole, simplest=replace(found, number=12, params=params, cost=1.23456))
    best = trial_of(60)
    assert tie_sentences(whole, best) == [
        f"{whole.count} other trials cannot be told apart from the best one on these 300 "
        "validation images (95 %, paired bootstrap).",
        f"The simplest of them: 5 epochs, mini-batch size {params['batch_size']}, learning rate "
        f"1e-7, alpha {params['alpha']:g} (trial 12, cost 1.2346).",
    ]
    same = replace(whole, simplest=replace(found, number=60), count=1)
    assert tie_sentences(same, best) == [
        "1 other trial cannot be told apart from the best one on these 300 validation images "
        "(95 %, paired bootstrap).",
        "None of them is simpler than the best one.",
    ]
    assert tie_sentences(None, best) == []


def test_the_report_draws_each_with_its_interval_and_marks_the_simplest(whole):
    rows, chart = tie_rows(whole), tie_chart(whole)
    assert [row.trial for row in rows if row.is_simplest] == [whole.simplest]
    (trace,) = chart.spec["data"]
    assert trace["y"][::-1] == [str(n) for n in numbers_of(whole)]
    for trial, x, more in zip(
        whole.trials, trace["x"][::-1], trace["error_x"]["array"][::-1], strict=True
    ):
        assert x + more == pytest.approx(trial.interval[1], abs=1e-5)
    none = replace(whole, trials=())
    assert (tie_rows(none), tie_chart(none)) == ([], None)
    assert (tie_sentences(None, None), tie_rows(None), tie_chart(None)) == ([], [], None)


# --- Whole runs


def textbook_losses(params, data, seed=0, fraction=0.2):
    """Return the losses of a trial on its validation images by the textbook trainer."""
    order = split_order(len(data["y"]), seed)
    X, y = data["X"][order].astype(float), data["y"][order]
    n = len(y) - round(len(y) * fraction)
    model = SoftmaxRegression(**params, seed=seed, dtype=np.float64).fit(X[:n], y[:n], 3)
    logits = X[n:] @ model.W + model.b
    top = logits.max(axis=1)
    logits -= top[:, None]
    return np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(y) - n), y[n:]]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images = dict(np.load(write_images(tmp_path / "data.npz", rows=300)))
    chance = np.random.default_rng(0)
    wrong = chance.random(300) < 0.3  # so that trials differ less than chance lets them
    images["y"] = np.where(wrong, chance.integers(0, 3, 300), images["y"])
    np.savez(tmp_path / "data.npz", **images)
    write_grid(tmp_path / "tiny.toml", "./data.npz")
    return tmp_path


def run(capfd, *args):
    outcome = invoke(capfd, *args, *SERIAL)
    assert outcome.code == 0, outcome.err
    return outcome


def test_a_run_finds_what_the_textbook_trainers_losses_say(here, capfd):
    outcome = run(capfd, "--grid", "./tiny.toml")
    found, log = tied(here / "runs" / "tiny"), table(here / "runs" / "tiny")
    data = np.load(here / "data.npz")
    losses = np.array([textbook_losses(row, data) for row in log[list(AXES)].to_dict("records")])
    counts = resample_counts(60, 0)
    np.testing.assert_allclose(losses.mean(axis=1), log.val_cost, rtol=1e-4)
    best = log.val_cost.argmin()
    gaps = (losses - losses[best]) @ counts / 60
    assert 0 < found.count < 15
    low = np.sort(gaps, axis=1)[:, 49]
    clear = np.abs(low) > 1e-5  # of the others float32 decides
    expected = {n for n in range(16) if low[n] <= 0 and n != best}
    assert {n for n in numbers_of(found) if clear[n]} == {n for n in expected if clear[n]}
    assert found.images == 60
    assert tie_sentences(found, trial_of(best), "rows")[0] in outcome.out
    for trial in found.trials:
        assert trial.interval[0] == pytest.approx(low[trial.number], abs=1e-5)
    assert "cannot be told" in (here / "runs" / "tiny" / "report.html").read_text()


def test_the_readout_that_selects_is_compared(here, capfd):
    grid = here / "tiny.toml"
    grid.write_text('select = "average"\n' + grid.read_text())
    run(capfd, "--grid", "./tiny.toml")
    found, log = tied(here / "runs" / "tiny"), table(here / "runs" / "tiny")
    costs = log[READOUTS[AVERAGE].cost]
    assert found.simplest.cost == costs[found.simplest.number]
    assert found.not_compared == 0


def test_only_complete_trials_are_compared(here, capfd):
    run(capfd, "--grid", "./tiny.toml", "--pruner", "halving")
    run_dir = here / "runs" / "tiny-halving"
    found, log = tied(run_dir), table(run_dir)
    assert (log.state == "PRUNED").any()
    assert (log.state[numbers_of(found)] == COMPLETE).all()
    assert found.not_compared == 0


def test_reused_trials_bring_their_resampled_costs(here, capfd):
    run(capfd, "--grid", "./tiny.toml")
    write_grid(here / "wide.toml", "./data.npz", alpha=[0.0, 1.0, 10.0])
    run(capfd, "--grid", "./wide.toml", "--run-dir", "scratch")
    run(capfd, "--grid", "./wide.toml", "--run-dir", "first", "--reuse", "runs/tiny")
    shutil.rmtree(here / "runs" / "tiny" / "resamples")
    run(capfd, "--grid", "./wide.toml", "--run-dir", "second", "--reuse", "runs/tiny")
    run(capfd, "--grid", "./wide.toml", "--run-dir", "third", "--reuse", "first")
    scratch, first, second, third = (
        tied(here / d) for d in ("scratch", "first", "second", "third")
    )
    assert scratch.count > 0
    assert numbers_of(first) == numbers_of(third) == numbers_of(scratch)
    assert first.not_compared == third.not_compared == 0
    reused = table(here / "second").source.notna()
    assert second.count is None or second.reused == second.not_compared > 0
    assert second.count is None or not reused[numbers_of(second)].any()
