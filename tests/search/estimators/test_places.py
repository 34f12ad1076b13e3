"""Wherever trainings run the results are the same; and what is seen and said on the way."""

import io
import re
import sys
import time
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from lightgbm import LGBMClassifier
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cluster.errors import ClusterError
from cluster.outcomes import Lost
from search.errors import MissingLibraryError
from search.estimators import PackSweepSearchCV, SharesNothingWarning, SoftmaxClassifier
from search.estimators.shared_fits import Done, Unit
from search.estimators.telling import Counts

X, Y = load_digits(n_class=4, return_X_y=True)
X, Y = X[:240], Y[:240]
FOREST = RandomForestClassifier(random_state=0)
SPACE = {"n_estimators": [2, 4], "max_depth": [2, 3]}
HALVED = {"strategy": "halving", "factor": 2, "max_resources": 8, "cv": 2}


def half(model, rows, labels):
    return model.score(rows, labels) / 2


def alike(mine, theirs):
    assert set(mine.cv_results_) == set(theirs.cv_results_)
    for name, values in theirs.cv_results_.items():
        if "time" not in name:
            assert list(mine.cv_results_[name]) == list(values), name


# --- An executor


@pytest.mark.parametrize(
    ("model", "space", "given"),
    [
        (FOREST, SPACE, {"resource": "n_estimators", "scoring": half}),
        (FOREST, {"max_depth": [1, 2, 3, 4]}, {"resource": "n_estimators", **HALVED}),
        (
            SoftmaxClassifier(random_state=0), {"alpha": [0.1, 1.0], "learning_rate": [0.01, 0.1]},
            {"resource": "epochs", **HALVED},
        ),
    ],
)  # fmt: skip
def test_the_results_of_an_executor_are_those_of_this_process(model, space, given, tmp_path):
    here = PackSweepSearchCV(model, space, **{"cv": 2, **given}).fit(X, Y)
    there = PackSweepSearchCV(
        model, space, executor="serial", folder=tmp_path, **{"cv": 2, **given}
    ).fit(X, Y)
    alike(there, here)


@pytest.mark.ray
@pytest.mark.xdist_group("ray")
def test_on_ray_the_results_are_those_of_this_process(tmp_path):
    given = {"resource": "n_estimators", "scoring": "neg_log_loss", **HALVED}
    here = PackSweepSearchCV(FOREST, {"max_depth": [1, 2, 3, 4]}, **given).fit(X, Y)
    with warnings.catch_warnings():  # Ray lets go of processes that have yet to end
        warnings.simplefilter("ignore", ResourceWarning)
        there = PackSweepSearchCV(
            FOREST, {"max_depth": [1, 2, 3, 4]}, executor="ray", n_jobs=2, folder=tmp_path, **given
        ).fit(X, Y)
    alike(there, here)


def test_a_lost_training_is_tried_again(monkeypatch):
    from cluster.executor import SerialExecutor

    really, lost = SerialExecutor.wait, []

    def losing(self, timeout):
        ended = really(self, timeout)
        if len(lost) < 3 and ended:
            lost.append(ended[0])
            return [Lost(ended[0].key, "the node is gone", "there")]
        return ended

    monkeypatch.setattr(SerialExecutor, "wait", losing)
    given = {"resource": "n_estimators", "cv": 2}
    there = PackSweepSearchCV(FOREST, SPACE, executor="serial", **given).fit(X, Y)
    assert len(lost) == 3
    alike(there, GridSearchCV(FOREST, SPACE, cv=2).fit(X, Y))


def test_what_is_lost_again_and_again_says_what_is_kept(monkeypatch, tmp_path):
    from cluster.executor import SerialExecutor

    really = SerialExecutor.wait
    monkeypatch.setattr(
        SerialExecutor, "wait",
        lambda self, timeout: [Lost(e.key, "no memory", "there") for e in really(self, timeout)],
    )  # fmt: skip
    search = PackSweepSearchCV(
        FOREST, SPACE, resource="n_estimators", cv=2, executor="serial", folder=tmp_path
    )
    with pytest.raises(
        ClusterError, match=re.escape(f"kept in {tmp_path}; the same fit continues")
    ):
        search.fit(X, Y)


def test_what_the_estimator_raises_is_raised_as_it_is():
    search = PackSweepSearchCV(
        FOREST, {"max_depth": [-1]}, executor="serial", error_score="raise", cv=2
    )
    with (
        pytest.warns(SharesNothingWarning),
        pytest.raises(ValueError, match=r"max_depth.* must be"),
    ):
        search.fit(X, Y)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"executor": "dask"}, "executor"),
        ({"executor": "serial", "address": "there:1"}, "an address is one of Ray"),
    ],
)
def test_a_place_that_is_none_is_refused(given, says):
    with pytest.raises(ValueError, match=says):
        PackSweepSearchCV(FOREST, SPACE, cv=2, **given).fit(X, Y)


