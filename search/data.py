"""A data set as a sweep would read it: ``python -m search.data my.csv --target species``."""

import argparse
import sys
from collections.abc import Sequence

from search.arguments import add_json, add_reading
from search.command import Parser, command, program

_EXAMPLES = """\
examples:
  %(prog)s digits
  %(prog)s my.csv --target species
  %(prog)s my.npz --grid ./my.toml --json
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; see `search.command.command`."""
    return command(_parser(), _show, argv)


def _show(args: argparse.Namespace) -> None:
    # Here, because these take a second to import and --help should not.
    from search.schemas import as_json
    from search.session import Options, data_set_lines, data_set_of, description, inspect_data
    from search.text import console, show, text_width

    given = vars(args)
    json = given.pop("json")
    config, data = inspect_data(Options(**given), console(sys.stderr))
    found = data_set_of(config, data)
    if json:
        sys.stdout.write(f"{as_json(found)}\n")
        return
    out = console(sys.stdout)
    lines = [description(config, data), "", *data_set_lines(found, text_width(out))]
    show(out, "\n".join(lines))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=program("data"),
        description="Show a data set as a sweep would read it: what file it is, its rows, "
        "features, classes and parts, what is scaled, replaced and left out, and the memory that "
        "it takes. Nothing is trained or written.",
        epilog=_EXAMPLES,
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument(
        "dataset", metavar="NAME|PATH",
        help="auto, fashion-mnist, digits, or your own file or folder; see docs/data.md",
    )  # fmt: skip
    add_reading(parser)
    parser.add_argument(
        "--grid", metavar="NAME|FILE",
        help="the grid that says how rows are scaled and parted (one that suits the data)",
    )  # fmt: skip
    add_json(parser, default=False)
    return parser


if __name__ == "__main__":
    sys.exit(main())
