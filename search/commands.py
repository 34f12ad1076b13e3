"""All commands under one name: ``packsweep run --grid full``, or ``python -m search run ...``.

Each is a module of this package with a `main` and a `parser`, and is imported when it is called:
``--help`` of one waits for none of the others.
"""

import argparse
import difflib
import os
import shlex
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

from search.command import COMPLETING, CompletionAskedError, Parser, command, program
from search.errors import INTERRUPTED

COMMANDS = {
    "run": "train a grid, or what a sampler proposes, and test the best trial",
    "status": "show the state of a run, while it is running or afterwards",
    "runs": "list runs, compare two of them, or delete old ones",
    "report": "write the report of a finished run again",
    "export": "export the trials of a run to Optuna, MLflow or TensorBoard",
    "model": "export the final model of a run to other tools",
    "data": "show a data set as a sweep would read it",
    "check-trainer": "test whether a trainer keeps its promises",
    "serve": "take sweeps from many people and run them on one cluster",
    "schema": "print the JSON Schema of what --json prints",
    "completion": "print the script that completes commands in a shell",
}
"""Each command with what it does; its module has its name, with an underscore for a hyphen."""

# A command that is in a room.
_PACKAGES = {"report": "search.report.__main__"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that is named first, and return its exit code."""
    given = sys.argv[1:] if argv is None else list(argv)
    if COMPLETING in os.environ:
        from search.completion import answer  # here, because only a shell asks for it

        answer(parser_of)
    if given and given[0] in COMMANDS:
        return _call(given[0], given[1:], of_process=argv is None)
    parser = _parser()
    asked = given[:1] if given[:1] in (["-h"], ["--help"], ["--version"]) else []
    return command(parser, lambda _: _refuse(parser, given), asked)


def _call(name: str, given: Sequence[str], *, of_process: bool) -> int:
    if of_process:  # where the command looks for its arguments, and hides what is secret in them
        del sys.argv[1]
    try:
        code: int = _module(name).main(None if of_process else given)
    except KeyboardInterrupt:  # while it was imported
        return INTERRUPTED
    return code


def _module(name: str) -> ModuleType:
    where = f"search.{name.replace('-', '_')}"
    return import_module(_PACKAGES.get(name, where))


def _refuse(parser: Parser, given: Sequence[str]) -> None:
    """Leave with what was probably meant."""
    if not given:
        parser.error(f"a command is missing, such as {program('run')} --grid smoke")
    if given[0].startswith("-"):
        words = shlex.join(["run", *given])
        parser.error(f"the command comes first: did you mean {program()} {words}?")
    near = difflib.get_close_matches(given[0].replace("_", "-"), COMMANDS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(COMMANDS)}"
    parser.error(f"there is no command {given[0]!r}; {hint}")


def parser_of(name: str, given: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser to which a line goes that is being typed.

    Parameters
    ----------
    name : str
        A command; whatever else stands there goes to the parser of all of them.
    given : sequence of str
        What follows it so far.
    """
    if name not in COMMANDS:
        return _parser()
    try:
        _module(name).main(given)
    except CompletionAskedError as asked:
        return asked.parser
    raise AssertionError(f"{name} does not end in search.command.command")


def _parser() -> Parser:
    """Return the parser of what is not a command: help and version."""
    parser = Parser(
        prog=program(),
        usage="%(prog)s COMMAND ...",
        description="Sweep the hyperparameters of a classifier, and look at what comes out.",
        epilog=f"{program('COMMAND')} --help tells the options of one.",
    )
    parser.add_argument("--version", action="version", version=f"packsweep {_version()}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name, what in COMMANDS.items():
        commands.add_parser(name, help=what, add_help=False)
    return parser


def _version() -> str:
    try:
        return version("packsweep")
    except PackageNotFoundError:
        return "(not installed)"
