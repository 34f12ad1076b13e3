"""The sections on the final model: pictures of pictures, tables of tables, many classes."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from earlier import without_seals
from hypothesis import given
from hypothesis import strategies as st
from reports import SCRIPT, SPACE, Page, config_of, finished_run, images, write
from scipy.special import log_softmax

from model.data import fashion_mnist
from model.data.dataset import Dataset
from model.data.sources import load_dataset
from model.features import Features
from model.softmax import SoftmaxRegression
from search.config import load_config
from search.record import DatasetName
from search.report.__main__ import main
from search.report.final_model import FinalModel, class_names
from search.report.sections.confusion import confusion_chart, confusions, short_names
from search.report.sections.model_tables import feature_weights, mistake_rows
from search.report.sections.pictures import mistake_pictures, weight_pictures
from search.report.sections.result import result_table

LINEAR = np.linspace(1, 2, 16)


def pictures_of(shape, dtype=np.uint8, classes=3, high=255):
    """Return images of a shape, white and black pixels among them, with labels at random."""
    X = (np.random.default_rng(5).random((40, int(np.prod(shape)))) * high).astype(dtype)
    X[:, 0], X[:, 1] = high, 0
    y = np.arange(40) % classes
    return Dataset("mine", X, y, X, np.roll(y, 1), image_shape=shape)


def table_of(classes=("no", "perhaps", "yes"), features=5, names=(), rows=60):
    X = np.random.default_rng(6).normal(size=(rows, features)) * 10.0 ** np.arange(features)
    y = np.arange(rows) % len(classes)
    return Dataset("mine", X, y, X, np.roll(y, 1), classes=tuple(classes), features=names)


def weights_of(features, classes):
    return np.random.default_rng(7).normal(size=(features, classes))


def shown(data, features="raw", W=None):
    """Return what is shown of a model that knows nothing much."""
    c, model = data.n_classes, SoftmaxRegression(8, 1e-6, 1, 0.0)
    model.W = weights_of(data.X.shape[1], c) / data.X.max() if W is None else W
    model.b = np.zeros(c, model.W.dtype)
    return FinalModel.of(model, data, features)


# --- Pictures


@pytest.mark.parametrize("shape", [(4, 4), (4, 7), (9, 5)])
def test_pictures_are_the_test_images_whether_square_or_not(shape):
    data = pictures_of(shape)
    final = shown(data)
    worst = final.worst()
    pictures = mistake_pictures(final)
    assert [picture.chart.name for picture in pictures] == [f"mistake-{i}" for i in worst]
    for i, picture in zip(worst, pictures, strict=True):
        (trace,) = picture.chart.data
        np.testing.assert_array_equal(trace["z"], data.X_test[i].reshape(shape))
        assert (trace["zmin"], trace["zmax"]) == (0, 255)
        assert picture.chart.height == round(96 * shape[0] / shape[1])
    for k, picture in enumerate(weight_pictures(final)):
        np.testing.assert_allclose(picture.chart.data[0]["z"], final.W[:, k].reshape(shape))
        assert picture.lines == (str(k),)


@pytest.mark.parametrize(("dtype", "high"), [(np.uint8, 255), (np.float64, 1.0)])
@pytest.mark.parametrize("channels", [3, 4])
def test_images_of_colours_are_shown_in_them(channels, dtype, high):
    data = pictures_of((5, 6, channels), dtype, high=high)
    final = shown(data)
    for i, picture in zip(final.worst(), mistake_pictures(final), strict=True):
        (trace,) = picture.chart.data
        image = data.X_test[i].reshape(5, 6, channels)[:, :, :3]
        assert trace["type"] == "image"
        np.testing.assert_array_equal(trace["z"], np.rint(image / high * 255))
    weights = weight_pictures(final)[1].chart.data[0]
    np.testing.assert_allclose(weights["z"], final.W[:, 1].reshape(5, 6, channels).mean(axis=2))


def test_two_channels_are_no_colours():
    data = pictures_of((5, 6, 2))
    final = shown(data)
    (trace,) = mistake_pictures(final)[0].chart.data
    image = data.X_test[final.worst()[0]].reshape(5, 6, 2)
    assert trace["type"] == "heatmap"
    np.testing.assert_allclose(trace["z"], image.mean(axis=2))


def test_large_images_become_small_and_keep_their_shape():
    data = pictures_of((160, 80))
    final = shown(data)
    picture = mistake_pictures(final)[0]
    image = data.X_test[final.worst()[0]].reshape(160, 80)
    z = np.array(picture.chart.data[0]["z"])
    assert z.shape == (54, 27)
    for i, j in ((0, 0), (3, 20), (53, 4), (53, 26)):
        block = image[3 * i : 3 * i + 3, 3 * j : 3 * j + 3]
        assert z[i, j] == pytest.approx(block.mean())
    assert picture.chart.height == 192


def test_values_below_zero_are_the_darkest():
    data = pictures_of((4, 4), np.float32, high=2.0)
    data.X[:, 1] = -1.0
    (trace,) = mistake_pictures(shown(data))[0].chart.data
    assert (trace["zmin"], trace["zmax"]) == (-1, 2)


# --- Tables


def test_a_table_has_no_pictures_and_images_have_no_tables():
    table, pictures = shown(table_of(features=16)), shown(pictures_of((4, 4)))
    assert not mistake_pictures(table)
    assert not weight_pictures(table)
    assert not feature_weights(pictures)
    assert not mistake_rows(pictures)


@pytest.mark.parametrize("names", [(), tuple("abcdefghi")])
@pytest.mark.parametrize("features", ["raw", "standardized"])
def test_the_largest_weights_are_those_of_pandas(names, features):
    data = table_of(features=9, names=names)
    final = shown(data, features)
    model_W = final.W / data.X_test.std(axis=0)[:, None]
    frame = pd.DataFrame(data.X_test, columns=names or [f"feature {i}" for i in range(9)])
    for k, (name, found) in enumerate(feature_weights(final)):
        effect = frame.std(ddof=0) * model_W[:, k]
        order = effect.abs().sort_values(ascending=False).index[:6]
        assert name == data.classes[k]
        assert [item.feature for item in found] == order.tolist()
        for item in found:
            assert float(item.weight) == pytest.approx(effect[item.feature], rel=6e-3)
            assert item.speaks_for == (effect[item.feature] > 0)


def test_weights_of_zero_are_none_to_tell_of():
    data = table_of()
    data.X_test[:, 2] = 4.0
    ((_, found), *_) = feature_weights(shown(data))
    assert len(found) == 4
    assert "feature 2" not in [item.feature for item in found]


def test_mistakes_of_a_table_have_their_row_and_the_loss_that_scipy_gives():
    data = table_of()
    W = weights_of(5, 3) / data.X.std(axis=0)[:, None]
    final = shown(data, W=W)
    log_p = log_softmax(data.X_test @ W, axis=1)
    loss = -log_p[np.arange(60), data.y_test]
    taken = log_p.argmax(axis=1)
    expected = sorted(np.flatnonzero(taken != data.y_test), key=lambda i: -loss[i])[:24]
    assert mistake_rows(final) == [
        (str(i), data.classes[data.y_test[i]], data.classes[taken[i]], f"{loss[i]:.2f}")
        for i in expected
    ]


def test_a_loss_is_told_however_large_it_is():
    data = table_of()
    final = shown(data, W=(np.eye(5, 3) * 1e4).astype(np.float32))
    assert max(float(loss) for *_, loss in mistake_rows(final)) > 1000


def test_a_model_that_scales_its_input_is_shown_by_what_it_gives_to_rows_as_they_are():
    data, shift = table_of(), np.arange(5.0)
    model = SoftmaxRegression(8, 1e-6, 1, 0.0, features=Features(shift, 0.1 ** np.arange(5)))
    model.W, model.b = weights_of(5, 3), np.zeros(3)
    final = FinalModel.of(model, data, "standardized")
    seen = (data.X_test - shift) * 0.1 ** np.arange(5)
    log_p = log_softmax(seen @ model.W, axis=1)
    np.testing.assert_allclose(final.losses, -log_p[np.arange(len(log_p)), final.y])
    np.testing.assert_array_equal(final.predicted, log_p.argmax(axis=1))
    # A column that grows by its deviation changes the logits by these weights.
    moved = seen + np.eye(5)[3] * data.X_test[:, 3].std() * 0.1**3
    np.testing.assert_allclose(final.W[3], (moved @ model.W - seen @ model.W)[0])


def test_where_rows_have_weights_it_is_said_that_they_are_counted(tmp_path):
    data = replace(table_of(), weights_test=np.linspace(0, 2, 60))
    _, page = write(tmp_path / "with", LINEAR, data)
    assert "The rows are counted, whatever their weights." in page.text
    _, page = write(tmp_path / "without", LINEAR, table_of())
    assert "whatever their weights" not in page.text


def test_the_page_of_a_table_speaks_of_rows_and_never_of_images(tmp_path):
    data = table_of(names=("width", "height", "depth", "mass", "price"))
    _, page = write(tmp_path, LINEAR, data)
    assert "The final model on the test rows" in page.text
    assert ["test rows correct"] in [row[:1] for row in page.rows]
    for word in ("image", "pixel"):
        assert word not in page.text.lower()
    (weights,) = [row for row in page.rows if row[0] == "yes" and "price" in row[1]]
    assert len(weights) == 2
    assert not [name for name in page.charts if name.startswith(("weights", "mistake"))]


def test_names_of_classes_and_features_are_text(tmp_path):
    data = table_of((SCRIPT, "<b>", "</script>"), names=(SCRIPT, "<i>", "&amp;", "d", "e"))
    html, page = write(tmp_path, LINEAR, data)
    assert page.tags.count("script") == 3
    assert "<i>" not in html[: html.index('id="specs"')].split("<h2>The final model")[1]
    assert page.specs["confusion"]["data"][0]["x"][1] == "&lt;b&gt;"  # what plotly shows as text
    assert any(SCRIPT in row[0] and "&amp;" in row[1] for row in page.rows if len(row) == 2)


# --- Classes


def test_classes_are_those_of_the_user_whatever_the_data_set_is_called(monkeypatch):
    data = images("fashion-mnist", classes=10)
    assert class_names(data) == tuple(map(str, range(10)))
    assert class_names(table_of(("x", "y"))) == ("x", "y")
    assert class_names(table_of((1, 2, 3))) == ("1", "2", "3")
    # Fashion-MNIST is what has its fingerprint.
    monkeypatch.setattr(fashion_mnist, "FINGERPRINT", replace(data, name="mine").fingerprint)
    assert class_names(replace(data, name="mine"))[9] == "Ankle boot"


def test_a_file_that_is_called_like_a_known_data_set_has_no_reference(tmp_path):
    data = images()
    np.savez(tmp_path / "fashion-mnist.npz", X=data.X, y=data.y)
    own = load_dataset(str(tmp_path / "fashion-mnist.npz"), notify=print)
    _, _, _, summary, _ = finished_run(tmp_path / "run", LINEAR)
    reference = load_config("full").reference
    for name, has_reference in ((own.name, False), ("fashion-mnist", True)):
        told = replace(summary, dataset=DatasetName(name=name, fingerprint="0"))
        assert result_table(told, reference).has_reference == has_reference


def confused(c, n=4000):
    """Return what is shown of a model that is wrong where chance has it."""
    random = np.random.default_rng(c)
    y = random.integers(0, c, n)
    y[:c] = np.arange(c)
    taken = np.where(random.random(n) < 0.5, y, (y + random.integers(0, 5, n)) % c)
    X = np.eye(c, dtype=np.float32)[taken]
    data = Dataset("mine", X, y, X, y, classes=tuple(f"class {i:03d}" for i in range(c)))
    return shown(data, W=9 * np.eye(c, dtype=np.float32)), y, taken


def test_a_matrix_of_a_hundred_classes_has_numbers_and_no_text_of_its_cells():
    final, y, taken = confused(100)
    (cells,) = confusion_chart(final).spec["data"]
    assert confusions(final) is None
    assert cells["z"] == pd.crosstab(y, taken).reindex(range(100), axis=1).to_numpy().tolist()
    shares = pd.crosstab(y, taken, normalize="index").to_numpy() * 100
    np.testing.assert_allclose(cells["customdata"], shares, atol=0.0501)
    texts = [text for text in json.dumps(cells).split('"') if "class 0" in text]
    assert len(texts) == 200


def test_the_most_frequent_confusions_are_those_of_pandas():
    final, y, taken = confused(101)
    assert confusion_chart(final) is None
    found = confusions(final)
    wrong = pd.DataFrame({"y": y, "taken": taken})[y != taken]
    counts = wrong.value_counts()
    assert found.mistakes == len(wrong)
    assert [int(count) for _, _, count, _ in found.rows] == counts.tolist()[:30]
    for label, other, count, share in found.rows:
        i, j = int(label[-3:]), int(other[-3:])
        assert counts[i, j] == int(count)
        assert share == f"{100 * counts[i, j] / (y == i).sum():.1f} %"


def test_no_mistake_is_no_confusion():
    X = np.eye(101, dtype=np.float32)
    data = Dataset("mine", X, np.arange(101), X, np.arange(101))
    found = confusions(shown(data, W=9 * X))
    assert (found.rows, found.mistakes) == ([], 0)


@given(st.lists(st.text("ab ", max_size=40), unique=True, max_size=12))
def test_short_names_are_short_and_each_is_there_once(names):
    short = short_names(tuple(names))
    assert len(set(short)) == len(short) == len(names)
    assert max(map(len, short), default=0) <= 24 + len(" (11)")
    assert all(s == n for s, n in zip(short, names, strict=True) if len(n) <= 24)


@pytest.mark.parametrize("shape", [(), (6, 6)])
def test_the_page_of_900_classes_is_small(tmp_path, shape):
    c, size = 900, 36
    X = np.random.default_rng(9).integers(0, 256, (2 * c, size), np.uint8)
    y = np.arange(2 * c) % c
    names = tuple(f"a class with the rather long name of number {i:03d}" for i in range(c))
    data = Dataset("mine", X, y, X, np.roll(y, 1), classes=names, image_shape=shape)
    html, page = write(tmp_path, LINEAR, data)
    assert len(html.encode()) < 5.5e6  # of which plotly is 4.8
    assert "confusion" not in page.charts
    assert "The most frequent confusions" in page.text
    assert "888 others are left out" in page.text
    assert len([name for name in page.charts if name.startswith("weights")]) == 12 * bool(shape)


def test_the_page_of_large_images_is_small(tmp_path):
    data = pictures_of((128, 128, 3), classes=12)
    html, page = write(tmp_path, LINEAR, data)
    assert len([name for name in page.charts if name.startswith("mistake")]) == 24
    assert len(html.encode()) < 8e6


# --- The result, and runs of earlier versions


def test_what_is_no_better_than_guessing_is_told_first(tmp_path):
    _, page = write(tmp_path, LINEAR)  # the best trial has nothing correct
    worse = page.text.index("0.00 % of the validation images correct, no more than always naming")
    assert worse < page.text.index("best number of epochs")
    _, page = write(tmp_path / "other", np.full(16, np.nan))
    assert page.text.index("Every trial diverged: none") < page.text.index("every trial has failed")


def test_a_run_of_an_earlier_version_is_rendered_as_before(tmp_path, capfd):
    data = images()
    np.savez(tmp_path / "data.npz", X=data.X.reshape(-1, 2, 2), y=data.y,
             X_test=data.X_test.reshape(-1, 2, 2), y_test=data.y_test)  # fmt: skip
    config = config_of(SPACE, dataset=str(tmp_path / "data.npz"))
    folder, *_ = finished_run(tmp_path / "run", LINEAR, data, config=config)
    summary = json.loads((folder.path / "summary.json").read_text())
    del summary["guessing"], summary["sizes"], summary["dataset"]["rows"]
    (folder.path / "summary.json").write_text(json.dumps(summary))
    without_seals(folder.path)
    assert main([str(folder.path)]) == 0
    page = Page(folder.report.read_text())
    assert ["test images correct"] in [row[:1] for row in page.rows]
    assert "always naming" not in page.text
    assert "confusion" in page.charts
