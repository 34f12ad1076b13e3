"""What is on the page of a report, a file for each section.

It knows charts, tables and the values of a run that is read already. It never knows the order of
sections on the page, and reads no file.
"""

from search.report.sections.confusion import confusion_chart, confusions
from search.report.sections.losses import loss_charts
from search.report.sections.model_tables import feature_weights, mistake_rows
from search.report.sections.optimum import gap_charts, optimum_table
from search.report.sections.overview import (
    MOST_LINES,
    history_chart,
    importance_chart,
    parallel_chart,
)
from search.report.sections.pairs import Pairs
from search.report.sections.pictures import Picture, mistake_pictures, weight_pictures
from search.report.sections.result import figures, result_table, top_trials
from search.report.sections.ribbons import ribbons_of
from search.report.sections.ties import tie_chart, tie_rows
from search.report.sections.timeline import timeline_chart
from search.report.sections.trajectories import trajectory_chart

__all__ = [
    "MOST_LINES",
    "Pairs",
    "Picture",
    "confusion_chart",
    "confusions",
    "feature_weights",
    "figures",
    "gap_charts",
    "history_chart",
    "importance_chart",
    "loss_charts",
    "mistake_pictures",
    "mistake_rows",
    "optimum_table",
    "parallel_chart",
    "result_table",
    "ribbons_of",
    "tie_chart",
    "tie_rows",
    "timeline_chart",
    "top_trials",
    "trajectory_chart",
    "weight_pictures",
]
