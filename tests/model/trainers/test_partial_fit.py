"""What is partial_fit's own."""

import numpy as np
import pytest
from sklearn.cluster import MiniBatchKMeans
from sklearn.linear_model import Perceptron, SGDClassifier, SGDRegressor
from sklearn.metrics import accuracy_score, log_loss
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC
from trainer_cases import rows

from model.trainers.columns import train_alone
from model.trainers.partial_fit import PartialFit

DATA, SCORING = rows(), rows(50)


def seed(epoch):
    return int(DATA.rng(epoch).integers(2**31))


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        (MLPClassifier, {"hidden_layer_sizes": 6, "learning_rate_init": 0.02}),
        (SGDClassifier, {"loss": "log_loss"}),
    ],
)
def test_it_is_the_estimators_own_loop(kind, params):
    trainer = PartialFit(kind)
    found = trainer.score(trainer.advance(None, params, range(4), DATA), SCORING)
    alone = kind(**params)
    for epoch in range(4):
        alone.set_params(random_state=seed(epoch)).partial_fit(DATA.X, DATA.y, classes=range(3))
    probabilities = alone.predict_proba(SCORING.X)
    assert found["cost"] == pytest.approx(log_loss(SCORING.y, probabilities), rel=1e-6)
    assert found["accuracy"] == accuracy_score(SCORING.y, alone.predict(SCORING.X))


@pytest.mark.parametrize(
    ("kind", "params", "name", "values"),
    [
        (SGDClassifier, {"loss": "log_loss", "learning_rate": "constant"}, "eta0", (0.5, 0.05)),
        (SGDClassifier, {"loss": "log_loss"}, "alpha", (0.1, 0.001)),
        (MLPClassifier, {"hidden_layer_sizes": 6}, "alpha", (1.0, 0.01)),
    ],
)
def test_a_schedule_is_the_loop_that_sets_the_parameter(kind, params, name, values):
    trainer = PartialFit(kind)
    assert name in trainer.live
    schedule = {**params, name: f"{values[0]} for 2, then {values[1]}"}
    found = trainer.score(train_alone(trainer, schedule, range(4), DATA), SCORING)
    alone = kind(**params)
    for epoch in range(4):
        alone.set_params(random_state=seed(epoch), **{name: values[epoch // 2]})
        alone.partial_fit(DATA.X, DATA.y, classes=range(3))
    assert found["cost"] == pytest.approx(
        log_loss(SCORING.y, alone.predict_proba(SCORING.X)), rel=1e-6
    )
    first = trainer.advance(None, {**params, name: values[0]}, range(4), DATA)
    assert trainer.score(first, SCORING) != found


@pytest.mark.parametrize("n_classes", [2, 3])
def test_without_probabilities_the_cost_is_that_of_the_softmax_of_the_margins(n_classes):
    data, scoring = rows(n_classes=n_classes), rows(50, n_classes=n_classes)
    trainer = PartialFit(Perceptron)
    state = trainer.advance(None, {"alpha": 0.01}, range(3), data)
    margins = state.decision_function(scoring.X)
    if n_classes == 2:
        margins = np.column_stack([0 * margins, margins])
    losses = np.logaddexp.reduce(margins, axis=1) - margins[np.arange(50), scoring.y]
    found = trainer.score(state, scoring)
    assert found["cost"] == pytest.approx(np.minimum(losses, -np.log(2.0**-52)).mean(), rel=1e-5)
    assert found["accuracy"] == accuracy_score(scoring.y, state.predict(scoring.X))


class Last:
    """Remembers the rows in their order, and does not shuffle."""

    def __init__(self):
        self.seen = []

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        self.seen.append((X.copy(), y.copy(), sample_weight.copy()))


def test_rows_come_in_the_order_of_the_epoch_where_an_estimator_does_not_shuffle():
    data = rows(weighted=True)
    state = PartialFit(Last).advance(None, {}, range(1, 3), data)
    for epoch, seen in zip((1, 2), state.seen, strict=True):
        order = data.order(epoch)
        for mine, whole in zip(seen, (data.X, data.y, data.weights), strict=True):
            assert np.array_equal(mine, whole[order])


def test_weights_count_as_often_as_they_say():
    twice = np.ones(80)
    twice[:30] = 2
    X, y = DATA.X, DATA.y
    kind = type(DATA)
    weighted = kind(X, y, 3, twice)
    repeated = kind(np.concatenate([X, X[:30]]), np.concatenate([y, y[:30]]), 3)
    trainer = PartialFit(GaussianNB)
    found = [
        trainer.score(trainer.advance(None, {}, range(1), data), SCORING)["cost"]
        for data in (weighted, repeated)
    ]
    assert found[0] == pytest.approx(found[1], rel=1e-5)


@pytest.mark.parametrize("kind", [SVC, SGDRegressor, MiniBatchKMeans])
def test_what_is_no_such_classifier_is_refused(kind):
    with pytest.raises(ValueError, match=f"{kind.__name__} has no partial_fit that takes classes"):
        PartialFit(kind)


@pytest.mark.filterwarnings("ignore:Class PassiveAggressive:FutureWarning")
def test_weights_are_refused_where_an_estimator_cannot_weigh():
    from sklearn.linear_model import PassiveAggressiveClassifier

    trainer = PartialFit(PassiveAggressiveClassifier)
    with pytest.raises(ValueError, match="cannot weigh rows"):
        trainer.advance(None, {}, range(1), rows(weighted=True))


def test_an_estimator_that_needs_another_is_refused():
    from sklearn.multioutput import MultiOutputClassifier

    with pytest.raises(ValueError, match=r"MultiOutputClassifier cannot be made: .*estimator"):
        PartialFit(MultiOutputClassifier).check({})
