"""From the command line to the settings of a run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.config import SweepConfig, read_grid
from search.record import RunFolder
from search.storage import Place


@dataclass(frozen=True)
class Options:
    """What the command line says; None where it says nothing.

    Attributes
    ----------
    grid : str
        Name of a shipped grid, or the path of a file.
    dataset : str or None
    run_dir : Path, RemotePath or None
    resume : bool
        Take the settings from the run's own manifest.
    fresh : bool
        Move an old run aside.
    seed : int or None
    executor : str
        ``ray`` or ``serial``.
    address : str or None
        Of a Ray cluster to join.
    workers : int or None
    dry_run : bool
        Print the plan and do nothing.
    progress : bool
    sampler : str or None
        Name or import path.
    trials : int or None
        For the sampler.
    pruner : str or None
        Name or import path.
    seeds : int or None
        Shuffles with which every trial is trained.
    reuse : tuple of Path or RemotePath
        Runs to take finished trials from.
    refits : int
        Final trainings, each with a seed of its own.
    optimum : bool
        Find the optimum of each alpha, and how far trials are from it.
    """

    grid: str = "full"
    dataset: str | None = None
    run_dir: Place | None = None
    resume: bool = False
    fresh: bool = False
    seed: int | None = None
    executor: str = "ray"
    address: str | None = None
    workers: int | None = None
    dry_run: bool = False
    progress: bool = True
    sampler: str | None = None
    trials: int | None = None
    pruner: str | None = None
    seeds: int | None = None
    reuse: tuple[Place, ...] = ()
    refits: int = 1
    optimum: bool = False

    @property
    def run_path(self) -> Place:
        """The run's folder: as given, or named after the grid and how it is searched.

        For ``--grid full --pruner halving`` it is runs/full-halving, beside runs/full, and for
        ``--grid full --seeds 3`` runs/full-seeds3.
        """
        name = Path(self.grid).name.removesuffix(".toml")
        methods = [method for method in (self.sampler, self.pruner) if method not in _PLAIN]
        seeds = [f"seeds{self.seeds}"] if self.seeds and self.seeds > 1 else []
        return self.run_dir or Path("runs") / "-".join([name, *map(_last_part, methods), *seeds])


_PLAIN = (None, "grid", "none")


def _last_part(method: str) -> str:
    return method.rpartition(".")[2].lower()


def resolve_config(options: Options) -> SweepConfig:
    """Return the settings that the command means.

    Raises
    ------
    ConfigError
        If the grid cannot be read or breaks a rule.
    RunFolderError
        If a run is to be resumed that is not there.
    """
    if options.resume:
        return _resumed_config(options.run_path)
    settings = read_grid(options.grid)
    changed = {
        "dataset": options.dataset,
        "seed": options.seed,
        "seeds": options.seeds,
        "sampler": _changed_sampler(settings["sampler"], options),
        "pruner": _changed_method(settings["pruner"], options.pruner, "none"),
    }
    changed = {key: value for key, value in changed.items() if value not in (None, settings[key])}
    source = "command line" if changed else options.grid
    return SweepConfig.from_dict({**settings, **changed}, source)


def _changed_sampler(table: dict[str, Any], options: Options) -> dict[str, Any]:
    table = _changed_method(table, options.sampler, "grid")
    return table if options.trials is None else {**table, "trials": options.trials}


def _changed_method(table: dict[str, Any], name: str | None, plain: str) -> dict[str, Any]:
    """Return the table [sampler] or [pruner] with another name, without what belongs to the old."""
    if name is None or name == table["name"]:
        return table
    if name == plain:
        return {"name": name}
    return {**table, "name": name, "options": {}}


def _resumed_config(path: Place) -> SweepConfig:
    manifest = RunFolder(path).existing_manifest()
    return SweepConfig.from_dict(manifest.config, source=str(path / "manifest.json"))
