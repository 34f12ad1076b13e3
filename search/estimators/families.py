"""The families of estimators: how each trains shorter candidates within the longest.

A table says what is known to be right of which estimator; nothing is guessed from the name of a
parameter or of a method.
"""

import copy
import inspect
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone

from search.estimators.lightgbm_rounds import cut_to, fit_all_rounds

if TYPE_CHECKING:
    from search.estimators.epoch_trained import EpochTrained
    from search.estimators.softmax_classifier import SoftmaxClassifier

# Rows from which `early_stopping="auto"` of the histogram ensembles stops early.
_STOPS_EARLY_FROM = 10_000

Fitted = tuple[Any, float]
"""A fitted estimator, or the exception why there is none, and its share of the seconds."""


@dataclass(frozen=True)
class Family:
    """Estimators that train shorter candidates within the longest.

    Attributes
    ----------
    resource : str
        The parameter along which they do.
    train : callable
        Takes estimators with their parameters set, which differ in the resource alone, or in `side`
        too; X, y and the parameters of fit. Yields each fitted one, or its exception, in that
        order, with its seconds.
    stops : callable
        Whether an estimator may stop before its resource is used up, given the number of rows;
        then it shares nothing.
    side : tuple of str
        Parameters in which those may differ that are trained side by side.
    weights : str
        The one parameter of fit that may be given; others, such as callbacks, may end a training.
    grow : callable
        Takes estimators that were fitted with less of the resource, and what `train` takes, in
        which all have the same resource. Yields what `train` would: each trained on from where the
        fitted one has ended, which may be changed by that.
    grows : callable
        Whether an estimator trained on has the bits of one that was trained at once.
    """

    resource: str
    train: Callable[..., Iterator[Fitted]]
    stops: Callable[[Any, int], bool] = lambda _estimator, _rows: False
    side: tuple[str, ...] = ()
    weights: str = "sample_weight"
    grow: Callable[..., Iterator[Fitted]] | None = None
    grows: Callable[[Any], bool] = lambda _estimator: True


def _train_packed(
    models: "Sequence[SoftmaxClassifier]", X: Any, y: Any, fit_params: Mapping[str, Any]
) -> Iterator[Fitted]:
    return _grow_packed((), models, X, y, fit_params)


def _grow_packed(
    fitted: "Sequence[SoftmaxClassifier]",
    models: "Sequence[SoftmaxClassifier]",
    X: Any,
    y: Any,
    fit_params: Mapping[str, Any],
) -> Iterator[Fitted]:
    # Compiled code, which no other family needs.
    from search.estimators.side_by_side import fit_side_by_side

    began = time.perf_counter()
    found = fit_side_by_side(models, X, y, going=fitted, **fit_params)
    seconds = (time.perf_counter() - began) / len(models)
    yield from ((model, seconds) for model in found)


def _train_on(
    models: "Sequence[EpochTrained]", X: Any, y: Any, fit_params: Mapping[str, Any]
) -> Iterator[Fitted]:
    """Train one model from stop to stop, and keep a copy of it at each."""
    going = clone(models[0]).set_params(warm_start=True)
    fitted: dict[int, Fitted] = {}
    stops = sorted(range(len(models)), key=lambda k: models[k].epochs)
    for k in stops:
        began = time.perf_counter()
        # set_params reads signatures, which takes as long as a short epoch.
        going.epochs = models[k].epochs
        going.fit(X, y, **fit_params)
        kept = going if k == stops[-1] else copy.deepcopy(going)
        kept.warm_start = models[k].warm_start
        fitted[k] = kept, time.perf_counter() - began
    yield from (fitted[k] for k in range(len(models)))


def _fit(model: Any, X: Any, y: Any, fit_params: Mapping[str, Any]) -> None:
    model.fit(X, y, **fit_params)


