"""Copies a run into a storage of Optuna: ``python -m search.export runs/full --storage URL``."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from search.command import Parser, command, program
from search.errors import ConfigError
from search.logins import without_login
from search.output import visible

if TYPE_CHECKING:
    from search.storage import Place

# As in Optuna's own commands.
_STORAGE = "OPTUNA_STORAGE"

_EXAMPLES = """\
examples:
  %(prog)s runs/full --storage sqlite:///trials.db
  %(prog)s runs/tpe --storage trials.journal --name "first try"
  optuna-dashboard sqlite:///trials.db
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; see `search.command.command`."""
    return command(_parser(), _copy, argv)


def _copy(args: argparse.Namespace) -> None:
    if args.server:
        from search.client import fetched

        with fetched(args.server, args.run) as run:
            _copy_run(args, run)
    else:
        from search.storage import place

        _copy_run(args, place(args.run))


def _copy_run(args: argparse.Namespace, run: "Place") -> None:
    # Here, because these take a second to import and --help shall not.
    from search.record import lost_rows
    from search.tuning.studies import FINISHED, TOTAL, copy_study, ended_trials, study_of_run

    storage = args.storage or os.environ.get(_STORAGE)
    if not storage:
        raise ConfigError(f"No storage is named. Give --storage, or its URL in {_STORAGE}.")
    study = study_of_run(run)
    name = args.name or study.study_name
    copy_study(study, storage, name)
    ended, total = len(ended_trials(study)), study.user_attrs[TOTAL]
    done = f"{ended} trials are in {without_login(storage)} as {name!r}"
    sys.stdout.write(f"{visible(done)}\n")
    if ended < total:
        left = f"The other {total - ended} trials of the run have no result yet."
        if study.user_attrs[FINISHED]:
            left = lost_rows(run, ended, total)
        sys.stdout.write(f"{visible(left)}\n")


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=program("export"),
        description="Copy the trials of a run, finished or not, into a storage of Optuna, for its "
        "dashboard and its visualisations.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("run", metavar="RUN", help="the run's folder, or its URI")
    parser.add_argument(
        "--server", metavar="URL", help="take a sweep from a service; RUN is its identity then"
    )
    parser.add_argument(
        "--storage", metavar="URL",
        help="database URL (sqlite, PostgreSQL, MySQL), or a journal file (.log or .journal); "
        f"one with a password is better given in {_STORAGE}, where no other user sees it",
    )  # fmt: skip
    parser.add_argument("--name", metavar="NAME", help="of the study (the grid's name)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
