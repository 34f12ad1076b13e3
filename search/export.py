"""Takes a run to a tracker: ``python -m search.export runs/full --mlflow http://host:5000``."""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from search.command import Parser, command, program
from search.errors import ConfigError
from search.logins import without_login
from search.output import visible

if TYPE_CHECKING:
    from search.storage import Place
    from search.trackers import Sent, Target

# As in the libraries' own commands.
_STORAGE, _TRACKING = "OPTUNA_STORAGE", "MLFLOW_TRACKING_URI"
_EXPERIMENT = "MLFLOW_EXPERIMENT_NAME"

_EXAMPLES = """\
examples:
  %(prog)s runs/full --storage sqlite:///trials.db
  optuna-dashboard sqlite:///trials.db
  %(prog)s runs/full --mlflow http://127.0.0.1:5000 --name mine
  %(prog)s runs/full --tensorboard boards
  tensorboard --logdir boards/full

Run again, it adds new trials and updates changed ones; no trial is there twice.
"""

_INTERRUPTED = "Interrupted; the same command completes it.\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; see `search.command.command`."""
    return command(_parser(), _export, argv, _INTERRUPTED)


def _export(args: argparse.Namespace) -> None:
    if args.server:
        from search.client import fetched

        shown = f"search.status {shlex.quote(args.run)} --server {shlex.quote(args.server)}"
        with fetched(args.server, args.run) as copy:
            _export_run(args, copy, shown)
    else:
        from search.storage import place

        path = place(args.run)
        shown = f"search.run --resume {shlex.quote(str(path.absolute()))}"
        _export_run(args, path, shown)


def _export_run(args: argparse.Namespace, path: "Place", shown: str) -> None:
    # Here, because these take a second to import and --help should not.
    from search.trackers import MLFLOW, open_tracker, read_run, send

    target = _target(args)
    name = args.name or (os.environ.get(_EXPERIMENT) if target.kind == MLFLOW else None)
    run, trials = read_run(path, name or "", f"python -m {shown}")
    with closing(open_tracker(target, run)) as tracker:
        sent = send(run, trials, tracker)
    done = f"{len(trials)} trials are in {without_login(target.place)} as {run.name_there!r}"
    sys.stdout.write(f"{visible(done)}{_what_is_new(sent)}\n")
    if len(trials) < run.total:
        sys.stdout.write(f"{visible(_what_is_left(path, len(trials), run.total, run.finished))}\n")


def _target(args: argparse.Namespace) -> "Target":
    from search.trackers import MLFLOW, OPTUNA, TENSORBOARD, Target  # late, as above

    if args.tensorboard is not None:
        return Target(TENSORBOARD, args.tensorboard)
    if args.mlflow is not None:
        uri = args.mlflow or os.environ.get(_TRACKING)
        if not uri:
            raise ConfigError(
                f"MLflow has no address. Give --mlflow URI, or the URI in {_TRACKING}."
            )
        return Target(MLFLOW, uri)
    storage = args.storage or os.environ.get(_STORAGE)
    if not storage:
        raise ConfigError(
            f"No storage is named. Give --storage, or its URL in {_STORAGE}. Other trackers: "
            "--mlflow, --tensorboard."
        )
    return Target(OPTUNA, storage)


def _what_is_new(sent: "Sent") -> str:
    if not (sent.same or sent.changed):
        return ""
    if not sent.anything:
        return ", as they were before"
    parts = [f"{n} {word}" for n, word in ((sent.new, "new"), (sent.changed, "changed")) if n]
    return f" ({', '.join(parts)})" if parts else ""


def _what_is_left(path: "Place", ended: int, total: int, finished: bool) -> str:
    from search.record import lost_rows  # late, as above

    if finished:
        return lost_rows(path, ended, total)
    return f"The other {total - ended} trials of the run have no result yet."


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=program("export"),
        description="Take the trials of a run, finished or not, to a tracker: a storage of Optuna, "
        "MLflow, or TensorBoard.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("run", metavar="RUN", help="the run's folder, or its URI")
    parser.add_argument(
        "--server", metavar="URL", help="take a sweep from a service; RUN is its identity then"
    )
    target = parser.add_mutually_exclusive_group()
    target.add_argument(
        "--storage", metavar="URL",
        help="a storage of Optuna: database URL (sqlite, PostgreSQL, MySQL), or a journal file "
        f"(.log or .journal); one with a password is better given in {_STORAGE}, where no other "
        "user sees it",
    )  # fmt: skip
    target.add_argument(
        "--mlflow", metavar="URI", nargs="?", const="",
        help=f"a server of MLflow, or its database; without URI that of {_TRACKING}; logins as "
        "MLflow takes them, such as MLFLOW_TRACKING_TOKEN",
    )  # fmt: skip
    target.add_argument(
        "--tensorboard", metavar="DIR", help="a folder, in which the run gets its own folder"
    )
    parser.add_argument(
        "--name", metavar="NAME",
        help="of the study, the experiment or the folder (the grid's name)",
    )  # fmt: skip
    return parser


if __name__ == "__main__":
    sys.exit(main())
