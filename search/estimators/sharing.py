"""Which candidates that differ in one number alone are trained once: the family of an estimator."""

import copy
import difflib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sklearn.base import clone

from model.data.listing import listed
from search.estimators.families import FAMILIES, Family, Fitted

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline


def family_of(estimator: Any, resource: str | None) -> Family | None:
    """Return how candidates of an estimator share training along a parameter; None if they do not.

    In a pipeline the last step trains, and the steps before it are fitted once.
    """
    if resource is None:
        return None
    if _path(type(estimator)) == "sklearn.Pipeline":
        name, last = estimator.steps[-1]
        inner = family_of(last, resource.removeprefix(f"{name}__"))
        if inner is None or resource != f"{name}__{inner.resource}":
            return None
        return Family(
            resource,
            lambda *given: _train_pipelines(inner.train, *given),
            lambda pipeline, rows: inner.stops(pipeline.steps[-1][1], rows),
            tuple(f"{name}__{param}" for param in inner.side),
            f"{name}__{inner.weights}",
            lambda fitted, *given: _train_pipelines(
                lambda *rest: _grown(inner, [p.steps[-1][1] for p in fitted], rest), *given
            ),
            lambda pipeline: _is_repeatable(pipeline) and inner.grows(pipeline.steps[-1][1]),
        )
    # Only these exact classes: a subclass may train differently.
    family = FAMILIES.get(_path(type(estimator)))
    return family if family is not None and family.resource == resource else None


def check_resource(estimator: Any, space: Any, resource: str | None) -> None:
    """Refuse a resource that is not a parameter of an estimator, nor of what a space puts into it.

    Parameters
    ----------
    estimator : estimator
    space : mapping or list of mapping
    resource : str or None

    Raises
    ------
    ValueError
        With the name that was meant, as far as that can be seen.
    """
    if resource is None:
        return
    params = list(estimator.get_params())
    parts = space if isinstance(space, list | tuple) else [space]
    # What is not a space is refused where it is read.
    searched = {name for part in parts if isinstance(part, Mapping) for name in part}
    replaced = any(resource.startswith(f"{name}__") for name in searched)
    if resource in params or resource in searched or replaced:
        return
    within = [name for name in params if name.endswith(f"__{resource}")]
    close = within or difflib.get_close_matches(resource, params, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"it has {listed(params)}."
    kind = type(estimator).__name__
    raise ValueError(f"resource={resource!r} is not a parameter of {kind}; {hint}")


def _is_repeatable(pipeline: "Pipeline") -> bool:
    """Whether the steps before the last one, fitted again, are the same again."""
    seeds = (
        value for name, value in pipeline[:-1].get_params().items()
        if name.rpartition("__")[2] == "random_state"
    )  # fmt: skip
    return all(seed is not None for seed in seeds)


def _grown(family: Family, fitted: Sequence[Any], given: Sequence[Any]) -> Iterator[Fitted]:
    if family.grow is None:
        raise ValueError("it cannot continue")
    return family.grow(fitted, *given)


def _path(kind: type) -> str:
    return f"{kind.__module__.partition('.')[0]}.{kind.__name__}"


def _train_pipelines(
    train: Callable[..., Iterator[Fitted]],
    pipelines: "Sequence[Pipeline]",
    X: Any,
    y: Any,
    fit_params: Mapping[str, Any],
) -> Iterator[Fitted]:
    """Fit the steps before the last one once, and the last ones as their family does."""
    began = time.perf_counter()
    name = pipelines[0].steps[-1][0]
    before = clone(pipelines[0][:-1])
    seen = before.fit_transform(X, y) if len(before.steps) else X
    spent = (time.perf_counter() - began) / len(pipelines)
    mine = {key.removeprefix(f"{name}__"): value for key, value in fit_params.items()}
    lasts = [pipeline.steps[-1][1] for pipeline in pipelines]
    for pipeline, (model, seconds) in zip(pipelines, train(lasts, seen, y, mine), strict=True):
        if isinstance(model, Exception):
            yield model, seconds + spent
            continue
        fitted = copy.copy(pipeline)
        fitted.steps = [*before.steps, (name, model)]
        yield fitted, seconds + spent
