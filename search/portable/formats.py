"""The formats of a model, by the ending of a file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from model.softmax import SoftmaxRegression
from model.trainers import FinalState
from search.errors import ModelFileError
from search.output import visible
from search.portable.card import model_card
from search.portable.figures import about, figures_json
from search.portable.onnx_graph import onnx_bytes
from search.portable.scikit_learn import as_estimator, joblib_bytes, skops_bytes
from search.portable.tensors import safetensors_bytes
from search.portable.winner import Winner
from search.storage import Place


@dataclass(frozen=True)
class Format:
    """A format.

    Attributes
    ----------
    what : str
        What such a file is.
    make : callable
        Gets the winner and returns the file.
    """

    what: str
    make: Callable[[Winner], bytes]


def _softmax(winner: Winner) -> SoftmaxRegression:
    if isinstance(winner.model, FinalState):
        raise TypeError("another trainer's model has other formats")
    return winner.model


_OF_SOFTMAX: Mapping[str, Format] = {
    "joblib": Format(
        "scikit-learn's LogisticRegression", lambda w: joblib_bytes(as_estimator(_softmax(w)))
    ),
    "skops": Format(
        "the same, read without running code", lambda w: skops_bytes(as_estimator(_softmax(w)))
    ),
    "onnx": Format(
        "for ONNX Runtime and others", lambda w: onnx_bytes(_softmax(w), about(w))
    ),
    "safetensors": Format(
        "arrays and their meaning", lambda w: safetensors_bytes(_softmax(w), about(w))
    ),
}  # fmt: skip

_OF_ALL: Mapping[str, Format] = {
    "md": Format("a model card", lambda w: model_card(w).encode()),
    "json": Format("the figures of the card", figures_json),
}


def formats_of(winner: Winner) -> dict[str, Format]:
    """Return the formats that a model has, by their endings.

    Raises
    ------
    ModelFileError
        If the trainer must be asked and is not trusted.
    """
    if isinstance(winner.model, SoftmaxRegression):
        return {**_OF_SOFTMAX, **_OF_ALL}
    # Here, because it imports scikit-learn, and a model card goes without.
    from search.portable.other_trainers import ending_of, model_file

    ending = ending_of(winner)
    own = {ending: Format(f"what {winner.summary.trainer} trains", model_file)} if ending else {}
    return {**own, **_OF_ALL}


def format_of(winner: Winner, target: Place, named: str | None) -> Format:
    """Return the format of a file.

    Parameters
    ----------
    winner : Winner
    target : Path or RemotePath
    named : str or None
        The ending of the format, where the file's own does not say it.

    Raises
    ------
    ModelFileError
        If the model has no such format.
    """
    ending = (named or target.name.rpartition(".")[2]).lower()
    # A card says nothing that a trainer must be asked for.
    found = _OF_ALL.get(ending) or formats_of(winner).get(ending)
    if found is not None:
        return found
    said = f"--format {named}" if named else f"The ending of {target}"
    known = ", ".join(f".{name} ({form.what})" for name, form in formats_of(winner).items())
    raise ModelFileError(
        visible(f"{said} is not a format of this model. It has {known}.{_hint(winner, ending)}")
    )


def _hint(winner: Winner, ending: str) -> str:
    """Return what to do where another trainer lacks a format that others have."""
    if isinstance(winner.model, SoftmaxRegression):
        return ""
    if ending == "onnx":
        return " Converters such as skl2onnx and onnxmltools take what its own file holds."
    if len(formats_of(winner)) == len(_OF_ALL):
        return (
            " Its trainer has no file format: let it be a model.trainers.HasModelFile, or open "
            "its state by model.trainers.FinalState.load(path).open()."
        )
    return ""
