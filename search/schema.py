"""The JSON Schema of what ``--json`` prints: ``packsweep schema status``."""

import argparse
import sys
from collections.abc import Sequence

from search.command import Parser, command, program

# The names of `search.schemas.ANSWERS`, which takes too long to import for --help.
NAMES = ("status", "runs", "compare", "prune", "dry-run", "data", "check-trainer", "tokens")

_EXAMPLES = """\
examples:
  %(prog)s status > status.schema.json
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; see `search.command.command`."""
    return command(_parser(), _print, argv)


def _print(args: argparse.Namespace) -> None:
    from search.schemas import ANSWERS, schema_of  # late: --help should not wait for it

    sys.stdout.write(f"{schema_of(ANSWERS[args.name])}\n")


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=program("schema"),
        description="Print the JSON Schema (draft 2020-12) of what a command prints with --json. "
        "An answer names its schema in its key schema, as in status/1; another number means that "
        "a key has gone or means something else.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("name", metavar="NAME", choices=NAMES, help=", ".join(NAMES))
    return parser


if __name__ == "__main__":
    sys.exit(main())
