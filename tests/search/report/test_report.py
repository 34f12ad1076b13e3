"""The report: one file, safe to open, with the best trials first."""

import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reports import FULL, SCRIPT, SPACE, Page, config_of, finished_run, images, write

from search.config import SearchSpace, SweepConfig, load_config
from search.report import write_report
from search.report.__main__ import main
from search.report.sections.result import top_trials
from search.result import edge_warnings, result_text
from search.view import MOST_CELLS

PAIRS = {
    "pair-batch_size-learning_rate", "pair-batch_size-epochs", "pair-batch_size-alpha",
    "pair-learning_rate-epochs", "pair-learning_rate-alpha", "pair-epochs-alpha",
}  # fmt: skip
LINEAR = np.linspace(1, 2, 16)


def test_names_are_escaped(tmp_path):
    folder = tmp_path / "<script>alert(1)"
    folder.mkdir()
    config = config_of(SPACE, dataset=f"./{SCRIPT}.npz")
    html, page = write(folder, np.ones(16), images(SCRIPT), config=config)
    assert page.tags.count("script") == 3
    assert "alert(" not in html.replace("&lt;script&gt;alert(", "")
    assert "<script>alert(1)" in page.text
    assert f"16 trials on {SCRIPT}" in page.text
    assert f'dataset = "./{SCRIPT}.npz"' in page.text


def test_a_node_that_closes_the_script_stays_text(tmp_path):
    parts = finished_run(tmp_path, LINEAR)
    rows = parts[2].read().to_pydict()
    for i in range(0, 16, 2):
        rows["node"][i] = "</script><img src=x>"
    times = {n: [t.timestamp() for t in rows[n]] for n in ("started_at", "finished_at")}
    (tmp_path / "trials" / "rows.parquet").unlink()
    parts[2].write("rows", rows | times)
    write_report(*parts)
    html = parts[0].report.read_text()
    assert "<img" not in html
    assert "&lt;/script&gt;" in str(Page(html).specs["timeline"])  # what plotly shows as text


def test_the_page_holds_result_seed_versions_and_fingerprint(tmp_path):
    _, page = write(tmp_path, LINEAR)
    assert ["best number of epochs", "5"] in page.rows
    assert ["validation cost", "1.0000"] in page.rows
    for text in ("1:35 min", "seed = 42", "numpy 2.0 <beta>", "fingerprint ", "2024-01-01 00:00"):
        assert text in page.text
    assert "originally" not in page.text


REFERENCE = load_config("full").to_dict()["reference"]


def test_the_result_stands_beside_the_reference_of_its_grid(tmp_path):
    config = config_of(SPACE, reference=REFERENCE)
    _, page = write(tmp_path, LINEAR, images("fashion-mnist"), config=config)
    for row in (
        ["best number of epochs", "5", "35"], ["best alpha", "0", "1"],
        ["best learning rate", "1e-07", "5e-07"], ["best mini-batch size", "8", "32"],
        ["validation cost", "1.0000", "0.4336"],
    ):  # fmt: skip
        assert row in page.rows
    reported = {row[0]: row[2] for row in page.rows if len(row) == 3}
    assert reported["test cost after retraining"] == "0.4558"
    assert reported["test images correct"] == "84.26 %"
    assert "Originally: the published result, from about 30 hours of plain loops." in page.text
    assert "[reference]" in page.text


@pytest.mark.parametrize(("data", "reference"), [
    ("digits", REFERENCE), ("fashion-mnist", None),
    ("fashion-mnist", REFERENCE | {"dataset": "digits"}),
])  # fmt: skip
def test_a_reference_of_another_data_set_is_not_shown(tmp_path, data, reference):
    config = config_of(SPACE, reference=reference)
    _, page = write(tmp_path, LINEAR, images(data), config=config)
    assert "originally" not in page.text.lower()


def test_the_ten_best_trials_come_sorted(tmp_path):
    costs = np.roll(LINEAR, 5)
    costs[7] = np.nan
    _, page = write(tmp_path, costs)
    head = next(i for i, row in enumerate(page.rows) if row[0] == "trial")
    shown = [row[:2] for row in page.rows[head + 1 : head + 11]]
    best = sorted((cost, n) for n, cost in enumerate(costs) if np.isfinite(cost))[:10]
    assert shown == [[str(n), f"{cost:.4f}"] for cost, n in best]


