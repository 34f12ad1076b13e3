"""The command line: ``python -m search.run --grid full``."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from math import isfinite
from typing import TYPE_CHECKING, Any

from model.errors import PacksweepError
from search.arguments import add_json, add_reading, folder_here, span
from search.command import Parser, Start, command, program, terminable
from search.errors import InterruptedSweepError

if TYPE_CHECKING:
    from search.storage import Place

_EXAMPLES = """\
examples:
  %(prog)s --grid smoke            a few seconds, no network needed
  %(prog)s --grid full             all 4096 combinations on Fashion-MNIST
  %(prog)s --grid full --dry-run   what it would do
  %(prog)s --grid tpe              256 trials that Optuna's TPE chooses
  %(prog)s --resume runs/full      continue an interrupted run
  %(prog)s --dataset my.csv --target species   a table of your own
  %(prog)s --grid ./my.toml --dataset ./my.npz
"""
# What a run that is there already has settled.
_SETTLED = (
    "dataset", "target", "weights", "missing", "keys", "seed", "seeds", "sampler", "trials",
    "objective", "metrics", "products", "pruner", "reuse", "fresh", "extend", "trainer", "code",
)  # fmt: skip
# What a service has, and nobody else says.
_ELSEWHERE = (
    "run_dir", "resume", "fresh", "extend", "retry_failed", "reuse", "code", "executor", "address",
    "workers",
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; see `search.command.command`."""
    began = Start()
    parser = _parser()

    def act(args: argparse.Namespace) -> None:
        given = vars(args)
        _refuse_what_is_settled(parser, given)
        with terminable():
            _sweep(given, began)

    return command(parser, act, argv, interrupted=f"\n{InterruptedSweepError()}\n")


def _sweep(given: dict[str, Any], began: Start) -> None:
    # Here, because these take a second to import and --help should not.
    if server := given.pop("server", None):
        from search.client import run

        run(server, given)
        return
    from search.session import Options, sweep
    from search.text import console

    if "resume" in given:
        folder, given["resume"] = given["resume"], True
        if folder is not None:
            given["run_dir"] = folder
    sweep(Options(**given), console(sys.stdout), console(sys.stderr), began)


def _refuse_what_is_settled(parser: argparse.ArgumentParser, given: Mapping[str, Any]) -> None:
    """Refuse options beside one that has settled them already."""
    settled: list[tuple[str, tuple[str, ...]]] = []
    if "resume" in given:
        settled.append(("--resume takes the run's own settings", _SETTLED))
    if folder := given.get("resume"):
        settled.append((f"--resume {folder} names the run already", ("grid", "run_dir")))
    if "server" in given:
        settled.append(("--server has its own cluster and folders", _ELSEWHERE))
    if given.get("executor") == "serial":
        settled.append(("--executor serial is one process here", ("address", "workers")))
    if "target_value" in given:
        settled.append(("--target-value is the target", ("target_cost",)))
    if "retry_failed" in given:
        settled.append(("--retry-failed trains in the run that is there", ("fresh",)))
    if "extend" in given:
        settled.append(("--extend takes over what the run has", ("fresh",)))
    if given.get("json") and not given.get("dry_run"):
        parser.error("--json prints the plan of --dry-run; a result as JSON is in summary.json")
    for reason, names in settled:
        for name in names:
            if name in given:
                parser.error(f"{reason}; leave --{name.replace('_', '-')} out")


