"""The search is GridSearchCV with a part of the work: keys, scores to the bit, errors, routing."""

import json
import pickle
import signal
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from lightgbm import LGBMClassifier, LGBMRegressor, early_stopping
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.datasets import load_diabetes, load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression, SGDClassifier, SGDRegressor
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    HalvingGridSearchCV,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    cross_val_score,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from xgboost import XGBClassifier, XGBRFClassifier

from search.errors import StoreError
from search.estimators import (
    EpochTrained,
    PackSweepSearchCV,
    SharesNothingWarning,
    SoftmaxClassifier,
)
from search.estimators.shared_fits import Work
from search.estimators.sharing import family_of

ROUNDS = [3, 7, 12]
X, Y = load_digits(return_X_y=True)
X, Y = X[:400], Y[:400]
OURS = ("time",)


def same(mine, theirs, atol=0.0):
    """Compare all that two searches say, but for the time that it took."""
    assert set(mine.cv_results_) == set(theirs.cv_results_)
    for name, values in theirs.cv_results_.items():
        if name == "params":
            assert mine.cv_results_[name] == values
        elif name.startswith("param_"):
            assert list(mine.cv_results_[name]) == list(values)
        elif "time" not in name:
            np.testing.assert_allclose(mine.cv_results_[name], values, rtol=0, atol=atol)
    if theirs.refit:
        assert mine.best_params_ == theirs.best_params_
        assert mine.best_index_ == theirs.best_index_
        rows = X[:, : mine.n_features_in_]
        np.testing.assert_array_equal(mine.predict(rows), theirs.predict(rows))


