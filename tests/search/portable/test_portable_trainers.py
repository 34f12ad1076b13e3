"""What other trainers have left: their libraries' own files, with the trainer's own figures."""

import json
from io import BytesIO
from types import SimpleNamespace

import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import search
from model.data.found import Reading
from model.data.in_memory import dataset_of
from model.errors import TrainerError
from model.features import fit_features
from model.seal import Seal
from model.trainers import FinalState, HasModelFile, Trainer, classification_figures, load_trainer
from model.trainers.states import dumped
from search.errors import ModelFileError
from search.portable import Winner, load_winner
from search.portable.formats import format_of, formats_of
from search.portable.other_trainers import model_file
from search.portable.preparing import preparing

LABELS = np.array(["ash", "birch", "cedar"])


def data_of(n_classes=3, labels=LABELS):
    rng = np.random.default_rng(0)
    y = np.arange(240) % n_classes
    X = rng.normal(size=(240, 4)) * [1, 10, 0.1, 1] + y[:, None]
    return dataset_of((X[:160], labels[y[:160]], X[160:], labels[y[160:]]))


def trained(name, params, data, *, epochs=5, kind="raw", trusted=True):
    """Return the winner that a run of this trainer alone has, and its figures on test rows."""
    trainer = load_trainer(name)
    features = fit_features(kind, data.X, np.arange(len(data.X)))
    final = FinalState(
        name, trainer.version, params, epochs, 0, features, b"", tuple(data.classes),
        feature_names=data.features, fill=data.fill, columns=data.columns,
    )  # fmt: skip
    state = trainer.advance(None, params, range(epochs), final.rows(data.X, data.y))
    X, y = (data.X, data.y) if data.X_test is None else (data.X_test, data.y_test)
    told = trainer.score(state, final.rows(X, y))
    final = FinalState(**vars(final) | {"content": dumped(trainer, state)})
    summary = SimpleNamespace(trainer=name)
    return Winner(final, summary, None, None, trusted), told, X, np.asarray(data.classes)[y]


@pytest.mark.parametrize("n_classes", [2, 3])
def test_xgboost_in_its_own_file_with_the_labels(n_classes):
    xgboost = pytest.importorskip("xgboost")
    winner, told, X, y = trained("xgboost", {"max_depth": 2}, data_of(n_classes), epochs=30)
    booster = xgboost.Booster(model_file=bytearray(model_file(winner)))
    p = booster.inplace_predict(X)
    places = (p > 0.5).astype(int) if n_classes == 2 else p.argmax(axis=1)
    labels = np.array(json.loads(booster.attr("classes")))[places]
    assert np.mean(labels == y) == told["accuracy"]


@pytest.mark.parametrize("n_classes", [2, 3])
def test_lightgbm_in_its_own_file(n_classes):
    lightgbm = pytest.importorskip("lightgbm")
    winner, told, X, y = trained("lightgbm", {"num_leaves": 4}, data_of(n_classes), epochs=30)
    p = lightgbm.Booster(model_str=model_file(winner).decode()).predict(X)
    places = (p > 0.5).astype(int) if n_classes == 2 else p.argmax(axis=1)
    assert np.mean(LABELS[places] == y) == told["accuracy"]


ESTIMATORS = {
    "partial_fit:sklearn.linear_model.SGDClassifier": {"loss": "log_loss"},
    "partial_fit:sklearn.neural_network.MLPClassifier": {"hidden_layer_sizes": 8},
    "partial_fit:sklearn.naive_bayes.GaussianNB": {},
    "warm_start:sklearn.ensemble.RandomForestClassifier": {"max_depth": 3},
    "warm_start:sklearn.ensemble.ExtraTreesClassifier": {"max_depth": 3},
    "warm_start:sklearn.ensemble.HistGradientBoostingClassifier": {"max_leaf_nodes": 4},
    "warm_start:sklearn.ensemble.GradientBoostingClassifier": {"max_depth": 2},
}


@pytest.mark.parametrize("trainer", ESTIMATORS)
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("kind", ["raw", "standardized"])
def test_an_estimator_takes_rows_and_gives_labels_as_their_user_has_them(trainer, n_classes, kind):
    winner, told, X, y = trained(trainer, ESTIMATORS[trainer], data_of(n_classes), kind=kind)
    read = joblib.load(BytesIO(model_file(winner)))
    assert set(read.predict(X)) <= set(LABELS)
    assert read.classes_.tolist() == list(LABELS[:n_classes])
    assert np.mean(read.predict(X) == y) == told["accuracy"]
    rows = winner.model.rows(X, np.searchsorted(LABELS, y))
    found = classification_figures(read.predict_proba(X), rows)
    assert found["cost"] == told["cost"]  # to the bit


