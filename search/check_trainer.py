"""Whether a trainer keeps its promises: ``python -m search.check_trainer mymodule:MyTrainer``."""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from search.arguments import add_json, folder_here
from search.command import Parser, command, program

if TYPE_CHECKING:
    from model.trainers.checking import CheckReport, Finding

_WHAT = """\
Try on a few hundred rows whether a trainer keeps what is asked of it: that its
epochs may be cut anywhere, in other processes too, and what else it promises.
Exit code 0 where it does, 1 where a check has failed.
"""
_EXAMPLES = """\
examples:
  %(prog)s mymodule:MyTrainer --param learning_rate=0.1
  %(prog)s xgboost --dataset my.csv --target species
  %(prog)s mymodule:MyTrainer --grid ./my.toml
"""
_WORDS = {True: "yes", False: "NO", None: "-"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; see `search.command.command`."""
    return command(_parser(), _check, argv)


def _check(args: argparse.Namespace) -> None:
    # Here, because these take a second to import and --help should not.
    from model.errors import PacksweepError
    from model.trainers.reference import TrainerName
    from search.config import read_reading, some_params
    from search.session import Options, check_rows, load, resolve_config
    from search.text import console, show, text_width

    out, err = console(sys.stdout), console(sys.stderr)
    named, params, features, seed = (
        TrainerName.here(args.trainer, args.code),
        [args.param],
        "raw",
        0,
    )
    reading = {} if args.target is None else {"target": args.target}
    dataset = args.dataset or "digits"
    if args.grid is not None:
        config = resolve_config(Options(grid=args.grid, trainer=args.trainer, code=args.code))
        dataset, features, seed = args.dataset or config.dataset, config.features, config.seed
        params = [{**mine, **args.param} for mine in some_params(config)]
        reading = {**config.reading.model_dump(), **reading}
    data = load(dataset, read_reading(reading).to_reading(), err)
    report = check_rows(named, params, data, features, seed)
    if args.json:
        from search.schemas import TrainerCheck, as_json

        answer = TrainerCheck.model_validate(dataclasses.asdict(report))
        sys.stdout.write(f"{as_json(answer)}\n")
    else:
        show(out, "\n".join(_lines(report, text_width(out))))
    if report.failures:
        raise PacksweepError(f"{len(report.failures)} of {len(report.findings)} checks failed.")


def _lines(report: "CheckReport", width: int | None) -> list[str]:
    """Return a line for each check, and below them what is wrong and how large things are."""
    from search.text import table_lines, wrapped

    rows = [
        (found.check, _WORDS[found.passed], f"{found.seconds:.1f} s", _why_not(found))
        for found in report.findings
    ]
    told = [f"{found.check}: {found.message}" for found in report.failures]
    size = f"{report.state_bytes:,} bytes"
    facts = f"An epoch took {report.epoch_s:.3g} s on these rows; a state takes {size}."
    limits = wrapped(report.limits, width) if report.limits else []
    return [
        f"{report.trainer}, version {report.version}",
        *table_lines(("check", "kept", "time", ""), rows, width, ("",)),
        *(line for text in told for line in ("", *wrapped(text, width))),
        *(["", *wrapped(facts, width)] if report.state_bytes else []),
        *limits,
    ]


def _why_not(found: "Finding") -> str:
    return found.message if found.passed is None else ""


def _param(text: str) -> tuple[str, Any]:
    """Return a hyperparameter with its value as a grid file would have it: 3, 0.1, true or text."""
    name, _, value = text.partition("=")
    if not name or not value:
        raise argparse.ArgumentTypeError(f"{text!r} is not a pair such as learning_rate=0.1")
    from search.config import parse

    try:
        return name, parse(f"value = {value}")["value"]
    except ValueError:
        return name, value


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=program("check-trainer"),
        description=_WHAT,
        epilog=_EXAMPLES,
    )
    parser.add_argument(
        "trainer", metavar="TRAINER", help="its name, such as xgboost or mymodule:MyTrainer"
    )
    parser.add_argument(
        "--param", type=_param, action=_Pairs, default={}, metavar="NAME=VALUE",
        help="a hyperparameter; may be given several times",
    )  # fmt: skip
    parser.add_argument("--grid", metavar="FILE", help="a grid file whose values are tried")
    parser.add_argument("--dataset", metavar="NAME|PATH", help="(digits, or the grid's)")
    parser.add_argument("--target", metavar="COLUMN", help="column of a table with the labels")
    parser.add_argument(
        "--code", type=folder_here, metavar="DIR", help="folder with the trainer's modules"
    )
    add_json(parser)
    return parser


class _Pairs(argparse.Action):
    """Gathers pairs in one table."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Add one pair."""
        del parser, option_string
        name, value = values
        setattr(namespace, self.dest, {**getattr(namespace, self.dest), name: value})


if __name__ == "__main__":
    sys.exit(main())
