"""A sweep as it is seen: as it runs, and from outside.

It knows terminals, log lines, metrics and the first Ctrl-C, and reads a run as any reader may. It
never decides what is trained: nothing that it shows changes a figure.
"""

from search.watch.comparison import comparison_lines
from search.watch.download import DownloadProgress
from search.watch.interruption import Interruption
from search.watch.live_view import make_progress
from search.watch.metrics import MetricsObserver
from search.watch.run_facts import comparison_of, runs_of, status_of
from search.watch.run_list import list_lines
from search.watch.run_state import ENDED_EARLY, FINISHED, RunState, run_folders
from search.watch.screen import LiveLines, Screen, bar, can_move_cursor
from search.watch.status_text import status_lines
from search.watch.sweep_log import log_file

__all__ = [
    "ENDED_EARLY",
    "FINISHED",
    "DownloadProgress",
    "Interruption",
    "LiveLines",
    "MetricsObserver",
    "RunState",
    "Screen",
    "bar",
    "can_move_cursor",
    "comparison_lines",
    "comparison_of",
    "list_lines",
    "log_file",
    "make_progress",
    "run_folders",
    "runs_of",
    "status_lines",
    "status_of",
]