def test_without_ray_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    for name in [name for name in sys.modules if name.startswith("cluster.ray_")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "cluster.connection", raising=False)
    with pytest.raises(MissingLibraryError, match=r"executor='ray' needs ray.*leave executor out"):
        PackSweepSearchCV(FOREST, SPACE, resource="n_estimators", address="there:1").fit(X, Y)


# --- What is seen


class Terminal(io.StringIO):
    def isatty(self):
        return True

    def fileno(self):
        raise OSError("it has none")


def fitted(**given):
    search = PackSweepSearchCV(FOREST, SPACE, resource="n_estimators", cv=3, **given)
    return search.fit(X, Y)


def test_nothing_is_printed_unless_asked_for(capsys):
    fitted()
    assert capsys.readouterr() == ("", "")


def test_in_a_pipe_there_are_the_lines_of_grid_search_alone(capsys):
    fitted(verbose=1)
    said = capsys.readouterr().out
    GridSearchCV(FOREST, SPACE, cv=3, verbose=1).fit(X, Y)
    assert said == capsys.readouterr().out
    fitted(verbose=3)
    said = capsys.readouterr().out.splitlines()
    GridSearchCV(FOREST, SPACE, cv=3, verbose=3).fit(X, Y)
    theirs = capsys.readouterr().out.splitlines()

    def plain(lines):  # which candidate, on which split, with which score
        return sorted(line.replace(".", "").replace(",", "").split(" total ")[0] for line in lines)

    assert plain(said) == plain(theirs)


def test_a_terminal_is_drawn_over_and_left_as_it_was(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)

    def drawn(model, rows, labels):  # a search may be over before its lines are drawn
        deadline = time.monotonic() + 60
        while "of 6 trainings" not in terminal.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)
        return model.score(rows, labels)

    fitted(verbose=1, scoring=drawn)
    text = terminal.getvalue()
    assert "of 6 trainings" in text
    assert text.endswith("\x1b[J\x1b[?25h")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys, "stdout", plain := Terminal())
    fitted(verbose=1)
    assert "\x1b" not in plain.getvalue()


class Handle:
    def __init__(self):
        self.shown = []

    def display(self, bundle, raw, display_id):
        assert (raw, display_id) == (True, True)
        self.shown.append(bundle)
        return self

    def update(self, bundle, raw):
        assert raw
        self.shown.append(bundle)


def test_a_notebook_has_one_output_that_is_changed_at_times(monkeypatch, capsys):
    handle = Handle()
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(
        sys.modules, "IPython",
        SimpleNamespace(get_ipython=lambda: shell, display=SimpleNamespace(display=handle.display)),
    )  # fmt: skip
    found = fitted(verbose=1)
    assert len(handle.shown) <= 2 + found.n_trainings_  # and no more than two a second
    last = handle.shown[-1]
    assert last["text/plain"].startswith("6 of 6 trainings; best 0.")
    assert f"{found.best_score_:.4f}: max_depth=" in last["text/plain"]
    assert '<progress max="1" value="1.000">' in last["text/html"]
    assert "\x1b" not in capsys.readouterr().out
    quiet = Handle()
    monkeypatch.setattr(sys.modules["IPython"].display, "display", quiet.display)
    fitted()
    assert not quiet.shown


def test_rungs_and_waves_are_told_apart(monkeypatch):
    handle = Handle()
    monkeypatch.setitem(
        sys.modules, "IPython",
        SimpleNamespace(
            get_ipython=lambda: SimpleNamespace(kernel=1),
            display=SimpleNamespace(display=handle.display),
        ),
    )  # fmt: skip
    space = {"max_depth": [1, 2, 3, 4]}
    given = {"resource": "n_estimators", "verbose": 1}
    PackSweepSearchCV(FOREST, space, **given, **HALVED).fit(X, Y)
    assert handle.shown[-1]["text/plain"].startswith("rung 3, 2 of 2 trainings; best 0.")
    PackSweepSearchCV(FOREST, space, strategy="qmc", n_trials=9, cv=2, **given).fit(X, Y)
    assert handle.shown[-1]["text/plain"].startswith("wave 2, 2 of 2 trainings; best 0.")


def test_the_best_so_far_is_one_that_has_not_failed():
    search = SimpleNamespace(refit=True, strategy="grid")
    counts = Counts(search)
    counts.begins({k: {"a": k} for k in range(3)}, 1, 3)
    for k, score in enumerate([float("nan"), 0.25, float("-inf")]):
        counts.ended(Done(Unit(0, (k,)), [{"test_scores": score}]))
        assert counts.lines[1:] == (["best 0.2500: a=1"] if k else [])


def interrupted_after(monkeypatch, count):
    """Let Ctrl-C come when the forest is fitted for a next time."""
    left, really = [count], RandomForestClassifier.fit

    def fit(self, *args, **given):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return really(self, *args, **given)

    monkeypatch.setattr(RandomForestClassifier, "fit", fit)


