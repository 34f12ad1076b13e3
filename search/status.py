"""How a run stands, from another terminal: ``python -m search.status runs/full``."""

import argparse
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from search.arguments import add_json
from search.command import RUNS, Parser, command, program
from search.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from search.storage import Place

_EXAMPLES = """\
examples:
  %(prog)s                      the newest run in runs
  %(prog)s runs/full --watch    again and again until it is finished
"""
_SECONDS = 2.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; see `search.command.command`."""
    return command(_parser(), _show, argv)


def _show(args: argparse.Namespace) -> None:
    # Here, because these take half a second to import and --help should not.
    if args.json and args.watch is not None:
        raise ConfigError("--json is one answer, and --watch gives many; leave one of them out.")
    if args.server:
        from search.client import status

        status(args.server, args.run, watch=args.watch is not None, as_json=args.json)
        return
    from search.record import spare_pandas
    from search.storage import place
    from search.text import console
    from search.watch import run_folders

    spare_pandas()
    out = console(sys.stdout)
    path = run_folders(RUNS)[-1] if args.run is None else place(args.run)
    if args.json:
        _print_json(path)
        return
    if args.watch is None:
        _print(out, path)
        return
    try:
        _watch(out, path, args.watch)
    except KeyboardInterrupt:  # the way to leave, and no failure
        return


def _print(out: "Console", path: "Place") -> bool:
    """Print how a run stands once; return whether it is finished."""
    from search.text import show, text_width
    from search.watch import ENDED_EARLY, FINISHED, RunState, status_lines

    state = RunState.read(path)
    show(out, "\n".join(status_lines(state, text_width(out))))
    return state.name in (FINISHED, ENDED_EARLY)


def _print_json(path: "Place") -> None:
    from search.schemas import as_json
    from search.watch import RunState, status_of

    sys.stdout.write(f"{as_json(status_of(RunState.read(path)))}\n")


def _watch(out: "Console", path: "Place", seconds: float) -> None:
    from rich.text import Text

    from search.watch import ENDED_EARLY, FINISHED, RunState, Screen, can_move_cursor, status_lines

    if not can_move_cursor(out):
        while not _print(out, path):
            time.sleep(seconds)
        return
    screen = Screen(out)
    try:
        while (state := RunState.read(path)).name not in (FINISHED, ENDED_EARLY):
            screen.draw([Text(line) for line in status_lines(state, screen.size[0])])
            time.sleep(seconds)
    finally:
        screen.clear()
        _print(out, path)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=program("status"),
        description="Show the state of a run, while it is running or afterwards. Nothing is "
        "changed.",
        epilog=_EXAMPLES,
    )
    parser.add_argument(
        "run", metavar="RUN", nargs="?", help="the run's folder or its URI (the newest in runs)"
    )
    parser.add_argument(
        "--server", metavar="URL", help="look at a sweep of a service; RUN is its identity then"
    )
    parser.add_argument(
        "--watch", metavar="SECONDS", type=_seconds, nargs="?", const=_SECONDS,
        help=f"show it every so often until the run is finished ({_SECONDS:g})",
    )  # fmt: skip
    add_json(parser)
    return parser


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0.1 to 86400")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