def _truncated(
    resource: str, cut: Callable[[Any, int], None], fit: Callable[..., None] = _fit
) -> Callable[..., Iterator[Fitted]]:
    """Return what trains the longest candidate, and cuts the others from it."""

    def train(
        models: Sequence[Any], X: Any, y: Any, fit_params: Mapping[str, Any]
    ) -> Iterator[Fitted]:
        began = time.perf_counter()
        for model in models:
            _check_rounds(getattr(model, resource))
        longest = max(models, key=lambda model: getattr(model, resource))
        fit(longest, X, y, fit_params)
        seconds = (time.perf_counter() - began) / len(models)
        for model in models:
            rounds = getattr(model, resource)
            if rounds == getattr(longest, resource):
                yield longest, seconds
                continue
            shorter = copy.copy(longest)
            setattr(shorter, resource, rounds)
            cut(shorter, rounds)
            yield shorter, seconds

    return train


def _grow_warm(resource: str) -> Callable[..., Iterator[Fitted]]:
    """Return what trains estimators on by their own warm start."""

    def grow(
        fitted: Sequence[Any],
        models: Sequence[Any],
        X: Any,
        y: Any,
        fit_params: Mapping[str, Any],
    ) -> Iterator[Fitted]:
        for going, model in zip(fitted, models, strict=True):
            began = time.perf_counter()
            rounds = getattr(model, resource)
            _check_rounds(rounds)
            if rounds == getattr(going, resource):
                yield going, time.perf_counter() - began
                continue
            # A generator as it was before the first fit has drawn from it.
            seeded = {"random_state": model.random_state, resource: rounds}
            with warnings.catch_warnings():
                # The rows are the same; and the warm start is not the user's, who may not fix it.
                warnings.filterwarnings("ignore", "class_weight presets .* warm_start", UserWarning)
                going.set_params(warm_start=True, **seeded).fit(X, y, **fit_params)
            yield going.set_params(warm_start=False), time.perf_counter() - began

    return grow


def _grow_boosted(keyword: str) -> Callable[..., Iterator[Fitted]]:
    """Return what trains on by giving the rounds before to fit, under its name for that."""

    def grow(
        fitted: Sequence[Any],
        models: Sequence[Any],
        X: Any,
        y: Any,
        fit_params: Mapping[str, Any],
    ) -> Iterator[Fitted]:
        for before, model in zip(fitted, models, strict=True):
            began = time.perf_counter()
            rounds = model.n_estimators
            _check_rounds(rounds)
            if rounds == before.n_estimators:
                yield before, time.perf_counter() - began
                continue
            model.set_params(n_estimators=rounds - before.n_estimators)
            model.fit(X, y, **{keyword: before}, **fit_params)
            model.set_params(n_estimators=rounds)
            yield model, time.perf_counter() - began

    return grow


def _check_rounds(rounds: object) -> None:
    """Refuse what fit would refuse, so that a candidate is never cut to it."""
    if not isinstance(rounds, int | np.integer) or isinstance(rounds, bool) or rounds < 1:
        raise ValueError(f"{rounds!r} is not a number of rounds")


def _cut_forest(model: Any, rounds: int) -> None:
    model.estimators_ = model.estimators_[:rounds]


def _cut_boosting(model: Any, rounds: int) -> None:
    model.estimators_ = model.estimators_[:rounds]
    model.train_score_ = model.train_score_[:rounds]
    model.n_estimators_ = rounds
    if hasattr(model, "oob_improvement_"):
        model.oob_improvement_ = model.oob_improvement_[:rounds]
        model.oob_scores_ = model.oob_scores_[:rounds]
        model.oob_score_ = model.oob_scores_[-1]


def _cut_histograms(model: Any, rounds: int) -> None:
    model._predictors = model._predictors[:rounds]
    model.train_score_ = model.train_score_[: rounds + 1]
    model.validation_score_ = model.validation_score_[: rounds + 1]


def _cut_xgboost(model: Any, rounds: int) -> None:
    model._Booster = model.get_booster()[:rounds]


def _histograms_stop(model: Any, rows: int) -> bool:
    early = model.early_stopping
    return bool(model.warm_start or (rows > _STOPS_EARLY_FROM if early == "auto" else early))


def _boosting_stops(model: Any, _rows: int) -> bool:
    return bool(model.warm_start or model.n_iter_no_change is not None)


def _forest_stops(model: Any, _rows: int) -> bool:
    return bool(model.warm_start or model.oob_score)


