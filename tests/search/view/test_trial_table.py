"""Pages and bins of trials, against the same worked out plainly."""

import json
import math
from collections import Counter
from dataclasses import asdict
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.errors import ConfigError
from search.view import MOST_CELLS, TrialTable, among, binned

COSTS = st.sampled_from([0.1, 0.25, 0.5, 3.0, math.nan, math.inf])
WORDS = st.sampled_from(["relu", "tanh", "identity"])


@st.composite
def tables(draw, most=40):
    n = draw(st.integers(1, most))
    numbers = draw(st.permutations(range(n)))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    return TrialTable(
        {
            "number": np.array(numbers, np.int64),
            "alpha": rng.choice([0.0, 0.1, 1.0], n),
            "kind": np.array([draw(WORDS) for _ in range(n)], object),
            "epochs": rng.choice(np.arange(1, 60), n),
            "val_cost": np.array([draw(COSTS) for _ in range(n)]),
            "error": np.array([draw(st.sampled_from([None, "a", "b"])) for _ in range(n)], object),
        },
        ("alpha", "kind", "epochs"),
        ("val_cost",),
        "val_cost",
    )


def plainly_ordered(table, order):
    """Return the numbers of the trials in an order, missing values last."""
    name, sign = order.removeprefix("-"), -1 if order.startswith("-") else 1

    def key(i):
        value = table.columns[name][i]
        missing = value is None or (isinstance(value, float) and not math.isfinite(value))
        number = table.columns["number"][i]
        if missing:
            return 1, 0, number
        if isinstance(value, str):
            return 0, sign * sorted({v for v in table.columns[name] if v}).index(value), number
        return 0, sign * value, number

    return [int(table.columns["number"][i]) for i in sorted(range(len(table)), key=key)]


@pytest.mark.parametrize("name", ["number", "val_cost", "alpha", "kind", "error"])
@pytest.mark.parametrize("sign", ["", "-"])
@given(table=tables(), limit=st.integers(1, 7))
def test_pages_have_every_trial_once_in_order(name, sign, table, limit):
    seen, after = [], None
    while True:
        page = table.page(sign + name, after, limit, ["number", name])
        assert len(page.rows) <= limit
        json.dumps(page.rows, allow_nan=False)
        seen += [row[0] for row in page.rows]
        after = json.loads(json.dumps(page.after))  # as it travels
        if after is None:
            break
    assert seen == plainly_ordered(table, sign + name)


@given(table=tables(), cut=st.integers(0, 40))
def test_a_page_goes_on_behind_a_trial_of_a_log_that_has_grown(table, cut):
    shorter = TrialTable(
        {name: column[:cut] for name, column in table.columns.items()},
        table.axes, table.figures, table.select,
    )  # fmt: skip
    if not cut:
        return
    page = shorter.page("val_cost", None, 3)
    if page.after is None:
        return
    rest, after = [], page.after
    while after is not None:
        following = table.page("val_cost", after, 5, ["number"])
        rest += [row[0] for row in following.rows]
        after = following.after
    order = plainly_ordered(table, "val_cost")
    place = order.index(page.rows[-1][list(page.columns).index("number")])
    assert rest == order[place + 1 :]


@pytest.mark.parametrize("after", [[], [1], ["x", "y"], [None, None], [0.1, 2.5, 3], [{}, 1]])
def test_what_is_no_cursor_is_refused(after):
    table = TrialTable(
        {"number": np.arange(3), "val_cost": np.arange(3.0)}, (), ("val_cost",), "val_cost"
    )
    with pytest.raises(ConfigError, match="not a cursor of this order"):
        table.page("val_cost", after, 2)


def test_what_is_no_column_is_refused_with_those_that_are():
    table = TrialTable({"number": np.arange(3)}, (), (), "number")
    for call in (lambda: table.page("x", None, 2), lambda: table.page("number", None, 2, ["x"])):
        with pytest.raises(ConfigError, match="no column 'x'; columns are number"):
            call()