def test_the_page_of_a_run_that_the_average_selects_shows_its_costs(tmp_path):
    config = config_of(SPACE, select="average")
    _, page = write(tmp_path, LINEAR, config=config)
    assert ["validation cost", f"{3 - LINEAR[-1]:.4f}"] in page.rows
    head = next(i for i, row in enumerate(page.rows) if row[0] == "trial")
    assert page.rows[head + 1][:2] == ["15", f"{3 - LINEAR[-1]:.4f}"]
    (at,) = [i for i, row in enumerate(page.rows) if row[0] == "(* selects)"]
    assert page.rows[at + 1] == ["last weights", f"{LINEAR[-1]:.4f}", "0.5000", "75.00 %"]
    assert page.rows[at + 2][:2] == ["averaged weights *", f"{3 - LINEAR[-1]:.4f}"]
    assert 'select = "average"' in page.text


@pytest.mark.parametrize("costs", [np.nan, 0.0, 1.0, 1e300])
def test_all_trials_alike_are_a_report_too(tmp_path, costs):
    _, page = write(tmp_path, np.full(16, costs))
    assert ("best trials" in page.text) == np.isfinite(costs)
    assert set(page.charts) & PAIRS == (PAIRS if np.isfinite(costs) else set())


def test_every_section_of_a_pruned_grid_has_its_charts(tmp_path):
    costs = LINEAR.copy()
    costs[4] = np.nan
    _, page = write(tmp_path, costs, pruned=(14, 15))
    expected = {
        *PAIRS, "trajectories", "parallel", "importance", "states-learning_rate",
        "states-batch_size", "pruned-at", "confusion", "timeline", "weights-0", "mistake-0",
    }  # fmt: skip
    assert expected <= set(page.charts)
    assert page.specs["pruned-at"]["data"][0]["y"] == [2]


def test_a_chart_without_data_is_left_out(tmp_path):
    _, page = write(tmp_path, LINEAR, has_test=False)
    assert not {"confusion", "pruned-at", "states-learning_rate", "history"} & set(page.charts)
    assert "The data set has no test images." in page.text


def test_a_hyperparameter_of_one_value_has_no_axis(tmp_path):
    space = type(SPACE)(batch_size=(8,), learning_rate=(1e-7, 1e-6), epochs=(5,), alpha=(0.0, 1.0))
    _, page = write(tmp_path, [1.0, 2.0, 3.0, 4.0], space=space)
    assert set(page.charts) & PAIRS == {"pair-learning_rate-alpha"}
    assert "trajectories" not in page.charts


def test_images_that_are_no_squares_are_not_shown(tmp_path):
    _, page = write(tmp_path, LINEAR, images(pixels=5))
    assert "confusion" in page.charts
    assert not [name for name in page.charts if name.startswith(("weights", "mistake"))]


def test_edges_are_warned_of_where_there_is_something_beyond(tmp_path):
    _, page = write(tmp_path, LINEAR)  # the first trial is the best: the lowest of everything
    assert "The best learning rate, 1e-07, is the smallest of its list; smaller" in page.text
    assert "The best number of epochs, 5, is the smallest of its list" in page.text
    assert "The best alpha" not in page.text  # no alpha is below zero


@pytest.mark.parametrize("axes", [
    {}, {"epochs": [1, 5, 10]}, {"epochs": {"low": 5, "high": 400}},
    {"epochs": {"low": 1, "high": 400}}, {"learning_rate": {"low": 9e-8, "high": 1e-6}},
    {"alpha": {"low": 0.0, "high": 3.0}}, {"epochs": list(range(5, 104))},
])  # fmt: skip
def test_the_report_and_the_terminal_say_the_same_of_edges(tmp_path, axes):
    config = config_of(SPACE)
    config["space"] |= axes
    config["sampler"] = {"name": "random", "trials": 16}
    parts = finished_run(tmp_path, LINEAR, config=config)
    write_report(*parts)
    said = re.findall("<li>(.*)</li>", parts[0].report.read_text())
    axes_by_name = SweepConfig.from_dict(config).axes_by_name
    text = result_text(parts[3], "runs/mine", axes_by_name)
    assert said == [line for line in text.splitlines() if "may be better" in line]
    assert said == edge_warnings(parts[3].best.params, axes_by_name)


def test_the_page_of_4096_trials_is_small(tmp_path):
    costs = np.random.default_rng(0).lognormal(0, 1, 4096)
    html, _ = write(tmp_path, costs, space=FULL, pruned=range(1000, 1400))
    assert len(html.encode()) < 8e6


RATES = tuple(np.geomspace(1e-7, 1e-5, 60).tolist())
ALPHAS = (0.0, *np.geomspace(0.01, 1e4, 39).tolist())


