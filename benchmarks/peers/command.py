"""This project's command on a config of a benchmark's own, and what it has logged."""

import json
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from harness import PACKAGES, trials_of
from numpy.typing import NDArray

CONFIGS = Path(__file__).parent.parent.parent / "configs"
RANGES = CONFIGS / "tpe.toml"
SHORT_RANGES = Path(__file__).parent / "short_ranges.toml"


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes
    ----------
    folder : Path
    seconds : float
        Of the whole command, until shortly before its end.
    summary : dict
        Contents of summary.json.
    """

    folder: Path
    seconds: float
    summary: dict[str, Any]

    @classmethod
    def read(cls, folder: Path) -> "Run":
        summary = json.loads((folder / "summary.json").read_text())
        return cls(folder, summary["timing"]["wall_s"], summary)

    @property
    def best(self) -> float:
        """The lowest validation cost."""
        return self.summary["best"]["val_cost"]

    def columns(self, *names: str) -> list[NDArray[Any]]:
        """Return columns of the log in the order of the trials' numbers."""
        log = trials_of(self.folder)
        return [log[name].to_numpy() for name in names]

    def comparable(self, other: "Run") -> bool:
        """Whether both have the same data, split and shuffles, so that costs can be compared."""
        return _key(self.folder) == _key(other.folder)


def _key(folder: Path) -> list[Any]:
    manifest = json.loads((folder / "manifest.json").read_text())
    config = manifest["config"]
    return [
        manifest["dataset"]["fingerprint"],
        manifest["trainer_version"],
        config["seed"],
        config["validation_fraction"],
    ]


def run_command(grid: str | Path, folder: Path, *more: str) -> Run:
    """Run the command, unless the folder holds a finished run, which is taken as it is."""
    if not (folder / "summary.json").exists():
        # Anew, because the time of a continued run is that of its last command.
        command = [sys.executable, "-m", "search.run", "--grid", str(grid), "--fresh"]
        subprocess.run([*command, "--run-dir", str(folder), *more], check=True)
    return Run.read(folder)


def write_config(
    path: Path, ranges: Path, sampler: str, trials: int, seed: int, dataset: str | None = None
) -> Path:
    """Write a config: the ranges of another one, and a sampler with a seed of its own.

    The run's seed stays that of the ranges, and with it the split and the
    shuffles; so does the data set, unless another one is named. The options are
    those of the ranges' own sampler, none for others.
    """
    text = ranges.read_text()
    settings = tomllib.loads(text)
    own = settings["sampler"]
    if dataset:
        text = text.replace(f'"{settings["dataset"]}"', f'"{dataset}"', 1)
    options = own["options"] if own["name"] == sampler else {}
    pairs = ", ".join(f"{key} = {json.dumps(value)}" for key, value in options.items())
    path.write_text(
        f'{text.partition("[sampler]")[0]}[sampler]\nname = "{sampler}"\ntrials = {trials}\n'
        f"seed = {seed}\noptions = {{ {pairs} }}\n"
    )
    return path


def packages() -> list[str]:
    """Return the packages whose versions matter, of those that are installed."""
    installed = {d.name.lower() for d in metadata.distributions()}
    return [*PACKAGES, *(name for name in ("optuna", "cmaes", "torch") if name in installed)]
