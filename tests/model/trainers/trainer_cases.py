"""The trainers that come with it, each with hyperparameters that draw random numbers."""

import pickle
from dataclasses import dataclass, field

import numpy as np

from model.trainers import OwnFormat, Rows
from model.trainers.loading import load_trainer


@dataclass(frozen=True)
class Case:
    name: str
    params: dict
    rounds: int = 9  # how many epochs a test trains at most
    library: str = "sklearn"
    weighs: bool = True
    # Each with a part of what is said of it.
    wrong: tuple[tuple[dict, str], ...] = field(default=(({"no_such": 1}, "no_such"),))

    @property
    def keeps_past(self):
        return self.rounds > 9

    @property
    def draws(self):
        """Whether it draws random numbers, and not only adds rows in another order."""
        return "naive_bayes" not in self.name

    @property
    def trainer(self):
        return load_trainer(self.name)


def _partial(path, params, *wrong, **more):
    seed = ({"random_state": 1}, "random_state cannot be set: each epoch is seeded")
    named = ({"no_such": 1}, "has no parameter no_such. It has")
    name = f"partial_fit:sklearn.{path}"
    return Case(name, params, wrong=(seed if "NB" not in path else named, named, *wrong), **more)


def _warm(path, params, *wrong):
    stops = ({"n_iter_no_change": 3}, "without early stopping")
    named = ({"learning_rat": 1}, "has no parameter learning_rat.")
    name = f"warm_start:sklearn.ensemble.{path}"
    return Case(name, params, rounds=30, wrong=(stops, named, *wrong))


_SGD, _MLP = "linear_model.SGDClassifier", "neural_network.MLPClassifier"
_NET = {"width": 8, "dropout": 0.5, "learning_rate": 0.01, "batch_size": 16}
_TREES = ({"n_estimators": 3}, "the number of rounds is the trial's epochs")

CASES = {
    "sgd": _partial(
        _SGD,
        {"loss": "log_loss", "alpha": 0.01, "average": True},
        ({"max_iter": 10}, "name the epochs instead"),
        ({"alpha": -1.0}, "Got -1.0 instead"),
        ({"los": "hinge"}, "Did you mean loss?"),
        ({"early_stopping": True}, "early_stopping must be false"),
        ({"class_weight": "balanced"}, "give the data set weights"),
    ),
    "hinge": _partial(_SGD, {"loss": "hinge", "learning_rate": "adaptive", "eta0": 0.1}),
    "perceptron": _partial("linear_model.Perceptron", {"penalty": "l2"}),
    "aggressive": _partial("linear_model.PassiveAggressiveClassifier", {"C": 0.1}, weighs=False),
    "adam": _partial(
        _MLP,
        {"hidden_layer_sizes": 6, "batch_size": 16, "learning_rate_init": 0.02},
        ({"solver": "lbfgs"}, "has no partial_fit with these"),
        ({"hidden_layer_sizes": 0}, "hidden_layer_sizes"),
    ),
    "momentum": _partial(
        _MLP,
        {
            "hidden_layer_sizes": 6,
            "batch_size": 16,
            "solver": "sgd",
            "learning_rate": "adaptive",
            "learning_rate_init": 0.5,
            "n_iter_no_change": 1,
            "tol": 0.1,
        },
    ),
    "multinomial": _partial("naive_bayes.MultinomialNB", {"alpha": 0.5}),
    "gaussian": _partial("naive_bayes.GaussianNB", {}),
    "bernoulli": _partial("naive_bayes.BernoulliNB", {"binarize": 0.5}),
    "histogram": _warm(
        "HistGradientBoostingClassifier",
        {"max_features": 0.5, "min_samples_leaf": 5},
        ({"max_iter": 3}, "the number of rounds is the trial's epochs"),
        ({"early_stopping": True}, "without early stopping"),
        ({"learning_rate": "fast"}, "learning_rate"),
    ),
    "gradient": _warm("GradientBoostingClassifier", {"subsample": 0.5, "max_features": 2}, _TREES),
    "forest": _warm("RandomForestClassifier", {"max_depth": 3}, _TREES),
    "extra": _warm("ExtraTreesClassifier", {"bootstrap": True}, _TREES),
    "xgboost": Case(
        "xgboost",
        {"subsample": 0.5, "colsample_bytree": 0.6, "colsample_bynode": 0.7, "max_depth": 3},
        rounds=60,
        library="xgboost",
        wrong=(
            ({"booster": "dart"}, "booster must be gbtree, and is 'dart'"),
            ({"max_dept": 3}, "does not know max_dept"),
            ({"max_depth": -1}, "value -1 for Parameter max_depth"),
            ({"learning_rate": "fast"}, "XGBoost refuses"),
            ({"seed": 1}, "seed cannot be set"),
            ({"objective": "multi:softmax"}, "follows from the classes"),
        ),
    ),
    "exact": Case(
        "xgboost",
        {"subsample": 0.5, "tree_method": "exact", "num_parallel_tree": 2},
        rounds=30,
        library="xgboost",
    ),
    "lightgbm": Case(
        "lightgbm",
        {
            "bagging_fraction": 0.5,
            "bagging_freq": 2,
            "feature_fraction": 0.6,
            "extra_trees": True,
            "min_data_in_leaf": 4,
            "num_leaves": 5,
        },
        rounds=60,
        library="lightgbm",
        wrong=(
            ({"boosting": "dart"}, "only gbdt keeps its past"),
            ({"num_leafs": 3}, "Did you mean num_leaves?"),
            ({"num_leaves": 1}, "num_leaves"),
            ({"learning_rate": -1.0}, "learning_rate"),
            ({"bagging_seed": 1}, "bagging_seed cannot be set"),
        ),
    ),
    "net": Case("torch_nets:Net", _NET, library="torch"),
    "margin": Case("torch_nets:Momentum", _NET, library="torch"),
}


def rows(n=80, seed=0, n_classes=3, weighted=False):
    """Return rows that can be learnt, but not wholly, without negative features."""
    rng = np.random.default_rng(n + n_classes)
    y = rng.integers(0, n_classes, n)
    X = rng.uniform(size=(n, 5)) + 0.5 * np.eye(5)[y]
    weights = rng.uniform(0.5, 2, n) if weighted else None
    return Rows(X.astype(np.float32), y, n_classes, weights, seed)


def dumped(trainer, state):
    return trainer.dump(state) if isinstance(trainer, OwnFormat) else pickle.dumps(state)


def loaded(trainer, content):
    return trainer.load(content) if isinstance(trainer, OwnFormat) else pickle.loads(content)


def trained(trainer, params, stops, data, state=None, begin=0):
    """Return the state after ranges that end at these stops, each from a state that was written."""
    for stop in stops:
        state = trainer.advance(state, params, range(begin, stop), data)
        state, begin = loaded(trainer, dumped(trainer, state)), stop
    return state
