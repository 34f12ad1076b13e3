"""What all ways of multiplying give: the products, and some of them the same bits everywhere."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba.core import registry

from model.errors import MissingProductsError
from model.products import (
    KINDS,
    NUMPY,
    available_products,
    fits,
    fixed_point,
    library,
    products_named,
    tiles,
)
from model.products.fixed_point import MOST_FEATURES, FixedPointProducts
from model.products.limbs import units

WAYS = {"numpy": lambda: NUMPY, "onednn": lambda: products_named("onednn"),
        "fixed by tiles": lambda: FixedPointProducts("tiles"),
        "fixed by bytes": lambda: FixedPointProducts("bytes"),
        "fixed by float64": lambda: FixedPointProducts("float64")}  # fmt: skip
FIXED = [name for name in WAYS if name.startswith("fixed")]
LARGEST = 8_355_711  # of three bytes with a sign each, the smaller of both ends


@pytest.fixture(params=WAYS, scope="module")
def way(request):
    try:
        return WAYS[request.param]()
    except MissingProductsError as missing:
        pytest.skip(str(missing))


def rows(n, n_features, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, n_features)).astype(np.float32)


def factor(n, width, seed=1):
    """Return numbers of very different size in each column."""
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((n, width)) * 10.0 ** rng.integers(-12, 9, width)).astype("f4")


def close(found, exact, terms):
    """Check against sums in float64, by the sum of the magnitudes: that is how float32 rounds."""
    assert found.dtype == np.float32
    assert (np.abs(found - exact) <= 2.0**-20 * terms + 1e-30).all()


@pytest.mark.parametrize(
    ("n", "D", "W"), [(1, 1, 1), (9, 1, 4), (1, 30, 1), (5, 784, 9), (64, 30, 60), (128, 401, 7)]
)
def test_they_are_the_products(way, n, D, W):
    X, V, deltas, G = rows(n, D), factor(D, W), factor(n, W), np.empty((n, n), np.float32)
    wide_X, wide_V, wide_deltas = X.astype(float), V.astype(float), deltas.astype(float)
    products = way.of_block(n, D, W)
    Z, correction = np.empty((n, W), np.float32), np.empty((n, W), np.float32)
    products.hold(V)
    products.project(X, Z)
    close(Z, wide_X @ wide_V, X.max() * D * np.abs(wide_V).max(axis=0))
    products.gram(X, G)
    close(G, wide_X @ wide_X.T, np.full((n, n), D * 255.0**2))
    products.correct(G, deltas, correction)
    terms = np.abs(G.astype(float)) @ np.abs(wide_deltas)
    close(correction, G.astype(float) @ wide_deltas, terms)
    new = V.copy()
    products.update(X, new, deltas, then_hold=False)
    terms = np.abs(wide_V).max(axis=0) + n * 255 * np.abs(wide_deltas).max(axis=0)
    close(new, wide_V - wide_X.T @ wide_deltas, terms)


def test_what_an_update_leaves_is_held_as_if_it_were_new(way):
    X, V, deltas = rows(9, 20), factor(20, 6), factor(9, 6)
    products = way.of_block(9, 20, 6)
    then, anew = np.empty((9, 6), np.float32), np.empty((9, 6), np.float32)
    products.hold(V)
    products.update(X, V, deltas, then_hold=True)
    products.project(X, then)
    products.hold(V)
    products.project(X, anew)
    assert np.array_equal(then, anew)


def test_rows_of_its_own_type_give_the_same(way):
    X, V = rows(9, 20), factor(20, 6)
    products, Z, same = way.of_block(9, 20, 6), *np.empty((2, 9, 6), np.float32)
    products.hold(V)
    products.project(X, Z)
    products.project(X.astype(way.row_type), same)
    assert np.array_equal(Z, same)


def test_fewer_rows_than_the_block_has(way):
    X, V = rows(7, 20), factor(20, 6)
    products = way.of_block(64, 20, 6)
    Z, G = np.empty((7, 6), np.float32), np.empty((7, 7), np.float32)
    products.hold(V)
    products.project(X, Z)
    products.gram(X, G)
    close(Z, X.astype(float) @ V, 255 * 20 * np.abs(V).max(axis=0))
    assert (G == X @ X.T).all()


def test_numbers_that_are_not_finite_stay_in_their_column(way):
    X, deltas = rows(16, 30), factor(16, 5)
    for bad in (np.nan, np.inf, -np.inf, np.float32(3.4e38)):
        V = factor(30, 5)
        V[3, 2] = bad
        outcomes = []
        for columns in (range(5), [0, 1, 3, 4]):
            part = np.ascontiguousarray(V[:, list(columns)])
            products = way.of_block(16, 30, len(part[0]))
            Z = np.empty((16, len(part[0])), np.float32)
            with np.errstate(all="ignore"):
                products.hold(part)
                products.project(X, Z)
                products.update(X, part, np.ascontiguousarray(deltas[:, list(columns)]),
                                then_hold=False)  # fmt: skip
            outcomes.append((Z, part))
        (Z, new), (Z_others, new_others) = outcomes
        np.testing.assert_allclose(np.delete(Z, 2, axis=1), Z_others, rtol=1e-4)
        np.testing.assert_allclose(np.delete(new, 2, axis=1), new_others, rtol=1e-4)
        if not np.isfinite(bad):
            assert not np.isfinite(Z[X[:, 3] > 0, 2]).any()
            assert not np.isfinite(new[3, 2])


# --- fixed point ------------------------------------------------------------------------------


@pytest.fixture(params=FIXED, scope="module")
def fixed(request):
    try:
        return WAYS[request.param]()
    except MissingProductsError as missing:
        pytest.skip(str(missing))


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 128), D=st.integers(1, 90))
@settings(max_examples=30)
def test_sums_are_exact_and_rounded_once(fixed, seed, n, D):
    X, V = rows(n, D, seed), factor(D, 4, seed)
    unit, inverse = units(V)
    whole = [[round(float(v) * float(i)) for v, i in zip(row, inverse, strict=True)] for row in V]
    products, Z = fixed.of_block(n, D, 4), np.empty((n, 4), np.float32)
    products.hold(V)
    products.project(X, Z)
    for i in range(n):
        for m in range(4):
            exact = sum(int(X[i, d]) * whole[d][m] for d in range(D))
            assert Z[i, m] == np.float32(exact * float(unit[m]))


@given(seed=st.integers(0, 2**32 - 1), columns=st.sets(st.integers(0, 8), min_size=1))
@settings(max_examples=30)
def test_a_column_has_the_same_bits_beside_any_others(fixed, seed, columns):
    some = sorted(columns)
    X, V, deltas = rows(24, 50, seed), factor(50, 9, seed), factor(24, 9, seed + 1)
    found = []
    for chosen in (range(9), some):
        part, of_part = V[:, list(chosen)].copy(), deltas[:, list(chosen)].copy()
        products = fixed.of_block(24, 50, len(part[0]))
        Z, correction = (np.empty((24, len(part[0])), np.float32) for _ in range(2))
        G = np.empty((24, 24), np.float32)
        products.hold(part)
        products.project(X, Z)
        products.gram(X, G)
        products.correct(G, of_part, correction)
        products.update(X, part, of_part, then_hold=False)
        found.append((Z, correction, part))
    for whole, alone in zip(*found, strict=True):
        assert np.array_equal(whole[:, some], alone)


@given(
    seed=st.integers(0, 2**32 - 1), n=st.integers(1, 130), D=st.integers(1, 200),
    W=st.integers(1, 70), own_type=st.booleans(),
)  # fmt: skip
@settings(max_examples=30)
def test_however_the_sums_are_made_the_bits_are_the_same(fixed, seed, n, D, W, own_type):
    """Two blocks one after the other, of which the second projects by what the first one held."""
    found = []
    for products in (fixed, FixedPointProducts("float64")):
        X, V, deltas = rows(n, D, seed), factor(D, W, seed), factor(n, W, seed + 1)
        if own_type:
            X = X.astype(products.row_type)
        Z, then, G = (np.empty(shape, np.float32) for shape in ((n, W), (n, W), (n, n)))
        block = products.of_block(n, D, W)
        block.hold(V)
        block.project(X, Z)
        block.gram(X, G)
        block.update(X, V, deltas, then_hold=True)
        block.project(X, then)
        found.append((Z, G, V, then))
    for those, by_doubles in zip(*found, strict=True):
        assert np.array_equal(those, by_doubles)


def test_no_sum_leaves_its_type(fixed):
    """The largest numbers, as many as there may be; q is 127 of each byte, or just below 2^23."""
    X = np.full((2, MOST_FEATURES), 255, np.float32)
    for q in (LARGEST, -LARGEST, 2**23 - 1, -(2**23) + 1, 0x7F7F7F, 0x808080 - 2**24):
        V = np.full((MOST_FEATURES, 1), q, np.float32)
        products, Z = fixed.of_block(2, MOST_FEATURES, 1), np.empty((2, 1), np.float32)
        products.hold(V)
        products.project(X, Z)
        (unit,), (inverse,) = units(V)
        exact = 255 * MOST_FEATURES * round(q * float(inverse)) * float(unit)
        assert Z[0, 0] == np.float32(exact)


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_units_leave_24_bits_and_lose_half_a_unit(values):
    F = np.array(values, np.float32)[:, None]
    (unit,), (inverse,) = units(F)
    q = np.rint(F * inverse)
    assert np.abs(q).max() <= LARGEST
    top = float(np.abs(F).max())
    assert top == 0 or unit <= max(2.0**-22 * top * 1.01, 2.0**-123)
    assert (np.abs(q.astype(float) * unit - F) <= unit / 2).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float16, np.float64, bool])
def test_whole_numbers_of_any_type_fit(dtype):
    assert fits(np.array([[0, 1]], dtype)) is None
    assert fits(np.full((5000, 2), 200).astype(dtype)) is None


@pytest.mark.parametrize("value", [-1.0, 255.5, 256.0, np.nan, np.inf])
def test_what_does_not_fit_is_named(value):
    X = np.zeros((5000, 2))
    X[4999, 1] = value
    assert str(value) in str(fits(X))
    assert "65,000" in str(fits(np.zeros((1, MOST_FEATURES + 1), np.uint8)))


# --- choice -----------------------------------------------------------------------------------


def test_numpy_is_always_there_and_all_have_their_names():
    found = available_products()
    assert found[0] is NUMPY
    assert {way.name for way in found} <= set(KINDS)
    for way in found:
        assert products_named(way.name) is way


@pytest.mark.parametrize("broken", ["absent", "without its file", "damaged"])
def test_a_library_that_cannot_be_had_is_one_message(broken, monkeypatch, tmp_path):
    def files(name):
        if broken == "absent":
            raise library.metadata.PackageNotFoundError(name)
        if broken == "without its file":
            return []
        return [Stated(tmp_path / "libdnnl.so.3")]

    (tmp_path / "libdnnl.so.3").write_bytes(b"no library")
    monkeypatch.setattr(library.metadata, "files", files)
    uncached = library.onednn.__wrapped__
    with pytest.raises(MissingProductsError, match=r"oneDNN .* on this machine"):
        uncached()


class Stated:
    """A file of an installed package, as importlib.metadata states it."""

    def __init__(self, path):
        self.name, self._path = path.name, path

    def locate(self):
        return self._path


@pytest.mark.parametrize("lacking", [None, "machine", "system", "features", "permission", "call"])
def test_without_amx_or_leave_to_use_it_there_are_no_tiles(lacking, monkeypatch):
    def library(name):
        assert name is None
        if lacking == "call":
            raise OSError("no such library")
        return SimpleNamespace(syscall=lambda *_: -1 if lacking == "permission" else 0)

    features = "+avx2,+amx-tile" + (",+amx-int8" if lacking != "features" else ",-amx-int8")
    codegen = SimpleNamespace(magic_tuple=lambda: ("x86_64", "any", features))
    target = SimpleNamespace(target_context=SimpleNamespace(codegen=lambda: codegen))
    monkeypatch.setattr(registry, "cpu_target", target)
    machine, system = "x86_64", "linux"
    if lacking == "machine":
        machine = "aarch64"
    elif lacking == "system":
        system = "darwin"
    monkeypatch.setattr(tiles.platform, "machine", lambda: machine)
    monkeypatch.setattr(tiles.sys, "platform", system)
    monkeypatch.setattr(tiles.ctypes, "CDLL", library)
    assert tiles.have_tiles.__wrapped__() is (lacking is None)


def test_where_there_are_no_tiles_others_make_the_sums(monkeypatch):
    monkeypatch.setattr(fixed_point, "have_tiles", lambda: False)
    with pytest.raises(MissingProductsError, match="AMX"):
        FixedPointProducts("tiles")
    assert FixedPointProducts().of_block(1, 1, 1)


def test_tiles_refuse_what_they_would_read_beyond_its_end():
    try:
        block = FixedPointProducts("tiles").of_block(4, 20, 6)
    except MissingProductsError as missing:
        pytest.skip(str(missing))
    block.hold(factor(20, 6))
    for V in (factor(65, 6), factor(20, 17), factor(20, 6).astype(float)):
        with pytest.raises(ValueError, match=r"beyond|in float32"):
            block.hold(V)
    with pytest.raises(ValueError, match="beyond"):
        block.project(rows(4, 20), np.empty((33, 6), np.float32))
    with pytest.raises(ValueError, match="in one piece"):
        block.project(rows(4, 20), np.empty((6, 4), np.float32).T)


def test_shapes_that_do_not_go_together_are_refused():
    try:
        onednn = library.onednn()
    except MissingProductsError as missing:
        pytest.skip(str(missing))
    A, B, C = (np.zeros(shape, np.float32) for shape in ((2, 3), (4, 5), (2, 5)))
    with pytest.raises(ValueError, match="do not go together"):
        onednn.multiply(A, B, C)
    with pytest.raises(ValueError, match="in one piece"):
        onednn.multiply(A, B[:3].T.copy().T, C)
