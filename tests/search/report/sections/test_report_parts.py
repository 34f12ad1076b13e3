"""What the charts of a report are made of, against plain sorting, counting and pandas."""

import tomllib
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reports import FULL, SPACE, columns_of, config_of, images

from model.softmax import SoftmaxRegression
from search.config import AXES, Range, SweepConfig, as_toml
from search.record import LinkRecord, TrialLog
from search.report.axis import Axis, axis_number
from search.report.charts import hover, json_value
from search.report.final_model import FinalModel
from search.report.run_data import clip_of, outcomes, thinned
from search.report.sections.confusion import confusion_chart
from search.report.sections.losses import state_counts
from search.report.sections.pairs import pair_costs
from search.report.sections.timeline import (
    Span,
    busy_fraction,
    joined,
    lanes,
    links_of,
    links_of_rows,
    without_pauses,
)
from search.report.sections.trajectories import trajectories

costs_of_a_log = st.lists(
    st.one_of(st.just(np.nan), st.just(np.inf), st.floats(0, 1e30)), min_size=60, max_size=60
)


# --- Costs of pairs


@given(costs_of_a_log, st.randoms(use_true_random=False))
def test_pairs_are_those_of_pandas(costs, random):
    column, row = ([random.randrange(n) for _ in costs] for n in (5, 4))
    tables = pair_costs(np.array(costs), np.array(column), np.array(row), (4, 5))
    log = pd.DataFrame({"cost": costs, "column": column, "row": row}).dropna()
    for name, kind in (("best", "min"), ("median", "median")):
        cells = log.groupby(["row", "column"]).cost.agg(kind)
        expected = np.full((4, 5), np.nan)
        for (i, j), cost in cells.items():
            expected[i, j] = cost
        np.testing.assert_array_equal(tables[name], expected)


def test_diverged_trials_are_infinite_and_pruned_ones_unknown():
    costs = np.linspace(1, 2, 16)
    costs[3] = np.nan
    columns = columns_of(SPACE, costs, pruned=(5,))
    found = outcomes({name: np.asarray(columns[name]) for name in ("state", "val_cost")})
    assert np.isinf(found[3])
    assert np.isnan(found[5])
    assert np.isfinite(np.delete(found, [3, 5])).all()


def test_a_few_huge_costs_do_not_take_the_colours():
    low, high = clip_of(np.array([*np.linspace(0.4, 0.6, 100), 1e9, np.inf, np.nan]))
    assert low == 0.4
    assert high < 0.6
    assert clip_of(np.array([np.nan])) == (0.0, 1.0)


@given(costs_of_a_log, st.integers(10, 80))
def test_thinning_keeps_the_best_and_draws_it_last(costs, most):
    costs = np.array(costs)
    chosen, finite = thinned(costs, most), np.flatnonzero(np.isfinite(costs))
    assert len(chosen) == min(most, len(finite)) == len(set(chosen.tolist()))
    assert (np.diff(costs[chosen]) <= 0).all()
    if len(finite):
        assert costs[chosen[-1]] == costs[finite].min()


# --- Axes


def test_numbers_are_written_as_people_do():
    assert [axis_number(x) for x in (5e-07, 1e-5, 0.0, 32, 1e4, 0.15313)] == [
        "5e-7", "1e-5", "0", "32", "10000", "0.1531",
    ]  # fmt: skip


@pytest.mark.parametrize("axis", [
    (8, 16, 32), tuple(range(1, 39)), Range(1e-7, 1e-5, log=True), Range(0.0, 10.0),
    tuple(float(x) for x in np.geomspace(1e-8, 1e-2, 100)),
])  # fmt: skip
def test_places_rise_with_the_values_and_ticks_lie_between_the_ends(axis):
    drawn = Axis.of("alpha", axis)
    low, high = drawn.span
    values = np.linspace(drawn.low, drawn.high, 7) if drawn.values is None else drawn.values
    assert all(a < b for a, b in pairwise(drawn.places(values).tolist()))
    if drawn.ticks() is not None:
        places, texts = drawn.ticks()
        assert len(places) == len(set(texts)) <= 10
        assert low - 1e-3 <= min(places) <= max(places) <= high + 1e-3


