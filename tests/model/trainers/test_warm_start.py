"""What is warm_start's own: it is the estimator that is fitted once."""

import numpy as np
import pytest
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.neural_network import MLPClassifier
from trainer_cases import CASES, rows, trained

from model.errors import TrainerError
from model.trainers.loading import load_trainer
from model.trainers.warm_start import WarmStart

SCORING = rows(50)


@pytest.mark.parametrize("name", ["histogram", "gradient", "forest", "extra"])
@pytest.mark.parametrize("weighted", [False, True])
def test_cut_anywhere_it_is_the_estimator_that_is_fitted_once(name, weighted):
    case, data = CASES[name], rows(seed=3, weighted=weighted)
    trainer = case.trainer
    kinds = {
        "histogram": (HistGradientBoostingClassifier, "max_iter", {"early_stopping": False}),
        "gradient": (GradientBoostingClassifier, "n_estimators", {}),
        "forest": (RandomForestClassifier, "n_estimators", {}),
        "extra": (ExtraTreesClassifier, "n_estimators", {}),
    }
    kind, rounds, more = kinds[name]
    state = trained(trainer, case.params, [1, 4, 12], data)
    seed = int(data.rng().integers(2**31))
    once = kind(**case.params, **more, **{rounds: 12}, random_state=seed)
    once.fit(data.X, data.y, data.weights)
    expected = once.predict_proba(SCORING.X)
    assert np.array_equal(state.predict_proba(SCORING.X), expected)
    found = trainer.score(state, SCORING)
    assert found["cost"] == pytest.approx(log_loss(SCORING.y, expected), rel=1e-9)
    assert found["accuracy"] == accuracy_score(SCORING.y, once.predict(SCORING.X))


def test_more_rows_than_would_stop_early_do_not():
    data = rows(10_500)
    trainer = WarmStart(HistGradientBoostingClassifier)
    state = trainer.advance(None, {"max_leaf_nodes": 4, "max_bins": 8}, range(2), data)
    assert not state.do_early_stopping_


def test_what_counts_anew_is_sent_to_partial_fit():
    with pytest.raises(TrainerError, match=r"starts again .* partial_fit:.*MLPClassifier"):
        load_trainer("warm_start:sklearn.neural_network.MLPClassifier")
    with pytest.raises(ValueError, match=r"LogisticRegression is not one of .*; others do not"):
        WarmStart(LogisticRegression)
    with pytest.raises(ValueError, match="partial_fit:sklearn"):
        WarmStart(MLPClassifier)


def test_subclasses_are_what_they_are_of():
    class Mine(RandomForestClassifier):
        pass

    trainer = WarmStart(Mine)
    assert isinstance(trainer.advance(None, {}, range(2), rows()), Mine)
