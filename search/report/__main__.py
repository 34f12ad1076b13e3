"""Writes the report of a run anew: ``python -m search.report runs/full``."""

import argparse
import sys
from collections.abc import Sequence

from search.command import inspected

_EXAMPLES = """\
examples:
  python -m search.report runs/full
  python -m search.report runs/full && xdg-open runs/full/report.html
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; those of the process where left out.

    Returns
    -------
    int
        0 done, 1 failed, 2 wrong usage or input.
    """
    args = _parser().parse_args(argv)
    return inspected(lambda: _write(args.run))


def _write(run: str) -> None:
    # Imported here because these take a second, and --help must not.
    from search.report.rewrite import rewrite_report
    from search.storage import place

    path = rewrite_report(place(run), _notify)
    sys.stdout.write(f"The report is in {path}\n")


def _notify(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m search.report",
        description="Write report.html of a finished run anew: one file that opens in a browser, "
        "without a network.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("run", metavar="RUN", help="the run's folder, or its URI")
    return parser


if __name__ == "__main__":
    sys.exit(main())