MODELS = {
    "forest": (RandomForestClassifier(random_state=0), "n_estimators", {"max_depth": [2, None]}),
    "extra trees": (ExtraTreesClassifier(random_state=0), "n_estimators", {"max_depth": [2, 4]}),
    "boosting": (
        GradientBoostingClassifier(random_state=0, subsample=0.5), "n_estimators",
        {"max_depth": [1, 2]},
    ),
    "histograms": (
        HistGradientBoostingClassifier(random_state=0), "max_iter", {"max_leaf_nodes": [4, 8]}
    ),
    "xgboost": (
        XGBClassifier(random_state=0, n_jobs=1, subsample=0.6, colsample_bytree=0.5),
        "n_estimators", {"max_depth": [1, 2]},
    ),
    "lightgbm": (
        LGBMClassifier(random_state=0, n_jobs=1, verbose=-1, subsample=0.6, subsample_freq=1),
        "n_estimators", {"num_leaves": [3, 5]},
    ),
    "perceptron": (
        EpochTrained(MLPClassifier((8,)), random_state=0), "epochs",
        {"estimator__alpha": [1e-4, 1.0]},
    ),
    "linear": (
        EpochTrained(SGDClassifier(loss="log_loss"), random_state=3), "epochs",
        {"estimator__alpha": [1e-4, 1.0]},
    ),
    "softmax": (
        SoftmaxClassifier(random_state=0), "epochs",
        {"alpha": [0.001, 0.1], "learning_rate": ["auto", 0.01], "batch_size": [32, 64],
         "average": [False, True]},
    ),
    "pipeline": (
        Pipeline([("scale", StandardScaler()), ("pca", PCA(random_state=0)),
                  ("model", RandomForestClassifier(random_state=0))]),
        "model__n_estimators", {"pca__n_components": [5, 10]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", MODELS)
def test_it_is_grid_search_to_the_bit(kind):
    model, resource, more = MODELS[kind]
    space = {resource: ROUNDS, **more}
    given = {"cv": 3, "return_train_score": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the models' own
        mine = PackSweepSearchCV(model, space, resource=resource, **given).fit(X, Y)
        theirs = GridSearchCV(model, space, **given).fit(X, Y)
    same(mine, theirs)
    together = 2 if kind == "softmax" else int(np.prod([len(values) for values in more.values()]))
    assert mine.n_trainings_ == 3 * together


@pytest.mark.parametrize(
    ("model", "resource"),
    [
        (RandomForestRegressor(random_state=0), "n_estimators"),
        (GradientBoostingRegressor(random_state=0), "n_estimators"),
        (HistGradientBoostingRegressor(random_state=0), "max_iter"),
        (LGBMRegressor(random_state=0, n_jobs=1, verbose=-1), "n_estimators"),
    ],
)
def test_regressors(model, resource):
    rows, target = load_diabetes(return_X_y=True)
    space = {resource: [7, 3]}
    mine = PackSweepSearchCV(model, space, resource=resource, cv=3).fit(rows, target)
    theirs = GridSearchCV(model, space, cv=3).fit(rows, target)
    for name in ("split0_test_score", "split2_test_score", "rank_test_score"):
        np.testing.assert_array_equal(mine.cv_results_[name], theirs.cv_results_[name])
    assert mine.n_trainings_ == 3


FOREST = RandomForestClassifier(random_state=0)
SPACE = {"n_estimators": ROUNDS, "max_depth": [2, 4]}


@pytest.mark.parametrize(
    "given",
    [
        {"scoring": "neg_log_loss"},
        {"scoring": ["accuracy", "f1_macro"], "refit": "f1_macro"},
        {"scoring": {"a": "accuracy", "b": "neg_log_loss"}, "refit": False},
        {"scoring": lambda model, rows, y: {"half": model.score(rows, y) / 2}, "refit": "half"},
        {"refit": lambda results: len(results["params"]) - 1},
        {"cv": ShuffleSplit(2, random_state=0)},
        {"cv": RepeatedStratifiedKFold(n_splits=2, n_repeats=2, random_state=0)},
        {"cv": [(np.arange(300), np.arange(300, 400)), (np.arange(100, 400), np.arange(100))]},
        {"n_jobs": 2},
        {"return_train_score": True, "error_score": "raise"},
    ],
)
def test_all_that_grid_search_takes(given):
    space = [{"n_estimators": ROUNDS}, {"n_estimators": [5], "criterion": ["entropy"]}]
    given = {"cv": 3, **given}
    mine = PackSweepSearchCV(FOREST, space, resource="n_estimators", **given).fit(X, Y)
    theirs = GridSearchCV(FOREST, space, **given).fit(X, Y)
    same(mine, theirs)


def test_groups_weights_frames_and_labels():
    frame, names = (
        pd.DataFrame(X, columns=[f"p{k}" for k in range(64)]),
        np.array(list("abcdefghij"))[Y],
    )
    given = {"groups": np.arange(400) % 7, "sample_weight": np.linspace(0.5, 2, 400)}
    how = {"cv": GroupKFold(3), "scoring": "accuracy"}
    mine = PackSweepSearchCV(FOREST, SPACE, resource="n_estimators", **how).fit(
        frame, names, **given
    )
    theirs = GridSearchCV(FOREST, SPACE, **how).fit(frame, names, **given)
    for name in ("split0_test_score", "split1_test_score", "mean_test_score"):
        np.testing.assert_array_equal(mine.cv_results_[name], theirs.cv_results_[name])
    assert mine.feature_names_in_.tolist() == list(frame.columns)
    assert set(mine.predict(frame)) <= set(names)
    assert mine.classes_.tolist() == sorted(set(names))


@pytest.mark.parametrize(
    "bad", [{"max_depth": [2, -1]}, {"n_estimators": [3, 0]}, {"n_estimators": [3, "x"]}]
)
def test_a_candidate_that_cannot_be_trained_fails_alone(bad):
    space = {**SPACE, **bad}
    with pytest.warns(Warning, match="fits failed|non-finite"):
        mine = PackSweepSearchCV(FOREST, space, resource="n_estimators", cv=2).fit(X, Y)
    with pytest.warns(Warning, match="fits failed|non-finite"):
        theirs = GridSearchCV(FOREST, space, cv=2).fit(X, Y)
    same(mine, theirs)
    with pytest.raises(ValueError, match="must be"):
        PackSweepSearchCV(FOREST, space, resource="n_estimators", error_score="raise").fit(X, Y)


def counting(monkeypatch):
    """Return a list that gets the parameters of each fit by scikit-learn's own code."""
    alone, really = [], Work._alone
    monkeypatch.setattr(
        Work, "_alone", lambda self, job, params: alone.append(params) or really(self, job, params)
    )
    return alone


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore:One or more of the|overflow|invalid|divide")
@pytest.mark.parametrize(
    ("model", "resource", "space", "fails"),
    [
        (SoftmaxClassifier(random_state=0), "epochs",
         {"learning_rate": [0.01, 0.05, 1e30], "alpha": [0.1, 1.0], "epochs": [1, 2, 3]}, 6),
        (SoftmaxClassifier(random_state=0), "epochs",
         {"learning_rate": [0.01, 0.05, "fast"], "epochs": [0, 1, 2]}, 5),
        (RandomForestClassifier(random_state=0), "n_estimators", {"n_estimators": [2, 0, 4]}, 1),
        (HistGradientBoostingClassifier(random_state=0), "max_iter", {"max_iter": [2, 1.5, 4]}, 1),
        (LGBMClassifier(random_state=0, n_jobs=1, verbose=-1), "n_estimators",
         {"n_estimators": [3, "x", 5]}, 1),
        (EpochTrained(SGDClassifier(), random_state=0), "epochs", {"epochs": [1, -1, 3]}, 1),
        (make_pipeline(StandardScaler(), RandomForestClassifier(random_state=0)),
         "randomforestclassifier__n_estimators",
         {"randomforestclassifier__n_estimators": [2, True, 4]}, 1),
    ],
)  # fmt: skip
def test_the_others_of_one_that_fails_share_their_training(
    model, resource, space, fails, monkeypatch
):
    alone = counting(monkeypatch)
    given = {"cv": 2, "refit": False}
    mine = PackSweepSearchCV(model, space, resource=resource, **given).fit(X, Y)
    assert len(alone) == 2 * fails
    assert mine.n_trainings_ == 2 * (1 + fails)
    same(mine, GridSearchCV(model, space, **given).fit(X, Y), atol=1e-4)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore:One or more of the test scores")
def test_what_fails_together_is_counted_as_often_as_it_was_begun(monkeypatch):
    alone = counting(monkeypatch)
    space = {"n_estimators": [2, 4], "max_depth": [-1, 2]}
    mine = PackSweepSearchCV(FOREST, space, resource="n_estimators", cv=2).fit(X, Y)
    assert len(alone) == 2 * 2
    assert mine.n_trainings_ == 2 * (1 + 2) + 2


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore:One or more of the|overflow|invalid|divide")
def test_in_halving_those_go_on_that_have_not_failed(tmp_path, monkeypatch):
    model = SoftmaxClassifier(random_state=0)
    space = {"learning_rate": [0.01, 0.02, 0.05, 1e30]}
    given = {
        "resource": "epochs", "strategy": "halving", "factor": 2, "min_resources": 2,
        "max_resources": 8, "cv": 2, "refit": False,
    }  # fmt: skip
    going, really = [], Work.done

    def noting(self, job):
        going.append(len(job.going))
        return really(self, job)

    monkeypatch.setattr(Work, "done", noting)
    mine = PackSweepSearchCV(model, space, folder=tmp_path, **given).fit(X, Y)
    assert going == [0, 0, 2, 2, 1, 1]
    theirs = HalvingGridSearchCV(
        model, space, resource="epochs", factor=2, min_resources=2, max_resources=8, cv=2,
        refit=False, return_train_score=False,
    ).fit(X, Y)  # fmt: skip
    same(mine, theirs, atol=1e-4)
    # Of what is kept the one that has failed is tried again, and nothing else.
    going.clear()
    again = PackSweepSearchCV(model, space, folder=tmp_path, **given).fit(X, Y)
    assert going == [0, 0]
    same(again, mine)


def test_a_rate_that_diverges_fails_alone():
    space = {"learning_rate": [0.01, 1e30], "epochs": [1, 3]}
    model = SoftmaxClassifier(random_state=0)
    with pytest.warns(Warning, match="fits failed|non-finite|overflow|invalid"):
        found = PackSweepSearchCV(model, space, resource="epochs", cv=2).fit(X, Y)
    scores = dict(
        zip(
            map(str, found.cv_results_["params"]), found.cv_results_["mean_test_score"], strict=True
        )
    )
    assert sum(np.isnan(score) for score in scores.values()) == 2
    assert found.best_params_["learning_rate"] == 0.01


@pytest.mark.parametrize(
    ("model", "space", "resource"),
    [
        (LogisticRegression(), {"max_iter": [50, 100]}, "max_iter"),
        (MLPClassifier((4,), max_iter=3), {"max_iter": [2, 3]}, "max_iter"),
        (RandomForestClassifier(), {"n_estimators": [2, 3]}, None),
        (RandomForestClassifier(oob_score=True), {"n_estimators": [30, 40]}, "n_estimators"),
        (GradientBoostingClassifier(n_iter_no_change=1), {"n_estimators": [2, 3]}, "n_estimators"),
        (HistGradientBoostingClassifier(early_stopping=True), {"max_iter": [2, 3]}, "max_iter"),
        (XGBClassifier(booster="gblinear", n_jobs=1), {"n_estimators": [2, 3]}, "n_estimators"),
        (LGBMClassifier(boosting_type="dart"), {"n_estimators": [2, 3]}, "n_estimators"),
    ],
)  # fmt: skip
def test_what_cannot_go_on_is_trained_anew_and_told(model, space, resource):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = PackSweepSearchCV(model, space, resource=resource, cv=2).fit(X, Y)
    [shares] = [w for w in told if issubclass(w.category, SharesNothingWarning)]
    assert "is trained again for each of the 2 candidates on each of the 2 splits" in str(
        shares.message
    )
    assert ("EpochTrained(MLPClassifier" in str(shares.message)) == isinstance(model, MLPClassifier)
    assert found.n_trainings_ == 4


@pytest.mark.parametrize(
    ("model", "space", "given", "hint"),
    [
        (RandomForestClassifier(), {"n_estimators": [2]}, {}, "With resource='n_estimators' they"),
        (RandomForestClassifier(), {"max_depth": [2]}, {}, ""),
        (
            make_pipeline(PCA(), RandomForestClassifier()),
            {"randomforestclassifier__n_estimators": [2]}, {},
            "With resource='randomforestclassifier__n_estimators' they share it.",
        ),
        (SoftmaxClassifier(), {"alpha": [0.1]}, {}, "With resource='epochs' they share it."),
        (SoftmaxClassifier(), {"epochs": [1]}, {"resource": "alpha"}, "With resource='epochs'"),
        (SoftmaxClassifier(warm_start=True), {"epochs": [1]}, {"resource": "epochs"}, ""),
        (EpochTrained(GaussianNB()), {"epochs": [1]}, {}, "With resource='epochs' they share it."),
        (GaussianNB(), {"var_smoothing": [1.0]}, {}, "EpochTrained(GaussianNB(...)) with"),
        (
            make_pipeline(PCA(), GaussianNB()), {"pca__n_components": [2]}, {},
            "EpochTrained(GaussianNB(...)) with resource='gaussiannb__epochs' can.",
        ),
        (SGDRegressor(), {"alpha": [0.1]}, {}, ""),
        (MLPRegressor(hidden_layer_sizes=(2,)), {"alpha": [0.1]}, {}, ""),
        (LogisticRegression(), {"C": [0.1]}, {}, ""),
    ],
)  # fmt: skip
def test_a_hint_is_one_that_can_be_followed(model, space, given, hint):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        PackSweepSearchCV(model, space, cv=2, refit=False, **given).fit(X, Y)
    [shares] = [w for w in told if issubclass(w.category, SharesNothingWarning)]
    said = str(shares.message)
    assert hint in said
    assert ("With resource=" in said or "EpochTrained(" in said) == bool(hint)


@pytest.mark.parametrize("model", [SGDRegressor(), LogisticRegression(), SGDClassifier])
def test_epochs_are_for_classifiers_with_partial_fit(model):
    with pytest.raises(
        TypeError, match=r"; it must be a classifier with partial_fit, such as SGDCl"
    ):
        EpochTrained(model).fit(X, Y)


def test_a_parameter_that_there_is_not_is_told_without_a_false_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error", SharesNothingWarning)
        with pytest.raises(ValueError, match="Invalid parameter 'alpa'"):
            PackSweepSearchCV(
                SoftmaxClassifier(), {"alpa": [0.1]}, resource="epochs", error_score="raise"
            ).fit(X, Y)


def test_some_that_may_stop_early_are_trained_alone():
    model = GradientBoostingClassifier(random_state=0)
    space = {"n_estimators": [4, 8], "n_iter_no_change": [None, 2]}
    mine = PackSweepSearchCV(model, space, resource="n_estimators", cv=2).fit(X, Y)
    same(mine, GridSearchCV(model, space, cv=2).fit(X, Y))
    assert mine.n_trainings_ == 2 * 3


def test_families_are_known_by_their_classes_not_by_names():
    class Mine(BaseEstimator):
        def __init__(self, n_estimators=3):
            self.n_estimators = n_estimators

    class Derived(RandomForestClassifier):
        pass

    assert family_of(Mine(), "n_estimators") is None
    assert family_of(Derived(), "n_estimators") is None  # it may train in another way
    assert family_of(XGBRFClassifier(), "n_estimators") is None
    assert family_of(FOREST, "n_estimators") is not None
    assert family_of(FOREST, "max_depth") is None
    pipeline = make_pipeline(StandardScaler(), FOREST)
    assert family_of(pipeline, "randomforestclassifier__n_estimators") is not None
    assert family_of(pipeline, "n_estimators") is None


class Longest(BaseEstimator, TransformerMixin):
    """Scales by the mean of weights whose middle no repr shows."""

    def __init__(self, weights=None):
        self.weights = weights

    def fit(self, rows, labels=None):
        return self

    def transform(self, rows):
        return rows * np.mean(self.weights)


def test_values_that_are_shown_alike_are_told_apart(tmp_path):
    one, other = np.ones(5000), np.ones(5000)
    other[2500] = -1e6
    assert repr(one) == repr(other)
    model = Pipeline([("scale", Longest()), ("model", GradientBoostingClassifier(max_depth=1))])
    space = {"scale__weights": [one, other], "model__n_estimators": [2, 4]}
    given = {"cv": 2, "resource": "model__n_estimators", "folder": tmp_path}
    mine = PackSweepSearchCV(model, space, **given).fit(X, Y)
    assert mine.n_trainings_ == 4
    fixed = clone(model).set_params(scale__weights=one)
    only = {"model__n_estimators": [2, 4]}
    given["folder"] = tmp_path / "fixed"
    PackSweepSearchCV(fixed, only, **given).fit(X, Y)
    with pytest.raises(ValueError, match="another search: its estimator"):
        PackSweepSearchCV(clone(model).set_params(scale__weights=other), only, **given).fit(X, Y)


@pytest.mark.filterwarnings("ignore:The argument 'eval_set'")
def test_what_fit_is_given_besides_weights_may_end_a_training():
    model = LGBMClassifier(random_state=0, n_jobs=1, verbose=-1)
    space, told = {"n_estimators": [3, 40]}, {"eval_set": [(X[:60] + 1, Y[:60])]}
    given = {"callbacks": [early_stopping(1, first_metric_only=True, verbose=False)], **told}
    with pytest.warns(SharesNothingWarning):
        mine = PackSweepSearchCV(model, space, resource="n_estimators", cv=2).fit(X, Y, **given)
    same(mine, GridSearchCV(model, space, cv=2).fit(X, Y, **given))


@pytest.mark.parametrize("more", [{"boosting": "dart"}, {"early_stopping_rounds": 2}])
def test_what_only_the_library_knows_is_not_cut(more):
    model = LGBMClassifier(n_jobs=1, verbose=-1, **more)
    assert family_of(model, "n_estimators").stops(model, 100)


def test_seeds_of_one_generator_are_those_of_grid_search():
    model = SoftmaxClassifier(random_state=np.random.RandomState(5))
    space = {"epochs": [1, 2], "alpha": [0.01, 0.1]}
    mine = PackSweepSearchCV(model, space, resource="epochs", cv=2, refit=False).fit(X, Y)
    same(mine, GridSearchCV(model, space, cv=2, refit=False).fit(X, Y))


EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": "folds count rows, not weights",
    "check_sample_weights_equivalence": "folds count rows, not weights",
    "check_sample_weight_equivalence_on_sparse_data": "folds count rows, not weights",
}


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")  # scikit-learn's, of y
@parametrize_with_checks(
    [
        PackSweepSearchCV(
            SoftmaxClassifier(random_state=0),
            {"epochs": [20, 40]},
            resource="epochs",
            cv=2,
            error_score="raise",  # as scikit-learn tests its own searches
        ),
        EpochTrained(SGDClassifier(loss="log_loss"), epochs=20),
    ],
    expected_failed_checks=lambda _: EXPECTED,
)
def test_scikit_learn_s_own_checks(estimator, check):
    check(estimator)


def test_clone_pickle_pipelines_and_nesting():
    search = PackSweepSearchCV(FOREST, SPACE, resource="n_estimators", cv=2)
    assert repr(clone(search)) == repr(search)
    fitted = search.fit(X, Y)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict(X), fitted.predict(X))
    assert cross_val_score(make_pipeline(StandardScaler(), search), X, Y, cv=2).mean() > 0.5


# --- In a folder


KILLED = """
import os, signal, sys
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from search.estimators import PackSweepSearchCV
from search.estimators.kept_results import KeptResults

X, y = load_digits(return_X_y=True)
left, really = [int(sys.argv[2])], KeptResults.write
def write(*args):
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    really(*args)
KeptResults.write = write
search = PackSweepSearchCV(
    RandomForestClassifier(random_state=0), {"n_estimators": [3, 7, 12], "max_depth": [2, 4]},
    resource="n_estimators", cv=3, folder=sys.argv[1],
).fit(X[:400], y[:400])
"""


@pytest.mark.parametrize("written", [0, 2, 5])
def test_killed_it_goes_on_in_another_process(tmp_path, written, monkeypatch):
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "kept"), str(written)], check=False
    )
    assert killed.returncode == -signal.SIGKILL
    trained = []
    really = RandomForestClassifier.fit
    monkeypatch.setattr(
        RandomForestClassifier, "fit", lambda *a, **k: trained.append(1) or really(*a, **k)
    )
    given = {"cv": 3, "resource": "n_estimators"}
    mine = PackSweepSearchCV(FOREST, SPACE, folder=tmp_path / "kept", **given).fit(X, Y)
    assert len(trained) == 6 - written + 1  # and the refit
    monkeypatch.undo()
    same(mine, PackSweepSearchCV(FOREST, SPACE, **given).fit(X, Y))
    again = PackSweepSearchCV(FOREST, SPACE, folder=tmp_path / "kept", **given).fit(X, Y)
    for name, values in mine.cv_results_.items():
        if name != "params":
            np.testing.assert_array_equal(list(again.cv_results_[name]), list(values))