def test_bins_of_a_range_hold_every_value_once():
    axis = Axis.of("alpha", Range(1e-2, 1e4, log=True))
    values = np.geomspace(1e-2, 1e4, 97)
    index, texts = axis.bins(values)
    expected = pd.cut(np.log10(values), np.linspace(-2, 4, len(texts) + 1), right=False).codes
    inner = slice(1, -1)  # pandas leaves the upper end out
    assert (index[inner] == expected[inner]).mean() > 0.9  # rounding at the edges
    assert np.bincount(index).sum() == 97


def test_states_are_counted_as_pandas_does():
    costs = np.where(np.arange(4096) % 7, 1.0, np.nan)
    columns = columns_of(FULL, costs, pruned=range(100, 900))
    axis = Axis.of("learning_rate", FULL.axes["learning_rate"])
    texts, counts = state_counts(axis, columns)
    expected = pd.crosstab(columns["learning_rate"], columns["state"])
    assert len(texts) == 8
    for state in counts:
        assert counts[state].tolist() == expected[state].tolist()


# --- Trajectories


def test_trials_that_differ_in_epochs_are_one_line():
    costs = np.linspace(1, 2, 16)
    columns = {k: np.array(v, object) for k, v in columns_of(SPACE, costs, (2,)).items()
               if isinstance(v, list | np.ndarray)}  # fmt: skip
    lines = trajectories(columns, ("batch_size", "learning_rate", "alpha"))
    assert len(lines) == 8
    line = lines[8, 1e-7, 0.0]  # trial 0 of 5 epochs, and trial 2 that was pruned at 5 of 10
    assert line.pruned
    assert line.best == costs[0]
    assert set(line.points) == {2, 5, 10}


# --- Timeline


spans = st.builds(
    lambda start, length, node: Span(start, start + length, node, 0, "batch=8"),
    st.floats(0, 100), st.floats(1, 20), st.sampled_from(["a", "b"]),
)  # fmt: skip


@given(st.lists(spans, min_size=1, max_size=60), st.integers(1, 12))
def test_bars_of_several_links_hold_each_link_once_on_its_lane(links, most):
    links = sorted(links)
    chosen = lanes(links)
    bars, places = joined(links, chosen, most)
    assert sum(bar.links for bar in bars) == len(links)
    assert len(bars) <= most + len(set(chosen))
    for lane in set(chosen):
        mine = [link for link, own in zip(links, chosen, strict=True) if own == lane]
        drawn = [bar for bar, own in zip(bars, places, strict=True) if own == lane]
        for bar in drawn:
            held, mine = mine[: bar.links], mine[bar.links :]
            assert (bar.start, bar.end) == (held[0].start, max(link.end for link in held))
        assert mine == []


@given(st.lists(spans, min_size=1, max_size=30))
def test_links_of_a_lane_follow_each_other(links):
    links = sorted(links)
    chosen = lanes(links)
    for lane in set(chosen):
        mine = [link for link, own in zip(links, chosen, strict=True) if own == lane]
        assert {link.node for link in mine} == {lane[0]}
        assert all(b.start >= a.end - 0.5 for a, b in pairwise(mine))
    together = max(
        sum(a.start <= b.start < a.end for a in links if a.node == b.node) for b in links
    )
    for node in {link.node for link in links}:
        assert len({lane for lane in chosen if lane[0] == node}) <= together


def test_long_pauses_are_cut_out_and_work_is_not():
    links = [Span(1000, 1010, "a", 0, "batch=8"), Span(5000, 5020, "a", 0, "batch=8")]
    shifted, pauses = without_pauses(links)
    assert pauses == 1
    assert [(link.start, link.end) for link in shifted] == [(0, 10), (15, 35)]
    assert busy_fraction(shifted, 2) == 30 / 70


def test_rows_of_one_link_are_one_bar(tmp_path):
    trial_log = TrialLog(tmp_path)
    trial_log.write("rows", columns_of(SPACE, np.ones(16)))
    names = ("pack", "node", "started_at", "finished_at", "batch_size", "source")
    trials = dict(zip(names, trial_log.columns(*names), strict=True))
    links = links_of_rows(trials, ("batch_size",))
    assert len(links) == 4  # two packs, scored at two epochs
    assert {(link.end - link.start) for link in links} == {4.0}
    assert links_of(trials, []) == sorted(links)


