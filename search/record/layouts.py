"""From the settings of a run to the columns of its log."""

from model.tasks import LAST
from search.config import SweepConfig
from search.record.columns import Layout


def layout_of(config: SweepConfig) -> Layout:
    """Return the columns of a run's log that depend on its trainer."""
    dtypes = tuple((name, dtype.str) for name, dtype in config.dtypes.items())
    if config.trainer.is_softmax:
        return Layout(dtypes)
    others = tuple(m for m in config.trainer.metrics if m not in ("cost", "accuracy"))
    return Layout(dtypes, (LAST,), others)
