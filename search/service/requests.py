"""Requests for sweeps, checked like a command line before they are written."""

import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from model.data.dataset import Dataset
from model.data.sources import KNOWN as KNOWN_DATA
from model.errors import DataError
from search.config import (
    SweepConfig,
    grid_of,
    is_own_method,
    is_own_trainer,
    read_grid,
    read_reading,
)
from search.errors import ConfigError, StoreError
from search.ledger import Submission
from search.service.datasets import DataSets
from search.service.limits import Limits
from search.session import (
    DEFAULT_GRID,
    Options,
    Planned,
    check,
    planned_run,
    suited_grid,
    with_options,
    with_trainer,
)

KEPT = ("refits", "optimum", "budget", "target_value", "patience")
"""Options that the ledger keeps of a sweep, beside the settings of its grid."""


# How long a plan waits for another one: whoever waits has a thread of the few that answer.
_PLAN_SECONDS = 2.0


class BusyError(StoreError):
    """The service has too much to do for this; a while later it may have time."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A sweep as somebody asks for it.

    Attributes
    ----------
    grid : str, mapping or None
        Name of a shipped grid, or a table as a grid file has it.
    toml : str or None
        The text of a grid file, in place of `grid`.
    name : str or None
        The sweep's name; by default the grid's.
    dataset, trainer, seed, seeds, sampler, trials, objective, metrics, products, pruner, target, \
    weights, missing, keys
        As the options of `search.run`; they come before the grid's own.
    refits : int
        Number of final trainings.
    optimum : bool
        Whether the optimum of each alpha is found.
    budget, target_value, patience
        What ends it early, as the options of `search.run`; of the budget, the seconds are counted
        in which a task of the sweep was running.
    queue : str
    priority : int
    """

    grid: str | Mapping[str, Any] | None = None
    toml: str | None = None
    name: str | None = None
    dataset: str | None = None
    trainer: str | None = None
    seed: int | None = None
    seeds: int | None = None
    sampler: str | None = None
    trials: int | None = None
    objective: str | None = None
    metrics: tuple[str, ...] | None = None
    products: str | None = None
    pruner: str | None = None
    target: str | None = None
    weights: str | None = None
    missing: str | None = None
    keys: Mapping[str, str] | None = None
    refits: int = 1
    optimum: bool = False
    budget: float | None = None
    target_value: float | None = None
    patience: int | None = None
    queue: str = "all"
    priority: int = 0

    @property
    def digest(self) -> bytes:
        """A digest that tells it from another request."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).digest()

    @property
    def options(self) -> Options:
        """The same as options of the command line."""
        names = (
            "dataset", "trainer", "seed", "seeds", "sampler", "trials", "objective", "metrics",
            "products", "pruner", "target", "weights", "missing", "keys", *KEPT,
        )  # fmt: skip
        return Options(**{name: getattr(self, name) for name in names}, progress=False)


@dataclass(frozen=True)
class Checked:
    """A request that can be trained.

    Attributes
    ----------
    request : Request
    config : SweepConfig
        Its data set is a name or a full path on this machine.
    data : Dataset
    named : str
        The request's name for the data set.
    """

    request: Request
    config: SweepConfig
    data: Dataset
    named: str

    def submission(self, person: str, key: str | None, folder: Callable[[str], str]) -> Submission:
        """Return what is written down of it."""
        request = self.request
        return Submission(
            person=person,
            queue=request.queue,
            priority=request.priority,
            name=request.name or self.config.name,
            settings=self.config.to_dict(),
            options={name: getattr(request, name) for name in KEPT},
            dataset={
                "name": self.data.name,
                "fingerprint": self.data.fingerprint,
                "named": self.named,
            },
            total=self.config.total,
            folder=folder,
            request_digest=request.digest,
            idempotency_key=key,
        )


@dataclass(frozen=True)
class Requests:
    """Checks what people ask for.

    Attributes
    ----------
    data_sets : DataSets
    limits : Limits
    """

    data_sets: DataSets
    limits: Limits
    _planning: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def check(self, request: Request) -> Checked:
        """Return what a request means.

        Raises
        ------
        UsageError
            If it cannot be trained, or is not allowed here.
        """
        settings, source = self._settings(request)
        self._allow_trainer(settings["trainer"])
        named = request.dataset or settings["dataset"]
        settings["dataset"] = self.data_sets.resolve(named)
        options = replace(request.options, dataset=settings["dataset"])
        self._allow_methods(settings, options)
        config = with_options(settings, options, source)
        self._allow_trials(config)
        try:
            data = self.data_sets.load(config.dataset, config.reading)
            check(options, config, data)
        except DataError as error:  # under the name that its user knows
            raise DataError(str(error).replace(config.dataset, named)) from error
        return Checked(request, config, data, named)

    def _settings(self, request: Request) -> tuple[dict[str, Any], str]:
        """Return the settings of a request's grid, and where they come from."""
        if request.grid is not None and request.toml is not None:
            raise ConfigError("Give a grid, or the text of a grid file as toml: one of the two.")
        if request.trainer is not None:
            self._allow_trainer(request.trainer)
        name = request.name or "grid"
        if request.toml is not None:
            return grid_of(request.toml, name, "the grid", request.trainer), "the grid"
        if isinstance(request.grid, Mapping):
            return grid_of(request.grid, name, "the grid", request.trainer), "the grid"
        grid = self._suited(request) if request.grid is None else request.grid
        if "/" in grid or grid.endswith(".toml"):
            raise ConfigError(
                f"{grid} is a file, and the service cannot read your files: send its text as toml."
            )
        settings = read_grid(grid, request.trainer)
        return {**settings, "name": request.name or settings["name"]}, grid

    def _suited(self, request: Request) -> str:
        """Return the name of the grid that suits the data set of a request."""
        if request.trainer not in {None, "softmax"}:
            raise ConfigError(
                f"The trainer {request.trainer} needs a grid with its own hyperparameters."
            )
        if request.dataset is None or request.dataset in KNOWN_DATA:
            return DEFAULT_GRID
        named = self.data_sets.resolve(request.dataset)
        reading = read_reading(request.options.reading)
        return suited_grid(self.data_sets.load(named, reading))

    def _allow_trainer(self, trainer: str | Mapping[str, Any]) -> None:
        """Refuse to import what nobody has allowed."""
        name = trainer if isinstance(trainer, str) else str(trainer["name"])
        if is_own_trainer(name) and name not in self.limits.trainers:
            raise ConfigError(
                f"The trainer {name} is not allowed here: its code would run with the rights of "
                "the service. Name softmax, xgboost, lightgbm, partial_fit: or warm_start: with an "
                "estimator of scikit-learn, or ask the administrator for --trainer."
            )

    def _allow_methods(self, settings: Mapping[str, Any], options: Options) -> None:
        plain = {**settings, "trainer": {"name": "softmax"}}
        names = {
            "sampler": options.sampler or plain["sampler"]["name"],
            "pruner": options.pruner or plain["pruner"]["name"],
        }
        for what, name in names.items():
            if is_own_method(name):
                raise ConfigError(
                    f"The {what} {name} is not one of Optuna's {what}s, and the service does not "
                    "import other code."
                )

    def _allow_trials(self, config: SweepConfig) -> None:
        if config.total > self.limits.trials:
            raise ConfigError(
                f"The sweep has {config.total:,} trials, and the service takes "
                f"{self.limits.trials:,} at most. Give fewer values, or a sampler with trials."
            )

    def plan(self, checked: Checked, workers: int) -> Planned:
        """Return what `search.run --dry-run` tells, for the workers of the cluster."""
        # It measures the speed of this machine at times, so that one is made at a time.
        if not self._planning.acquire(timeout=_PLAN_SECONDS):
            raise BusyError("Other plans are being made. Ask again in a while.")
        try:
            return planned_run(checked.config, checked.data, workers)
        finally:
            self._planning.release()


def config_of(settings: Mapping[str, Any], sweep: str) -> SweepConfig:
    """Return the settings that the ledger holds of a sweep."""
    return with_trainer(SweepConfig.from_dict(dict(settings), f"sweep {sweep}"), f"sweep {sweep}")


def options_of(settings: Mapping[str, Any], folder: Path) -> Options:
    """Return the options that the ledger holds of a sweep."""
    return Options(
        run_dir=folder,
        progress=False,
        **{name: settings[name] for name in KEPT if name in settings},
    )
