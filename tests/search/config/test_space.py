"""The grid against its oracle, itertools.product."""

import itertools
from time import perf_counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.config import AXES, Params, SearchSpace

SPACE = SearchSpace(
    batch_size=(8, 16), learning_rate=(1e-7, 1e-6, 1e-5), epochs=(5, 10), alpha=(0.0, 1.0, 10.0)
)


def spaces() -> st.SearchStrategy[SearchSpace]:
    def axis(values: st.SearchStrategy) -> st.SearchStrategy:
        return st.lists(values, min_size=1, max_size=5, unique=True).map(tuple)

    whole = st.integers(1, 2**31 - 1)
    real = st.floats(0, 1e300)
    return st.builds(
        SearchSpace,
        batch_size=axis(whole),
        learning_rate=axis(real),
        epochs=axis(whole),
        alpha=axis(real),
    )


def product(space: SearchSpace) -> list[Params]:
    axes = (
        space.axes["batch_size"],
        space.axes["learning_rate"],
        space.axes["epochs"],
        space.axes["alpha"],
    )
    return [Params(dict(zip(AXES, values, strict=True))) for values in itertools.product(*axes)]


@given(spaces())
def test_numbers_follow_the_product(space):
    assert list(space) == product(space)
    assert len(space) == len(product(space))


@given(spaces(), st.data())
def test_columns_agree_with_getitem(space, data):
    numbers = data.draw(st.lists(st.integers(0, len(space) - 1), max_size=20))
    columns = space.columns(np.array(numbers, dtype=np.int64))
    rows = zip(*(columns[name].tolist() for name in AXES), strict=True)
    assert [Params(dict(zip(AXES, row, strict=True))) for row in rows] == [
        space[number] for number in numbers
    ]


@given(spaces())
def test_columns_are_all_rows_by_default(space):
    columns = space.columns()
    assert list(columns) == list(AXES)
    assert [
        Params(dict(zip(AXES, row, strict=True))) for row in zip(*columns.values(), strict=True)
    ] == product(space)


def test_alpha_is_fastest_and_batch_size_slowest():
    assert SPACE[0] == Params(batch_size=8, learning_rate=1e-7, epochs=5, alpha=0.0)
    assert SPACE[1] == Params(batch_size=8, learning_rate=1e-7, epochs=5, alpha=1.0)
    assert SPACE[3] == Params(batch_size=8, learning_rate=1e-7, epochs=10, alpha=0.0)
    assert SPACE[6] == Params(batch_size=8, learning_rate=1e-6, epochs=5, alpha=0.0)
    assert SPACE[18] == Params(batch_size=16, learning_rate=1e-7, epochs=5, alpha=0.0)
    assert SPACE[35] == Params(batch_size=16, learning_rate=1e-5, epochs=10, alpha=10.0)


def test_columns_have_the_types_of_the_log():
    types = {name: column.dtype for name, column in SPACE.columns().items()}
    assert types == {
        "batch_size": np.int32,
        "learning_rate": np.float64,
        "epochs": np.int32,
        "alpha": np.float64,
    }


def test_columns_keep_the_shape():
    columns = SPACE.columns(np.array([[0, 1, 2], [33, 34, 35]], dtype=np.uint8))
    assert columns["alpha"].tolist() == [[0.0, 1.0, 10.0], [0.0, 1.0, 10.0]]
    assert columns["batch_size"].tolist() == [[8, 8, 8], [16, 16, 16]]


@pytest.mark.parametrize("number", [-1, 36, 2**70, np.int64(-5)])
def test_out_of_range(number):
    with pytest.raises(IndexError, match=rf"no trial {number}: the grid has 36 trials"):
        SPACE[number]


def test_numpy_integers_are_numbers():
    assert SPACE[np.int32(7)] == SPACE[7]


@pytest.mark.parametrize("number", [1.0, "1", slice(0, 2)])
def test_a_number_is_an_integer(number):
    with pytest.raises(TypeError):
        SPACE[number]


@pytest.mark.parametrize("wrong", [-1, 36])
def test_columns_out_of_range(wrong):
    with pytest.raises(IndexError, match=rf"no trial {wrong}: the grid has 36 trials"):
        SPACE.columns(np.array([0, wrong, 3]))


@pytest.mark.parametrize("numbers", [np.ones(36, dtype=bool), np.array([1.0])])
def test_columns_refuse_what_is_no_number(numbers):
    with pytest.raises(TypeError, match="must be integers"):
        SPACE.columns(numbers)


def test_two_billion_trials_are_not_materialised():
    axis = tuple(range(1, 216))
    space = SearchSpace(batch_size=axis, learning_rate=axis, epochs=axis, alpha=axis)
    last = len(space) - 1
    assert space[last] == Params(batch_size=215, learning_rate=215, epochs=215, alpha=215)
    assert space.columns(np.array([last]))["epochs"].tolist() == [215]


def test_a_million_rows_are_quick():
    axis = tuple(range(1, 33))
    space = SearchSpace(batch_size=axis, learning_rate=axis, epochs=axis, alpha=axis)
    start = perf_counter()
    columns = space.columns()
    assert len(columns["alpha"]) == 2**20
    assert perf_counter() - start < 1


def test_params_and_spaces_are_values():
    assert hash(SPACE[3]) == hash(Params(batch_size=8, learning_rate=1e-7, epochs=10, alpha=0.0))
    with pytest.raises(AttributeError):
        SPACE[0].alpha = 1.0
    with pytest.raises(AttributeError):
        SPACE.alpha = (1.0,)
