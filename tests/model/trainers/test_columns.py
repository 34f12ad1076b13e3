"""Columns of a pack whose schedules agree for a while: trained once, and as each alone."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from test_schedules import history, trainings
from trainings import rows_of

from model.trainers import Packs, TakesSchedules
from model.trainers.columns import Columns, train_alone
from model.trainers.states import States, loaded

DATA = rows_of(3, n=6)


class Chronicle(TakesSchedules):
    """Its state is all that it was given, in a list that it adds to in place."""

    version = "1"
    live = ("rate",)

    def __init__(self):
        self.trained = []  # what each epoch was trained from and with, in all calls

    def advance(self, state, params, epochs, data):
        state = [] if state is None else state
        assert len(state) == epochs.start
        for _ in epochs:
            state.append((params["kind"], params["rate"]))
            self.trained.append(tuple(state))
        return state

    def score(self, state, data):
        return {"cost": float(len(state)), "accuracy": 0.0}


class Inexact(Chronicle):
    exact = False


class InPacks(Chronicle, Packs):
    pack_by = ()
    widest = 3

    def advance_pack(self, states, params, epochs, data):
        assert len(states) == len(params) <= self.widest
        assert len({id(state) for state in states if state is not None} | {None}) - 1 == sum(
            state is not None for state in states
        )
        return [
            self.advance(state, mine, epochs, data)
            for state, mine in zip(states, params, strict=True)
        ]


class FailsTogether(InPacks):
    """Spoils the first state of a pack, and raises."""

    def advance_pack(self, states, params, epochs, data):
        if states[0] is not None:
            states[0].append("spoilt")
        raise RuntimeError("not together")


def run(trainer, params, stops, keep=None):
    """Train a pack in links that end at some epochs; return the columns, and which these are."""
    lasts = np.full(len(params), stops[-1])
    states, left = States.start(params, lasts, seed=0), np.arange(len(params))
    for i, stop in enumerate(stops):
        columns = Columns(trainer, states)
        if keep is not None and i == len(stops) - 1:
            columns.keep(keep)
            left = keep
        columns.advance(stop, DATA)
        columns.scores(range(len(left)), stop, DATA)
        states = columns.written()
    return states, left.tolist()


def past(params, stop):
    kind, rates = history(params, stop - 1)
    return [(kind, rate) for rate in rates]


CUTS = st.sets(st.integers(1, 8), min_size=1, max_size=4).map(sorted)


@given(trainings(), CUTS, st.sampled_from([Chronicle, InPacks]), st.data())
@settings(max_examples=150)
def test_each_is_as_alone_and_what_they_share_is_trained_once(params, stops, kind, data):
    keep = np.array(sorted(data.draw(st.sets(st.sampled_from(range(len(params))), min_size=1))))
    trainer = kind()
    states, left = run(trainer, params, stops, keep)
    for i, part in zip(left, states.parts, strict=True):
        assert loaded(trainer, part) == past(params[i], stops[-1])
        assert loaded(trainer, part) == train_alone(kind(), params[i], range(stops[-1]), DATA)
    assert len(trainer.trained) == len(set(trainer.trained))
    last = stops[-2] if len(stops) > 1 else 0
    wanted = {tuple(past(p, e + 1)) for p in params for e in range(last)}
    wanted |= {tuple(past(params[i], e + 1)) for i in left for e in range(last, stops[-1])}
    assert set(trainer.trained) == wanted
    distinct = {history(params[i], stops[-1] - 1) for i in left}
    assert len(set(zip(states.begins.tolist(), states.ends.tolist(), strict=True))) == len(distinct)


@given(trainings(), CUTS)
@settings(max_examples=50)
def test_what_is_not_exact_shares_nothing(params, stops):
    trainer = Inexact()
    states, _ = run(trainer, params, stops)
    assert [loaded(trainer, part) for part in states.parts] == [past(p, stops[-1]) for p in params]
    assert len(trainer.trained) == len(params) * stops[-1]


@given(trainings(), CUTS)
@settings(max_examples=50)
def test_where_a_pack_fails_each_is_trained_alone_from_what_it_was(params, stops):
    trainer = FailsTogether()
    states, _ = run(trainer, params, stops)
    assert not states.failed.any()
    assert [loaded(trainer, part) for part in states.parts] == [past(p, stops[-1]) for p in params]