def test_a_folder_with_other_things_is_refused_and_left_as_it_is(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    search = PackSweepSearchCV(FOREST, SPACE, resource="n_estimators", cv=2, folder=tmp_path)
    with pytest.raises(ValueError, match=r"holds thesis\.tex, which are not results of a search"):
        search.fit(X, Y)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    search.set_params(folder=tmp_path / "thesis.tex")
    with pytest.raises(StoreError, match=r"cannot be used: Not a directory\. Give another folder"):
        search.fit(X, Y)


@pytest.mark.parametrize(
    ("model", "space", "resource", "said"),
    [
        (FOREST, SPACE, "n_estimator", "did you mean 'n_estimators'?"),
        (make_pipeline(PCA(), FOREST), {"pca__n_components": [2]}, "n_estimators",
         "did you mean 'randomforestclassifier__n_estimators'?"),
        (FOREST, SPACE, "rounds", "it has "),
    ],
)  # fmt: skip
def test_a_resource_that_the_estimator_lacks_is_refused(model, space, resource, said):
    with pytest.raises(ValueError, match=f"resource='{resource}' is not a parameter") as error:
        PackSweepSearchCV(model, space, resource=resource, cv=2).fit(X, Y)
    assert said in str(error.value)


def test_a_resource_of_what_the_space_puts_in_is_taken():
    model = Pipeline([("model", "passthrough")])
    space = {"model": [FOREST], "model__n_estimators": [2, 3]}
    given = {"cv": 2, "scoring": "accuracy"}
    found = PackSweepSearchCV(model, space, resource="model__n_estimators", **given).fit(X, Y)
    assert found.best_params_ == GridSearchCV(model, space, **given).fit(X, Y).best_params_


def test_a_generator_of_splits_that_is_used_up_is_told_of():
    search = PackSweepSearchCV(
        FOREST, SPACE, resource="n_estimators", cv=ShuffleSplit(2, random_state=0).split(X)
    )
    search.fit(X, Y)
    with pytest.raises(ValueError, match="A generator gives its splits once"):
        search.fit(X, Y)


@pytest.mark.parametrize("kind", ["csr", "csc", "coo"])
def test_sparse_rows_are_trained_on_by_what_takes_them(kind):
    model = EpochTrained(SGDClassifier(random_state=0), random_state=0)
    rows, space = scipy.sparse.csr_array(X).asformat(kind), {"epochs": [1, 3]}
    found = PackSweepSearchCV(model, space, resource="epochs", cv=2).fit(rows, Y)
    same(found, GridSearchCV(model, space, cv=2).fit(rows, Y))
    dense = GridSearchCV(model, space, cv=2).fit(X, Y)
    np.testing.assert_allclose(
        found.cv_results_["mean_test_score"], dense.cv_results_["mean_test_score"], atol=0.02
    )
    assert (found.predict(rows) == found.predict(X)).all()


@pytest.mark.parametrize("given", [{"resource": 5}, {"folder": 3}, {"folder": ""}, {"address": 5}])
def test_an_argument_of_another_kind_is_refused_by_its_name(given):
    (name,) = given
    search = PackSweepSearchCV(RandomForestClassifier(), {"n_estimators": [1]}, **given)
    with pytest.raises(ValueError, match=name):
        search.fit([[0.0], [1.0]] * 10, [0, 1] * 10)


def test_weights_of_which_none_counts_are_refused():
    model = EpochTrained(SGDClassifier(random_state=0), random_state=0)
    with pytest.raises(ValueError, match="sample_weight is zero for every row"):
        model.fit(X, Y, sample_weight=np.zeros(len(Y)))


def test_sparse_rows_are_refused_by_what_takes_none():
    model = EpochTrained(GaussianNB(), random_state=0)
    with pytest.raises(TypeError, match="Sparse data was passed"):
        model.fit(scipy.sparse.csr_array(X), Y)


def test_another_search_in_the_folder_is_refused(tmp_path):
    search = PackSweepSearchCV(
        FOREST, SPACE, resource="n_estimators", cv=2, folder=tmp_path / "kept"
    )
    search.fit(X, Y)
    others = {
        "data": lambda: clone(search).fit(X + 1, Y),
        "space": lambda: clone(search).set_params(space={"n_estimators": [1, 2]}).fit(X, Y),
        "estimator": lambda: clone(search).set_params(estimator__criterion="entropy").fit(X, Y),
        "splits": lambda: clone(search).set_params(cv=3).fit(X, Y),
        "scoring": lambda: clone(search).set_params(scoring="f1_macro").fit(X, Y),
        "fit": lambda: clone(search).fit(X, Y, sample_weight=np.arange(1.0, 401)),
    }
    for what, fit in others.items():
        with pytest.raises(ValueError, match=f"another search: its.* {what}"):
            fit()


def test_a_damaged_result_is_trained_again(tmp_path):
    search = PackSweepSearchCV(FOREST, SPACE, resource="n_estimators", cv=2, folder=tmp_path)
    before = search.fit(X, Y).cv_results_["mean_test_score"]
    path = sorted(tmp_path.glob("split-*.json"))[0]
    content = path.read_text()
    assert json.loads(content)["results"]
    path.write_text(content.replace("0.", "0.9", 1))
    np.testing.assert_array_equal(clone(search).fit(X, Y).cv_results_["mean_test_score"], before)


def test_results_of_many_metrics_come_back(tmp_path):
    given = {"cv": 2, "scoring": ["accuracy", "neg_log_loss"], "refit": "accuracy"}
    fits = [
        PackSweepSearchCV(FOREST, SPACE, resource="n_estimators", folder=tmp_path, **given).fit(
            X, Y
        )
        for _ in range(2)
    ]
    same(fits[1], GridSearchCV(FOREST, SPACE, **given).fit(X, Y))


OWN_SCORER = """
import sys
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from search.estimators import PackSweepSearchCV

def half(model, X, y):
    return model.score(X, y) / 2

X, y = load_digits(return_X_y=True)
found = PackSweepSearchCV(
    RandomForestClassifier(random_state=0), {"n_estimators": [2, 4], "criterion": ["gini"]},
    resource="n_estimators", cv=2, folder=sys.argv[1], scoring=half,
).fit(X[:200], y[:200])
print(found.best_score_, found.cv_results_["mean_fit_time"].tolist())
"""


def test_a_scorer_of_one_s_own_is_known_again_in_another_process(tmp_path):
    said = [
        subprocess.run(
            [sys.executable, "-c", OWN_SCORER, str(tmp_path)], capture_output=True, check=True
        ).stdout
        for _ in range(2)
    ]
    assert said[0] == said[1]


def test_one_long_split_is_enough_to_stop_early(tmp_path):
    """Of histograms that stop early by themselves from 10,000 rows nothing is cut."""
    rng = np.random.default_rng(0)
    rows, labels = rng.normal(size=(10_300, 2)), rng.integers(0, 2, 10_300)
    splits = [(np.arange(50), np.arange(50, 99)), (np.arange(10_200), np.arange(10_200, 10_300))]
    model = HistGradientBoostingClassifier(max_leaf_nodes=3, random_state=0)
    space = {"max_iter": [12, 40]}
    with pytest.warns(SharesNothingWarning):
        mine = PackSweepSearchCV(model, space, resource="max_iter", cv=splits).fit(rows, labels)
    theirs = GridSearchCV(model, space, cv=splits).fit(rows, labels)
    for name in ("split0_test_score", "split1_test_score"):
        np.testing.assert_array_equal(mine.cv_results_[name], theirs.cv_results_[name])


# --- EpochTrained


@pytest.mark.parametrize("model", [MLPClassifier((5,)), SGDClassifier(loss="log_loss")])
def test_epochs_go_on_to_the_bits_of_one_training(model):
    whole = EpochTrained(model, epochs=4, random_state=1).fit(X, Y)
    going = EpochTrained(model, epochs=1, random_state=1, warm_start=True)
    for epochs in (1, 3, 4):
        going.set_params(epochs=epochs).fit(X, Y)
    np.testing.assert_array_equal(going.predict_proba(X), whole.predict_proba(X))
    with pytest.raises(ValueError, match="whole number from 4"):
        going.set_params(epochs=2).fit(X, Y)


def test_what_has_no_probabilities_has_none():
    model = EpochTrained(SGDClassifier(), random_state=0).fit(X, Y)
    assert not hasattr(model, "predict_proba")
    assert model.decision_function(X).shape == (400, 10)
