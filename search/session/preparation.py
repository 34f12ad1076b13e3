"""The preparation of a sweep: its examples, its executor, its manifest."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from cluster.executor import Executor, SerialExecutor, available_cores
from cluster.resources import Resources
from model.data.dataset import Dataset
from model.examples import Examples
from model.scoring import compile_kernels
from search.config import SweepConfig
from search.errors import ConfigError
from search.extras import needed
from search.plan import grid_widths, rows_stay, shorter_than_a_start, widest_pack
from search.record import Manifest, RunFolder, new_manifest
from search.session.options import Options
from search.session.products import UNCHECKED, check_library
from search.storage import Place

if TYPE_CHECKING:
    from cluster.ray_executor import RayExecutor


def resources_of(config: SweepConfig) -> Resources:
    """Return what a machine keeps free for each training."""
    return Resources(config.resources.cpus, config.resources.gpus, config.resources.memory)


def settled_executor(options: Options, config: SweepConfig, data: Dataset) -> str:
    """Return where a sweep is trained: ``ray`` or ``serial``.

    Parameters
    ----------
    options : Options
    config : SweepConfig
    data : Dataset
    """
    if options.executor != "auto":
        return options.executor
    elsewhere = options.joins or options.workers is not None or options.optimum
    here = not elsewhere and shorter_than_a_start(config, data, options.refits)
    return "serial" if here else "ray"


def make_executor(
    options: Options, config: SweepConfig, data: Dataset, notify: Callable[[str], None]
) -> Executor:
    """Return the executor that the command asks for.

    Raises
    ------
    ClusterError
        If no cluster can be started or joined.
    ConfigError
        If this machine has no room for one training.
    """
    if settled_executor(options, config, data) == "serial":
        if options.executor == "auto":
            notify(
                "Training in this process, because it should finish before Ray could start "
                "(--executor ray starts it)."
            )
        return SerialExecutor()
    resources = resources_of(config)
    executor = _ray_executor()(options.address, options.workers, resources)
    if executor.room():
        return executor
    if options.joins:
        # Others may yet join, or be started by the cluster because something waits for them.
        notify(f"No machine of the cluster has {resources}; training waits for one.")
        return executor
    executor.close()
    raise ConfigError(
        f"[resources] asks for {resources} for each training, and Ray counts less on this machine. "
        "Give less, or --address of a cluster that has it."
    )


def _ray_executor() -> "type[RayExecutor]":
    with needed("ray", "--executor ray", ", or train in this process with --executor serial"):
        from cluster.ray_executor import RayExecutor  # takes half a second: only where it is needed
    return RayExecutor


def planned_workers(options: Options, config: SweepConfig, executor: Executor) -> int:
    """Return for how many workers a new run is planned.

    A sweep that is short enough for this process has the plan that it would have on Ray, and so
    the same bits.
    """
    if options.executor == "auto" and isinstance(executor, SerialExecutor):
        return max(1, int(available_cores() / config.resources.cpus))
    return executor.workers


def check_executor(options: Options, config: SweepConfig, data: Dataset) -> None:
    """Refuse a new run for which a library is missing, before its folder is made.

    Raises
    ------
    MissingLibraryError
        With the way to install it.
    """
    on_ray = settled_executor(options, config, data) == "ray"
    if not on_ray and config.products in UNCHECKED:
        return
    if options.fresh or not RunFolder(options.run_path).began:
        check_library(options, config)
        if on_ray:
            _ray_executor()


def prepare(config: SweepConfig, data: Dataset, *, train_costs: bool) -> Examples:
    """Put the rows in order, and compile what the workers then find in the cache."""
    compile_kernels()
    return Examples.from_dataset(
        data,
        config.scoring_fraction,
        config.seed,
        config.select,
        config.features,
        config.folds,
        resampled=config.replicates == 1 and config.compared_by.is_cost,
        train_costs=train_costs,
        metrics=config.asked_metrics,
        in_place=rows_stay(config, data),
        products=config.products,
    )


def widest_of(data: Dataset) -> int:
    """Return how many columns a pack of the softmax trainer has at most."""
    return widest_pack(data.X.shape[1], data.n_classes)


def runs_to_reuse(options: Options, folder: RunFolder) -> list[Place]:
    """Return the runs that the command names, one of which may be the run that it moves aside."""
    own, moved = folder.path.resolve(), folder.moved_to
    paths = [path.resolve() for path in options.reuse]
    return [moved if moved and path == own else path for path in paths]


def read_or_write_manifest(
    folder: RunFolder, config: SweepConfig, data: Dataset, reuse: Sequence[Place], workers: int
) -> Manifest:
    """Return the run's manifest; a new run gets a plan for these workers.

    Raises
    ------
    RunFolderError
        If it cannot be read or written.
    """
    manifest = folder.read_manifest()
    if manifest is None:
        widths = grid_widths(config, workers, widest_of(data)) if config.is_grid else {}
        manifest = new_manifest(config, data, widths, reuse, workers)
        folder.write_manifest(manifest)
    return manifest
