"""Which runs there are: ``python -m search.runs``."""

import argparse
import sys
from collections.abc import Sequence

from search.command import RUNS, Parser, command

_EXAMPLES = """\
examples:
  python -m search.runs                                   those in runs, the newest last
  python -m search.runs --compare runs/full runs/wider
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; see `search.command.command`."""
    return command(_parser(), _show, argv)


def _show(args: argparse.Namespace) -> None:
    # Here, because these take half a second to import and --help shall not.
    if args.server:
        from search.client import runs

        runs(args.server)
        return
    from search.storage import place
    from search.text import console, show, text_width
    from search.watch import RunState, comparison_lines, list_lines, run_folders

    out = console(sys.stdout)
    width = text_width(out)
    if args.compare:
        one, other = (RunState.read(place(run)) for run in args.compare)
        lines = comparison_lines(one, other, width)
    else:
        lines = list_lines(run_folders(place(args.dir or str(RUNS))), width)
    show(out, "\n".join(lines))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m search.runs",
        description="List the runs in a folder, the newest last, or compare two of them.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("dir", metavar="DIR", nargs="?", help=f"the folder or its URI ({RUNS})")
    parser.add_argument("--server", metavar="URL", help="list the sweeps of a service instead")
    parser.add_argument("--compare", metavar="RUN", nargs=2, help="the folders of two runs")
    return parser


if __name__ == "__main__":
    sys.exit(main())
