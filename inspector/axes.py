"""Which axis of a value is what: told by the operators that made it, never by its sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from inspector.errors import InspectorError
from inspector.layout import layout_of

if TYPE_CHECKING:
    from inspector.onnxfile import Graph, Node

# One letter an axis: N batch, C channels, D, H and W space.
_SPACE = {3: "W", 4: "HW", 5: "DHW"}

# ONNX defines the axes of what these take and give: batch, channels, space.
_CHANNELS_SECOND = {
    *("Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "DeformConv"),
    *("MaxPool", "AveragePool", "LpPool", "MaxUnpool", "MaxRoiPool", "QLinearAveragePool"),
    *("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool", "QLinearGlobalAveragePool"),
    *("BatchNormalization", "InstanceNormalization", "GroupNormalization", "LRN"),
    *("DepthToSpace", "SpaceToDepth", "Upsample"),
}

# These leave every axis where it is.
_KEEP = {
    *("Relu", "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "ThresholdedRelu", "Sigmoid", "HardSigmoid"),
    *("HardSwish", "Tanh", "Softplus", "Softsign", "Gelu", "Mish", "Swish", "Softmax", "LogSoftmax", "Erf"),
    *("Abs", "Neg", "Exp", "Log", "Sqrt", "Reciprocal", "Floor", "Ceil", "Round", "Sign", "Not"),
    *("Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Sum", "Mean", "Where", "Clip", "Greater", "Less"),
    *(
        "Identity",
        "Dropout",
        "Cast",
        "Pad",
        "Slice",
        "Concat",
        "Split",
        "Resize",
        "Tile",
        "LayerNormalization",
    ),
    *("QuantizeLinear", "DequantizeLinear", "QLinearAdd", "QLinearMul", "QLinearConcat", "QLinearSigmoid"),
    *("QLinearLeakyRelu", "DynamicQuantizeLinear", "RMSNormalization", "MeanVarianceNormalization"),
}


def axes_of(graph: Graph, name: str, rank: int) -> str | None:
    """Say what the axes of a value are.

    Args:
        graph: The graph.
        name: One of its values.
        rank: How many axes the value has.

    Returns:
        One letter an axis, "NCHW" or "NHWC" say; "NC" for two axes; None where no operator tells.
    """
    if rank == 2:
        return "NC"
    if rank not in _SPACE:
        return None
    # The axes of this value in terms of those of the value that is looked at, further and further back.
    order, seen = list(range(rank)), set[str]()
    while name not in seen:
        seen.add(name)
        node = graph.producers.get(name)
        if node is not None and node.op_type in _KEEP:
            name = _first_computed(graph, node)
        elif node is not None and node.op_type == "Transpose":
            perm = _permutation(node.attributes, rank)
            if perm is None:
                return None
            order, name = [perm[axis] for axis in order], node.inputs[0]
        else:
            found = _told_by(graph, node, name, rank) or _told_later(graph, name, rank)
            return "".join(found[axis] for axis in order) if found and len(found) == rank else None
    return None


def _told_by(graph: Graph, node: Node | None, name: str, rank: int) -> str | None:
    """What the operator that made a value, or the model's input, says of its axes."""
    if node is None:
        return _input_axes(graph, name)
    return f"NC{_SPACE[rank]}" if node.op_type in _CHANNELS_SECOND else None


def _told_later(graph: Graph, name: str, rank: int) -> str | None:
    """What those that read a value say of its axes, when the operator that made it (a Reshape) does not."""
    fixed = f"NC{_SPACE[rank]}"
    for reader in graph.consumers.get(name, ()):
        if reader.op_type in _CHANNELS_SECOND and reader.inputs[0] == name:
            return fixed
        perm = _permutation(reader.attributes, rank) if reader.op_type == "Transpose" else None
        turned = graph.consumers.get(reader.outputs[0], ()) if perm else ()
        if perm and any(later.op_type in _CHANNELS_SECOND for later in turned):
            return "".join(fixed[perm.index(axis)] for axis in range(rank))
    return None


def _permutation(attributes: Mapping[str, object], rank: int) -> tuple[int, ...] | None:
    perm = attributes.get("perm", tuple(reversed(range(rank))))
    if isinstance(perm, (tuple, list)) and sorted(perm) == list(range(rank)):
        return tuple(perm)
    return None


def _first_computed(graph: Graph, node: Node) -> str:
    """Of the operands of an elementwise operator, the first that is no constant."""
    for name in node.inputs:
        maker = graph.producers.get(name)
        if name and name not in graph.initializers and (maker is None or maker.op_type != "Constant"):
            return name
    return node.inputs[0] if node.inputs else ""


def _input_axes(graph: Graph, name: str) -> str | None:
    value = next((value for value in graph.inputs if value.name == name), None)
    if value is None:
        return None
    try:
        return layout_of(value).axes
    except InspectorError:
        return None
