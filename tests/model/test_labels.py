"""Labels of any kind, and how the classes of several parts go together."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import LabelEncoder, label_binarize

from model.data.assembly import assemble
from model.data.found import Found, Part
from model.data.labels import classes_of, classes_text, codes_of, labels_of
from model.errors import DataError

kinds = st.one_of(
    st.lists(st.integers(-(2**62), 2**62), min_size=2, max_size=20, unique=True),
    st.lists(st.integers(-5, 30), min_size=2, max_size=20, unique=True),
    st.lists(
        st.text(min_size=1, max_size=5).filter(lambda text: text.strip() and "\0" not in text),
        min_size=2, max_size=20, unique=True,
    ),
    st.lists(st.integers(-9, 9).map(float), min_size=2, max_size=10, unique=True),
    st.just([False, True]),
)  # fmt: skip


@settings(max_examples=200)
@given(kinds, st.data())
def test_labels_of_any_kind_are_those_of_scikit_learns_encoder(classes, data):
    drawn = data.draw(st.lists(st.sampled_from(classes), min_size=2, max_size=40))
    y = np.array(drawn)
    found = classes_of("y", labels_of("y", y), 1000)
    encoder = LabelEncoder().fit(y)
    assert list(found) == encoder.classes_.tolist()
    assert [type(label) for label in found] == [type(label) for label in encoder.classes_.tolist()]
    codes = codes_of("y", labels_of("y", y), found)
    np.testing.assert_array_equal(codes, encoder.transform(y))
    np.testing.assert_array_equal(codes_of("y", labels_of("y", y[:, None]), found), codes)


@given(st.integers(2, 9), st.data())
def test_one_hot_rows_are_the_places_of_their_ones(columns, data):
    y = np.array(data.draw(st.lists(st.integers(0, columns - 1), min_size=1, max_size=30)))
    for dtype in (bool, np.uint8, np.float64):
        hot = np.eye(columns)[y].astype(dtype)
        np.testing.assert_array_equal(labels_of("y", hot), y)
    if columns > 2:
        np.testing.assert_array_equal(label_binarize(y, classes=range(columns)), hot)


def data_set(y, y_test=None, y_val=None):
    def part(labels, name):
        X = np.random.default_rng(0).normal(size=(len(labels), 2))
        return Part(X, np.asarray(labels), f"a: X{name}", f"a: y{name}")

    return assemble(
        Found(
            name="a",
            train=part(y, ""),
            test=None if y_test is None else part(y_test, "_test"),
            validation=None if y_val is None else part(y_val, "_val"),
        )
    )


@settings(max_examples=100)
@given(st.sets(st.integers(-20, 20), min_size=2), st.sets(st.integers(-20, 20), min_size=1))
def test_a_class_that_is_tested_must_be_trained(trained, tested):
    """As sets: neither the largest label nor the number of labels decides."""
    y, y_test = sorted(trained) * 2, sorted(tested)
    if tested <= trained:
        data = data_set(y, y_test, y_test)
        assert [data.classes[place] for place in data.y_test] == y_test
        assert data.n_classes == len(trained)
    else:
        first = min(tested - trained)
        with pytest.raises(DataError, match=f"y_test holds the label {first}, which is not among"):
            data_set(y, y_test)
        with pytest.raises(DataError, match=f"y_val holds the label {first}, which is not among"):
            data_set(y, None, y_test)


def test_gaps_are_no_classes():
    data = data_set([0, 100, 900] * 2)
    assert (data.n_classes, data.classes) == (3, (0, 100, 900))
    assert not data.plain_classes
    assert data_set([0, 1, 2]).plain_classes
    assert not data_set([0.0, 1.0, 2.0]).plain_classes
    assert not data_set([False, True]).plain_classes


@pytest.mark.parametrize(
    ("y", "y_test"), [(["1", "2"], [1, 2]), ([1, 2], ["1", "2"]), ([0, 1], [1, 2])]
)
def test_labels_of_another_kind_are_refused(y, y_test):
    with pytest.raises(DataError, match="which is not among the training labels"):
        data_set(y, y_test)


@pytest.mark.parametrize(
    ("y", "y_test", "odd"),
    [
        ([1, 2], ["2", "01"], "'01'"),
        ([1, 2], ["2", "1", "x"], "'x'"),
        ([False, True], ["true", "FALSE", "maybe"], "'maybe'"),
        ([1, 2], ["2", "1"], "'2'"),
        (["01", "2"], [1, 2], "1"),
    ],
)
def test_of_labels_of_another_kind_the_one_is_named_that_made_them_so(y, y_test, odd):
    with pytest.raises(DataError, match=f"holds the label {odd}, which is not among"):
        data_set(y, y_test)


@pytest.mark.parametrize(("y", "y_test"), [([0, 1], [0.0, 1.0]), ([1.0, 2.0], [1, 2])])
def test_whole_floats_and_whole_numbers_are_the_same_labels(y, y_test):
    assert data_set(y, y_test).y_test.tolist() == [0, 1]


def test_bytes_and_objects_are_text():
    assert labels_of("y", np.array([b"a", "é".encode()])).tolist() == ["a", "é"]
    assert labels_of("y", np.array(["a", "b"], object)).tolist() == ["a", "b"]
    assert labels_of("y", np.array([1, 2], object)).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        (np.array([0.5, 1]), "holds 0.5 in row 1"),
        (np.array([1, np.nan]), "holds nan in row 2"),
        (np.array([1, 2.0**53]), "in row 2"),
        (np.array(["a", " "]), "no label in row 2"),
        (np.array([[0, 1], [1, 1]]), r"shape \(2, 2\), and row 2 \(counted from 1\) is 1, 1"),
        (np.array([[0.5, 0.5]]), "rows of several columns"),
        (np.array([[2, 0]]), "rows of several columns"),
        (np.array([["a", "b"]]), "rows of several columns"),
        (np.zeros((2, 2, 2)), r"shape \(2, 2, 2\)"),
        (np.array([b"\xff"]), "not UTF-8"),
        (np.array(["a", 1], object), "objects of several kinds"),
        (np.array([1j]), "type complex128"),
    ],
)
def test_what_is_no_label_is_refused(y, expected):
    with pytest.raises(DataError, match=expected):
        labels_of("y", y)


def test_more_than_a_thousand_classes_are_names_of_rows():
    with pytest.raises(DataError, match="1001 different labels, such as 0, 1, 2"):
        data_set(np.arange(1001))


@pytest.mark.parametrize(
    ("classes", "text"),
    [
        ((0, 1, 2), "0 to 2"),
        ((-1, 1), "-1, 1"),
        (("a", "b"), "a, b"),
        (tuple(range(0, 80, 10)), "0, 10, 20, 30, 40, 50 and 2 more"),
    ],
)
def test_classes_in_a_few_words(classes, text):
    assert classes_text(classes) == text
