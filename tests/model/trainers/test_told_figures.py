"""The accuracy that is told is that of what the saved model predicts, to the last row."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.examples import Examples, Sample
from model.metrics import metrics_of
from model.pack import PackState
from model.scoring import score
from model.trainers import KeepsPast, Predicts, Rows, Trainer, load_trainer
from model.trainers.reference import TrainerName
from model.trainers.states import dumped, loaded
from model.trainers.tasks import TrainerTasks

LINEAR, BAYES, TREES = "sklearn.linear_model", "sklearn.naive_bayes", "sklearn.ensemble"
TRAINERS = {
    f"partial_fit:{LINEAR}.SGDClassifier": (
        {"loss": "log_loss"}, {"loss": "modified_huber"}, {"loss": "hinge"},
    ),
    f"partial_fit:{LINEAR}.Perceptron": ({},),
    f"partial_fit:{LINEAR}.PassiveAggressiveClassifier": ({},),
    f"partial_fit:{BAYES}.GaussianNB": ({},),
    f"partial_fit:{BAYES}.BernoulliNB": ({},),
    "partial_fit:sklearn.neural_network.MLPClassifier": ({"hidden_layer_sizes": 3},),
    f"warm_start:{TREES}.HistGradientBoostingClassifier": ({"min_samples_leaf": 1},),
    f"warm_start:{TREES}.GradientBoostingClassifier": ({"max_depth": 2},),
    f"warm_start:{TREES}.RandomForestClassifier": ({"max_depth": 2},),
    f"warm_start:{TREES}.ExtraTreesClassifier": ({"max_depth": 2},),
    "xgboost": ({"max_depth": 2},),
    "lightgbm": ({"min_data_in_leaf": 1},),
    "torch_nets:Net": (
        {"width": 2, "dropout": 0.5, "learning_rate": 0.01, "batch_size": 8},
    ),
    "model.trainers.softmax:Softmax": (
        {"batch_size": 8, "learning_rate": 0.1, "alpha": 0.0},
        {"batch_size": 8, "learning_rate": 1e-60, "alpha": 0.0},  # which learns nothing
    ),
}  # fmt: skip
LIBRARIES = {"xgboost": "xgboost", "lightgbm": "lightgbm", "torch_nets:Net": "torch"}
CASES = [(name, params) for name, some in TRAINERS.items() for params in some]
KINDS = ("constant", "huge", "few values", "fine")


def rows(kind, seed, n_classes, *, weighted=False, n=24):
    """Return rows of which many get probabilities that are rounded to the same number."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % n_classes)
    X = {
        "constant": np.ones((n, 2)),
        "huge": rng.normal(size=(n, 2)) * 1e4 + 1e4 * y[:, None],
        "few values": rng.integers(0, 2, (n, 2)) - 0.5,
        "fine": rng.normal(size=(n, 2)) + y[:, None],
    }[kind]
    weights = rng.uniform(0, 1, n) if weighted else None
    return Rows(X.astype(np.float32), y, n_classes, weights, seed)


@pytest.mark.filterwarnings("ignore")  # of estimators, about such rows
@pytest.mark.parametrize(("name", "params"), CASES)
@settings(max_examples=12, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 1000),
    n_classes=st.integers(2, 3),
    weighted=st.booleans(),
)
def test_told_is_what_the_saved_model_predicts(name, params, kind, seed, n_classes, weighted):
    pytest.importorskip(LIBRARIES.get(name, "sklearn"))
    weighted = weighted and "MLP" not in name and "PassiveAggressive" not in name
    trainer, training = load_trainer(name), rows(kind, seed, n_classes, weighted=weighted)
    # Of all rows together, ties decide for the model as often as against it.
    weights = None if training.weights is None else training.weights[:11]
    data = Rows(training.X[:11], training.y[:11], n_classes, weights, seed)
    assert isinstance(trainer, Predicts)
    try:
        state = trainer.advance(None, params, range(2), training)
        told = trainer.score(state, data)
    except ValueError:  # such as weights that have diverged: a failed row
        return
    saved = loaded(load_trainer(name), dumped(trainer, state))
    predicted = trainer.predict(saved, data)
    assert told["accuracy"] == float(np.average(predicted == data.y, weights=data.weights))
    if name.startswith(("partial_fit", "warm_start")):
        np.testing.assert_array_equal(saved.predict(data.X), predicted)
    if isinstance(trainer, KeepsPast):
        first = trainer.advance(None, params, range(1), training)
        assert trainer.score_at(saved, 1, data) == trainer.score(first, data)


@pytest.mark.parametrize("name", ["f1_macro", "balanced_accuracy"])
def test_metrics_of_predictions_are_those_of_what_the_model_predicts(name):
    y, p = np.array([0, 1, 1]), np.full((3, 2), 0.5)
    assert metrics_of(p, y, None, [name], np.array([0, 1, 1]))[name] == 1
    assert metrics_of(p, y, None, [name])[name] < 1


@pytest.mark.parametrize("weights", [None, np.ones(30)])
@pytest.mark.parametrize("label", [0, 1, 2])
def test_a_model_that_tells_no_classes_apart_is_not_right_everywhere(weights, label):
    state = PackState.start(
        8, np.ones(1), np.zeros(1), n_features=2, n_classes=3, seed=0
    )  # fmt: skip
    y = np.full(30, label)
    found = score(state, np.ones((30, 2), np.float32), y, weights=weights)
    assert found.accuracy.tolist() == [float(label == 0)]  # the first of equal logits


class Careless(Trainer):
    """A trainer that changes its state where it must only look at it, and loses some of it."""

    version = "1"

    def advance(self, state, params, epochs, data):
        return _Lossy(1.0)

    def score(self, state, data):
        state.cost += 1
        return {"cost": state.cost, "accuracy": 0.0}


class _Lossy:
    def __init__(self, cost):
        self.cost = cost

    def __reduce__(self):
        return _Lossy, (self.cost * 10,)


def test_a_final_figure_is_told_of_the_model_as_it_is_saved():
    X, y = np.zeros((4, 1), np.float32), np.array([0, 1, 0, 1])
    examples = Examples(X, y, 2, 2)
    tasks = TrainerTasks(TrainerName(f"{__name__}:Careless"))
    final = tasks.run_refit(examples, {}, 1, 0, Sample(X, y))
    trainer, state = final.open()
    assert final.figures == trainer.score(state, None)
