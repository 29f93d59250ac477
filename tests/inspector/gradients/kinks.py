"""Where a network bends, and which side of each bend a run was on.

A network with millions of rectified numbers has some that are zero but for rounding. Float32 and float64 then
take different sides, and their gradients differ although both are right. So they are compared on the same
sides: every operator that bends is replaced by a straight one, which goes on as a given run did. Those in the
graphs within an If, Loop or Scan stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from graphs import constants, run
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

Array = NDArray[Any]
# The side of every number that a node makes: the slope and the offset of the line that it is on, or for a
# maximum the place that it came from.
Side = tuple[Array, ...]
Sides = Mapping[str, Side]


def watched(model: ModelProto) -> list[str]:
    """The values that tell which sides a run took."""
    return list(dict.fromkeys(_telling(node) for node in _bends(model)))


def sides(model: ModelProto, values: Mapping[str, Array]) -> Sides:
    """The sides that a run took, by the name of what the bending node makes.

    Args:
        model: The network.
        values: What each of `watched` was in the run.
    """
    read = {name for node in _bends(model) for name in node.input[1:]}
    known = constants(model, read)
    return {node.output[0]: _side(node, values[_telling(node)], known) for node in _bends(model)}


def size(taken: Sides) -> int:
    """How many numbers take a side."""
    return sum(side[0].size for side in taken.values())


def disagreements(one: Sides, other: Sides) -> int:
    """How many numbers took another side in another run."""
    differing = (
        np.logical_or.reduce([a != b for a, b in zip(one[name], other[name], strict=True)]) for name in one
    )
    return sum(int(np.count_nonzero(each)) for each in differing)


def straightened(model: ModelProto, taken: Sides) -> ModelProto:
    """The network without its bends, for float64: wherever it would take a side, it takes the given one."""
    straight = ModelProto()
    straight.CopyFrom(model)
    del straight.graph.node[:]
    for node in model.graph.node:
        if node.output[0] not in taken:
            straight.graph.node.append(node)
            continue
        side = taken[node.output[0]]
        nodes, stored = (_picked if len(side) == 1 else _on_a_line)(node, *side)
        straight.graph.node.extend(nodes)
        straight.graph.initializer.extend(
            numpy_helper.from_array(each, name) for name, each in stored.items()
        )
    return straight


def _bends(model: ModelProto) -> Iterator[NodeProto]:
    """The nodes that bend, apart from those whose bounds or slopes are computed by the network itself."""
    known = {tensor.name for tensor in model.graph.initializer}
    known.update(node.output[0] for node in model.graph.node if node.op_type == "Constant")
    for node in model.graph.node:
        given = known.issuperset(name for name in node.input[1:] if name)
        if not node.domain and (node.op_type in _LINES or node.op_type == "MaxPool") and given:
            yield node


def _telling(node: NodeProto) -> str:
    """The value that tells a node's sides.

    The output where that will do: onnxruntime fuses a rectifier into the convolution before it unless what is
    between them is asked for, and it is the graph as users have it that is checked.
    """
    return str(node.output[0] if node.op_type in ("Relu", "Clip") else node.input[0])


def _side(node: NodeProto, telling: Array, known: Mapping[str, Array]) -> Side:
    if node.op_type == "MaxPool":
        return (_places(node, telling),)
    slope, offset = _LINES[node.op_type](node, telling, known)
    return tuple(np.broadcast_to(np.asarray(each, np.float64), telling.shape) for each in (slope, offset))


def _places(node: NodeProto, x: Array) -> Array:
    """Where each maximum stands among all numbers of the input: of equal ones the first."""
    kind = helper.np_dtype_to_tensor_dtype(x.dtype)
    asked = helper.make_node("MaxPool", ["x"], ["y", "places"])
    asked.attribute.extend(node.attribute)
    graph = helper.make_graph(
        [asked],
        "places",
        [helper.make_tensor_value_info("x", kind, x.shape)],
        [helper.make_tensor_value_info("places", TensorProto.INT64, None)],
    )
    opset = [helper.make_opsetid("", 17)]
    return run(helper.make_model(graph, opset_imports=opset, ir_version=8), {"x": x})["places"]


def _on_a_line(
    node: NodeProto, slope: Array, offset: Array
) -> tuple[Sequence[NodeProto], Mapping[str, Array]]:
    """Slope · x + offset."""
    name = node.output[0]
    if not offset.any():
        return [helper.make_node("Mul", [node.input[0], f"{name}/slope"], [name])], {f"{name}/slope": slope}
    return [
        helper.make_node("Mul", [node.input[0], f"{name}/slope"], [f"{name}/product"]),
        helper.make_node("Add", [f"{name}/product", f"{name}/offset"], [name]),
    ], {f"{name}/slope": slope, f"{name}/offset": offset}


def _picked(node: NodeProto, places: Array) -> tuple[Sequence[NodeProto], Mapping[str, Array]]:
    """The numbers at these places."""
    name = node.output[0]
    return [
        helper.make_node("Reshape", [node.input[0], f"{name}/flat"], [f"{name}/row"]),
        helper.make_node("Gather", [f"{name}/row", f"{name}/places"], [name], axis=0),
    ], {f"{name}/flat": np.array([-1]), f"{name}/places": places}


def _attribute(node: NodeProto, name: str, default: float) -> float:
    found = [helper.get_attribute_value(each) for each in node.attribute if each.name == name]
    return float(found[0]) if found else default


def _bound(node: NodeProto, at: int, known: Mapping[str, Array], default: float) -> float:
    """A Clip's bound: an input since version 11, before that an attribute."""
    if len(node.input) > at and node.input[at]:
        return float(known[node.input[at]])
    return _attribute(node, ("", "min", "max")[at], default)


def _clip(node: NodeProto, y: Array, known: Mapping[str, Array]) -> tuple[Array, Array]:
    low, high = _bound(node, 1, known, -np.inf), _bound(node, 2, known, np.inf)
    inside = (low < y) & (y < high)
    return inside, np.where(inside, 0.0, np.where(y <= low, low, high))


_LINES: Mapping[str, Callable[[NodeProto, Array, Mapping[str, Array]], tuple[Any, Any]]] = {
    "Abs": lambda node, x, known: (np.sign(x), 0.0),
    "Clip": _clip,
    "LeakyRelu": lambda node, x, known: (np.where(x > 0, 1.0, _attribute(node, "alpha", 0.01)), 0.0),
    "PRelu": lambda node, x, known: (np.where(x > 0, 1.0, known[node.input[1]]), 0.0),
    "Relu": lambda node, y, known: (y > 0, 0.0),
}
