"""Which runs there are, and which of them go: ``python -m search.runs``."""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from model.errors import PacksweepError
from search.arguments import add_json, span
from search.command import RUNS, Parser, command, program
from search.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from search.keeping import KeptRun, Preview
    from search.schemas import Answer
    from search.storage import Place

_EXAMPLES = """\
examples:
  %(prog)s                                   those in runs, the newest last
  %(prog)s --compare runs/full runs/wider
  %(prog)s prune --older-than 30d            what would go, and what that frees
"""
_PRUNE_EXAMPLES = """\
examples:
  %(prog)s --older-than 30d --keep-last 5
  %(prog)s runs/smoke runs/tried --yes
  %(prog)s 8c1f0e77aa --server http://127.0.0.1:8741
"""
_PRUNE = "prune"
_LEFT_OUT = {"dir": "leave DIR out", "compare": "leave --compare out"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; see `search.command.command`."""
    # A folder of this name is reached as ./prune.
    if (sys.argv[1:] if argv is None else argv)[:1] == [_PRUNE]:
        return command(_prune_parser(), _prune, argv)
    return command(_parser(), _show, argv)


def _show(args: argparse.Namespace) -> None:
    # Here, because these take half a second to import and --help should not.
    if args.server:
        for option in ("dir", "compare"):
            if getattr(args, option) is not None:
                raise ConfigError(f"--server lists the sweeps of a service; {_LEFT_OUT[option]}.")
        from search.client import runs

        runs(args.server, as_json=args.json)
        return
    from search.record import spare_pandas
    from search.storage import place
    from search.text import console, text_width
    from search.watch import (
        RunState,
        comparison_lines,
        comparison_of,
        list_lines,
        run_folders,
        runs_of,
    )

    spare_pandas()
    out, folder = console(sys.stdout), place(args.dir or str(RUNS))
    width = text_width(out)
    if args.compare:
        one, other = (RunState.read(place(run)) for run in args.compare)
        _tell(args, lambda: comparison_of(one, other), lambda: comparison_lines(one, other, width))
    else:
        found = run_folders(folder)
        _tell(args, lambda: runs_of(folder, found), lambda: list_lines(found, width))


def _tell(
    args: argparse.Namespace, answer: "Callable[[], Answer]", lines: Callable[[], Sequence[str]]
) -> None:
    """Print something for people, or for programs."""
    if args.json:
        from search.schemas import as_json

        sys.stdout.write(f"{as_json(answer())}\n")
    else:
        from search.text import console, show

        show(console(sys.stdout), "\n".join(lines()))


def _prune(args: argparse.Namespace) -> None:
    rules = args.older_than is not None or args.keep_last or args.unfinished
    if not (args.runs or rules):
        raise ConfigError(
            "Name the runs: by folder, or by a rule such as --older-than 30d or --keep-last 5."
        )
    if args.json and args.yes:
        raise ConfigError("--json shows what would be deleted; leave it out with --yes.")
    if args.server:
        if args.json:
            raise ConfigError("--json works for folders only; leave it out with --server.")
        from search.client import prune

        if args.dir is not None:
            raise ConfigError("--server has sweeps by their names; leave --dir out.")
        if rules or not args.runs:
            raise ConfigError(
                "Of a service, name the sweeps that go; rules such as --older-than are for folders "
                f"({program('serve')} --keep is the service's)."
            )
        prune(args.server, args.runs, delete=args.yes)
        return
    from search.storage import place
    from search.watch import run_folders

    if args.runs:
        paths = list(dict.fromkeys(_named(run, args.dir) for run in args.runs))
    else:
        paths = run_folders(place(args.dir or str(RUNS)))
    for parent in {path.parent for path in paths}:
        _check_no_service(parent)
    _prune_folders(args, paths)


def _named(run: str, folder: str | None) -> "Place":
    """Return the run of a name, in a folder where one is given."""
    from search.storage import place

    if folder is None:
        return place(run)
    if "/" in run or run in {"", ".", ".."}:
        raise ConfigError(
            f"{run!r} is not a name of a run in {folder}. Give only the name, or leave --dir out "
            "and give its path."
        )
    return place(folder) / run


def _check_no_service(parent: "Place") -> None:
    from search.storage import is_there

    if isinstance(parent, Path) and is_there(parent.absolute().parent / "ledger.sqlite"):
        raise ConfigError(
            f"The runs in {parent} are those of a service. Name its sweeps with --server URL, or "
            f"give {program('serve')} a --keep."
        )


def _prune_folders(args: argparse.Namespace, paths: "Sequence[Place]") -> None:
    """Show what goes and what stays, and delete it with --yes."""
    from search.keeping import Preview, Rules

    by_rule = args.older_than is not None or args.keep_last or args.unfinished
    rules = Rules(args.older_than, args.keep_last, unfinished=args.unfinished or not by_rule)
    preview = Preview.of(paths, rules, time.time(), _tell_left, named=bool(args.runs))
    _tell(args, lambda: preview.answer, lambda: _preview_lines(preview, delete=args.yes))
    if args.yes and (preview.doomed or preview.leftovers):
        _delete(preview.doomed, list(preview.leftovers))


def _preview_lines(preview: "Preview", *, delete: bool) -> list[str]:
    """Return a line for each run, and what --yes would do; nothing of that where it is given."""
    from rich.filesize import decimal

    from search.text import console, table_lines, text_width

    rows = list(map(_cells, preview.runs, preview.reasons))
    table = table_lines(_HEADER, rows, text_width(console(sys.stdout)), _HEADER[2:3])
    doomed, left = preview.doomed, preview.leftovers
    if not (doomed or left):
        return [*table, "", "Nothing is deleted."]
    if delete:
        return table
    what = _counted(len(doomed), "run")
    if left:
        what += f" and what is left of {_counted(len(left), 'run')} that was deleted before"
    frees = decimal(preview.size)
    return [*table, "", f"Nothing was deleted yet. --yes deletes {what} and frees {frees}."]


def _tell_left(error: StoreError) -> None:
    """Say why something stays of a run that was deleted before, which is not a failure of this."""
    from search.text import console, show

    show(console(sys.stderr), f"Left as it is: {error}")


def _delete(doomed: "Sequence[KeptRun]", left: "Sequence[Place]") -> None:
    """Delete what goes; what cannot be deleted keeps nothing else."""
    from rich.filesize import decimal

    from search.keeping import remove_leftover, remove_run
    from search.text import console, show

    freed, deleted, problems = 0, 0, []
    for path in left:
        try:
            freed += remove_leftover(path)
        except StoreError as error:
            _tell_left(error)
    for run in doomed:
        try:
            freed += remove_run(run.path)
            deleted += 1
        except PacksweepError as error:
            problems.append(error)
    show(
        console(sys.stdout), f"\nDeleted {_counted(deleted, 'run')}, which frees {decimal(freed)}."
    )
    if problems:
        raise problems[0]


_HEADER = ("run", "state", "changed (UTC)", "size", "")


def _cells(run: "KeptRun", reason: str) -> tuple[str, ...]:
    from rich.filesize import decimal

    from search.keeping import UNREADABLE

    if run.state == UNREADABLE:
        return (run.path.name, run.state, "", "", f"stays: {reason}")
    changed = time.strftime("%Y-%m-%d %H:%M", time.gmtime(run.changed_at))
    return (
        run.path.name, run.state, changed, decimal(run.size),
        f"stays: {reason}" if reason else "goes",
    )  # fmt: skip


def _counted(count: int, what: str) -> str:
    return f"1 {what}" if count == 1 else f"{count} {what}s"


def _prune_parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=program("runs prune"),
        description="Show which runs would be deleted and what that frees; delete them with --yes. "
        "Without names, rules say which of a folder go. A run that is being written never does.",
        epilog=_PRUNE_EXAMPLES,
    )
    parser.add_argument("verb", choices=[_PRUNE], help=argparse.SUPPRESS)
    parser.add_argument(
        "runs", metavar="RUN", nargs="*", default=[],
        help="the folders of runs, or with --dir their names in it",
    )  # fmt: skip
    parser.add_argument("--dir", metavar="DIR", help=f"the folder in which the runs are ({RUNS})")
    parser.add_argument(
        "--older-than", type=span, metavar="SPAN", help="last changed this long ago, such as 30d"
    )
    parser.add_argument(
        "--keep-last", type=_count, default=0, metavar="N", help="but not the newest N of them"
    )
    parser.add_argument("--unfinished", action="store_true", help="those without a result as well")
    parser.add_argument("--yes", action="store_true", help="delete them")
    parser.add_argument("--server", metavar="URL", help="RUN are sweeps of a service instead")
    add_json(parser)
    return parser


def _count(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=program("runs"),
        description="List the runs in a folder, the newest last, or compare two of them.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("dir", metavar="DIR", nargs="?", help=f"the folder or its URI ({RUNS})")
    parser.add_argument("--server", metavar="URL", help="list the sweeps of a service instead")
    parser.add_argument("--compare", metavar="RUN", nargs=2, help="the folders of two runs")
    add_json(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
