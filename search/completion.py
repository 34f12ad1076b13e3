"""Completion for shells: ``packsweep completion bash``."""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NoReturn

from argcomplete.completers import DirectoriesCompleter, FilesCompleter
from argcomplete.finders import CompletionFinder
from argcomplete.lexers import split_line
from argcomplete.shell_integration import shellcode

from search.command import COMPLETING, PACKSWEEP, RUNS, Parser, command, program

SHELLS = ("bash", "zsh", "fish")

_EXAMPLES = """\
examples:
  echo 'eval "$(packsweep completion bash)"' >> ~/.bashrc
  echo 'eval "$(packsweep completion zsh)"' >> ~/.zshrc      below compinit
  packsweep completion fish > ~/.config/fish/completions/packsweep.fish
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; see `search.command.command`."""
    return command(_parser(), _print, argv)


def _print(args: argparse.Namespace) -> None:
    script = shellcode([PACKSWEEP], shell=args.shell)
    sys.stdout.write(f"{script.strip()}\n")


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=program("completion"),
        description="Print a script by which a shell completes packsweep's commands, their "
        "options, and the names of runs, grids, data sets, trainers, samplers and pruners.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("shell", choices=SHELLS, help="the shell that reads the script")
    return parser


def answer(parser_of: Callable[[str, Sequence[str]], argparse.ArgumentParser]) -> NoReturn:
    """Tell the shell what may follow on its line, and leave.

    Parameters
    ----------
    parser_of : callable
        Returns the parser of a command, by its name and what is given to it so far.
    """
    line = os.environ["COMP_LINE"][: int(os.environ["COMP_POINT"])]
    words = split_line(line)[3]
    parser = parser_of(words[1] if len(words) > 1 else "", words[2:])
    if parser.prog != program():
        os.environ[COMPLETING] = "2"  # what stands before the options: packsweep, and the command
    _complete_values(parser)
    CompletionFinder()(parser, always_complete_options="long")  # which ends the process
    raise SystemExit(0)


def _complete_values(parser: argparse.ArgumentParser) -> None:
    for action in parser._actions:  # argparse has no other way to go through them
        if action.dest in _VALUES:
            action.completer = _VALUES[action.dest]  # type: ignore[attr-defined]


def _runs(prefix: str, **_: object) -> list[str]:
    """Return folders below the one that is being typed, and the runs of the usual folder."""
    usual: list[str] = []
    with contextlib.suppress(OSError):  # what cannot be looked at is not offered
        usual = [f"{RUNS}/{path.parent.name}" for path in RUNS.glob("*/manifest.json")]
    return [*usual, *(path for path in _folders(prefix) if path.rstrip("/") not in usual)]


def _folders(prefix: str, **_: object) -> Iterable[str]:
    found: Iterable[str] = DirectoriesCompleter()(prefix)
    return found


def _files(prefix: str, *endings: str) -> Iterable[str]:
    found: Iterable[str] = FilesCompleter(endings)(prefix)
    return found


def _grids(prefix: str, **_: object) -> list[str]:
    from search.config import known_grids  # late, as all below: only one of them is asked for

    return [*known_grids(), *_files(prefix, "toml")]


def _data_sets(prefix: str, **_: object) -> list[str]:
    from model.data.sources import KNOWN

    return [*KNOWN, *_files(prefix)]


def _trainers(**_: object) -> list[str]:
    from model.trainers.loading import KNOWN, WITH_ESTIMATOR

    return [*KNOWN, *(f"{name}:" for name in WITH_ESTIMATOR)]


def _samplers(**_: object) -> list[str]:
    from search.config import SAMPLERS

    return list(SAMPLERS)


def _pruners(**_: object) -> list[str]:
    from search.config import PRUNERS

    return list(PRUNERS)


# By the destination of an option or argument, which means the same in all commands.
_VALUES: Mapping[str, Callable[..., Iterable[str]]] = {
    "run": _runs, "runs": _runs, "compare": _runs, "resume": _runs, "reuse": _runs,
    "run_dir": _folders, "dir": _folders, "root": _folders, "code": _folders,
    "grid": _grids, "dataset": _data_sets,
    "trainer": _trainers, "sampler": _samplers, "pruner": _pruners,
}  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
