"""The command line: ``python -m search.run --grid full``."""

import argparse
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from model.errors import PacksweepError
from search.command import terminable

if TYPE_CHECKING:
    from search.storage import Place

_EXAMPLES = """\
examples:
  python -m search.run --grid smoke            a few seconds, no network needed
  python -m search.run --grid full             all 4096 combinations on Fashion-MNIST
  python -m search.run --grid full --dry-run   what that would do
  python -m search.run --grid tpe              256 trials that Optuna's TPE chooses
  python -m search.run --resume runs/full      go on with an interrupted run
  python -m search.run --grid ./my.toml --dataset ./my.npz
"""
# What a run that is there already has settled.
_SETTLED = ("dataset", "seed", "seeds", "sampler", "trials", "pruner", "reuse", "fresh")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; those of the process where left out.

    Returns
    -------
    int
        0 done, 1 failed, 2 wrong usage or input, 130 interrupted.
    """
    began = time.time()
    args = _parse(argv)
    try:
        with terminable():
            _sweep(args, began)
    except PacksweepError as error:
        prefix = "" if error.exit_code == 130 else "error: "
        sys.stderr.write(f"{prefix}{error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted; the same command continues.\n")
        return 130
    return 0


def _sweep(args: argparse.Namespace, began: float) -> None:
    # Here, because these take a second to import and --help shall not.
    from rich.console import Console

    from search.sweep import Options, sweep

    options = Options(
        grid="full" if args.grid is None else args.grid,
        sampler=args.sampler,
        trials=args.trials,
        pruner=args.pruner,
        dataset=args.dataset,
        run_dir=args.resume or args.run_dir,  # without DIR, --resume is False
        resume=args.resume is not None,
        fresh=args.fresh,
        reuse=tuple(args.reuse or ()),
        seed=args.seed,
        seeds=args.seeds,
        executor=args.executor,
        address=args.address,
        workers=args.workers,
        refits=args.refits,
        optimum=args.optimum,
        dry_run=args.dry_run,
        progress=not args.no_progress,
    )
    # A path may hold what looks like an emoji's name, and must be printed as it is.
    sweep(options, Console(emoji=False), Console(stderr=True, emoji=False), began)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = _parser()
    args = parser.parse_args(argv)
    alone: list[tuple[str, tuple[str, ...]]] = []
    if args.resume is not None:
        alone.append(("--resume takes the run's own settings", _SETTLED))
    if args.resume:
        alone.append((f"--resume {args.resume} names the run already", ("grid", "run-dir")))
    if args.executor == "serial":
        alone.append(("--executor serial is one process here", ("address", "workers")))
    for reason, names in alone:
        for name in names:
            value = getattr(args, name.replace("-", "_"))
            if value is not None and value is not False:  # 0 is a seed
                parser.error(f"{reason}; leave --{name} out")
    return args


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m search.run",
        description="Sweep the hyperparameters of a softmax classifier, retrain the best "
        "combination on all training images and test it. The same command continues an "
        "interrupted run.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    what = parser.add_argument_group("what to search")
    what.add_argument("--grid", metavar="NAME|FILE", help="shipped grid or TOML file (full)")
    what.add_argument(
        "--sampler", metavar="NAME",
        help="grid, random, qmc, tpe, gp, cmaes or an import path such as "
        "optuna.samplers.NSGAIISampler (the grid's)",
    )  # fmt: skip
    what.add_argument("--trials", type=_positive, metavar="N", help="for the sampler (the grid's)")
    what.add_argument(
        "--pruner", metavar="NAME",
        help="none, median, halving, hyperband or an import path (the grid's)",
    )  # fmt: skip
    what.add_argument(
        "--dataset",
        metavar="NAME|PATH",
        help="auto, fashion-mnist, digits, an .npz file or a folder of IDX files (the grid's)",
    )
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
        "--resume", type=_folder, nargs="?", const=False, metavar="DIR",
        help="continue the run in DIR with the settings it was started with",
    )  # fmt: skip
    run.add_argument("--fresh", action="store_true", help="move an old run aside and start anew")
    run.add_argument(
        "--reuse", type=_folder, action="append", metavar="DIR",
        help="take finished trials from another run; may be given several times",
    )  # fmt: skip
    run.add_argument(
        "--refits", type=_positive, default=1, metavar="K",
        help="final trainings with as many seeds, to see how far their test figures spread (1); "
        "a finished run trains those that it lacks",
    )  # fmt: skip
    run.add_argument(
        "--optimum", action="store_true",
        help="find the exact optimum of each alpha too, and how far trials end above it; a "
        "finished run finds those that it lacks",
    )  # fmt: skip
    run.add_argument("--dry-run", action="store_true", help="print the plan and stop")
    run.add_argument("--no-progress", action="store_true", help="show no progress")
    where = parser.add_argument_group("where it runs")
    where.add_argument("--executor", choices=["ray", "serial"], default="ray", help="(ray)")
    where.add_argument("--address", metavar="ADDR", help="of a Ray cluster to join (starts one)")
    where.add_argument("--workers", type=_positive, metavar="N", help="tasks at a time (all cores)")
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


def _seed(text: str) -> int:
    return _whole_number(text, 0)


def _positive(text: str) -> int:
    return _whole_number(text, 1)


def _whole_number(text: str, least: int) -> int:
    if text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) < 2**63:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {least}")


if __name__ == "__main__":
    sys.exit(main())
