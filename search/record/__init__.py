"""What a run has written down: its manifest, its log and the states of its packs.

It knows each file of a run folder, its format and what must be durable before what. It never
decides what is trained next, and never waits for a worker.
"""

from search.record.books import Books, open_books, settle
from search.record.checkpoints import Checkpoint, Checkpoints, SoftmaxStates, StateKind
from search.record.confidence import (
    AlphaFigures,
    FeatureSizes,
    Guessing,
    OptimumFigures,
    RefitStatistics,
    ScoreStatistics,
    Statistics,
    TiedTrial,
    Ties,
)
from search.record.link_log import LinkRecord, read_links
from search.record.loading import arrow_parts, csv_lines, load_table
from search.record.log import (
    COMPLETE,
    DIVERGED,
    FAIL,
    PRUNED,
    READOUTS,
    SOFTMAX_LAYOUT,
    Coded,
    Column,
    Key,
    Layout,
    PartColumns,
    Readout,
    TrialLog,
    link_name,
    lost_rows,
    of_replicates,
    read_columns,
    read_log,
    read_new_columns,
    spare_pandas,
)
from search.record.manifest import (
    REUSE_KEY,
    Manifest,
    layout_of,
    metrics_text,
    new_manifest,
    versions,
)
from search.record.proposals import Proposal, Proposals
from search.record.replicate_books import ReplicateBooks, training_books
from search.record.resamples import Resampled, Resamples
from search.record.reuse import ReusedTrials, as_columns, copied
from search.record.row_checks import RowCheck
from search.record.rows import pruned_rows, record
from search.record.run_folder import DELETED, RunFolder
from search.record.standings import TOP, BestTrial, Standings
from search.record.summary import (
    ENDED_EARLY,
    FINISHED,
    Arithmetic,
    Counts,
    DatasetName,
    ReplicateFigures,
    Summary,
    Timing,
    TopTrial,
    Trainings,
)

__all__ = [
    "COMPLETE",
    "DELETED",
    "DIVERGED",
    "ENDED_EARLY",
    "FAIL",
    "FINISHED",
    "PRUNED",
    "READOUTS",
    "REUSE_KEY",
    "SOFTMAX_LAYOUT",
    "TOP",
    "AlphaFigures",
    "Arithmetic",
    "BestTrial",
    "Books",
    "Checkpoint",
    "Checkpoints",
    "Coded",
    "Column",
    "Counts",
    "DatasetName",
    "FeatureSizes",
    "Guessing",
    "Key",
    "Layout",
    "LinkRecord",
    "Manifest",
    "OptimumFigures",
    "PartColumns",
    "Proposal",
    "Proposals",
    "Readout",
    "RefitStatistics",
    "ReplicateBooks",
    "ReplicateFigures",
    "Resampled",
    "Resamples",
    "ReusedTrials",
    "RowCheck",
    "RunFolder",
    "ScoreStatistics",
    "SoftmaxStates",
    "Standings",
    "StateKind",
    "Statistics",
    "Summary",
    "TiedTrial",
    "Ties",
    "Timing",
    "TopTrial",
    "Trainings",
    "TrialLog",
    "arrow_parts",
    "as_columns",
    "copied",
    "csv_lines",
    "layout_of",
    "link_name",
    "load_table",
    "lost_rows",
    "metrics_text",
    "new_manifest",
    "of_replicates",
    "open_books",
    "pruned_rows",
    "read_columns",
    "read_links",
    "read_log",
    "read_new_columns",
    "record",
    "settle",
    "spare_pandas",
    "training_books",
    "versions",
]
