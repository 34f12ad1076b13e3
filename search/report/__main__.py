"""Writes the report of a run again: ``python -m search.report runs/full``."""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from search.command import Parser, command, program
from search.output import visible

if TYPE_CHECKING:
    from search.storage import Place

_EXAMPLES = """\
examples:
  %(prog)s runs/full
  %(prog)s runs/full && xdg-open runs/full/report.html
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; see `search.command.command`."""
    return command(_parser(), _write_report, argv)


def _write_report(args: argparse.Namespace) -> None:
    # Here, because these take a second to import and --help should not.
    if args.server:
        from search.client import report

        path: Place = report(args.server, args.run)
    else:
        from search.record import spare_pandas
        from search.report.rewrite import rewrite_report
        from search.storage import place

        spare_pandas()
        path = rewrite_report(place(args.run), _notify)
    sys.stdout.write(f"The report is in {visible(str(path))}\n")


def _notify(text: str) -> None:
    sys.stderr.write(f"{visible(text)}\n")


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=program("report"),
        description="Write report.html of a finished run again: one file that opens in a browser, "
        "without a network.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("run", metavar="RUN", help="the run's folder, or its URI")
    parser.add_argument(
        "--server", metavar="URL",
        help="fetch the report of a sweep from a service; RUN is its identity then",
    )  # fmt: skip
    return parser


if __name__ == "__main__":
    sys.exit(main())
