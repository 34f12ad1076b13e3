"""The trial log: its columns, its files, and how they are written, merged and read.

It knows rows, parquet and which files count. It never knows a manifest, or why a row is what it is.
"""

from search.record.log.columns import (
    COMPLETE,
    DIVERGED,
    FAIL,
    PRUNED,
    READOUTS,
    SOFTMAX_LAYOUT,
    Key,
    Layout,
    Readout,
    metric_column,
)
from search.record.log.growing import Coded, Column, PartColumns, read_new_columns
from search.record.log.reading import (
    lost_rows,
    of_replicates,
    read_columns,
    read_log,
    read_part,
    schema_of,
    spare_pandas,
)
from search.record.log.trial_log import TrialLog, link_name, link_of

__all__ = [
    "COMPLETE",
    "DIVERGED",
    "FAIL",
    "PRUNED",
    "READOUTS",
    "SOFTMAX_LAYOUT",
    "Coded",
    "Column",
    "Key",
    "Layout",
    "PartColumns",
    "Readout",
    "TrialLog",
    "link_name",
    "link_of",
    "lost_rows",
    "metric_column",
    "of_replicates",
    "read_columns",
    "read_log",
    "read_new_columns",
    "read_part",
    "schema_of",
    "spare_pandas",
]
