"""A run is gone on with in other values or more trials: ``--extend``."""

from dataclasses import replace

from model.data.dataset import Dataset
from search.config import SweepConfig
from search.record import RunFolder, new_manifest
from search.session.options import Options


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
    """
    manifest = RunFolder(options.run_path).read_manifest() if options.extend else None
    if manifest is None:
        return options, config
    config = _in_the_same_waves(config, manifest.sweep_config)
    if not manifest.differences(new_manifest(config, data)):
        return options, config
    reuse = [*options.reuse, options.run_path]
    return replace(options, fresh=True, reuse=reuse), config


def _in_the_same_waves(config: SweepConfig, old: SweepConfig) -> SweepConfig:
    """Return settings whose sampler is asked for as many trials at once as before.

    It proposes the same trials then, as far as the old run came.
    """
    sampler = config.sampler
    if config.is_grid or sampler.name != old.sampler.name or sampler.batch is not None:
        return config
    settings = config.to_dict()
    settings["sampler"] |= {"batch": old.wave_size}
    return SweepConfig.from_dict(settings, "command line")
