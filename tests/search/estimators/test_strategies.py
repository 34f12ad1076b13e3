"""Halving is scikit-learn's, random its random search, and samplers hear of each score."""

import subprocess
import sys
import warnings

import numpy as np
import optuna
import pytest
from lightgbm import LGBMClassifier, early_stopping
from scipy import stats
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import HalvingGridSearchCV, HalvingRandomSearchCV, RandomizedSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier
from xgboost.callback import TrainingCallback

from search.errors import MissingLibraryError, SamplerError
from search.estimators import (
    EpochTrained,
    PackSweepSearchCV,
    SharesNothingWarning,
    SoftmaxClassifier,
)

X, Y = load_digits(n_class=4, return_X_y=True)
X, Y = X[:240], Y[:240]
DEPTHS = {"max_depth": [1, 2, 3, 4, 5, 6, 7]}

HALVED = {
    "forest": (RandomForestClassifier(random_state=0), "n_estimators", DEPTHS),
    "generator": (
        RandomForestClassifier(random_state=np.random.RandomState(3)), "n_estimators", DEPTHS
    ),
    "extra trees": (ExtraTreesClassifier(random_state=0), "n_estimators", DEPTHS),
    "boosting": (
        GradientBoostingClassifier(random_state=0, subsample=0.5, max_features=0.5),
        "n_estimators", {"max_depth": [1, 2, 3], "learning_rate": [0.1, 0.3]},
    ),
    "histograms": (
        HistGradientBoostingClassifier(random_state=0, max_features=0.5), "max_iter",
        {"max_leaf_nodes": [3, 4], "learning_rate": [0.05, 0.1, 0.4]},
    ),
    "xgboost": (XGBClassifier(random_state=0, n_jobs=1), "n_estimators", {"max_depth": [1, 2, 3]}),
    "lightgbm": (
        LGBMClassifier(random_state=0, n_jobs=1, verbose=-1, max_bin=31), "n_estimators",
        {"num_leaves": [2, 3, 5], "learning_rate": [0.1, 0.5]},
    ),
    "perceptron": (
        EpochTrained(MLPClassifier((8,)), random_state=0), "epochs",
        {"estimator__alpha": [1e-4, 1.0], "estimator__learning_rate_init": [1e-3, 1e-2, 0.1]},
    ),
    "softmax": (
        SoftmaxClassifier(random_state=0), "epochs",
        {"alpha": [0.001, 0.1], "learning_rate": ["auto", 0.01, 0.001], "batch_size": [32, 64],
         "average": [False, True]},
    ),
    "pipeline": (
        Pipeline([("scale", StandardScaler()), ("pca", PCA(random_state=0)),
                  ("model", RandomForestClassifier(random_state=0))]),
        "model__n_estimators", {"pca__n_components": [5, 10], "model__max_depth": [2, 3, 4]},
    ),
}  # fmt: skip


def alike(mine, theirs):
    """Compare all that two searches say, but for the time that it took."""
    assert set(mine.cv_results_) == set(theirs.cv_results_)
    for name, values in theirs.cv_results_.items():
        if name == "params" or name.startswith("param_"):
            assert list(mine.cv_results_[name]) == list(values)
        elif "time" not in name:
            np.testing.assert_array_equal(mine.cv_results_[name], values, err_msg=name)
    assert mine.best_params_ == theirs.best_params_
    assert mine.best_score_ == theirs.best_score_
    np.testing.assert_array_equal(mine.predict(X), theirs.predict(X))


RUNGS = ("n_resources_", "n_candidates_", "n_remaining_candidates_", "n_iterations_")


@pytest.mark.parametrize("kind", HALVED)
def test_halving_is_that_of_scikit_learn_to_the_bit(kind):
    model, resource, space = HALVED[kind]
    rules = {"factor": 2, "max_resources": 12, "min_resources": 3}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the models' own
        warnings.simplefilter("error", SharesNothingWarning)
        mine = PackSweepSearchCV(
            model, space, resource=resource, cv=3, strategy="halving", return_train_score=True,
            **rules,
        ).fit(X, Y)  # fmt: skip
        theirs = HalvingGridSearchCV(model, space, resource=resource, cv=3, **rules).fit(X, Y)
    alike(mine, theirs)
    assert {name: getattr(mine, name) for name in RUNGS} == {
        name: getattr(theirs, name) for name in RUNGS
    }
    assert mine.n_iterations_ > 1


