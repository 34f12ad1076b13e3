"""The trials of a run as many people look at them: in any order, page by page, or in bins.

It knows the columns of a log that was read once, and answers whose size does not grow with the
number of trials. It never knows who asks, nor how a run is trained.
"""

from search.view.bins import MOST_CELLS, Axis, Bins, among, binned
from search.view.trial_table import Page, TrialTable, TrialTables

__all__ = [
    "MOST_CELLS",
    "Axis",
    "Bins",
    "Page",
    "TrialTable",
    "TrialTables",
    "among",
    "binned",
]
