"""The softmax model as an ONNX graph, which does the arithmetic of the model itself."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.data.encoding import Encoding
from model.softmax import SoftmaxRegression
from search.portable.libraries import library

# Opset and version of the file, as ONNX Runtime 1.12 and 1.15 read them. Texts are compared from
# the second on. Newer ones bring nothing that this graph needs.
_PLAIN, _WITH_TEXTS = (17, 8), (19, 9)


def onnx_bytes(model: SoftmaxRegression, about: Mapping[str, Any] | None = None) -> bytes:
    """Return an ONNX file whose outputs are ``label`` and ``probabilities``.

    The input is ``X`` of shape (n, D), float64, with rows as their source has them. Of a table
    with columns of text there is an input of shape (n, 1) for each column, by its name: float64,
    or text, where an empty one is missing. The logits are computed as `SoftmaxRegression.logits`
    does it, the rounding to float32 included; only the order of the sums may be another.

    Parameters
    ----------
    model : SoftmaxRegression
    about : mapping, optional
        What the file says of the model, each value as JSON.

    Raises
    ------
    MissingLibraryError
        If onnx is not installed.
    """
    onnx = library("onnx", "An ONNX file")
    texts = any(column.categories for column in model.columns)
    graph = _Graph(onnx, {column.name for column in model.columns} if texts else {"X"})
    rows = _encoded(graph, model.columns) if texts else graph.input("X", len(model.W))
    _classify(graph, model, _seen(graph, model, rows))
    opset, version = _WITH_TEXTS if texts else _PLAIN
    file = onnx.helper.make_model(
        graph.made(),
        opset_imports=[onnx.helper.make_opsetid("", opset)],
        ir_version=version,
        producer_name="packsweep",
    )
    onnx.helper.set_model_props(file, {k: json.dumps(v) for k, v in (about or {}).items()})
    onnx.checker.check_model(file, full_check=True)
    content: bytes = file.SerializeToString()
    return content


def _encoded(graph: "_Graph", columns: Sequence[Encoding]) -> str:
    """Return the features of a table: numbers, and a 1 for the text that a row has."""
    features = []
    for column in columns:
        given = graph.input(column.name, 1, texts=bool(column.categories))
        if column.categories:
            kinds = graph.constant("categories", np.array([column.categories], dtype=object))
            given = graph.cast(graph.node("Equal", given, kinds), "DOUBLE")
        features.append(given)
    return graph.node("Concat", *features, axis=1)


def _seen(graph: "_Graph", model: SoftmaxRegression, rows: str) -> str:
    """Return what the model sees of rows."""
    features = model.features
    if model.fill is not None:
        fill = graph.constant("fill", model.fill)
        rows = graph.node("Where", graph.node("IsNaN", rows), fill, rows)
    if features.shift.any():
        rows = graph.node("Sub", rows, graph.constant("shift", features.shift))
    if (features.scale != 1).any():
        rows = graph.node("Mul", rows, graph.constant("scale", features.scale))
    return graph.cast(graph.cast(rows, "FLOAT"), "DOUBLE")


def _classify(graph: "_Graph", model: SoftmaxRegression, seen: str) -> None:
    W = graph.constant("weights", model.W.astype(np.float64))
    b = graph.constant("bias", model.b.astype(np.float64))
    logits = graph.node("Add", graph.node("MatMul", seen, W), b)
    labels = np.asarray(model.classes) if len(model.classes) else np.arange(len(model.b))
    classes = graph.constant("classes", labels.astype(object if labels.dtype.kind == "U" else None))
    # The first of the largest, as argmax has it.
    place = graph.node("ArgMax", logits, axis=1, keepdims=0)
    graph.output("label", graph.node("Gather", classes, place), graph.types[classes], ["n"])
    probabilities = graph.node("Softmax", logits, axis=1)
    graph.output("probabilities", probabilities, graph.onnx.TensorProto.DOUBLE, ["n", len(labels)])


@dataclass
class _Graph:
    """A graph as it grows; every value has a name that no input has."""

    onnx: Any
    taken: set[str]
    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)
    inputs: list[Any] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)
    types: dict[str, int] = field(default_factory=dict)

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add an operation and return the name of its result."""
        name = self._free(operator.lower())
        made = self.onnx.helper.make_node(operator, list(inputs), [name], **attributes)
        self.nodes.append(made)
        return name

    def cast(self, value: str, kind: str) -> str:
        """Add a conversion to a type of ONNX, such as ``FLOAT``."""
        return self.node("Cast", value, to=getattr(self.onnx.TensorProto, kind))

    def constant(self, name: str, values: NDArray[Any]) -> str:
        """Add an array and return its name."""
        name = self._free(name)
        tensor = self.onnx.numpy_helper.from_array(values, name)
        self.constants.append(tensor)
        self.types[name] = tensor.data_type
        return name

    def input(self, name: str, width: int, *, texts: bool = False) -> str:
        """Add an input of shape (n, width) and return its name."""
        kinds = self.onnx.TensorProto
        kind = kinds.STRING if texts else kinds.DOUBLE
        self.inputs.append(self.onnx.helper.make_tensor_value_info(name, kind, ["n", width]))
        return name

    def output(self, name: str, value: str, kind: int, shape: Sequence[Any]) -> None:
        """Hand a value out under a name; with underscores behind it where an input has it."""
        name = self._free(name)
        self.nodes.append(self.onnx.helper.make_node("Identity", [value], [name]))
        self.outputs.append(self.onnx.helper.make_tensor_value_info(name, kind, list(shape)))

    def made(self) -> Any:
        """Return the graph."""
        return self.onnx.helper.make_graph(
            self.nodes, "softmax", self.inputs, self.outputs, self.constants
        )

    def _free(self, name: str) -> str:
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name