def bin_of(axis, value):
    """Return the bin of a value by what an axis says of its bins."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return list(axis.bins).index(None)
    for i, found in enumerate(axis.bins):
        inside = found[0] <= value <= found[1] if isinstance(found, list) else found == value
        if found is not None and inside:
            return i
    raise AssertionError(f"{value} is in no bin")


@given(table=tables(most=120), first=st.integers(0, 2), last=st.integers(0, 2))
def test_bins_and_ribbons_are_the_crosstab_of_pandas(table, first, last):
    found = binned(table, {"alpha": (first, last)}, best=5)
    bins = pd.DataFrame(
        {
            axis.name: [
                bin_of(axis, _plain(table.columns[axis.name][i])) for i in range(len(table))
            ]
            for axis in found.axes
        }
    )
    costs = pd.Series(np.asarray(table.columns["val_cost"])).replace(np.inf, np.nan)
    within = bins.alpha.between(first, last)
    assert (found.total, found.within) == (len(table), within.sum())
    names = [axis.name for axis in found.axes]
    assert names == ["alpha", "kind", "epochs", "val_cost"]
    assert [(pair["x"], pair["y"]) for pair in found.pairs] == list(combinations(names, 2))
    for pair in found.pairs:
        x, y = (bins[pair[side]][within] for side in "xy")
        told = pd.DataFrame(pair["cells"], columns=["x", "y", "count", "least", "mean"])
        counts = pd.crosstab(x, y).stack()
        expected = counts[counts > 0]
        of_cost = costs[within].groupby([x, y])
        told = told.set_index(["x", "y"]).astype(float).sort_index()
        assert told["count"].to_dict() == expected.to_dict()
        np.testing.assert_allclose(told["least"], of_cost.min())
        np.testing.assert_allclose(told["mean"], of_cost.mean(), rtol=1e-5)
    best = costs[within].dropna().sort_values()[:5]
    assert [row[1] for row in found.best] == best.tolist()
    for number, _, *places in found.best:
        at = np.flatnonzero(table.columns["number"] == number)[0]
        assert places == bins.iloc[at][names].tolist()


@pytest.mark.parametrize("name", ["alpha", "kind", "epochs", "val_cost"])
@given(table=tables(most=120))
def test_the_trials_between_two_axes_are_those_of_each_bin(name, table):
    """What comes into a bin goes on: ribbons on both sides of an axis have the same widths."""
    found = binned(table)
    sums = [
        Counter({b: n for b in range(32) if (n := sum(c[2] for c in pair["cells"] if c[at] == b))})
        for pair in found.pairs
        for at, side in enumerate("xy")
        if pair[side] == name
    ]
    assert len(sums) == 3
    assert sums[0] == sums[1] == sums[2]
    assert sums[0].total() == len(table)


def _plain(value):
    return value.item() if isinstance(value, np.generic) else value


def test_the_size_of_an_answer_does_not_grow_with_trials_or_axes():
    rng, sizes = np.random.default_rng(0), {}
    for n, axes in ((1000, 3), (200_000, 3), (20_000, 12), (5000, 60)):
        names = tuple(f"axis_{i}" for i in range(axes))
        columns = {name: rng.random(n) for name in names}
        table = TrialTable(
            {"number": np.arange(n), **columns, "val_cost": rng.random(n)}, names, (), "val_cost"
        )
        found = binned(table)
        sizes[n, axes] = len(json.dumps(asdict(found)))
        assert sum(len(pair["cells"]) for pair in found.pairs) <= MOST_CELLS
        assert len(found.axes) + len(found.left_out) == axes + 1
    assert max(sizes.values()) < 200_000


@given(tables(), st.integers(1, 7), st.sampled_from(["-val_cost", "alpha", "kind", "number"]))
def test_pages_among_some_bins_have_those_trials_and_no_others(table, limit, order):
    axes = binned(table).axes
    kind, cost = axes[1], axes[-1]
    ranges = {kind.name: (0, 1), cost.name: (1, 3)}
    inside = {
        int(table.numbers[i])
        for i in range(len(table))
        if bin_of(kind, _plain(table.columns[kind.name][i])) <= 1
        and 1 <= bin_of(cost, _plain(table.columns[cost.name][i])) <= 3
    }
    found = among(table, ranges)
    after, told = None, []
    while True:
        page = table.page(order, after, limit, ["number"], found)
        assert (page.total, page.within) == (len(table), len(inside))
        told += [row[0] for row in page.rows]
        if page.after is None:
            break
        after = json.loads(json.dumps(page.after))
    assert told == [number for number in plainly_ordered(table, order) if number in inside]
