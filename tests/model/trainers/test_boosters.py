"""What is XGBoost's and LightGBM's own."""

import json

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss
from trainer_cases import CASES, rows, trained

SCORING = rows(50)
both = pytest.mark.parametrize("name", ["xgboost", "lightgbm"])


def case(name):
    pytest.importorskip(name)
    return CASES[name].trainer, CASES[name].params


def predicted(name, content, X):
    """Return what the library itself says of a state that was written."""
    if name == "xgboost":
        import xgboost

        return xgboost.Booster(model_file=bytearray(content)).inplace_predict(X)
    import lightgbm

    return lightgbm.Booster(model_str=json.loads(content)["model"]).predict(X)


@both
@pytest.mark.parametrize("n_classes", [2, 3])
def test_what_is_written_is_the_librarys_own_and_has_the_figures_of_scikit_learn(name, n_classes):
    trainer, params = case(name)
    data, scoring = rows(n_classes=n_classes), rows(50, n_classes=n_classes)
    state = trainer.advance(None, params, range(30), data)
    found = predicted(name, trainer.dump(state), scoring.X)
    guessed = found > 0.5 if n_classes == 2 else found.argmax(axis=1)
    figures = trainer.score(state, scoring)
    assert figures["cost"] == pytest.approx(log_loss(scoring.y, found), rel=1e-5)
    assert figures["accuracy"] == accuracy_score(scoring.y, guessed)


@both
def test_the_first_block_is_the_plain_training_and_later_ones_differ_by_their_random_numbers(name):
    trainer, params = case(name)
    data = rows()
    seed = int(data.rng(0).integers(2**31))
    bins = int(data.rng().integers(2**31))
    if name == "xgboost":
        import xgboost

        settings = {"objective": "multi:softprob", "num_class": 3, "nthread": 1, "seed": seed}
        matrix = xgboost.DMatrix(data.X, data.y, nthread=1)
        plain = xgboost.train(params | settings, matrix, 40)
        expected = [
            plain.inplace_predict(SCORING.X, iteration_range=(0, rounds)) for rounds in (25, 40)
        ]
    else:
        import lightgbm

        settings = {"objective": "multiclass", "num_class": 3, "num_threads": 1, "verbosity": -1}
        names = ("bagging_seed", "feature_fraction_seed", "extra_seed", "objective_seed")
        seeds = {**dict.fromkeys(names, seed), "data_random_seed": bins}
        more = {"deterministic": True, "force_col_wise": True}
        plain = lightgbm.train(
            params | settings | seeds | more, lightgbm.Dataset(data.X, data.y), 40
        )
        expected = [plain.predict(SCORING.X, num_iteration=rounds) for rounds in (25, 40)]
    content = [
        trainer.dump(trainer.advance(None, params, range(rounds), data)) for rounds in (25, 40)
    ]
    found = [predicted(name, one, SCORING.X) for one in content]
    assert np.array_equal(found[0], expected[0])
    assert not np.array_equal(found[1], expected[1])


@both
def test_blocks_without_random_numbers_are_the_plain_training_but_for_rounding(name):
    trainer, _ = case(name)
    data = rows(200)
    params = {"learning_rate": 0.1, "max_depth": 3}
    blocks = trainer.score(trainer.advance(None, params, range(60), data), SCORING)
    undivided = type("Undivided", (type(trainer),), {"grain": 100})()
    whole = undivided.score(undivided.advance(None, params, range(60), data), SCORING)
    assert blocks["cost"] == pytest.approx(whole["cost"], rel=1e-4)


@both
def test_a_range_may_begin_within_a_block(name):
    trainer, params = case(name)
    data = rows()
    whole = trainer.dump(trainer.advance(None, params, range(60), data))
    assert trainer.dump(trained(trainer, params, [7, 30, 31, 60], data)) == whole


def test_rounds_that_split_nothing_are_counted():
    pytest.importorskip("lightgbm")
    trainer = CASES["lightgbm"].trainer
    params = {
        "min_data_in_leaf": 30,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "min_gain_to_split": 3.0,
    }
    data = rows()
    later = trained(trainer, params, [33, 60], data)
    steps = np.diff(later.iterations)
    assert len(later.iterations) == 60
    assert 0 < steps.sum() < 59  # some rounds have trees, some have none
    assert (np.flatnonzero(steps == 0).min()) < np.flatnonzero(steps).max()
    for epoch in range(1, 60, 7):
        alone = trainer.advance(None, params, range(epoch), data)
        assert trainer.score_at(later, epoch, SCORING) == trainer.score(alone, SCORING)


def test_xgboosts_parameters_of_two_classes_alone_are_known():
    trainer, _ = case("xgboost")
    trainer.check({"scale_pos_weight": 2.0})
    trainer.check({"monotone_constraints": "(1,0,0,0,0)"})
    trainer.check({"tree_method": "approx", "n_jobs": 1})


@both
def test_a_threads_number_of_ones_own_is_taken(name):
    trainer, params = case(name)
    trainer.check({**params, "n_jobs": 2})
    state = trainer.advance(None, {**params, "n_jobs": 2}, range(3), rows())
    assert np.isfinite(trainer.score(state, SCORING)["cost"])
