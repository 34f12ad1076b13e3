"""A run is gone on with in other values or more trials: ``--extend``."""

from dataclasses import replace

from model.data.dataset import Dataset
from search.config import SweepConfig
from search.record import Manifest, RunFolder, new_manifest
from search.session.options import Options
from search.storage import Place, is_there, listed, place, write_whole

# Stands in a run that is extended, before it is moved aside.
_EXTENDED = ".extended"


def extended(options: Options, config: SweepConfig, data: Dataset) -> tuple[Options, SweepConfig]:
    """Return what a command with ``--extend`` means, by the run that it finds.

    That is a new run, which takes over what the old one has; the old one is moved aside. Where the
    settings are those of the run, as in the same command given again, it is gone on with as ever.

    Parameters
    ----------
    options : Options
    config : SweepConfig
    data : Dataset

    Raises
    ------
    RunFolderError
        If the run's manifest cannot be read.
    StoreError
        If the run cannot be written to.
    """
    if not options.extend:
        return options, config
    run = options.run_path.absolute()
    manifest, reuse = RunFolder(run).read_manifest(), [*options.reuse]
    if manifest is None:
        # A command may have ended after the move, before the new run had a manifest.
        moved = _moved_aside(run)
        return replace(options, reuse=[*reuse, *moved[-1:]]), config
    for asked in (config, _in_the_same_waves(config, manifest.sweep_config)):
        if not manifest.differences(new_manifest(asked, data)):
            return replace(options, reuse=_as_it_began(manifest, reuse)), asked
    write_whole(run / _EXTENDED, b"")
    return replace(options, fresh=True, reuse=[*reuse, run]), asked


def _moved_aside(run: Place) -> list[Place]:
    """Return the runs that were here and are extended, the newest last."""
    found = [path for path in listed(run.parent) if path.name.startswith(f"{run.name}.")]
    return [path for path in found if is_there(path / _EXTENDED)]


def _as_it_began(manifest: Manifest, given: list[Place]) -> list[Place]:
    """Return the runs that a run takes over, as the command names them where it does."""
    by_name = {str(path.resolve()): path for path in given}
    return [by_name.get(text) or place(text) for text in manifest.reuse]


def _in_the_same_waves(config: SweepConfig, old: SweepConfig) -> SweepConfig:
    """Return settings whose sampler is asked for as many trials at once as before.

    It proposes the same trials then, as far as the old run came.
    """
    sampler, size = config.sampler, old.wave_size
    same = config.is_grid or sampler.name != old.sampler.name or sampler.batch is not None
    if same or config.wave_size == size:
        return config
    settings = config.to_dict()
    settings["sampler"] |= {"batch": size}
    return SweepConfig.from_dict(settings, "command line")