def test_links_that_finished_no_trial_are_recorded(tmp_path):
    trial_log = TrialLog(tmp_path)
    trial_log.write("rows", columns_of(SPACE, np.ones(16)))
    names = ("pack", "node", "started_at", "finished_at", "batch_size", "source")
    trials = dict(zip(names, trial_log.columns(*names), strict=True))
    records = [
        LinkRecord(7, "batch=1024", i, i + 5, 64, 5, 1.0 + i, 10.5 + i, "b", 1) for i in range(5)
    ]
    links = links_of(trials, records[::-1])
    assert links == [Span(1.0 + i, 10.5 + i, "b", 7, "batch=1024") for i in range(5)]
    # As many are no better than the rows.
    assert links_of(trials, records[:4]) == sorted(links_of_rows(trials, ("batch_size",)))


# --- The final model


def predicted_by(model, data):
    return np.argmax(model.predict_proba(data.X_test), axis=1)


def test_the_confusion_matrix_is_that_of_pandas():
    data = images(classes=4)
    model = SoftmaxRegression(8, 1e-6, 3, 1.0).fit(data.X, data.y)
    final = FinalModel.of(model, data)
    expected = pd.crosstab(data.y_test, predicted_by(model, data)).reindex(
        index=range(4), columns=range(4), fill_value=0
    )
    assert final.confusion().tolist() == expected.to_numpy().tolist()
    assert confusion_chart(final).spec["data"][0]["z"] == expected.to_numpy().tolist()


def test_the_worst_mistakes_have_the_largest_loss():
    data = images(classes=4)
    model = SoftmaxRegression(8, 1e-6, 3, 1.0).fit(data.X, data.y)
    final = FinalModel.of(model, data)
    loss = [model.cost(data.X_test[[i]], data.y_test[[i]]) for i in range(30)]
    wrong = np.flatnonzero(predicted_by(model, data) != data.y_test)
    expected = sorted(wrong, key=lambda i: -loss[i])[:24]
    assert [loss[i] for i in final.worst()] == pytest.approx([loss[i] for i in expected])


def test_a_model_of_another_shape_is_none():
    model = SoftmaxRegression(8, 1e-6, 1, 1.0).fit(images().X, images().y)
    assert FinalModel.of(model, images(pixels=5)) is None


def test_weights_of_standardized_features_are_shown_by_deviation():
    data = images()
    model = SoftmaxRegression(8, 1e-6, 1, 1.0).fit(data.X, data.y)
    raw, shown = FinalModel.of(model, data, "unit"), FinalModel.of(model, data, "standardized")
    np.testing.assert_array_equal(raw.W, model.W)
    np.testing.assert_allclose(shown.W, model.W * data.X_test.std(axis=0)[:, None])
    np.testing.assert_array_equal(shown.losses, raw.losses)
    np.testing.assert_array_equal(shown.predicted, raw.predicted)


# --- Settings, and what goes into the page


@pytest.mark.parametrize("more", [
    {}, {"pruner": {"name": "halving", "interval": 5, "options": {"reduction_factor": 4}}},
    {"sampler": {"name": "tpe", "trials": 9, "options": {"a b": 'c"\\', "multivariate": True}}},
    {"dataset": './</script>ä"\t.npz'.replace("\t", "")},
])  # fmt: skip
def test_settings_are_read_back_as_they_were(more):
    config = config_of(SPACE, **more)
    read = SweepConfig.from_dict(tomllib.loads(as_toml(config)) | {"name": config["name"]})
    assert read == SweepConfig.from_dict(config)
    assert list(config["space"]) == list(AXES)


def test_json_has_no_number_that_is_none_and_hover_texts_no_markup():
    assert json_value({"a": np.array([np.nan, np.inf, 1 / 3])}) == {"a": [None, None, 0.333333]}
    assert hover([("node", "<b>&")]) == "node &lt;b&gt;&amp;"
