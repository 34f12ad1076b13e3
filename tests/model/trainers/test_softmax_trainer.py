"""The softmax trainer behind the protocol is the one of the sweeps, and the textbook's."""

import numpy as np
import pytest
from trainings import rows_of

from model.examples import LAST, Examples
from model.pack import PackState, advance
from model.results import LegTask
from model.scoring import score
from model.shuffle import epoch_order
from model.softmax import SoftmaxRegression
from model.tasks import run_link
from model.trainers import load_trainer
from model.trainers.columns import train_alone

RATES, ALPHAS = np.array([0.02, 0.01, 0.05]), np.array([0.0, 0.1, 1.0])


@pytest.mark.parametrize("weights", [None, np.where(np.arange(80) % 2, 1.0, 3.0)])
def test_a_pack_of_it_is_a_pack_of_the_sweeps(weights):
    trainer, training, scoring = load_trainer("softmax"), rows_of(3, weights=weights), rows_of(3)
    params = [
        {"batch_size": 8, "learning_rate": rate, "alpha": alpha}
        for rate, alpha in zip(RATES, ALPHAS, strict=True)
    ]
    states = trainer.advance_pack([None] * 3, params, range(2), training)
    states = trainer.advance_pack(states, params, range(2, 5), training)
    own = PackState.start(8, RATES, ALPHAS, n_features=5, n_classes=3, seed=training.seed)
    row_weights = None if weights is None else weights.astype(np.float32)
    own = advance(own, training.X, training.y, 5, weights=row_weights)
    expected = score(own, scoring.X, scoring.y)
    found = [trainer.score(state, scoring)["cost"] for state in states]
    assert found == pytest.approx(expected.cost.tolist(), rel=1e-6)


def test_a_link_of_a_sweep_scores_the_same():
    trainer, training, scoring = load_trainer("softmax"), rows_of(3), rows_of(3, seed=1)
    X, y = (np.concatenate([getattr(rows, name) for rows in (training, scoring)]) for name in "Xy")
    every = np.arange(3)
    start = PackState.start(8, RATES, ALPHAS, n_features=5, n_classes=3, seed=training.seed)
    legs = [LegTask(2, every, every), LegTask(5, every, every)]
    link = run_link(Examples(X, y, len(training.y), 3), start, every, legs)
    for m in every:
        params = {"batch_size": 8, "learning_rate": RATES[m], "alpha": ALPHAS[m]}
        state = None
        for result, epochs in zip(link.legs, (range(2), range(2, 5)), strict=True):
            state = trainer.advance(state, params, epochs, training)
            cost = result.scores[LAST].cost[m]
            assert trainer.score(state, scoring)["cost"] == pytest.approx(cost, rel=1e-4)


def test_it_is_the_textbooks():
    trainer, training, scoring = load_trainer("softmax"), rows_of(3), rows_of(3, seed=1)
    params = {"batch_size": 8, "learning_rate": 0.02, "alpha": 0.1}
    found = trainer.score(trainer.advance(None, params, range(4), training), scoring)
    book = SoftmaxRegression(8, 0.02, 4, 0.1, seed=training.seed, dtype=np.float64)
    book.fit(training.X, training.y, 3)
    assert found["cost"] == pytest.approx(book.cost(scoring.X, scoring.y), rel=1e-4)


def test_with_schedules_it_is_the_textbook_whose_settings_change():
    trainer, training, scoring = load_trainer("softmax"), rows_of(3), rows_of(3, seed=1)
    params = {"batch_size": 8, "learning_rate": "0.05 to 0.01 over 4", "alpha": "1 for 2, then 0.1"}
    found = trainer.score(train_alone(trainer, params, range(4), training), scoring)
    book = SoftmaxRegression(8, 0.05, 0, 1.0, seed=training.seed, dtype=np.float64)
    book.fit(training.X, training.y, 3)
    X = training.X.astype(np.float64)
    for epoch, (rate, alpha) in enumerate([(0.05, 1), (0.04, 1), (0.03, 0.1), (0.02, 0.1)]):
        book.learning_rate, book.alpha = rate, alpha
        order = epoch_order(len(X), training.seed, epoch)
        for i in range(0, len(X), 8):
            book._step(X[order[i : i + 8]], training.y[order[i : i + 8]], None)
    assert found["cost"] == pytest.approx(book.cost(scoring.X, scoring.y), rel=1e-4)


@pytest.mark.parametrize(
    ("params", "said"),
    [({"batch_size": 8}, "must be given"), ({"learning_rat": 1.0}, "Did you mean learning_rate")],
)
def test_other_hyperparameters_are_refused(params, said):
    with pytest.raises(ValueError, match=said):
        load_trainer("softmax").check(params)
