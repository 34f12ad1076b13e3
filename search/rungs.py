"""At which epochs a pruner is asked."""

from search.config import SweepConfig
from search.space import Range

# Where nothing says otherwise, a trial is reported this often on its way.
_REPORTS = 8


def rungs_of(config: SweepConfig) -> tuple[int, ...]:
    """Return the epochs at which trials are reported to the pruner, increasing.

    The multiples of the pruner's interval, below the most epochs that there can
    be. Without an interval they are a grid's own epochs, at which its trials are
    scored anyway, and an eighth of the longest way elsewhere.
    """
    if config.pruner.name == "none":
        return ()
    epochs, interval = config.axes_by_name["epochs"], config.pruner.interval
    if isinstance(epochs, Range):
        most, own = int(epochs.high), []
    else:
        most, own = int(max(epochs)), sorted(map(int, epochs))[:-1]
    if own and interval is None:
        return tuple(own)
    return tuple(range(step := interval or max(1, most // _REPORTS), most, step))
