"""Schedules from the grid file to the log: what they have in common is trained once."""

from pathlib import Path

import pytest
from command_line import invoke, table, write_images

from model.trainers import Schedule
from search.engine import Orchestrator

# Its state is its past, so that a log says what each trial was trained with.
SOURCE = """
import hashlib
import os

from model.trainers import Packs, TakesSchedules, Trainer


def cost(past):
    return int(hashlib.sha256(repr(past).encode()).hexdigest()[:12], 16) / 16**12


class Chronicle(TakesSchedules):
    version = "1"
    live = ("rate",)

    def advance(self, state, params, epochs, data):
        past = [params["kind"]] if state is None else state
        for epoch in epochs:
            past.append(params["rate"])
            with open(os.environ["COUNT"], "a") as file:
                file.write(f"{len(data.y)} {past}\\n")
        return past

    def score(self, state, data):
        return {"cost": cost(state), "accuracy": 0.5}


class Positive(Chronicle):
    def check(self, params):
        if params["rate"] <= 0:
            raise ValueError("a rate is positive")


class InPacks(Chronicle, Packs):
    pack_by = ("kind",)

    def advance_pack(self, states, params, epochs, data):
        return [self.advance(s, p, epochs, data) for s, p in zip(states, params)]


class Fixed(Trainer):
    version = "1"

    def advance(self, state, params, epochs, data):
        return params["rate"]

    def score(self, state, data):
        return {"cost": 1.0, "accuracy": 0.5}
"""
RATES = """[0.1, {schedule = [[0.1, 4], [0.01, 8]]}, {schedule = [[0.1, 6], [0.01, 8]]},
  {schedule = "cosine", start = 0.2, end = 0.1, epochs = 8, warm_up = 1},
  {schedule = "step", start = 0.1, factor = 0.5, every = 5}]"""
SERIAL = ("--executor", "serial", "--no-progress")


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder of a user with a trainer of schedules, a grid and a data set."""
    write_images(tmp_path / "data.npz")
    (tmp_path / "chronicles.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("COUNT", str(tmp_path / "count"))
    # The check before the first sweep trains too.
    monkeypatch.setattr("search.session.session.check_before_first_sweep", lambda *_: None)
    yield tmp_path
    from model.trainers import reference

    reference._loaded.cache_clear()


def grid(rates=RATES, trainer="chronicles:Chronicle", epochs="[2, 4, 8, 12]"):
    Path("grid.toml").write_text(
        f'trainer = "{trainer}"\ndataset = "./data.npz"\n[space]\nrate = {rates}\n'
        f'kind = ["a", "b"]\nepochs = {epochs}\n'
    )


def run(capfd, *more):
    return invoke(capfd, "--grid", "./grid.toml", *SERIAL, "--run-dir", "run", *more)


def past(kind, rate, epochs):
    return [kind, *Schedule.parse(rate).over(0, epochs).tolist()]


def costs_are_those_of_each_alone(log):
    from chronicles import cost

    for row in log.itertuples():
        assert row.val_cost == cost(past(row.kind, row.rate, row.epochs)), row


def counted(monkeypatch):
    """Have each epoch of a link noted, and nothing else; return where."""
    from model.trainers.tasks import TrainerTasks

    monkeypatch.setenv("COUNT", "/dev/null")
    run_link = TrainerTasks.run_link

    def noted(*args, **more):
        with monkeypatch.context() as patch:
            patch.setenv("COUNT", "links")
            return run_link(*args, **more)

    monkeypatch.setattr(TrainerTasks, "run_link", noted)
    return Path("links")


@pytest.mark.parametrize("trainer", ["Chronicle", "InPacks"])
def test_a_grid_trains_the_union_of_its_stages_and_says_so_before(own, capfd, monkeypatch, trainer):
    grid(trainer=f"chronicles:{trainer}")
    dry = run(capfd, "--dry-run")
    links = counted(monkeypatch)
    outcome = run(capfd)
    assert outcome.code == 0, outcome.err
    log = table(Path("run"))
    assert len(log) == 5 * 2 * 4
    costs_are_those_of_each_alone(log)
    union = {
        str(past(row.kind, row.rate, epoch))
        for row in log.itertuples()
        for epoch in range(1, row.epochs + 1)
    }
    trained = [line.partition(" ")[2] for line in links.read_text().splitlines()]
    assert len(trained) == len(set(trained))
    assert set(trained) == union
    assert f"epochs          {len(union)}; without sharing 260" in dry.out
    assert "0.1 for 4, then 0.01" in (own / "run/report.html").read_text()


def test_a_trainer_is_not_asked_for_what_lies_behind_the_longest_trial(own, capfd):
    rates = '{schedule = "cosine", start = 0.1, epochs = 12}'  # 0 after its last epoch
    grid(rates, "chronicles:Positive")
    assert run(capfd, "--dry-run").code == 0
    grid(rates, "chronicles:Positive", epochs="[13]")
    outcome = run(capfd, "--dry-run")
    assert (outcome.code, "a rate is positive" in outcome.err) == (2, True)


@pytest.mark.parametrize(
    "more",
    [(), ("--pruner", "halving"), ("--sampler", "random", "--trials", "12"), ("--seeds", "2")],
)
def test_interrupted_and_continued_it_is_the_same(own, capfd, monkeypatch, more):
    monkeypatch.setattr("search.plan.links.link_seconds", lambda *_: 1e-9)  # an epoch each
    grid()
    assert run(capfd, *more).code == 0
    whole = table(Path("run"))
    record, left = Orchestrator._record, iter(range(5))

    def stopping(*args):
        if next(left, None) is None:
            raise KeyboardInterrupt
        record(*args)

    with monkeypatch.context() as patch:
        patch.setattr(Orchestrator, "_record", stopping)
        assert run(capfd, *more, "--fresh").code == 130
    assert run(capfd, *more).code == 0
    again = table(Path("run"))
    same = ["number", "state", "rate", "epochs", "val_cost", "last_epoch"]
    assert again[same].equals(whole[same])
    if "--pruner" not in more:
        costs_are_those_of_each_alone(again)


@pytest.mark.parametrize(
    ("rates", "trainer", "said"),
    [
        ("{schedule = [[0.1, 4], [0.01, 8]]}", "chronicles:Fixed", "chronicles:Fixed takes none"),
        ('{schedule = "cosin", start = 1}', "chronicles:Chronicle", "one of cosine, linear, step"),
        ('["0.1, warm-up 5", "0.2"]', "chronicles:Fixed", "chronicles:Fixed takes none"),
        ('["fast", "slow"]', "chronicles:Chronicle", "'fast' is not a schedule"),
        (
            "[0.1, {schedule = [[0.1, 4]]}]", "chronicles:Chronicle", "'0.1' is given twice"
        ),
        ('{schedule = [[0.1, 4]]}', "softmax", "model.trainers.softmax:Softmax"),
        ('[0.1, {schedule = [[0.1, 4]]}]', "softmax", "model.trainers.softmax:Softmax"),
    ],
)  # fmt: skip
def test_a_wrong_schedule_is_one_message_before_anything_is_written(
    own, capfd, rates, trainer, said
):
    grid(rates, trainer)
    if trainer == "softmax":
        text = Path("grid.toml").read_text().replace("rate =", "learning_rate =")
        Path("grid.toml").write_text(text.replace("kind = [", "# ") + "alpha=[0]\nbatch_size=[8]")
    outcome = run(capfd)
    assert outcome.code == 2
    assert outcome.err.count("error: ") == 1
    assert said in outcome.err
    assert not Path("run").exists()
