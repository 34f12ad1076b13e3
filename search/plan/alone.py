"""Whether a sweep is over in this process before a cluster could begin."""

from model.data.dataset import Dataset
from model.speed import TYPICAL
from search.config import EPOCHS, Range, SweepConfig

# Seconds from the start of a cluster on this machine to its first result. Its processes take
# as many of the cores, so that a sweep which is shorter than this gains nothing by them.
CLUSTER_START = 4.0

# What the typical speed is told of: stored weights of a model, 784 features and 10 classes.
_TYPICAL_WEIGHTS = 784 * 9
_TYPICAL_BATCH = 8

# Seconds of a training beside its epochs, and of a metric that is computed for it: 700 trials of an
# epoch on the digits, with four metrics, took 32 ms of a processor each.
_LINK, _METRIC = 0.005, 0.008


def shorter_than_a_start(config: SweepConfig, data: Dataset, refits: int) -> bool:
    """Whether one core trains a whole sweep in less time than a cluster takes to start.

    The typical speed model decides, and every trial counts as if it was trained alone. Of trainers
    other than the softmax trainer nobody knows how long they take, or what they do to the process
    that they run in.

    Parameters
    ----------
    config : SweepConfig
    data : Dataset
    refits : int
        Final trainings.
    """
    if not config.trainer.is_softmax:
        return False
    epochs = config.axes_by_name[EPOCHS]
    most = int(epochs.high if isinstance(epochs, Range) else max(epochs))
    rows = len(data.y) + (0 if data.y_val is None else len(data.y_val))
    weights = data.X.shape[1] * max(1, data.n_classes - 1)
    smallest = min(config.batch_sizes)
    row = TYPICAL.training_row(smallest, 1) * max(1.0, weights / _TYPICAL_WEIGHTS)
    row *= max(1.0, _TYPICAL_BATCH / smallest)  # which is the time of the calls below it
    trainings = config.total * config.replicates + refits
    each = _LINK + _METRIC * len(config.asked_metrics)
    return bool(trainings * (each + most * rows * row) < CLUSTER_START)
