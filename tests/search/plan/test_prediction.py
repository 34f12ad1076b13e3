"""What a sweep should take."""

import pytest

from model.speed import TYPICAL, SpeedModel
from search.config import Params, load_config
from search.plan import (
    LinkCutter,
    array_mib,
    grid_plan,
    grid_widths,
    nothing_reached,
    open_chains,
    predict,
    refit_seconds,
)
from search.record import Standings

CONFIG = load_config("full")
N_TRAIN, N_VALIDATION = 48_000, 12_000


def chains_for(workers):
    plan = grid_plan(CONFIG, grid_widths(CONFIG, workers))
    cutter = LinkCutter.for_plan(
        plan, speed=TYPICAL, n_train=N_TRAIN, n_validation=N_VALIDATION, workers=workers
    )
    return plan, open_chains(plan, Standings(CONFIG.total).closed, nothing_reached, cutter)


@pytest.mark.parametrize("workers", [1, 4, 64])
def test_the_work_is_that_of_every_pack(workers):
    plan, chains = chains_for(workers)
    prediction = predict(chains, workers)
    expected = dict.fromkeys(CONFIG.space.axes["batch_size"], 0.0)
    for pack in plan.packs:
        epoch = N_TRAIN * TYPICAL.training_row(pack.shared["batch_size"], pack.width)
        scoring = 2 * N_VALIDATION * TYPICAL.scoring_row(pack.width)
        expected[pack.shared["batch_size"]] += pack.stops[-1] * epoch + len(pack.stops) * scoring
    assert prediction.by_kind == pytest.approx(expected)
    assert prediction.compute_s == pytest.approx(sum(expected.values()))
    assert prediction.training_s >= prediction.compute_s / workers * (1 - 1e-9)
    assert prediction.busy == pytest.approx(prediction.compute_s / workers / prediction.training_s)


def test_one_worker_takes_the_whole_work():
    prediction = predict(chains_for(1)[1], 1)
    assert prediction.training_s == pytest.approx(prediction.compute_s)
    assert prediction.busy == pytest.approx(1)


def test_more_workers_are_faster():
    times = [predict(chains_for(workers)[1], workers).training_s for workers in (1, 2, 4, 8)]
    assert times == sorted(times, reverse=True)


def test_nothing_left_takes_no_time():
    prediction = predict([], 4)
    assert (prediction.training_s, prediction.compute_s, prediction.by_kind) == (0, 0, {})


def test_the_final_training_is_one_column_on_all_images():
    speed = SpeedModel({8: (3.0, 0.5)}, (100.0, 100.0))
    assert (
        refit_seconds(speed, Params(batch_size=8, learning_rate=1e-6, epochs=5, alpha=0.0), 100)
        == 5 * 100 * 3.5
    )


def test_memory_counts_four_bytes_an_entry():
    assert array_mib(1024, 1024) == 4
    assert array_mib(512, 1024, 2) == 4
