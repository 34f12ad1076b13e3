"""Sweeps whose trials are compared by another metric than the cost."""

import json

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

import search
from model.softmax import SoftmaxRegression
from search.errors import ConfigError, RunFolderError

SPACE = {
    "batch_size": [16, 64],
    "learning_rate": [1e-6, 5e-6, 3e-5],
    "epochs": [1, 3],
    "alpha": [0.0, 1.0],
}


@pytest.fixture(scope="module")
def rows():
    """Classes of very different sizes, so that accuracy, F1 and cost have winners of their own."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [300, 60, 20])
    X = rng.normal(size=(380, 5)) * 100 + 60 * np.eye(3, 5)[y]
    order = rng.permutation(380)
    return X[order].astype(np.float32), y[order]


def swept(rows, folder=None, **options):
    X, y = rows
    data = (X[:300], y[:300], X[300:], y[300:])
    return search.sweep(SPACE, data, folder=folder, executor="serial", progress=False, **options)


@pytest.mark.parametrize(
    ("objective", "column", "best"),
    [
        ("f1_macro", "val_f1_macro", max),
        ("accuracy", "val_accuracy", max),
        ("calibration_error", "val_calibration_error", min),
        ("cost", "val_cost", min),
    ],
)
def test_the_winner_is_the_best_by_its_objective(rows, objective, column, best):
    result = swept(rows, objective=objective)
    log = result.log()
    assert log[column].iloc[result.summary.best.number] == best(log[column].dropna())


def test_the_figures_of_the_saved_model_are_those_that_are_told(rows, tmp_path):
    X, y = rows
    result = swept(rows, tmp_path / "run", objective="f1_macro", metrics=("roc_auc_ovr",))
    model = SoftmaxRegression.load(tmp_path / "run" / "best_model.npz")
    p, told = model.predict_proba(X[300:]), result.summary.test.metrics
    assert told["f1_macro"] == pytest.approx(
        f1_score(y[300:], p.argmax(axis=1), average="macro"), abs=1e-12
    )
    assert told["roc_auc_ovr"] == pytest.approx(
        roc_auc_score(y[300:], p, multi_class="ovr"), abs=1e-12
    )


def test_what_is_only_kept_changes_no_other_figure(rows):
    plain, more = swept(rows).log(), swept(rows, metrics=("f1_weighted",)).log()
    for name in ("val_cost", "val_accuracy", "val_cost_avg"):
        np.testing.assert_array_equal(plain[name], more[name])
    assert more["val_f1_weighted"].notna().all()
    assert "val_f1_weighted" not in plain


def test_a_run_is_not_continued_with_other_metrics(rows, tmp_path):
    swept(rows, tmp_path / "run")
    with pytest.raises(RunFolderError, match="objective: the run has cost, the command f1_macro"):
        swept(rows, tmp_path / "run", objective="f1_macro")


def test_each_fold_counts_for_the_mean(rows):
    X, y = rows
    grid = {"space": SPACE, "folds": 3, "objective": "f1_macro"}
    result = search.sweep(grid, (X, y), executor="serial", progress=False)
    log = result.log()
    parts = [[part["val_f1_macro"] for part in each] for each in log["replicates"]]
    np.testing.assert_allclose(log["val_f1_macro"], np.mean(parts, axis=1))
    assert result.summary.best.number == log["val_f1_macro"].idxmax()


def test_a_pruner_keeps_those_with_the_greater_values(rows):
    result = swept(rows, objective="accuracy", pruner="median")
    log = result.log()
    kept, pruned = (log[log.state == state] for state in ("COMPLETE", "PRUNED"))
    assert len(pruned)
    assert pruned.last_cost.isna().all()
    reported = [dict(reports)[1] for reports in pruned.reports]
    assert max(reported) <= np.median(
        [dict(r)[1] for r in kept[kept.epochs == 3].reports] + reported
    )


def test_a_sampler_is_told_which_way_is_up(rows, tmp_path):
    grid = {"space": SPACE | {"learning_rate": {"low": 1e-7, "high": 1e-4, "log": True}}}
    X, y = rows
    search.sweep(
        grid, (X, y), folder=tmp_path / "run", executor="serial", progress=False,
        sampler="tpe", trials=12, objective="f1_macro",
    )  # fmt: skip
    study = search.load_study(tmp_path / "run")
    assert study.direction.name == "MAXIMIZE"
    log = search.load(tmp_path / "run")
    assert study.best_value == log.val_f1_macro.max()


def test_trainers_of_estimators_are_compared_by_it_too(rows):
    X, y = rows
    grid = {
        "trainer": "partial_fit:sklearn.linear_model.SGDClassifier",
        "objective": "f1_macro",
        "space": {"loss": ["log_loss"], "alpha": [1e-4, 1e-1], "epochs": [1, 3]},
    }
    result = search.sweep(grid, (X[:300], y[:300], X[300:], y[300:]), executor="serial",
                          progress=False)  # fmt: skip
    log = result.log()
    assert result.summary.best.number == log["val_f1_macro"].idxmax()
    assert set(result.summary.test.metrics) == {"f1_macro"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"objective": "f1"}, 'objective = "f1": objective must be "cost", "accuracy", one of'),
        ({"objective": "max:cost"}, 'objective = "max:cost": objective must be'),
        ({"objective": "min:accuracy"}, 'objective = "min:accuracy": objective must be'),
        ({"objective": "max:margin"}, 'the trainer "softmax" returns cost, accuracy'),
        ({"metrics": ("f1_macro", "nothing")}, "metrics must be a list of f1_macro"),
        ({"metrics": ("top_3_accuracy",)}, "takes 4 classes or more, and data has 3"),
    ],
)
def test_what_cannot_be_compared_by_is_refused(rows, options, said):
    with pytest.raises(ConfigError) as refused:
        swept(rows, **options)
    assert said in str(refused.value)


def test_a_hyperparameter_may_be_called_as_the_objective_is(rows):
    """So that no column of the report is taken for another one; values missing from a table too."""
    X, y = rows
    grid = {
        "trainer": "partial_fit:sklearn.linear_model.SGDClassifier",
        "objective": "accuracy",
        "space": [
            {"loss": ["log_loss"], "alpha": [1e-4, 1e-1], "epochs": [1, 2]},
            {"loss": ["modified_huber"], "l1_ratio": [0.1, 0.5], "epochs": [1]},
        ],
    }
    result = search.sweep(grid, (X, y, X, y), executor="serial", progress=False)
    page = result.report.read_text()
    assert all(name in page for name in ("log_loss", "modified_huber", "l1_ratio"))


def test_min_cost_is_the_cost(rows):
    assert swept(rows, objective="min:cost").summary.objective is None


@pytest.fixture(scope="module")
def one_sided(rows):
    """Rows of three classes, of which the validation rows have one, and the test rows too."""
    X, y = rows
    one = np.flatnonzero(y == 0)[:60]
    return {
        "X": X[60:], "y": y[60:], "X_val": X[one], "y_val": y[one],
        "X_test": X[one], "y_test": y[one],
    }  # fmt: skip


def test_a_metric_without_a_value_is_told_as_such(one_sided, tmp_path):
    def trained(name, **options):
        return search.sweep(
            SPACE, one_sided, folder=tmp_path / name, executor="serial", progress=False, **options
        )

    by_cost = trained("cost", metrics=("roc_auc_ovr",))
    assert by_cost.log().val_roc_auc_ovr.isna().all()
    json.loads(
        (tmp_path / "cost" / "summary.json").read_text(),
        parse_constant=lambda name: pytest.fail(f"{name} is not JSON"),
    )
    by_area = trained("area", objective="roc_auc_ovr", reuse=[tmp_path / "cost"])
    assert set(by_area.log().error) == {"one-vs-rest AUC has no value on the validation rows"}