def _xgboost_stops(model: Any, _rows: int) -> bool:
    return bool(
        model.early_stopping_rounds
        or model.callbacks
        or model.booster not in (None, "gbtree")
        or getattr(model, "kwargs", None)
    )


def _lightgbm_stops(model: Any, _rows: int) -> bool:
    # What its constructor does not name goes to the library, where the number of rounds and their
    # early end have a dozen names; so these few alone are known to be harmless.
    named = set(inspect.signature(type(model)).parameters)
    others = set(model.get_params(deep=False)) - named - _LIGHTGBM_HARMLESS
    return bool(model.boosting_type != "gbdt" or others)


_LIGHTGBM_HARMLESS = frozenset((
    "verbose", "verbosity", "deterministic", "force_col_wise", "force_row_wise", "max_bin",
    "feature_fraction", "bagging_fraction", "bagging_freq", "lambda_l1", "lambda_l2",
    "min_data_in_leaf", "min_sum_hessian_in_leaf",
))  # fmt: skip


def _xgboost_grows(model: Any) -> bool:
    """Whether no random numbers are drawn: a training that goes on begins them again."""
    drawn = ("subsample", "colsample_bytree", "colsample_bylevel", "colsample_bynode")
    return all(getattr(model, name) in (None, 1) for name in drawn)


def _lightgbm_grows(model: Any) -> bool:
    params = model.get_params(deep=False)
    drawn = ("colsample_bytree", "feature_fraction", "bagging_fraction")
    rows = params.get("subsample_freq", 0) == 0 or params.get("subsample", 1.0) == 1.0
    return rows and all(params.get(name, 1.0) == 1.0 for name in drawn)


def _never_warm(model: Any, _rows: int) -> bool:
    return bool(model.warm_start)


def _family(resource: str, cut: Callable[[Any, int], None], stops: Any) -> Family:
    return Family(resource, _truncated(resource, cut), stops, grow=_grow_warm(resource))


def _boosted(
    train: Callable[..., Iterator[Fitted]], stops: Any, keyword: str, grows: Any
) -> Family:
    return Family("n_estimators", train, stops, grow=_grow_boosted(keyword), grows=grows)


_OF_FORESTS = _family("n_estimators", _cut_forest, _forest_stops)
_OF_BOOSTING = _family("n_estimators", _cut_boosting, _boosting_stops)
_OF_HISTOGRAMS = _family("max_iter", _cut_histograms, _histograms_stop)
_OF_XGBOOST = _boosted(
    _truncated("n_estimators", _cut_xgboost), _xgboost_stops, "xgb_model", _xgboost_grows
)
_OF_LIGHTGBM = _boosted(
    _truncated("n_estimators", cut_to, fit_all_rounds),
    _lightgbm_stops,
    "init_model",
    _lightgbm_grows,
)

FAMILIES: dict[str, Family] = {
    "search.SoftmaxClassifier": Family(
        "epochs", _train_packed, _never_warm, ("learning_rate", "alpha", "average"),
        grow=_grow_packed,
    ),
    "search.EpochTrained": Family("epochs", _train_on, _never_warm, grow=_grow_warm("epochs")),
    "sklearn.RandomForestClassifier": _OF_FORESTS,
    "sklearn.RandomForestRegressor": _OF_FORESTS,
    "sklearn.ExtraTreesClassifier": _OF_FORESTS,
    "sklearn.ExtraTreesRegressor": _OF_FORESTS,
    "sklearn.GradientBoostingClassifier": _OF_BOOSTING,
    "sklearn.GradientBoostingRegressor": _OF_BOOSTING,
    "sklearn.HistGradientBoostingClassifier": _OF_HISTOGRAMS,
    "sklearn.HistGradientBoostingRegressor": _OF_HISTOGRAMS,
    "xgboost.XGBClassifier": _OF_XGBOOST,
    "xgboost.XGBRegressor": _OF_XGBOOST,
    "lightgbm.LGBMClassifier": _OF_LIGHTGBM,
    "lightgbm.LGBMRegressor": _OF_LIGHTGBM,
}  # fmt: skip
"""By the package and the name of an estimator's class."""
