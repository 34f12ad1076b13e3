"""The result as a page: one HTML file that needs nothing else.

It knows charts, sections and their order on the page. It never changes a run, never trains, and
draws no conclusion that `search.result` does not.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from search.extras import needed

if TYPE_CHECKING:
    from model.data.dataset import Dataset
    from search.record import Manifest, RunFolder, Summary, TrialLog


def write_report(
    folder: "RunFolder",
    manifest: "Manifest",
    trial_log: "TrialLog",
    summary: "Summary",
    data: "Dataset | None" = None,
) -> None:
    """Write report.html of a finished run.

    Parameters
    ----------
    folder : RunFolder
    manifest : Manifest
    trial_log : TrialLog
    summary : Summary
    data : Dataset, optional
        The data set that the run was trained on; the section on the final model needs it.

    Raises
    ------
    StoreError
        If it cannot be written, or the log not be read.
    MissingLibraryError
        If what draws it is not installed.
    """
    # Imported here because this takes a second, and --help of the command must not.
    from search.report.run_data import RunData
    from search.storage import write_atomically

    with needed("report", "The report"):
        from search.report.page import render

        html = render(RunData.read(folder, manifest, trial_log, summary, data))
    write_atomically(folder.report, lambda file: file.write(html.encode()))


def search_charts(
    params: Sequence[Mapping[str, Any]], scores: Any, resource: str | None = None
) -> str:
    """Return the main charts of a search over candidates, as a page that needs nothing else.

    Parameters
    ----------
    params : sequence of mapping
        The parameters of each candidate.
    scores : ndarray of shape (n,)
        Their mean scores, the greatest being the best; NaN where one has failed.
    resource : str, optional
        The parameter along which training is shared.

    Returns
    -------
    str
        Empty where there is nothing to draw.

    Raises
    ------
    MissingLibraryError
        If what draws them is not installed.
    """
    with needed("report", "What shows a search"):
        from search.report.search_page import search_page

        return search_page(params, scores, resource)