def _parser() -> argparse.ArgumentParser:
    """Return the parser: an option's destination is its field of `Options`, absent if not given."""
    parser = Parser(
        prog=program("run"),
        description="Sweep the hyperparameters of a classifier, retrain the best "
        "combination on all training rows and test it. The same command continues an "
        "interrupted run.",
        epilog=_EXAMPLES,
        argument_default=argparse.SUPPRESS,
    )
    what = parser.add_argument_group("what to search")
    what.add_argument(
        "--grid",
        metavar="NAME|FILE",
        help="shipped grid or TOML file (default: full; tabular for your own data that is not "
        "images with values 0 to 255)",
    )
    what.add_argument(
        "--sampler", metavar="NAME",
        help="grid, random, qmc, tpe, gp, cmaes or an import path such as "
        "optuna.samplers.NSGAIISampler (the grid's)",
    )  # fmt: skip
    what.add_argument("--trials", type=_positive, metavar="N", help="for the sampler (the grid's)")
    what.add_argument(
        "--objective", metavar="METRIC",
        help="by which trials are compared: cost, accuracy, f1_macro, f1_weighted, "
        "balanced_accuracy, roc_auc_ovr, calibration_error, top_K_accuracy (the grid's)",
    )  # fmt: skip
    what.add_argument(
        "--metrics", type=_names, metavar="A,B",
        help="recorded for each trial besides cost and accuracy (the grid's)",
    )  # fmt: skip
    what.add_argument(
        "--products",
        choices=["auto", "numpy", "onednn", "fixed"],
        help="how the softmax trainer multiplies: numpy, onednn (faster on some processors), fixed "
        "(the same bits on every machine; twice as fast on processors with AMX), auto: the "
        "fastest here (the grid's)",
    )
    what.add_argument(
        "--pruner", metavar="NAME",
        help="none, median, halving, hyperband or an import path (the grid's)",
    )  # fmt: skip
    what.add_argument(
        "--trainer", metavar="NAME",
        help="softmax, xgboost, lightgbm, partial_fit:ESTIMATOR, warm_start:ESTIMATOR or your "
        "own, such as mypackage.train:MyTrainer; see docs/trainers.md (the grid's)",
    )  # fmt: skip
    what.add_argument(
        "--code", type=folder_here, metavar="DIR",
        help="folder with the modules of your own trainer, which is sent to all workers",
    )  # fmt: skip
    what.add_argument(
        "--dataset",
        metavar="NAME|PATH",
        help="auto, fashion-mnist, digits, or your own file or folder: npz, npy, IDX, CSV, "
        "Parquet, Arrow, svmlight, safetensors, HDF5; see docs/data.md (the grid's)",
    )
    add_reading(what)
    what.add_argument("--seed", type=_seed, metavar="N", help="of split and shuffles (the grid's)")
    what.add_argument(
        "--seeds", type=_positive, metavar="K",
        help="train each trial with K shuffles and compare the means (the grid's)",
    )  # fmt: skip
    run = parser.add_argument_group("the run")
    run.add_argument(
        "--run-dir", type=_folder, metavar="DIR",
        help="its folder, or the URI of one in an object store such as s3://bucket/folder "
        "(runs/<grid name>, with -<sampler> and -<pruner> where given here)",
    )  # fmt: skip
    run.add_argument(
        "--resume", type=_folder, nargs="?", const=None, metavar="DIR",
        help="continue the run in DIR with the settings it was started with",
    )  # fmt: skip
    run.add_argument("--fresh", action="store_true", help="move an old run aside and start again")
    run.add_argument(
        "--extend", action="store_true",
        help="extend a run by other values or more trials: its trials are taken over, the "
        "rest is trained, and the old run is moved aside",
    )  # fmt: skip
    run.add_argument(
        "--retry-failed", action="store_true",
        help="train failed trials again, except for diverged ones",
    )  # fmt: skip
    run.add_argument(
        "--reuse", type=_folder, action="append", metavar="DIR",
        help="take finished trials from another run; may be given several times",
    )  # fmt: skip
    run.add_argument(
        "--refits", type=_refits, metavar="K",
        help="final trainings with as many seeds, to see how far their test figures spread (1); "
        "a finished run trains those that it lacks",
    )  # fmt: skip
    run.add_argument(
        "--optimum", action="store_true",
        help="find the exact optimum of each alpha too, and how far trials end above it; a "
        "finished run finds those that it lacks",
    )  # fmt: skip
    run.add_argument(
        "--budget", type=_span, metavar="TIME",
        help="start no more trials after this time, such as 90s, 10m or 2h; the best so far is "
        "trained and tested, and the same command goes on",
    )  # fmt: skip
    run.add_argument(
        "--target-cost", type=_finite, metavar="X",
        help="start no more trials once the best one has this cost or less",
    )  # fmt: skip
    run.add_argument(
        "--target-value", type=_finite, metavar="X",
        help="the same with another objective: its value, or a better one",
    )  # fmt: skip
    run.add_argument(
        "--patience", type=_positive, metavar="N",
        help="start no more trials after N in a row without a better one",
    )  # fmt: skip
    run.add_argument("--dry-run", action="store_true", help="print the plan and stop")
    add_json(run, default=argparse.SUPPRESS, help="print that plan as JSON, for programs")
    run.add_argument(
        "--no-progress", dest="progress", action="store_false", help="show no progress"
    )
    where = parser.add_argument_group("where it runs")
    where.add_argument(
        "--executor", choices=["auto", "ray", "serial"],
        help="serial uses only this process (auto: Ray, except for sweeps that end before it "
        "could start)",
    )  # fmt: skip
    where.add_argument("--address", metavar="ADDR", help="of a Ray cluster to join (starts one)")
    where.add_argument("--workers", type=_workers, metavar="N", help="tasks at a time (all cores)")
    where.add_argument(
        "--server", metavar="URL",
        help="service that runs it, such as http://127.0.0.1:8741; see docs/service.md",
    )  # fmt: skip
    return parser


def _folder(text: str) -> "Place":
    try:
        text.encode()  # the parquet library takes no other paths
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError(f"{text!r} is not UTF-8; rename the folder") from None
    if not text:
        raise argparse.ArgumentTypeError("a folder's name cannot be empty")
    # Here, because only a URI needs it.
    from search.storage import place

    try:
        return place(text)
    except PacksweepError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _span(text: str) -> float:
    return span(text, 1.0)


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise argparse.ArgumentTypeError(f"{text!r} names no metric; leave it out for none")
    return names


def _finite(text: str) -> float:
    with suppress(ValueError):
        if isfinite(number := float(text)):
            return number
    raise argparse.ArgumentTypeError(f"{text!r} is not a finite number")


def _seed(text: str) -> int:
    return _whole_number(text, 0)


def _positive(text: str) -> int:
    return _whole_number(text, 1)


def _refits(text: str) -> int:
    return _whole_number(text, 1, 1000)


def _workers(text: str) -> int:
    return _whole_number(text, 1, 100_000)


def _whole_number(text: str, least: int, most: int = 2**63 - 1) -> int:
    if text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most:
        return int(text)
    limits = f"of at least {least}" if most == 2**63 - 1 else f"from {least} to {most}"
    if most == 2**63 - 1 and text.isascii() and text.isdigit() and text.strip("0"):
        limits += " and below 2**63"
    raise argparse.ArgumentTypeError(f"{text!r} is not a whole number {limits}")


if __name__ == "__main__":
    sys.exit(main())
