"""What a run was started with."""

import json
import platform
import sys
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import metadata
from pathlib import Path
from pprint import pformat
from typing import Any

from pydantic import TypeAdapter, ValidationError

from cluster.resources import Resources
from model.data.dataset import Dataset
from model.data.sources import KNOWN
from model.examples import LAST, READOUT_NAMES
from model.features import RAW
from model.pack import trainer_version
from model.products import NUMPY
from model.seal import EARLIER, Seal
from search.config import ACCURACY, COST, SOFTMAX, FreeAxes, Range, SweepConfig, asked
from search.errors import ConfigError
from search.record.log import Layout
from search.storage import Place, parse_json
from search.text import utc_now

SCHEMA_VERSION = 4

READABLE_VERSIONS = (3, 4)

SEALED_SINCE = 4
"""The first version whose files have a seal."""

# What the digits of a result depend on.
_ROUNDING = ("python", "numpy", "scipy", "numba")

# The key of a width that all packs have.
_ALL = "all"

# The settings that a trial's result depends on, beside its params.
REUSE_KEY = (
    "trainer", "resources", "dataset", "features", "seed", "seeds", "folds", "validation_fraction",
    "trainer_version", "metrics", "products",
)  # fmt: skip


@dataclass(frozen=True)
class DatasetSetting:
    """A data set among the settings: the same one by its fingerprint, whatever it is called.

    Attributes
    ----------
    fingerprint : str
    name : str
    """

    fingerprint: str
    name: str = field(compare=False, repr=False)  # settings are compared by their repr

    def __str__(self) -> str:
        return f"{self.name} ({self.fingerprint})"


@dataclass(frozen=True)
class Manifest:
    """What a run was started with: enough to continue it, or to repeat it.

    Attributes
    ----------
    config : dict
        The resolved settings.
    dataset : dict
        Name and fingerprint, and the classes where they are not simply 0, 1, ...
    widths : dict of str to int
        The plan: columns per pack, of the softmax trainer for each batch size.
    trainer_version : int
        Version of the arithmetic that gives the results.
    versions : dict of str to str
        Versions of Python and the packages, for the record.
    created_at : str
        UTC, ISO 8601.
    workers : int
        Tasks at a time when the run began; a search's packs are planned for them.
    reuse : list of str
        Folders of the runs whose finished trials this one takes over.
    schema_version : int
        Version of the folder's layout.
    run : str
        Identity of the run, which all its files carry.
    """

    config: dict[str, Any]
    dataset: dict[str, Any]
    widths: dict[str, int]
    trainer_version: int
    versions: dict[str, str]
    created_at: str
    workers: int = 1
    reuse: list[str] = field(default_factory=list)
    schema_version: int = SCHEMA_VERSION
    run: str = EARLIER

    @cached_property
    def sweep_config(self) -> SweepConfig:
        """The settings as they are used."""
        return SweepConfig.from_dict(self.config)

    def settings(self) -> dict[str, Any]:
        """Return what decides the results, one entry per setting."""
        folds = self.config.get("folds", 0)
        return {
            **self._space_texts(),
            "trainer": _trainer_text(self.config.get("trainer", {"name": SOFTMAX})),
            "resources": _resources_text(self.config.get("resources", {})),
            "sampler": _method_text(self.config.get("sampler", {"name": "grid"})),
            "pruner": _method_text(self.config.get("pruner", {"name": "none"})),
            "select": self.config.get("select", LAST),
            "objective": self.config.get("objective", COST),
            "metrics": metrics_text(self.config),
            "features": self.config.get("features", RAW),
            "products": self.config.get("products", NUMPY.name),
            "seed": self.config["seed"],
            "seeds": self.config.get("seeds", 1),
            "folds": folds,
            # Folds take its part.
            "validation_fraction": "none" if folds else self.config["validation_fraction"],
            "dataset": DatasetSetting(self.dataset["fingerprint"], self.dataset["name"]),
            "reading": _reading_text(self.config.get("reading", {})),
            "trainer_version": self.trainer_version,
        }

    @property
    def plan_widths(self) -> dict[int, int] | int:
        """The widths by number again, as the keys of JSON are text; or the one for all packs."""
        if _ALL in self.widths:
            return self.widths[_ALL]
        return {int(batch_size): width for batch_size, width in self.widths.items()}

    @property
    def changed_versions(self) -> list[str]:
        """What rounds and was another version when the run began, each with both versions."""
        now = versions()
        return [
            f"{name} {self.versions[name]} (now {now[name]})"
            for name in self._rounding
            if name in now and self.versions.get(name, now[name]) != now[name]
        ]

    @property
    def _rounding(self) -> tuple[str, ...]:
        """What rounds the figures of this run's trainer."""
        if self.config.get("trainer") is None:
            return _ROUNDING
        return (*_ROUNDING, "scikit-learn", *_TRAINING)

    def _space_texts(self) -> dict[str, Any]:
        """Return each hyperparameter's values, of several tables by the number of each.

        As they are used: where one value of a list is a float, all are, whatever is written.
        """
        axes = self.sweep_config.axes
        tables = axes.tables if isinstance(axes, FreeAxes) else [axes.by_name()]
        return {
            name if len(tables) == 1 else f"{name} in table {i}": (
                str(axis) if isinstance(axis, Range) else list(axis)
            )
            for i, table in enumerate(tables, 1)
            for name, axis in table.items()
        }

    def differing(self, other: "Manifest") -> dict[str, tuple[Any, Any]]:
        """Return the settings in which another manifest differs, with both values; None for none.

        1 and 1.0 are two values, which mean two things to some trainers.
        """
        mine, theirs = self.settings(), other.settings()
        pairs = {name: (mine.get(name), theirs.get(name)) for name in mine | theirs}
        return {name: pair for name, pair in pairs.items() if repr(pair[0]) != repr(pair[1])}

    def differences(self, other: "Manifest") -> list[str]:
        """Name the settings in which another manifest differs, with both values."""
        return [
            f"{name}: the run has {_said(mine)}, the command {_said(theirs)}"
            for name, (mine, theirs) in self.differing(other).items()
        ]


