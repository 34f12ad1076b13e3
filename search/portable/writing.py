"""Writes the final model of a run: all files that are asked for, or none for a mistake in one."""

from collections.abc import Sequence
from pathlib import Path

from search.errors import ModelFileError, StoreError
from search.portable.formats import format_of
from search.portable.predicting import Predicted, prediction_form
from search.portable.winner import Winner
from search.record import RunFolder
from search.storage import Place, RemotePath, is_there, write_whole


def export_model(
    winner: Winner,
    targets: Sequence[Place],
    *,
    run: Place,
    form: str | None = None,
    force: bool = False,
) -> None:
    """Write files, each in the format that its ending says.

    What is wrong with one of them is told before any is written.

    Parameters
    ----------
    winner : Winner
    targets : sequence of Path or RemotePath
    run : Path or RemotePath
        The run's folder, whose own files are never replaced.
    form : str, optional
        The ending of the format of all of them, in place of their own.
    force : bool
        Whether a file that is there is replaced.

    Raises
    ------
    ModelFileError
        If a file has no format of this model, is there already, or has no folder.
    MissingLibraryError
        If a format needs a library that is not installed.
    StoreError
        If one cannot be written. Those before it are whole.
    """
    formats = [format_of(winner, target, form) for target in targets]
    _check_targets(targets, run, force=force)
    _write(targets, [form.make(winner) for form in formats])


def export_predictions(
    predicted: Predicted,
    targets: Sequence[Place],
    *,
    run: Place,
    form: str | None = None,
    force: bool = False,
) -> None:
    """Write what a model says of some rows, in the format that each file's ending says.

    Parameters
    ----------
    predicted : Predicted
    targets, run, form, force
        As for `export_model`.

    Raises
    ------
    ModelFileError, StoreError
        As of `export_model`.
    """
    forms = [prediction_form(target, form) for target in targets]
    _check_targets(targets, run, force=force)
    _write(targets, [make(predicted) for make in forms])


def _check_targets(targets: Sequence[Place], run: Place, *, force: bool) -> None:
    for i, target in enumerate(targets):
        if target in targets[:i]:
            raise ModelFileError(f"{target} is named twice; give each file once.")
        _check_target(target, run, force=force)


def _write(targets: Sequence[Place], contents: Sequence[bytes]) -> None:
    for i, (target, content) in enumerate(zip(targets, contents, strict=True)):
        try:
            write_whole(target, content)
        except StoreError as error:
            if not i:
                raise
            raise StoreError(f"{error} With --force: {targets[0]} is there already.") from error


def _check_target(target: Place, run: Place, *, force: bool) -> None:
    """Refuse a place where a file cannot be, or where another one should stay."""
    try:
        if _belongs_to_run(target, run):
            raise ModelFileError(f"{target} is a file of the run itself; give another name.")
        if target.is_dir():
            raise ModelFileError(f"{target} is a folder; name a file in it.")
        if not isinstance(target, RemotePath) and not target.absolute().parent.is_dir():
            raise ModelFileError(f"There is no folder {target.parent}; make it first.")
        if is_there(target) and not force:
            raise ModelFileError(f"{target} exists. Give another name, or --force to replace it.")
    except (OSError, StoreError) as error:
        if isinstance(target, RemotePath):
            raise
        reason = error.__cause__ if isinstance(error, StoreError) else error
        said = getattr(reason, "strerror", None) or reason
        raise ModelFileError(f"{target} cannot be written: {said}.") from error


def _belongs_to_run(target: Place, run: Place) -> bool:
    """Whether a file is one of the run, or would lie among those of its log and its states."""
    own = {path.name for path in vars(RunFolder(run)).values() if hasattr(path, "name")}
    if isinstance(target, Path) and isinstance(run, Path):
        folder, file = str(run.resolve()), str(target.absolute().parent.resolve() / target.name)
    else:
        folder, file = str(run), str(target)
    inside = file.removeprefix(f"{folder}/")
    return inside != file and inside.partition("/")[0] in own
