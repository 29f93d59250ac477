"""From a frozen graph to ONNX nodes, without TensorFlow: one short function for each TensorFlow op."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from converters.assemble import Assembled, name_layers
from converters.errors import UnsupportedError
from converters.tensorflow.emit.activation import prelu
from converters.tensorflow.emit.convolution import fused
from converters.tensorflow.emit.emission import Emission
from converters.tensorflow.emit.folding import folded
from converters.tensorflow.emit.registry import NoEmitter, emitters
from converters.tensorflow.emit.value import Shape, Value
from converters.tensorflow.inference import InferenceGraph
from converters.tensorflow.tensors import tensor_array
from converters.tensorflow.topology import Node, owner, read_topology

__all__ = ["MIN_OPSET", "Missing", "emit", "emitters", "missing", "output_shapes"]

MIN_OPSET = 17
"""The lowest ONNX opset that is written."""


@dataclass(frozen=True)
class Missing:
    """A node that has no emitter.

    Attributes:
        op: Its TensorFlow op.
        node: Its name.
        layer: The layer that it belongs to; its own name where there is none.
        reason: Why an emitter for the op does not cover it; empty when there is no emitter.
    """

    op: str
    node: str
    layer: str
    reason: str = ""


def emit(graph: InferenceGraph, opset: int = MIN_OPSET, *, fold: bool = False) -> Assembled:
    """Write a frozen graph as ONNX.

    Args:
        graph: What `freeze` gives.
        opset: The ONNX opset to write, 17 or higher.
        fold: Whether batch normalization goes into the weights of the convolution before it.

    Returns:
        Nodes with the names of their layers, and the weights, which are views of the graph's where ONNX has
        the same order of axes or another that a view can give.

    Raises:
        UnsupportedError: A node has no emitter; `missing` tells which before.
    """
    made = attempt(graph, opset, fold=fold)
    if not isinstance(made, Assembled):
        first = made[0]
        raise UnsupportedError(
            f"the node {first.node!r} of op {first.op} has no emitter"
            + (f": {first.reason}" if first.reason else "")
        )
    return made


def attempt(
    graph: InferenceGraph, opset: int = MIN_OPSET, *, fold: bool = False
) -> Assembled | tuple[Missing, ...]:
    """Write a frozen graph as ONNX, as `emit` does; or return what has no emitter, as `missing` does."""
    emission = _covered(graph, opset, fold)
    if not isinstance(emission, Emission):
        return emission
    made = emission.finish(graph.inputs, graph.outputs)
    name_layers(made.nodes, list(graph.layers))
    return made


def missing(graph: InferenceGraph, opset: int = MIN_OPSET) -> tuple[Missing, ...]:
    """The nodes of a graph that have no emitter, in the order of the graph; empty when `emit` covers all."""
    emission = _covered(graph, opset, fold=False)
    return () if isinstance(emission, Emission) else emission


def output_shapes(graph: InferenceGraph) -> dict[str, Shape] | None:
    """The shapes of a graph's outputs, by tensor; None when a node has no emitter."""
    emission = _covered(graph, MIN_OPSET, fold=False)
    if not isinstance(emission, Emission):
        return None
    return {spec.name: emission.shape(spec.name) for spec in graph.outputs}


def _covered(graph: InferenceGraph, opset: int, fold: bool) -> Emission | tuple[Missing, ...]:
    """Every node written; or all whose op has no emitter, or else the first that its emitter refuses."""
    known = emitters()
    unknown = tuple(
        Missing(node.op, node.name, _layer(graph, node.name))
        for node in _ordered(graph)
        if node.op not in known and node.op not in ("Const", "Placeholder")
    )
    if unknown:
        return unknown
    emission = _emission(graph, opset, fold)
    return (emission,) if isinstance(emission, Missing) else emission


def _emission(graph: InferenceGraph, opset: int, fold: bool) -> Emission | Missing:
    """Every node written; or the first that has no emitter."""
    order = _ordered(graph)
    readers = Counter(tensor for node in order for tensor in node.inputs)
    readers.update(spec.name for spec in graph.outputs)
    known, to = emitters(), Emission(opset, readers=readers, fold=fold)
    inputs = {spec.name: spec for spec in graph.inputs}
    for node in order:
        tensor = f"{node.name}:0"
        if tensor in inputs:
            to.give(tensor, Value(tensor, inputs[tensor].dtype, inputs[tensor].shape))
        elif node.name in graph.weights:
            to.give(tensor, to.weight(graph.weights[node.name], node.name))
        elif node.op == "Const":
            to.give(tensor, to.weight(tensor_array(node.attr("value").tensor), node.name))
        elif node.op not in known:
            return Missing(node.op, node.name, _layer(graph, node.name))
        else:
            to.begin(node)
            try:
                to.end(node, _written(to, node))
            except NoEmitter as error:
                return Missing(node.op, node.name, _layer(graph, node.name), error.reason)
    for spec in (*graph.inputs, *graph.outputs):
        if to.shape(spec.name) is None:
            name = owner(spec.name)
            op = next(node.op for node in order if node.name == name)
            return Missing(
                op, name, _layer(graph, name), "its rank is not known, as ONNX wants it at both ends"
            )
    return to


def _written(to: Emission, node: Node) -> Value | tuple[Value, ...]:
    """What becomes of a node: a constant, a part of a node before it, or what its emitter makes."""
    for simpler in (folded, fused, prelu):
        made = simpler(to, node)
        if made is not None:
            return made
    return emitters()[node.op](to, node)


def _ordered(graph: InferenceGraph) -> list[Node]:
    """The nodes of a graph, each after those that it reads."""
    topology = read_topology(graph.graph_def, "the frozen graph")
    return topology.ordered(topology.nodes, "the frozen graph")


def _layer(graph: InferenceGraph, name: str) -> str:
    """The longest layer name that a node's name begins with."""
    scope = name
    while scope and scope not in graph.layers:
        scope = scope.rpartition("/")[0]
    return scope or name
