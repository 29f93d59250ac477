"""Reading a model's output as classes: which output, and what makes probabilities of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from inspector.errors import OptionError, UnknownLayerError
from inspector.layout import show
from inspector.onnxfile.source import counted, quoted

if TYPE_CHECKING:
    from inspector.onnxfile.graph import Dimension, Graph, Node, Value
    from inspector.onnxfile.model_file import OnnxFile

Kind: TypeAlias = Literal["softmax", "log-softmax", "sigmoid", "logits"]

_SHAPING = frozenset(["Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Dropout"])
_PASSING = _SHAPING.union(["Cast", "CastLike", "DequantizeLinear", "QuantizeLinear"])
_KINDS: dict[str, Kind] = {
    "Softmax": "softmax",
    "QLinearSoftmax": "softmax",
    "LogSoftmax": "log-softmax",
    "Sigmoid": "sigmoid",
    "HardSigmoid": "sigmoid",
    "QLinearSigmoid": "sigmoid",
}


@dataclass(frozen=True)
class Scores:
    """An output that holds a score for each class.

    Attributes:
        output: The value's name.
        kind: What the scores are: "softmax" and "sigmoid" are probabilities already, "log-softmax" their
            logarithms; "logits" are anything else, of which a softmax makes probabilities.
        maker: The operator that makes them.
        classes: How many there are, if the model says so; 2 for a single sigmoid.
        where: The model's path, for messages.
    """

    output: str
    kind: Kind
    maker: str
    classes: int | None
    where: str

    @property
    def sentence(self) -> str:
        """How probabilities come about, in words."""
        return {
            "softmax": "the model's own softmax gives the probabilities",
            "log-softmax": "probabilities are the exponential of the model's log-softmax",
            "sigmoid": "the model's own sigmoid gives a probability for each class by itself",
            "logits": f"a softmax is applied, because the model ends in {self.maker or 'no operator'}",
        }[self.kind]

    def before(self, graph: Graph) -> str:
        """The value that the softmax or sigmoid takes; the output itself when the model ends without one."""
        node = graph.producers.get(self.output)
        while node is not None and node.op_type in _PASSING and node.inputs:
            node = graph.producers.get(node.inputs[0])
        return node.inputs[0] if node is not None and node.op_type in _KINDS else self.output

    def probabilities(self, raw: NDArray[np.generic], count: int) -> NDArray[np.float32]:
        """Make probabilities of what the model gave.

        Args:
            raw: The output: (count, classes), with axes of size 1 anywhere behind the first, or (classes,)
                for one picture.
            count: The number of pictures.

        Returns:
            Probabilities, float32 (count, classes); a single sigmoid becomes two classes, no and yes.

        Raises:
            OptionError: The output has another shape, or is one number for each picture and not made by a
                sigmoid.
        """
        shape = (1, *raw.shape) if count == 1 and raw.ndim == 1 and raw.size > 1 else raw.shape
        if raw.dtype.kind not in "fiu" or raw.size == 0 or shape[:1] != (count,) or _wide(shape[1:]) > 1:
            raise OptionError(
                f"{self.where}: the output {quoted(self.output)} has the shape {show(raw.shape)} for "
                f"{counted(count, 'picture')}; expected a score for each class: (batch, classes)",
                "Name another with --scores NAME (in Python output=NAME).",
            )
        scores = raw.reshape(count, -1).astype(np.float64)
        if scores.shape[1] == 1:
            return self._two_classes(scores)
        if self.kind == "logits":
            scores = np.exp(scores - scores.max(axis=1, keepdims=True))
            scores /= scores.sum(axis=1, keepdims=True)
        elif self.kind == "log-softmax":
            scores = np.exp(scores)
        return scores.astype(np.float32)

    def _two_classes(self, scores: NDArray[np.float64]) -> NDArray[np.float32]:
        if self.kind != "sigmoid":
            raise OptionError(
                f"{self.where}: the output {quoted(self.output)} is one number for each picture and made by "
                f"{self.maker or 'no operator'}; expected class scores, or a sigmoid",
                "Read such a number from Python: inspector.session.Session(model.file).run({...}).",
            )
        return np.concatenate([1 - scores, scores], axis=1).astype(np.float32)


def find_scores(file: OnnxFile, output: str | None = None) -> Scores:
    """Find the output that holds class scores.

    Args:
        file: The model.
        output: The value to take, any of the graph's; None for the first output of shape (batch, classes)
            with two classes or more, or else the first that may be one.

    Raises:
        UnknownLayerError: The graph has no such value.
        OptionError: No output looks like class scores.
    """
    graph = file.graph
    if output is not None:
        if output not in graph.producers:
            raise UnknownLayerError(
                output, [*(v.name for v in graph.outputs), *graph.producers], str(file.path)
            )
        declared = next((value.shape for value in graph.outputs if value.name == output), None)
        return _scores(file, output, declared)
    found = [value for value in graph.outputs if _may_be_scores(graph, value)]
    several = [value for value in found if (_classes(value.shape) or 0) > 1]
    chosen = next(iter(several or found), None)
    if chosen is None:
        shown = ", ".join(f"{quoted(value.name)} {show(value.shape)}" for value in graph.outputs[:8])
        raise OptionError(
            f"{file.path}: no output looks like class scores (batch, classes): {shown}",
            "Name a value that does with --scores NAME (in Python output=NAME); they are listed by: "
            f"inspector layers {file.path}",
        )
    return _scores(file, chosen.name, chosen.shape)


def _scores(file: OnnxFile, output: str, shape: tuple[Dimension, ...] | None) -> Scores:
    kind, maker = _trace(file, output)
    classes = _classes(shape)
    output = _unquantized(file.graph, output)
    return Scores(output, kind, maker, 2 if classes == 1 and kind == "sigmoid" else classes, str(file.path))


def _trace(file: OnnxFile, name: str) -> tuple[Kind, str]:
    """What makes a value, seen through operators that leave numbers as they are."""
    producers = file.graph.producers
    seen: set[str] = set()
    while (node := producers.get(name)) is not None and name not in seen:
        seen.add(name)
        if node.op_type in _KINDS:
            return _KINDS[node.op_type], node.op_type
        source = producers.get(node.inputs[0]) if node.inputs else None
        if node.op_type == "Log" and source is not None and source.op_type == "Softmax":
            return "log-softmax", "Log"
        if node.op_type == "Div" and _is_written_out_softmax(node, producers.get):
            return "softmax", "Div"
        if node.op_type not in _PASSING or not node.inputs:
            return "logits", node.op_type
        name = node.inputs[0]
    return "logits", ""


def _is_written_out_softmax(node: Node, producer: Callable[[str], Node | None]) -> bool:
    """Whether a division is exp(x) / sum(exp(x))."""
    if len(node.inputs) != 2:
        return False
    above, below = producer(node.inputs[0]), producer(node.inputs[1])
    return (
        above is not None
        and below is not None
        and above.op_type == "Exp"
        and below.op_type == "ReduceSum"
        and below.inputs[:1] == node.inputs[:1]
    )


def _unquantized(graph: Graph, name: str) -> str:
    """The floats that an integer output stands for, where quantization is all that makes them integers."""
    seen = name
    while (node := graph.producers.get(seen)) is not None and node.inputs:
        if node.op_type == "QuantizeLinear":
            return node.inputs[0]
        if node.op_type not in _SHAPING:
            break
        seen = node.inputs[0]
    return name


def _may_be_scores(graph: Graph, value: Value) -> bool:
    integers = value.dtype is not None and value.dtype.numpy.kind not in "f"
    if integers and _unquantized(graph, value.name) == value.name:
        return False
    shape = value.shape
    return shape is None or (
        len(shape) > 0 and _wide(shape[1:]) <= 1 and not (len(shape) == 1 and _one(shape))
    )


def _wide(sizes: Sequence[Dimension]) -> int:
    """How many axes are not known to be of size 1."""
    return sum(size != 1 for size in sizes)


def _one(shape: Sequence[Dimension]) -> bool:
    """Whether a shape of one axis is no list of classes but one number for each picture."""
    return not (isinstance(shape[0], int) and shape[0] > 1)


def _classes(shape: tuple[Dimension, ...] | None) -> int | None:
    """How many classes a declared shape has, if it says so."""
    if shape is None:
        return None
    if len(shape) == 1:
        return shape[0] if isinstance(shape[0], int) else None
    wide = [size for size in shape[1:] if size != 1]
    if not wide:
        return 1
    return wide[0] if isinstance(wide[0], int) else None