@pytest.mark.parametrize(
    "rules",
    [
        {"max_resources": 30},
        {"max_resources": 9, "aggressive_elimination": True, "factor": 3},
        {"max_resources": 20, "min_resources": "smallest", "factor": 2.5},
        {"max_resources": 7, "min_resources": 7},
    ],
)
def test_rungs_are_those_of_scikit_learn(rules):
    model = RandomForestClassifier(random_state=0)
    mine = PackSweepSearchCV(
        model, DEPTHS, resource="n_estimators", cv=2, strategy="halving", **rules
    ).fit(X, Y)
    theirs = HalvingGridSearchCV(
        model, DEPTHS, resource="n_estimators", cv=2, return_train_score=False, **rules
    ).fit(X, Y)
    alike(mine, theirs)
    assert {name: getattr(mine, name) for name in RUNGS} == {
        name: getattr(theirs, name) for name in RUNGS
    }


def test_candidates_of_halving_may_be_drawn():
    model, space = RandomForestClassifier(random_state=0), {"max_depth": stats.randint(1, 9)}
    rules = {"resource": "n_estimators", "max_resources": 8, "cv": 2, "random_state": 5}
    mine = PackSweepSearchCV(model, space, strategy="halving", n_trials=6, **rules).fit(X, Y)
    theirs = HalvingRandomSearchCV(
        model, space, n_candidates=6, min_resources="exhaust", return_train_score=False, **rules
    ).fit(X, Y)
    alike(mine, theirs)


def test_nothing_is_trained_twice(monkeypatch):
    grown = []
    from sklearn.ensemble import _forest

    counted = _forest._parallel_build_trees
    monkeypatch.setattr(
        _forest, "_parallel_build_trees", lambda *a, **k: grown.append(1) or counted(*a, **k)
    )
    found = PackSweepSearchCV(
        RandomForestClassifier(random_state=0), DEPTHS, resource="n_estimators", cv=2,
        strategy="halving", factor=2, max_resources=12, min_resources=3, refit=False,
    ).fit(X, Y)  # fmt: skip
    assert found.n_resources_ == [3, 6, 12]
    assert found.n_candidates_ == [7, 4, 2]
    assert len(grown) == 2 * (7 * 3 + 4 * 3 + 2 * 6)


def test_what_draws_by_chance_is_trained_anew_and_told():
    model = XGBClassifier(random_state=0, n_jobs=1, subsample=0.5)
    rules = {"resource": "n_estimators", "cv": 2, "factor": 2, "max_resources": 8}
    space = {"max_depth": [1, 2, 3]}
    with pytest.warns(SharesNothingWarning, match="XGBClassifier is trained again in each rung"):
        mine = PackSweepSearchCV(model, space, strategy="halving", **rules).fit(X, Y)
    alike(mine, HalvingGridSearchCV(model, space, return_train_score=False, **rules).fit(X, Y))


class Nothing(TrainingCallback):
    """Does nothing; others of its kind end a training."""


