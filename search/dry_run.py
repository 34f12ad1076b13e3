"""What a command would do, without doing it."""

import numpy as np

from cluster.executor import SerialExecutor, available_cores
from model.data.dataset import Dataset
from search.config.config import SweepConfig
from search.engine.calibration import calibrate
from search.engine.sampled import repeated, wave_widths
from search.plan.links import LinkCutter, nothing_reached, open_chains
from search.plan.packs import Plan, replicated
from search.plan.widths import grid_plan, grid_widths, workers_each
from search.plan_text import plan_text
from search.tuning.tuner import make_tuner


def dry_run(config: SweepConfig, data: Dataset, workers: int | None) -> str:
    """Return the plan of a new run, and what it should take on some workers.

    Parameters
    ----------
    config : SweepConfig
    data : Dataset
    workers : int or None
        All cores of this machine where it is None.
    """
    workers = workers or available_cores()
    plan = replicated(_first_plan(config, workers), config.replicates, config.total)
    cost = calibrate(SerialExecutor(), config.batch_sizes, data.X.shape[1], data.n_classes)
    cutter = LinkCutter.for_data(cost, config, data, plan, workers)
    none_closed = np.zeros(config.total * config.replicates + 1, bool)
    none_closed[-1] = True
    chains = open_chains(plan, none_closed, nothing_reached, cutter)
    return plan_text(plan, config, data, cost, chains, workers)


def _first_plan(config: SweepConfig, workers: int) -> Plan:
    if config.is_grid:
        return grid_plan(config, grid_widths(config, workers), rungs=config.rungs)
    proposal = make_tuner(config).ask(0, config.wave_size)
    proposal.copies = repeated(proposal, {})
    proposal.widths = wave_widths(proposal, workers_each(config, workers))
    return proposal.plan(config.rungs)