@given(seed=st.integers(0, 10_000))
@settings(max_examples=200, deadline=None)
def test_what_an_estimator_sees_of_scaled_rows_has_the_bits_that_it_was_trained_on(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(40, 3)) * 10.0 ** rng.integers(-5, 9, 3) + 10.0 ** rng.integers(0, 9, 3)
    X[:, 2] = X[0, 2]
    features = fit_features("standardized", X, np.arange(30))
    steps = preparing(3, (), (), None, features)
    found = X
    for _, step in steps:
        found = step.transform(found)
    np.testing.assert_array_equal(found.astype(np.float32), features.apply(X))


def test_an_estimator_of_a_table_with_text():
    data = data_of()
    frame = pd.DataFrame(data.X, columns=list("abcd")).assign(
        colour=np.array(["red", "green"])[np.arange(len(data.X)) % 2], kind=LABELS[data.y]
    )
    frame.loc[3, "b"] = np.nan
    table = dataset_of(frame, Reading(target="kind", missing="mean"))
    winner, told, _, y = trained(
        "warm_start:sklearn.ensemble.RandomForestClassifier", {"max_depth": 3}, table
    )
    read = joblib.load(BytesIO(model_file(winner)))
    assert read.score(frame.drop(columns="kind"), y) == told["accuracy"]


def test_labels_that_are_the_trainers_own_numbers_stay():
    data = data_of(labels=np.arange(3))
    winner, told, X, y = trained(
        "warm_start:sklearn.ensemble.RandomForestClassifier", {"max_depth": 3}, data
    )
    assert joblib.load(BytesIO(model_file(winner))).score(X, y) == told["accuracy"]


def test_an_estimator_that_keeps_its_labels_is_refused(monkeypatch):
    from sklearn.naive_bayes import GaussianNB

    class Stubborn(GaussianNB):
        def predict(self, X):
            return np.zeros(len(X), int)

    monkeypatch.setattr("sklearn.naive_bayes.GaussianNB", Stubborn)
    monkeypatch.setitem(globals(), "Stubborn", Stubborn)
    Stubborn.__qualname__, Stubborn.__module__ = "Stubborn", __name__
    winner, *_ = trained("partial_fit:sklearn.naive_bayes.GaussianNB", {}, data_of())
    with pytest.raises(ModelFileError, match=r"does not take other labels.*numbers 0 to 2"):
        model_file(winner)


@pytest.mark.parametrize("name", ["xgboost", "lightgbm"])
def test_trees_of_scaled_rows_have_no_place_in_a_file_of_their_library(name):
    pytest.importorskip(name)
    winner, *_ = trained(name, {}, data_of(), kind="standardized")
    with pytest.raises(ModelFileError, match=r'takes rows as they are.*features = "raw"'):
        model_file(winner)


def test_trees_of_a_table_with_text_have_none_either():
    pytest.importorskip("xgboost")
    data = data_of()
    frame = pd.DataFrame({"a": data.X[:, 0], "t": LABELS[data.y], "kind": LABELS[data.y]})
    table = dataset_of(frame, Reading(target="kind"))
    winner, *_ = trained("xgboost", {}, table)
    with pytest.raises(ModelFileError, match=r"columns of text .* no place"):
        model_file(winner)


class Own(Trainer):
    """A trainer without a file of its own."""

    version = "1"

    def advance(self, state, params, epochs, data):
        return 0

    def score(self, state, data):
        return {"cost": 1.0, "accuracy": 0.0}


def test_a_trainer_without_a_file_of_its_own_says_what_there_is(tmp_path):
    winner, *_ = trained(f"{__name__}:Own", {}, data_of())
    assert list(formats_of(winner)) == ["md", "json"]
    with pytest.raises(ModelFileError, match=r"let it be a model\.trainers\.HasModelFile"):
        format_of(winner, tmp_path / "m.joblib", None)


class Careless(Own, HasModelFile):
    """A trainer whose own file raises."""

    ending = "own"

    def model_file(self, state, features, classes):
        raise RuntimeError("no luck")