def parse_manifest(content: bytes, name: str) -> Manifest:
    """Return what a manifest's bytes say, of this version or an earlier one.

    Parameters
    ----------
    content : bytes
    name : str
        Name of the file, for its seal.

    Raises
    ------
    ValueError
        If they cannot be believed; its text says why, as a sentence about the file.
    """
    data = _unsealed(content)
    version = data.get("schema_version")
    if version not in READABLE_VERSIONS:
        known = " and ".join(map(str, READABLE_VERSIONS))
        raise ValueError(f"it has schema version {version}, and this program reads {known}")
    if version >= SEALED_SINCE or "seal" in data:
        parse_json(content, Seal(str(data.get("run")), name))
    data.pop("seal", None)
    if isinstance(data.get("config"), dict):
        data["config"] = _as_it_ran(data["config"])
    try:
        manifest = _reader().validate_json(json.dumps(data), strict=True)
        manifest.settings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))} is missing or wrong") from error
    except (KeyError, TypeError, AttributeError, ConfigError) as error:
        raise ValueError(f"its settings cannot be read ({error})") from error
    return manifest


def _as_it_ran(value: Any) -> Any:
    """Return settings with the steps that earlier versions used.

    They took a step that is not whole between whole numbers, and its whole part counted.
    """
    if isinstance(value, list):
        return [_as_it_ran(one) for one in value]
    if not isinstance(value, dict):
        return value
    low, high, step = map(value.get, ("low", "high", "step"))
    if isinstance(step, float) and isinstance(low, int) and isinstance(high, int) and step >= 1:
        return {**value, "step": int(step)}
    return {name: _as_it_ran(one) for name, one in value.items()}


def _unsealed(content: bytes) -> dict[str, Any]:
    """Return the table in bytes whose seal is not looked at: the table says whether it has one."""
    try:
        data = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is not JSON ({error})") from error
    if not isinstance(data, dict):
        raise ValueError("it holds no table")
    return data


@cache
def _reader() -> TypeAdapter[Manifest]:
    return TypeAdapter(Manifest)


def _said(value: Any) -> Any:
    return "none" if value is None else value


def _resources_text(table: Mapping[str, Any]) -> str:
    """Return what of the resources changes a result: threads and a GPU round otherwise."""
    threads = Resources(table.get("cpus", 1.0)).threads
    return f"threads={threads}" + (" on a GPU" if table.get("gpus") else "")


