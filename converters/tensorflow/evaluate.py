"""A frozen graph computed op by op in numpy, in float64: what a conversion is compared with.

It shares nothing with what writes ONNX, and knows nothing of ONNX: an error of one side is not repeated on
the other. Only the range of the graph's own float type is kept, so that what overflows in TensorFlow is
infinite here as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from converters.errors import SourceError, UnsupportedError
from converters.tensorflow.dtypes import Array, to_numpy
from converters.tensorflow.evaluator import rules
from converters.tensorflow.evaluator.rule import Operation, widened
from converters.tensorflow.inference import InferenceGraph
from converters.tensorflow.signature import output_type
from converters.tensorflow.tensors import tensor_array
from converters.tensorflow.topology import Node, full_name, number, owner, read_topology

_WHERE = "the frozen graph"


class Evaluator:
    """A frozen graph that can be run.

    Example:
        >>> from pathlib import Path
        >>> from converters.tensorflow.freeze import freeze
        >>> from converters.tensorflow.graph import SourceGraph
        >>> from converters.tensorflow.schema import new
        >>> graph = new("GraphDef")
        >>> x = graph.node.add(name="x", op="Placeholder")
        >>> x.attr["dtype"].type = 1
        >>> relu = graph.node.add(name="relu", op="Relu", input=["x"])
        >>> relu.attr["T"].type = 1
        >>> frozen = freeze(SourceGraph("frozen graph", Path("relu.pb"), (), graph))
        >>> Evaluator(frozen).run({"x:0": np.float32([-1, 2])}, ["relu:0"])
        {'relu:0': array([0., 2.])}
    """

    def __init__(self, graph: InferenceGraph) -> None:
        """Look through a graph.

        Args:
            graph: What `freeze` gives.
        """
        self._topology = read_topology(graph.graph_def, _WHERE)
        self._weights = graph.weights

    def run(self, feeds: Mapping[str, Array], fetches: Sequence[str]) -> dict[str, Array]:
        """Compute tensors.

        Each node that they need is computed once, and its value let go with its last reader.

        Args:
            feeds: Tensor name → array; any tensor can be given, whose node is then not computed.
            fetches: The names of the tensors wanted.

        Returns:
            Tensor name → array: float64 for every float, the graph's own type for the others.

        Raises:
            UnsupportedError: An op is not known here.
            SourceError: A tensor is not in the graph, an input has no value, or an op refuses its inputs, as
                TensorFlow does.
        """
        wanted = [full_name(name) for name in fetches]
        given = {full_name(name): widened(np.asarray(value)) for name, value in feeds.items()}
        for name in wanted:
            if owner(name) not in self._topology.nodes:
                raise SourceError(f"{_WHERE} has no tensor {name!r}")
        stop = {owner(name) for name in given}
        needed = self._topology.upstream((owner(name) for name in wanted), controls=False, stop=stop)
        nodes = self._topology.ordered(needed, _WHERE, stop=stop)
        values = _Values(given, nodes, wanted)
        for node in nodes:
            if node.name not in stop:
                values.keep(node, self._outputs(node, values.read(node)))
        return {name: values.result(full_name(name)) for name in fetches}

    def _outputs(self, node: Node, inputs: Sequence[Array]) -> tuple[Array, ...]:
        if node.op == "Const":
            return (tensor_array(node.definition.attr["value"].tensor),)
        if node.name in self._weights:
            return (self._weights[node.name],)
        if node.op == "Placeholder":
            raise SourceError(f"{_WHERE}: the input '{node.name}:0' has no value")
        rule = rules().get(node.op)
        if rule is None:
            raise UnsupportedError(
                f"{_WHERE}: the node {node.name!r} of op {node.op} cannot be computed without TensorFlow",
                "pip install 'onnx-inspector[tf]'",
            )
        if not rule.narrow:
            inputs = [widened(value) for value in inputs]
        with np.errstate(all="ignore"):
            result = rule(Operation(node), *inputs)
        outputs = result if isinstance(result, tuple) else (result,)
        return tuple(_in_range(widened(np.asarray(a)), node, place) for place, a in enumerate(outputs))


class _Values:
    """The values that some node still has to read."""

    def __init__(self, given: Mapping[str, Array], nodes: Iterable[Node], wanted: Iterable[str]) -> None:
        self._values = dict(given)
        self._readers: dict[str, int] = {}
        for tensor in (*(tensor for node in nodes for tensor in node.inputs), *wanted):
            self._readers[tensor] = self._readers.get(tensor, 0) + 1

    def read(self, node: Node) -> list[Array]:
        found = [self._value(tensor) for tensor in node.inputs]
        for tensor in node.inputs:
            self._readers[tensor] -= 1
            if not self._readers[tensor]:
                del self._values[tensor]
        return found

    def keep(self, node: Node, outputs: Sequence[Array]) -> None:
        for place, value in enumerate(outputs):
            if self._readers.get(f"{node.name}:{place}"):
                self._values[f"{node.name}:{place}"] = value

    def result(self, tensor: str) -> Array:
        return widened(self._value(tensor))

    def _value(self, tensor: str) -> Array:
        if tensor not in self._values:
            raise SourceError(f"{_WHERE}: {owner(tensor)!r} has no output {number(tensor)}")
        return self._values[tensor]


def _in_range(value: Array, node: Node, place: int) -> Array:
    """The value with infinity and zero where the graph's own type has no other number left."""
    if value.dtype.kind != "f" or not value.size:
        return value
    info = _limits(node, place)
    size = np.abs(value)
    too_large, too_small = size > info.max, size < info.smallest_subnormal
    if too_large.any():
        value = np.where(too_large, np.copysign(np.inf, value), value)
    if (too_small & (size > 0)).any():
        value = np.where(too_small, 0.0, value)
    return value


def _limits(node: Node, place: int) -> Any:
    dtype = to_numpy(output_type(node, place))
    name = "float32" if dtype is None or dtype.name not in ("float16", "float64") else dtype.name
    return np.finfo(name)