def test_pairs_of_many_values_are_bins_which_hold_the_least_cost_of_each(tmp_path):
    space = SearchSpace(batch_size=(8, 16), learning_rate=RATES, epochs=(5, 10), alpha=ALPHAS)
    costs = np.random.default_rng(0).uniform(1, 2, len(space))
    html, page = write(tmp_path, costs, space=space)
    assert "A cell is a bin of values" in page.text
    assert page.text.count("mean over the others") == 1
    assert set(page.specs) >= PAIRS
    cells = 0
    for name in PAIRS:
        best, mean = page.specs[name]["data"]
        values, means, counts = (
            np.array(z, float) for z in (best["z"], mean["z"], best["customdata"])
        )
        cells += values.size
        assert counts.sum() == len(space)
        assert np.nanmin(values) == pytest.approx(costs.min(), rel=1e-5)
        assert np.average(means, weights=counts) == pytest.approx(costs.mean(), rel=1e-4)
        assert (values <= means).all()
        assert len(best["x"]) == values.shape[1]
    assert cells <= MOST_CELLS
    plotly = html.index("<script>", html.index('id="specs"'))
    assert plotly < 400_000


def test_bins_of_close_values_have_places_of_their_own_and_a_cost_may_be_nothing(tmp_path):
    rates = tuple(np.linspace(0.999, 0.9999, 60).tolist())
    space = SearchSpace(batch_size=(8, 16), learning_rate=rates, epochs=(5, 10), alpha=ALPHAS)
    costs = np.random.default_rng(0).uniform(1, 2, len(space))
    costs[7] = 0.0
    _, page = write(tmp_path, costs, space=space)
    for name in PAIRS:
        best, _ = page.specs[name]["data"]
        values, counts = np.array(best["z"], float), np.array(best["customdata"])
        assert np.nanmin(values) == 0
        assert (np.isfinite(values) == (counts > 0)).all()
        assert len(set(best["x"])) == values.shape[1]
        assert len(set(best["y"])) == values.shape[0]


def test_colours_are_names_of_the_style_and_numbers_are_finite(tmp_path):
    html, _ = write(tmp_path, np.where(np.arange(16) % 3, LINEAR, np.nan))
    assert "NaN" not in html[html.index('id="specs"') : html.index("plotly.js v")]
    for name in ("--accent", "--cost-5", "--series-7", "--paper"):
        assert html.count(f"{name}: ") == 2  # light and dark


# --- The command


def test_the_command_writes_the_report_anew(tmp_path, capfd):
    data = images()
    np.savez(tmp_path / "data.npz", X=data.X, y=data.y, X_test=data.X_test, y_test=data.y_test)
    config = config_of(SPACE, dataset=str(tmp_path / "data.npz"))
    folder, *_ = finished_run(tmp_path / "run", LINEAR, data, config=config)
    assert main([str(folder.path)]) == 0
    assert capfd.readouterr() == (f"The report is in {folder.report}\n", "")
    assert 'id="confusion"' in folder.report.read_text()


def test_the_command_goes_without_a_data_set_that_has_changed(tmp_path, capfd):
    other = images(classes=4)
    np.savez(tmp_path / "data.npz", X=other.X, y=other.y, X_test=other.X_test, y_test=other.y_test)
    config = config_of(SPACE, dataset=str(tmp_path / "data.npz"))
    folder, *_ = finished_run(tmp_path / "run", LINEAR, config=config)
    assert main([str(folder.path)]) == 0
    assert "is not the data set it was" in capfd.readouterr().err


def test_the_command_goes_without_a_data_set_that_is_gone(tmp_path, capfd):
    folder, *_ = finished_run(tmp_path, LINEAR)
    assert main([str(folder.path)]) == 0
    assert "The report goes without test images" in capfd.readouterr().err
    assert "The data set is not at hand" in folder.report.read_text()


def test_the_command_refuses_what_is_no_finished_run(tmp_path, capfd):
    assert main([str(tmp_path)]) == 2
    assert "There is no run in" in capfd.readouterr().err
    folder, *_ = finished_run(tmp_path / "run", LINEAR)
    (folder.path / "summary.json").unlink()
    assert main([str(folder.path)]) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("error: ")) == ("", 1)
    assert "is not finished" in err


def test_help_imports_nothing_that_takes_long():
    code = (
        "import sys\nfrom search.report.__main__ import main\n"
        "try:\n    main(['--help'])\n"
        "except SystemExit as end:\n    print(end.code, sorted(sys.modules), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stderr.startswith("0 ")
    for name in ("numpy", "optuna", "pyarrow", "jinja2", "plotly"):
        assert f"'{name}'" not in done.stderr


costs_of_a_log = st.lists(
    st.one_of(st.just(np.nan), st.floats(0, 1e30)), min_size=len(SPACE), max_size=len(SPACE)
)


@given(costs_of_a_log)
def test_the_best_trials_are_those_of_a_sort(costs):
    trials, losses = {"number": np.arange(len(SPACE))}, np.array(costs)
    best = sorted((c, n) for n, c in enumerate(costs) if np.isfinite(c))[:10]
    assert [(losses[t["number"]], t["number"]) for t in top_trials(trials, losses)] == best