def _trainer_text(table: Mapping[str, Any]) -> str:
    return f"{table['name']} {table.get('version', '')}".strip()


def metrics_text(config: Mapping[str, Any]) -> str:
    """Return which metrics the log has beside cost and accuracy, and of which weights they are."""
    names = asked(config.get("metrics", ()), config.get("objective", COST))
    return (
        f"{', '.join(sorted(names))} of the {config.get('select', LAST)} weights"
        if names
        else "none"
    )


def _by_text(widths: Mapping[int, int] | int) -> dict[str, int]:
    if isinstance(widths, int):
        return {_ALL: widths}
    return {str(batch_size): width for batch_size, width in widths.items()}


def _method_text(table: dict[str, Any]) -> str:
    """Write the table [sampler] or [pruner] in one line, without what is not set."""
    forms = {
        "trials": "{} trials",
        "batch": "batch {}",
        "interval": "interval {}",
        "seed": "seed {}",
    }
    parts = [form.format(table[key]) for key, form in forms.items() if table.get(key) is not None]
    if table.get("options"):
        parts.append(pformat(table["options"], width=10**6))  # sorted, unlike str
    return ", ".join([table["name"], *parts])


def _reading_text(table: Mapping[str, Any]) -> str:
    """Write the table [reading] in one line, without what is not set."""
    given = {key: value for key, value in table.items() if value not in (None, {}, "refuse")}
    return pformat(given, width=10**6) if given else "as the file says"


_TRAINING = ("xgboost", "lightgbm", "torch")
"""Libraries that train, recorded where a trainer has imported them."""


def versions(*, loaded: bool = True) -> dict[str, str]:
    """Return the versions that a result may depend on.

    Parameters
    ----------
    loaded : bool
        Whether libraries that train count where they are loaded; the softmax trainer needs none.
    """
    packages = ("packsweep", "numpy", "scipy", "numba", "ray", "optuna", "pyarrow", "scikit-learn")
    found = {"python": platform.python_version(), **{name: _version(name) for name in packages}}
    names = _TRAINING if loaded else ()
    used = {name: sys.modules[name] for name in names if name in sys.modules}
    return found | {name: str(getattr(module, "__version__", "?")) for name, module in used.items()}


@cache
def _version(package: str) -> str:
    """Return what the files of an installed package say, which are read once in a process."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _about(data: Dataset) -> dict[str, Any]:
    found: dict[str, Any] = {"name": data.name, "fingerprint": data.fingerprint}
    return found if data.plain_classes else found | {"classes": list(data.classes)}


def new_manifest(
    config: SweepConfig,
    data: Dataset,
    widths: Mapping[int, int] | int | None = None,
    reuse: Iterable[Place] = (),
    workers: int = 1,
) -> Manifest:
    """Return the manifest of a run that starts now.

    The data set is in it as it was found: ``auto`` is resolved, a path is absolute, so that
    the run can be resumed from anywhere and on the same data.
    """
    dataset = data.name if config.dataset in KNOWN else _absolute(config.dataset)
    return Manifest(
        config={**config.to_dict(), "dataset": dataset},
        dataset=_about(data),
        widths=_by_text(widths or {}),
        trainer_version=trainer_version(config.products),
        versions=versions(),
        created_at=utc_now(),
        workers=workers,
        reuse=[str(folder) for folder in reuse],
        run=uuid.uuid4().hex[:16],
    )


def _absolute(path: str) -> str:
    """Return where a data set lies, whatever the working directory is.

    A link stays one: the file behind it may have another name, and no ending.
    """
    given = Path(path).expanduser()
    if given.name in ("", ".."):
        return str(given.resolve())
    return str(given.parent.resolve() / given.name)


def layout_of(config: SweepConfig) -> Layout:
    """Return the columns of a run's log that depend on its trainer."""
    dtypes = tuple((name, dtype.str) for name, dtype in config.dtypes.items())
    if config.trainer.is_softmax:
        return Layout(
            dtypes, READOUT_NAMES, config.asked_metrics, config.compared_by, config.select
        )
    names = dict.fromkeys((*config.trainer.metrics, *config.asked_metrics))
    others = tuple(name for name in names if name not in (COST, ACCURACY))
    return Layout(dtypes, (LAST,), others, config.compared_by)
