"""Writing what remains of a graph as a new GraphDef, its weights apart."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from converters.errors import UnsupportedError
from converters.tensorflow.dtypes import DT_RESOURCE, Array, from_numpy, to_numpy
from converters.tensorflow.fold import Folded, kept_controls
from converters.tensorflow.graph import SourceGraph
from converters.tensorflow.inference import set_constant
from converters.tensorflow.schema import new
from converters.tensorflow.signature import TensorSpec, output_shape, output_type, tensor_spec
from converters.tensorflow.tensors import set_shape
from converters.tensorflow.topology import Node, Topology, number, owner

_LARGEST_CONSTANT = 1024
# Notes of TensorFlow for itself: places of other nodes, shapes that it works out again.
_NOTES = ("_output_shapes", "_class")


@dataclass(frozen=True)
class Emitted:
    """A GraphDef, and the weights that it has placeholders for."""

    graph_def: Any
    weights: Mapping[str, Array]


def emit(
    source: SourceGraph,
    topology: Topology,
    folded: Folded,
    nodes: Sequence[Node],
    *,
    inputs: Collection[str],
    outputs: Iterable[str],
) -> Emitted:
    """Write the graph that consists of these nodes.

    Args:
        source: Where they come from.
        topology: All nodes of the source.
        folded: What is known of them.
        nodes: Those to write, each after those that it reads.
        inputs: The tensors that are given from outside.
        outputs: The tensors whose names must be there.
    """
    graph = new("GraphDef")
    graph.versions.CopyFrom(source.graph_def.versions)
    graph.library.CopyFrom(source.graph_def.library)
    weights: dict[str, Array] = {}
    constants = {owner(tensor): tensor for tensor in folded.constants}
    for node in nodes:
        if f"{node.name}:0" in inputs:
            _add_placeholder(graph, tensor_spec(node, f"{node.name}:0"), output_type(node))
        elif node.name in constants:
            value = folded.constants[constants[node.name]]()
            if value.nbytes > _LARGEST_CONSTANT and value.dtype != object:
                weights[node.name] = value
                spec = TensorSpec(f"{node.name}:0", value.dtype, value.shape)
                _add_placeholder(graph, spec, from_numpy(value.dtype))
            else:
                set_constant(graph.node.add(), node.name, value)
        else:
            _add_node(graph, source, topology, folded, node)
    for tensor in outputs:
        if folded.root(tensor) != tensor and number(tensor) == 0:
            _add_identity(graph, topology, folded, tensor)
    return Emitted(graph, weights)


def output_spec(topology: Topology, folded: Folded, tensor: str) -> TensorSpec:
    """Return an output under the name that it has in the written graph."""
    if number(tensor):
        tensor = folded.root(tensor)
    node = topology.nodes[owner(tensor)]
    spec = tensor_spec(node, tensor)
    root = folded.root(tensor)
    made = topology.nodes[owner(root)]
    shape = spec.shape if spec.shape is not None else output_shape(made, number(root))
    return TensorSpec(tensor, to_numpy(output_type(made, number(root))) or spec.dtype, shape)


def _add_placeholder(graph: Any, spec: TensorSpec, kind: int) -> None:
    node = graph.node.add(name=owner(spec.name), op="Placeholder")
    node.attr["dtype"].type = kind
    if spec.shape is None:
        node.attr["shape"].shape.unknown_rank = True
    else:
        set_shape(node.attr["shape"].shape, spec.shape)


def _add_node(graph: Any, source: SourceGraph, topology: Topology, folded: Folded, node: Node) -> None:
    """Write a node that stays as it is, but for what it reads."""
    roots = [folded.root(tensor) for tensor in node.inputs]
    written = graph.node.add()
    written.CopyFrom(node.definition)
    written.ClearField("device")
    written.ClearField("input")
    for note in _NOTES:
        written.attr.pop(note, None)
    written.input.extend(_reference(folded, root) for root in roots)
    written.input.extend(f"^{name}" for name in kept_controls(folded, node))
    resources = [tensor for tensor in node.inputs if _is_resource(topology.nodes[owner(tensor)])]
    if resources and node.op == "ResourceGather":
        _as_gather(graph, written)
    elif resources:
        raise UnsupportedError(
            f"{source.path}: the node {node.name!r} of op {node.op} uses the variable "
            f"{owner(resources[0])!r} in place, which cannot be converted; expected a plain read"
        )


def _is_resource(node: Node) -> bool:
    """Whether a node gives a variable itself, not its value."""
    return node.op == "VarHandleOp" or node.type("T", "dtype") == DT_RESOURCE


def _as_gather(graph: Any, written: Any) -> None:
    """Make a ResourceGather, which reads a variable in place, the same GatherV2 of a constant."""
    axis = graph.node.add()
    set_constant(axis, f"{written.name}/axis", np.asarray(0, np.int32))
    written.op = "GatherV2"
    written.input.append(axis.name)
    written.attr["Tparams"].type = written.attr["dtype"].type
    written.attr["Taxis"].type = 3
    for name in ("dtype", "validate_indices"):
        written.attr.pop(name, None)


def _reference(folded: Folded, tensor: str) -> str:
    """How a node names what it reads; a constant has but one output."""
    if number(tensor) == 0 or tensor in folded.constants:
        return owner(tensor)
    return tensor


def _add_identity(graph: Any, topology: Topology, folded: Folded, tensor: str) -> None:
    """Keep the name of an output that is an alias."""
    root = folded.root(tensor)
    node = graph.node.add(name=owner(tensor), op="Identity", input=[_reference(folded, root)])
    node.attr["T"].type = output_type(topology.nodes[owner(root)], number(root))