class Endless(Careless):
    """A trainer that does not say how its files end."""

    ending = None


def test_what_a_trainer_of_ones_own_raises_is_told_in_one_message(tmp_path):
    winner, *_ = trained(f"{__name__}:Careless", {}, data_of())
    made = format_of(winner, tmp_path / "m.own", None)
    with pytest.raises(ModelFileError, match="cannot write its model: RuntimeError: no luck"):
        made.make(winner)
    with pytest.raises(TrainerError, match="its model file has no ending"):
        load_trainer(f"{__name__}:Endless")


def test_a_state_that_cannot_be_opened_is_told_in_one_message(tmp_path):
    winner, *_ = trained(f"{__name__}:Own", {}, data_of())
    final = FinalState(**vars(winner.model) | {"content": b"no pickle"})
    broken = Winner(final, winner.summary, None, None, True)
    with pytest.raises(ModelFileError, match=r"cannot be opened: UnpicklingError"):
        format_of(broken, tmp_path / "m.joblib", None)


def test_code_of_a_run_runs_only_where_it_is_trusted(tmp_path):
    winner, *_ = trained(f"{__name__}:Own", {}, data_of(), trusted=False)
    for name in ("m.joblib", "m.own"):
        with pytest.raises(ModelFileError, match="Add --trust if you trust"):
            format_of(winner, tmp_path / name, None)
    format_of(winner, tmp_path / "card.md", None)  # which opens nothing


def test_what_is_known_of_rows_stands_in_the_file_of_a_final_state(tmp_path):
    frame = pd.DataFrame({"a": [1.0, None, 3.0, 4.0], "t": list("xyxy"), "kind": list("pqpq")})
    table = dataset_of(frame, Reading(target="kind", missing="mean"))
    winner, *_ = trained("partial_fit:sklearn.naive_bayes.GaussianNB", {}, table)
    path = tmp_path / "best_model.npz"
    path.write_bytes(winner.model.sealed(Seal()))
    read = FinalState.load(path)
    assert (read.feature_names, read.columns) == (table.features, table.columns)
    np.testing.assert_array_equal(read.fill, table.fill)


def test_a_sweep_with_xgboost_leaves_a_file_that_reaches_its_figure(tmp_path):
    xgboost = pytest.importorskip("xgboost")
    data = data_of()
    found = search.sweep(
        {"space": {"max_depth": [2], "epochs": [3, 30]}, "trainer": "xgboost"}, data,
        folder=tmp_path / "run", executor="serial", progress=False,
    )  # fmt: skip
    found.export_model(tmp_path / "m.ubj", tmp_path / "card.md")
    p = xgboost.Booster(model_file=tmp_path / "m.ubj").inplace_predict(data.X_test)
    assert np.mean(p.argmax(axis=1) == data.y_test) == found.summary.test.accuracy
    assert "# xgboost on data" in (tmp_path / "card.md").read_text()
    with pytest.raises(ModelFileError, match=r"not a format .* It has \.ubj .*onnxmltools"):
        found.export_model(tmp_path / "m.onnx")
    assert load_winner(found.folder).model.trainer == "xgboost"


def test_a_checkpoint_of_pytorch_holds_all_that_its_module_needs():
    torch = pytest.importorskip("torch")
    from model.trainers.torch import TorchTrainer

    class Net(TorchTrainer):
        version = "1"

        def model(self, params, n_features, n_classes):
            return torch.nn.Linear(n_features, n_classes)

    data, trainer = data_of(), Net()
    features = fit_features("standardized", data.X, np.arange(len(data.X)))
    rows = FinalState(
        "", "1", {}, 5, 0, features, b"", tuple(data.classes)
    ).rows(data.X_test, data.y_test)  # fmt: skip
    state = trainer.advance(None, {"learning_rate": 0.01}, range(5), rows)
    content = BytesIO(trainer.model_file(state, features, data.classes))
    read = torch.load(content, weights_only=True)
    module = torch.nn.Linear(4, 3)
    module.load_state_dict(read["state_dict"])
    seen = (torch.from_numpy(data.X_test) - read["shift"]) * read["scale"]
    places = module(seen.float()).argmax(dim=1).numpy()
    labels = np.array(read["classes"])[places]
    expected = trainer.score(state, rows)["accuracy"]
    assert np.mean(labels == LABELS[data.y_test]) == expected