@pytest.mark.parametrize("executor", [None, "serial"])
def test_ctrl_c_says_how_to_go_on_and_the_same_fit_does(monkeypatch, tmp_path, executor):
    whole, given = fitted(), {"folder": tmp_path, "executor": executor}
    interrupted_after(monkeypatch, 2)
    says = re.escape(f"which are kept in {tmp_path}: the same fit continues")
    with pytest.raises(KeyboardInterrupt, match=says):
        fitted(**given)
    monkeypatch.undo()
    interrupted_after(monkeypatch, 4 + 1)  # what is left, and the refit
    alike(fitted(**given), whole)


def test_ctrl_c_without_a_folder_says_that_there_is_one(monkeypatch):
    interrupted_after(monkeypatch, 0)
    with pytest.raises(KeyboardInterrupt, match=r"are lost. With folder='kept' the same fit would"):
        fitted()


# --- Callbacks of scikit-learn


callbacks = pytest.importorskip("sklearn.callback", reason="this scikit-learn has no callbacks")


class Noting:
    """Notes the tasks that begin and end."""

    max_propagation_depth = None

    def __init__(self):
        self.begun, self.ended, self.life = [], [], []

    def setup(self, estimator, context):
        self.life.append("setup")

    def teardown(self, estimator, context):
        self.life.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.begun.append((context.task_name, context.task_id, type(estimator).__name__))

    def on_fit_task_end(self, estimator, context):
        self.ended.append((context.task_name, context.task_id, type(estimator).__name__))


def told(search):
    noting = Noting()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of estimators that support no callbacks
        search.set_callbacks(noting).fit(X, Y)
    assert noting.life == ["setup", "teardown"]
    assert sorted(map(str, noting.begun)) == sorted(map(str, noting.ended))
    return sorted((name, number) for name, number, _ in noting.begun)


def test_callbacks_hear_what_they_hear_of_grid_search():
    mine = PackSweepSearchCV(FOREST, SPACE, resource="n_estimators", cv=2)
    assert told(mine) == told(GridSearchCV(FOREST, SPACE, cv=2))


def test_callbacks_hear_of_rungs_and_waves():
    space = {"max_depth": [1, 2, 3, 4]}
    names = [name for name, _ in told(
        PackSweepSearchCV(FOREST, space, resource="n_estimators", **HALVED)
    )]  # fmt: skip
    assert names.count("halving-iteration") == 3
    assert names.count("candidate-split-evaluation") == 2 * (4 + 2 + 1)
    names = [name for name, _ in told(
        PackSweepSearchCV(
            FOREST, space, resource="n_estimators", strategy="qmc", n_trials=10, cv=2
        )
    )]  # fmt: skip
    assert names.count("candidate-split-evaluation") == 20


def test_an_estimator_with_callbacks_of_its_own_is_trained_alone():
    pipeline = make_pipeline(StandardScaler(), FOREST)
    counting = Plain()
    pipeline.set_callbacks(counting)
    space = {"randomforestclassifier__n_estimators": [2, 4]}
    with pytest.warns(SharesNothingWarning):
        PackSweepSearchCV(
            pipeline, space, resource="randomforestclassifier__n_estimators", cv=2
        ).fit(X, Y)
    assert counting.fits == 2 * 2 + 1


class Plain:
    """Counts the fits of the estimator that has it; nobody hands it on."""

    def __init__(self):
        self.fits = 0

    def setup(self, estimator, context):
        self.fits += 1

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        pass


# --- LightGBM's views


def test_a_view_of_the_first_rounds_says_and_gives_what_the_shorter_model_does():
    import copy
    import pickle

    from search.estimators.sharing import family_of

    models = [LGBMClassifier(n_estimators=n, random_state=0, n_jobs=1, verbose=-1) for n in (3, 9)]
    family = family_of(models[0], "n_estimators")
    [(view, _), _] = list(family.train(models, X, Y, {}))
    short = LGBMClassifier(n_estimators=3, random_state=0, n_jobs=1, verbose=-1).fit(X, Y)
    for other in (view, pickle.loads(pickle.dumps(view)), copy.deepcopy(view)):
        np.testing.assert_array_equal(other.predict_proba(X), short.predict_proba(X))
        np.testing.assert_array_equal(other.feature_importances_, short.feature_importances_)
        assert other.booster_.num_trees() == short.booster_.num_trees()
        assert other.booster_.current_iteration() == 3
        assert other.n_estimators_ == short.n_estimators_
    given = {"cv": 2, "scoring": lambda model, X, y: model.booster_.num_trees()}
    mine = PackSweepSearchCV(models[0], {"n_estimators": [3, 9]}, resource="n_estimators", **given)
    theirs = GridSearchCV(models[0], {"n_estimators": [3, 9]}, **given)
    alike(mine.fit(X, Y), theirs.fit(X, Y))
