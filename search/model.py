"""Takes the final model of a run to other tools: ``python -m search.model runs/full m.onnx``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from search.command import Parser, command, program
from search.errors import ModelFileError, RunFolderError
from search.output import visible

if TYPE_CHECKING:
    from search.portable import Winner
    from search.storage import Place

_EXAMPLES = """\
formats, by the ending of FILE:
  .joblib       scikit-learn's LogisticRegression
  .skops        the same, read without running code
  .onnx         for ONNX Runtime and others
  .safetensors  arrays and their meaning
  .md           a model card
  .json         the figures of the card
  .ubj, .txt, .joblib, .pt  what the trainers of XGBoost, LightGBM, scikit-learn and PyTorch leave

examples:
  %(prog)s runs/full
  %(prog)s runs/full model.onnx card.md
  %(prog)s runs/full --predict new.csv labels.csv
  %(prog)s 7 m.joblib --server URL
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; see `search.command.command`."""
    return command(_parser(), _take, argv)


def _take(args: argparse.Namespace) -> None:
    # Here, because what these import takes a second and --help should not.
    if args.server:
        from search.client import fetched

        with fetched(args.server, args.run) as run:
            _write(args, run)
    else:
        from search.storage import place

        _write(args, place(args.run))


def _write(args: argparse.Namespace, run: "Place") -> None:
    from search.portable import export_model, model_card
    from search.storage import place

    targets = [place(file) for file in args.files]
    winner = _winner(args, run)
    if args.predict:
        _predict(args, winner, targets, run)
        return
    if not targets:
        sys.stdout.write(model_card(winner))
        return
    export_model(winner, targets, run=run, form=args.format, force=args.force)
    for target in targets:
        sys.stdout.write(f"{visible(str(target))}\n")


def _predict(
    args: argparse.Namespace, winner: "Winner", targets: "Sequence[Place]", run: "Place"
) -> None:
    from search.portable import export_predictions, predictions

    if args.format and not targets:
        raise ModelFileError(f"--format {args.format} is for a file; name one, or leave it out.")
    predicted = predictions(winner, args.predict)
    for remark in predicted.remarks:
        sys.stderr.write(f"{visible(remark)}\n")
    if not targets:
        said = predicted.csv().decode()
        # Labels come from a file. Where a file or a program reads them, they stay what they are.
        sys.stdout.write(visible(said) if sys.stdout.isatty() else said)
        return
    export_predictions(predicted, targets, run=run, form=args.format, force=args.force)
    for target in targets:
        sys.stdout.write(f"{visible(str(target))}\n")


def _winner(args: argparse.Namespace, run: "Place") -> "Winner":
    from search.portable import load_winner

    if not args.server:
        return load_winner(run, trusted=args.trust)
    try:
        return load_winner(run, trusted=args.trust)
    except RunFolderError as error:  # which names the folder of the copy
        raise RunFolderError(
            f"The sweep {args.run} has no final model yet. See its state: "
            f"{program('status')} {args.run} --server {args.server}"
        ) from error


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=program("model"),
        description="Write the final model of a finished run for other tools. Without FILE its "
        "model card is printed.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("run", metavar="RUN", help="the run's folder, or its URI")
    parser.add_argument("files", metavar="FILE", nargs="*", default=[], help="a path or a URI")
    parser.add_argument(
        "--predict", metavar="ROWS", type=Path,
        help="predictions for the rows of a table or an array: labels and probabilities, as "
        "CSV, or to FILE (.csv, .parquet, .npz)",
    )  # fmt: skip
    parser.add_argument(
        "--format", metavar="ENDING", help="the format, if the ending of FILE does not say it"
    )
    parser.add_argument("--force", action="store_true", help="replace files that are there")
    parser.add_argument(
        "--trust", action="store_true",
        help="let code run that the run names or holds, as some trainers need it",
    )  # fmt: skip
    parser.add_argument(
        "--server", metavar="URL", help="take a sweep from a service; RUN is its identity then"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