BOOSTED = {"max_depth": [1, 2, 3], "learning_rate": [0.1, 0.4]}
QUIET = {"random_state": 0, "n_jobs": 1, "verbose": -1}
ALONE = {
    "forest, oob": (
        RandomForestClassifier(random_state=0, oob_score=True), "n_estimators", DEPTHS, {}
    ),
    "boosting, stopped": (
        GradientBoostingClassifier(random_state=0, n_iter_no_change=2, tol=0.01), "n_estimators",
        BOOSTED, {},
    ),
    "histograms, stopped": (
        HistGradientBoostingClassifier(random_state=0, early_stopping=True, n_iter_no_change=3),
        "max_iter", BOOSTED, {},
    ),
    "xgboost, stopped": (
        XGBClassifier(random_state=0, n_jobs=1, early_stopping_rounds=1), "n_estimators", BOOSTED,
        {"eval_set": [(X[:60], Y[:60])], "verbose": False},
    ),
    "xgboost, callbacks": (
        XGBClassifier(random_state=0, n_jobs=1, callbacks=[Nothing()]), "n_estimators", BOOSTED, {}
    ),
    "xgboost, dart": (
        XGBClassifier(random_state=0, n_jobs=1, booster="dart", rate_drop=0.5), "n_estimators",
        BOOSTED, {},
    ),
    "xgboost, linear": (
        XGBClassifier(random_state=0, n_jobs=1, booster="gblinear", updater="coord_descent"),
        "n_estimators", {"learning_rate": [0.01, 0.1, 0.4], "reg_alpha": [0.0, 0.1]}, {},
    ),
    "lightgbm, dart": (
        LGBMClassifier(boosting_type="dart", drop_rate=0.5, skip_drop=0.0, **QUIET),
        "n_estimators", BOOSTED, {},
    ),
    "lightgbm, goss": (
        LGBMClassifier(data_sample_strategy="goss", **QUIET), "n_estimators", BOOSTED, {}
    ),
    "lightgbm, random thresholds": (
        LGBMClassifier(extra_trees=True, **QUIET), "n_estimators", BOOSTED, {}
    ),
    "lightgbm, some columns": (
        LGBMClassifier(feature_fraction_bynode=0.5, **QUIET), "n_estimators", BOOSTED, {}
    ),
    "lightgbm, stopped": (
        LGBMClassifier(early_stopping_round=1, **QUIET), "n_estimators", BOOSTED,
        {"eval_set": [(X[:60], Y[:60])]},
    ),
    "lightgbm, callbacks": (
        LGBMClassifier(**QUIET), "n_estimators", BOOSTED,
        {"callbacks": [early_stopping(1, verbose=False)], "eval_set": [(X[:60], Y[:60])]},
    ),
    "last of a pipeline": (
        Pipeline([("scale", StandardScaler()),
                  ("model", GradientBoostingClassifier(random_state=0, n_iter_no_change=2))]),
        "model__n_estimators", {"model__max_depth": [1, 2, 3, 4]}, {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", ALONE)
def test_what_shares_nothing_is_trained_anew_in_each_rung(kind):
    model, resource, space, fit = ALONE[kind]
    rules = {"resource": resource, "cv": 2, "factor": 2, "max_resources": 24, "min_resources": 6}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the models' own
        warnings.simplefilter("error", SharesNothingWarning)
        with pytest.raises(SharesNothingWarning, match="trained again in each rung"):
            PackSweepSearchCV(model, space, strategy="halving", **rules).fit(X, Y, **fit)
        warnings.simplefilter("ignore")
        mine = PackSweepSearchCV(
            model, space, strategy="halving", return_train_score=True, **rules
        ).fit(X, Y, **fit)
        theirs = HalvingGridSearchCV(model, space, **rules).fit(X, Y, **fit)
    assert mine.n_iterations_ > 1
    assert np.isfinite(mine.cv_results_["mean_test_score"]).all()
    alike(mine, theirs)


@pytest.mark.parametrize(
    ("model", "resource"),
    [
        (RandomForestClassifier(random_state=0, class_weight="balanced"), "n_estimators"),
        (ExtraTreesClassifier(random_state=0, class_weight="balanced_subsample", bootstrap=True),
         "n_estimators"),
        (GradientBoostingClassifier(random_state=0), "n_estimators"),
        (HistGradientBoostingClassifier(random_state=0, class_weight="balanced"), "max_iter"),
        (XGBClassifier(random_state=0, n_jobs=1), "n_estimators"),
        (LGBMClassifier(random_state=0, n_jobs=1, verbose=-1, class_weight="balanced"),
         "n_estimators"),
        (EpochTrained(MLPClassifier((4,)), random_state=0), "epochs"),
        (SoftmaxClassifier(random_state=0), "epochs"),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_to_go_on_says_nothing_that_the_user_did_not_ask_for(model, resource):
    inner = {"EpochTrained": "estimator__alpha", "SoftmaxClassifier": "alpha"}
    name = inner.get(type(model).__name__, "max_depth")
    rules = {
        "resource": resource, "cv": 2, "factor": 2, "max_resources": 8, "min_resources": 4,
        "aggressive_elimination": True,
    }  # fmt: skip
    space = {name: [1, 2, 3, 4, 5, 6, 7, 8]}
    # Noted, not raised: what raises in a training that goes on is trained again in silence.
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        mine = PackSweepSearchCV(model, space, strategy="halving", **rules).fit(X, Y)
    assert [str(warning.message) for warning in said] == []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = HalvingGridSearchCV(model, space, return_train_score=False, **rules).fit(X, Y)
    alike(mine, theirs)
    assert mine.n_resources_[:2] == [4, 4]  # more of nothing
    assert mine.n_resources_[-1] == 8


def test_what_fails_in_halving_fails_alone():
    space = {"max_depth": [2, -1, 3, 4]}
    rules = {"resource": "n_estimators", "cv": 2, "factor": 2, "max_resources": 8}
    model = RandomForestClassifier(random_state=0)
    with pytest.warns(Warning, match="fits failed|non-finite"):
        mine = PackSweepSearchCV(model, space, strategy="halving", **rules).fit(X, Y)
    with pytest.warns(Warning, match="fits failed|non-finite"):
        theirs = HalvingGridSearchCV(model, space, return_train_score=False, **rules).fit(X, Y)
    alike(mine, theirs)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_random_is_randomized_search(n_jobs):
    model = RandomForestClassifier(random_state=0)
    space = {"n_estimators": [2, 4, 8], "max_depth": [2, 3], "min_impurity_decrease": [0.0]}
    given = {"cv": 2, "random_state": 7, "n_jobs": n_jobs}
    mine = PackSweepSearchCV(
        model, space, resource="n_estimators", strategy="random", n_trials=5, **given
    ).fit(X, Y)
    alike(mine, RandomizedSearchCV(model, space, n_iter=5, **given).fit(X, Y))
    assert mine.n_trainings_ == 4


SPACE = {
    "n_estimators": [2, 4, 6, 8],
    "max_depth": stats.randint(2, 6),
    "max_features": stats.uniform(0.1, 0.8),
    "min_impurity_decrease": stats.loguniform(1e-6, 1e-2),
    "ccp_alpha": stats.truncnorm(0, 3, scale=1e-3),
    "criterion": ["gini", "entropy"],
    "class_weight": [None, {0: 2.0}],
}


@pytest.mark.parametrize(
    "sampler", ["tpe", "qmc", optuna.samplers.TPESampler(seed=1), optuna.samplers.RandomSampler(3)]
)
def test_samplers_keep_to_the_space_and_repeat(sampler):
    model = RandomForestClassifier(random_state=0)
    given = {"resource": "n_estimators", "strategy": sampler, "n_trials": 20, "random_state": 4}
    first, second = (PackSweepSearchCV(model, SPACE, cv=2, **given).fit(X, Y) for _ in range(2))
    assert first.cv_results_["params"] == second.cv_results_["params"]
    assert len(first.cv_results_["params"]) == 20
    for params in first.cv_results_["params"]:
        assert set(params) == set(SPACE)
        for name, values in SPACE.items():
            value = params[name]
            if not hasattr(values, "rvs"):
                assert value in values
            else:
                low, high = values.support()
                assert low <= value <= high
                assert isinstance(value, int) == (name == "max_depth")
    assert first.best_score_ == max(first.cv_results_["mean_test_score"])


class Told(optuna.samplers.RandomSampler):
    """Notes what it is told, in a class of everybody's: a copy is asked."""

    values: list = []  # noqa: RUF012

    def after_trial(self, study, trial, state, values):
        Told.values.append((state.name, values))
        super().after_trial(study, trial, state, values)


def test_a_sampler_is_told_each_score_with_the_greatest_as_the_best():
    Told.values = []
    space = {"max_depth": [2, 3, -1], "n_estimators": [2, 3]}
    with pytest.warns(Warning, match="fits failed|non-finite"):
        found = PackSweepSearchCV(
            RandomForestClassifier(random_state=0), space, resource="n_estimators", cv=2,
            strategy=Told(2), n_trials=12,
        ).fit(X, Y)  # fmt: skip
    scores = found.cv_results_["mean_test_score"]
    assert [state for state, _ in Told.values] == [
        "FAIL" if np.isnan(score) else "COMPLETE" for score in scores
    ]
    told = [value[0] for state, value in Told.values if state == "COMPLETE"]
    assert told == [-score for score in scores if not np.isnan(score)]


def test_several_scores_are_told_by_the_one_that_refits(monkeypatch):
    given = {"resource": "n_estimators", "cv": 2, "strategy": "tpe", "n_trials": 4}
    space = {"n_estimators": [2, 3]}
    model, scoring = RandomForestRegressor(random_state=0), ["r2", "neg_mean_absolute_error"]
    found = PackSweepSearchCV(model, space, scoring=scoring, refit="r2", **given).fit(X, Y)
    assert "mean_test_neg_mean_absolute_error" in found.cv_results_
    fitted = []
    monkeypatch.setattr(RandomForestRegressor, "fit", lambda self, *_: fitted.append(self))
    with pytest.raises(ValueError, match="one score; name it in refit"):
        PackSweepSearchCV(model, space, scoring=scoring, refit=False, **given).fit(X, Y)
    assert not fitted


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"strategy": "gird"}, "strategy is 'gird'; it must be 'grid', 'random', 'halving', 'tpe'"),
        ({"strategy": 3}, "strategy is 3; it must be"),
        ({"strategy": optuna.samplers.TPESampler}, r"it must be .* sampler of Optuna, such as TPE"),
        ({"space": "ab"}, "space is 'ab'; it must be a dict"),
        ({"space": "ab", "strategy": "random"}, "space is 'ab'; it must be a dict"),
        ({"space": ["ab"], "strategy": "halving"}, r"space is \['ab'\]; it must be a dict"),
        ({"space": None, "strategy": "tpe"}, "space is None; it must be a dict"),
        (
            {"strategy": "halving", "space": {"max_depth": [2]}, "max_resources": "x"},
            "'max_resources' parameter of PackSweepSearchCV",
        ),
        ({"space": {"max_depth": stats.randint(1, 3)}}, "max_depth is a distribution"),
        ({"strategy": "halving"}, "Take it out of the space"),
        ({"strategy": "halving", "resource": None}, "needs a resource"),
        ({"strategy": "halving", "resource": "epochs"}, "not a parameter of RandomForest"),
        (
            {"strategy": "halving", "scoring": ["accuracy", "f1_macro"], "refit": "accuracy",
             "space": {"max_depth": [2]}},
            "by one score",
        ),
        ({"strategy": "tpe", "space": [{"max_depth": [2]}]}, "one space: a dict"),
        ({"strategy": "tpe", "space": {"max_depth": 3}}, "list of values, or a distribution"),
        ({"strategy": "tpe", "n_trials": 0}, "n_trials"),
        ({"strategy": "halving", "factor": 1}, "factor"),
        ({"factor": 2}, "factor is 2, which only strategy='halving' takes"),
        ({"strategy": "random", "max_resources": 9}, "max_resources is 9, which"),
        ({"strategy": "tpe", "min_resources": "x"}, "min_resources is 'x', which"),
        ({"aggressive_elimination": True}, "aggressive_elimination is True, which"),
        ({"n_trials": 3}, "n_trials is 3, and strategy='grid' tries every combination"),
        ({"n_jobs": 2, "executor": "serial"}, "n_jobs is 2, and executor='serial'"),
        ({"pre_dispatch": 1, "executor": "serial"}, "pre_dispatch is 1, which is for joblib"),
        ({"space": {5: [1]}}, "space has the key 5; each must be the name"),
        ({"refit": "nope"}, "refit is 'nope', and scoring=None gives one score"),
        ({"refit": "f1_macro", "scoring": "accuracy"}, "gives one score, which is not"),
        (
            {"strategy": "halving", "space": {"max_depth": [2]}, "max_resources": 2,
             "min_resources": 3},
            "is greater than max_resources_=2",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(given, says):
    space = given.pop("space", {"n_estimators": [2, 3]})
    given = {"resource": "n_estimators", **given}
    search = PackSweepSearchCV(RandomForestClassifier(), space, cv=2, **given)
    with pytest.raises(ValueError, match=says):
        search.fit(X, Y)


@pytest.mark.parametrize(
    "given",
    [{"refit": "accuracy"}, {"refit": "score"}, {"refit": "f1_macro", "scoring": "f1_macro"},
     {"refit": "mine", "scoring": lambda model, X, y: model.score(X, y)}, {"factor": 3.0}],
)  # fmt: skip
def test_what_is_called_by_its_name_or_said_as_it_is_is_taken(given):
    space = {"n_estimators": [2, 3]}
    search = PackSweepSearchCV(
        RandomForestClassifier(random_state=0), space, resource="n_estimators", cv=2, **given
    )
    assert search.fit(X, Y).best_params_["n_estimators"] in {2, 3}


def test_a_class_is_no_estimator():
    search = PackSweepSearchCV(RandomForestClassifier, {"n_estimators": [2]})
    with pytest.raises(TypeError, match=r"give an estimator, such as RandomForestClassifier\(\)"):
        search.fit(X, Y)
    with pytest.raises(TypeError, match="it must be a classifier with partial_fit"):
        EpochTrained(RandomForestClassifier()).fit(X, Y)


class Broken(optuna.samplers.RandomSampler):
    def sample_independent(self, *given):
        raise RuntimeError("out of ideas")


def test_a_sampler_that_fails_says_nothing_of_a_log():
    search = PackSweepSearchCV(
        RandomForestClassifier(), {"max_depth": [2, 3]}, cv=2, strategy=Broken()
    )
    said = r"sampler 'Broken' failed: RuntimeError: out of ideas. Choose another one or other opt"
    with pytest.raises(SamplerError, match=said):
        search.fit(X, Y)


@pytest.mark.parametrize(
    "values", [np.arange(1, 9, 2), list(np.arange(1, 9, 2)), range(1, 9, 2), [1, np.int8(3), 5, 7]]
)
def test_whole_numbers_of_any_kind_are_an_axis(values):
    from search.tuning.parameter_spaces import ParameterTuner

    tuner = ParameterTuner({"n": values}, "tpe", 0, 8)
    assert tuner._tuner._distributions == {"n": optuna.distributions.IntDistribution(1, 7, step=2)}
    assert {type(params["n"]) for params in tuner.wave(0, 8)} == {int}


@pytest.mark.parametrize("values", [np.array([1, 2, 5]), np.array([True, False]), [1, True]])
def test_other_arrays_are_choices(values):
    from search.tuning.parameter_spaces import ParameterTuner

    tuner = ParameterTuner({"n": values}, "tpe", 0, 8)
    [found] = tuner._tuner._distributions.values()
    assert isinstance(found, optuna.distributions.CategoricalDistribution)
    assert {params["n"] for params in tuner.wave(0, 8)} <= set(values)


def test_without_optuna_a_sampler_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    for name in [name for name in sys.modules if name.startswith("search.tuning")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(MissingLibraryError, match=r"sampler.* needs optuna.*\[optuna\]"):
        PackSweepSearchCV(
            LogisticRegression(), {"C": [1.0, 2.0]}, cv=2, strategy="tpe", n_trials=2
        ).fit(X, Y)


# --- In a folder


KILLED = """
import os, signal, sys
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from search.estimators import PackSweepSearchCV
from search.estimators.kept_results import KeptResults

X, y = load_digits(n_class=4, return_X_y=True)
left, really = [int(sys.argv[2])], KeptResults.write
def write(*args):
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    really(*args)
KeptResults.write = write
PackSweepSearchCV(
    RandomForestClassifier(random_state=0), {"max_depth": [1, 2, 3, 4, 5, 6, 7]},
    resource="n_estimators", cv=2, strategy="halving", factor=2, max_resources=12,
    min_resources=3, folder=sys.argv[1],
).fit(X[:240], y[:240])
"""


@pytest.mark.parametrize("written", [5, 16, 23])
def test_killed_between_rungs_it_trains_on(tmp_path, written, monkeypatch):
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(written)], check=False)
    from sklearn.ensemble import _forest

    grown, counted = [], _forest._parallel_build_trees
    monkeypatch.setattr(
        _forest, "_parallel_build_trees", lambda *a, **k: grown.append(1) or counted(*a, **k)
    )
    given = {
        "resource": "n_estimators", "cv": 2, "strategy": "halving", "factor": 2,
        "max_resources": 12, "min_resources": 3,
    }  # fmt: skip
    model = RandomForestClassifier(random_state=0)
    mine = PackSweepSearchCV(model, DEPTHS, folder=tmp_path, refit=False, **given).fit(X, Y)
    done = [3] * 14 + [3] * 8 + [6] * 4  # trees of each training, rung by rung
    assert len(grown) == sum(done[written:])
    assert not list(tmp_path.glob("*.fitted"))
    monkeypatch.undo()
    whole = PackSweepSearchCV(model, DEPTHS, refit=False, **given).fit(X, Y)
    for name in ("iter", "n_resources", "split0_test_score", "split1_test_score"):
        np.testing.assert_array_equal(mine.cv_results_[name], whole.cv_results_[name])


@pytest.mark.parametrize("strategy", ["random", "tpe"])
def test_a_search_without_a_seed_goes_on_with_that_of_its_folder(tmp_path, strategy):
    given = {"resource": "n_estimators", "cv": 2, "strategy": strategy, "n_trials": 10}
    space = {"n_estimators": [2, 4], "max_depth": stats.randint(2, 9)}
    model = RandomForestClassifier(random_state=0)
    first, second = (
        PackSweepSearchCV(model, space, folder=tmp_path, **given).fit(X, Y) for _ in range(2)
    )
    assert first.cv_results_["params"] == second.cv_results_["params"]
    assert list(first.cv_results_["mean_fit_time"]) == list(second.cv_results_["mean_fit_time"])
    with pytest.raises(ValueError, match="another search: its space"):
        PackSweepSearchCV(model, space, folder=tmp_path, random_state=1, **given).fit(X, Y)


def test_damaged_estimators_are_trained_anew(tmp_path):
    from search.estimators.kept_results import KeptResults
    from search.estimators.shared_fits import Unit

    unit, params = Unit(0, (0,)), [{"a": 1}]
    with KeptResults.opened(tmp_path, {"data": "x"}) as kept:
        kept.write_fitted(unit, params, (LogisticRegression(C=3.0),))
        assert kept.fitted(unit, params)[0].C == 3.0
        [path] = tmp_path.glob("*.fitted")
        content = path.read_bytes()
        path.write_bytes(content.replace(b"LogisticRegression", b"LogisticRegressiom", 1))
        assert kept.fitted(unit, params) == ()
        kept.write_fitted(unit, params, (lambda: 0,))  # cannot be pickled
        kept.forget_fitted(unit, params)
        assert kept.fitted(unit, params) == ()


def _two(estimator, X, y):
    """Score by two names, as a scorer of one's own may."""
    return {"r2": estimator.score(X, y), "one": 1.0}


def test_a_scorer_of_ones_own_tells_a_sampler_the_score_that_refits():
    pytest.importorskip("optuna")
    given = {"resource": "n_estimators", "strategy": "random", "cv": 2, "random_state": 0}
    model, space = RandomForestRegressor(random_state=0), {"n_estimators": [2, 4, 6]}
    found = [
        PackSweepSearchCV(
            model, space, scoring=scoring, refit="r2", **given | {"strategy": "tpe", "n_trials": 9}
        ).fit(X, Y)
        for scoring in (_two, ["r2", "neg_mean_squared_error"])
    ]
    assert found[0].cv_results_["params"] == found[1].cv_results_["params"]
    assert found[0].best_params_ == found[1].best_params_


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"refit": "r3"}, "must be set to a scorer key"),
        ({"refit": True}, "must be set to a scorer key"),
        ({"refit": False, "strategy": "tpe", "n_trials": 9}, "one score; name it in refit"),
        ({"refit": "r2", "strategy": "halving", "max_resources": 9}, "compares by one score"),
    ],
)
def test_what_does_not_fit_the_names_of_scores_is_told_after_the_first_training(more, said):
    pytest.importorskip("optuna")
    calls = []

    def scoring(estimator, X, y):
        calls.append(1)
        return _two(estimator, X, y)

    space = {"max_depth": [1, 2, 3, 4]}
    if more.get("strategy") != "halving":
        space["n_estimators"] = [3]
    search = PackSweepSearchCV(
        RandomForestRegressor(random_state=0), space, resource="n_estimators", cv=4,
        scoring=scoring, **more,
    )  # fmt: skip
    with pytest.raises(ValueError, match=said):
        search.fit(X, Y)
    assert len(calls) < 8  # those of one training, in place of 16 or more
