"""Trials that cannot be told from the best one, in words."""

from search.config import EPOCHS, label_of
from search.record import Summary, Ties, TopTrial
from search.text import number_text, wrapped


def tie_lines(summary: Summary, width: int | None) -> list[str]:
    """Return what the result says of the ties, in lines that fit a terminal."""
    sentences = tie_sentences(summary.indistinguishable, summary.best, summary.dataset.rows)
    return [line for text in sentences for line in wrapped(text, width)]


def tie_sentences(ties: Ties | None, best: TopTrial | None, rows: str = "images") -> list[str]:
    """Say how many trials cannot be told from the best, which is the simplest, what is missing.

    Parameters
    ----------
    ties : Ties or None
        None where nothing is known of them, and nothing is said then.
    best : TopTrial or None
    rows : str
        What the data set's rows are: ``images`` or ``rows``.
    """
    if ties is None or best is None:
        return []
    if ties.count is None:
        return ["The best trial is compared with no other: its losses are not in this run."]
    return [
        f"{_amount(ties.count)} be told apart from the best one on these {ties.images:,} "
        f"validation {rows} ({100 * ties.level:.0f} %, paired bootstrap).",
        *_simplest(ties, best),
        *_missing(ties),
    ]


def _amount(count: int) -> str:
    return {0: "Every other trial can", 1: "1 other trial cannot"}.get(
        count, f"{count:,} other trials cannot"
    )


def _simplest(ties: Ties, best: TopTrial) -> list[str]:
    trial = ties.simplest
    if not ties.count or trial is None:
        return []
    if trial.number == best.number:
        return ["None of them is simpler than the best one."]
    others = [
        f"{label_of(name).long} {number_text(value)}"
        for name, value in trial.params.items()
        if name != EPOCHS
    ]
    return [
        f"The simplest of them: {trial.params.epochs} epochs, {', '.join(others)} "
        f"(trial {trial.number}, cost {trial.cost:.4f})."
    ]


def _missing(ties: Ties) -> list[str]:
    """Say which trials of such costs are not compared, and what is known of the reason."""
    own = (ties.not_compared or 0) - ties.reused
    found = []
    if own:
        found.append(
            f"{own:,} more of such costs {_are(own)} not compared: this run has no losses of "
            f"{'it' if own == 1 else 'them'}. Losses are not kept if a cost varies too little to "
            f"come near the best one.{_damaged(ties.damaged)}"
        )
    if ties.reused:
        found.append(
            f"{ties.reused:,} {'more ' * (not own)}of such costs {_are(ties.reused)} not compared: "
            "taken over from another run, without the losses."
        )
    return found


def _damaged(files: int) -> str:
    if not files:
        return ""
    what = "1 file of losses is" if files == 1 else f"{files:,} files of losses are"
    return f" Besides, {what} damaged."


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
