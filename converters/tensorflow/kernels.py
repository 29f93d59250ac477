"""Which variables of a graph are kernels, and their axes: what the operations that read them say."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from converters.tensorflow.topology import Node, Topology, number, owner

CONV, TRANSPOSED, DENSE, NORM, GATHER = "Conv", "ConvTranspose", "Gemm", "BatchNormalization", "Gather"
# Operations with weights: what the layer is, and which input the weight is.
_OPERATIONS: Mapping[str, tuple[str, int]] = {
    "Conv2D": (CONV, 1),
    "Conv3D": (CONV, 1),
    "DepthwiseConv2dNative": (CONV, 1),
    "Conv2DBackpropInput": (TRANSPOSED, 1),
    "Conv3DBackpropInputV2": (TRANSPOSED, 1),
    "MatMul": (DENSE, 1),
    "BatchMatMulV2": (DENSE, 1),
    "Einsum": (DENSE, 1),
    "FusedBatchNorm": (NORM, 1),
    "FusedBatchNormV2": (NORM, 1),
    "FusedBatchNormV3": (NORM, 1),
    "Gather": (GATHER, 0),
    "GatherV2": (GATHER, 0),
    "ResourceGather": (GATHER, 0),
}
_PASSED = frozenset(
    {
        "Identity",
        "IdentityN",
        "ReadVariableOp",
        "Enter",
        "RefEnter",
        "Switch",
        "RefSwitch",
        "Cast",
        "ExpandDims",
    }
)
_MOST_STEPS = 64
_SPACE = {3: "W", 4: "HW", 5: "DHW"}
_DEPTHWISE = re.compile(r"depthwise", re.IGNORECASE)
_TRANSPOSED = re.compile(r"transpose|deconv|upscore", re.IGNORECASE)
_KERNEL = re.compile(r"^(.*_)?(kernel|weights?|w|filters?)(_\d+)?$", re.IGNORECASE)


@dataclass(frozen=True)
class Role:
    """What a variable is.

    Attributes:
        kind: Of the layer, "Conv".
        order: Of a kernel's axes, "HWIO"; empty for another variable.
    """

    kind: str
    order: str = ""


def roles_in(topology: Topology, variables: Mapping[str, int]) -> dict[str, Role]:
    """Return what the variables of a graph are, in the order in which operations read them.

    Args:
        topology: The graph.
        variables: The nodes of variables, with the number of axes of each.
    """
    found: dict[str, Role] = {}
    for node in topology.nodes.values():
        # The backward pass of a convolution is a transposed one, and the other way round.
        if any(part.startswith("gradients") for part in node.name.split("/")):
            continue
        kind, weight = _OPERATIONS.get(node.op, ("", -1))
        for place, tensor in enumerate(node.inputs):
            name = _origin(topology, tensor)
            if name not in variables:
                continue
            if place == weight:
                order = _order(node, kind, variables[name])
                found[name] = Role(kind, order)
            else:
                found.setdefault(name, Role(""))
    return found


def guessed_role(name: str, shapes: Mapping[str, Sequence[int]]) -> Role:
    """Return what a variable is by its name and shape, and the shapes of those beside it.

    Args:
        name: The variable, "conv_1/W".
        shapes: Those of its layer, by name.
    """
    leaf, shape = name.rpartition("/")[2], shapes[name]
    if leaf in ("gamma", "moving_mean", "moving_variance"):
        return Role(NORM)
    if not _KERNEL.match(leaf) or len(shape) < 2 or "recurrent" in leaf:
        return Role("")
    if len(shape) == 2:
        return Role(DENSE)
    space = _SPACE.get(len(shape), "")
    if not space:
        return Role("")
    beside = [other for key, other in shapes.items() if key != name and len(other) == 1]
    if _DEPTHWISE.search(name) and "pointwise" not in leaf:
        return Role(CONV, f"{space}IM")
    of_output = shape[-2] != shape[-1] and any(other[0] == shape[-2] for other in beside)
    if _TRANSPOSED.search(name) or (of_output and not any(other[0] == shape[-1] for other in beside)):
        return Role(TRANSPOSED, f"{space}OI")
    return Role(CONV, f"{space}IO")


def _order(node: Node, kind: str, rank: int) -> str:
    """The axes of a kernel; empty where it is none, or was reshaped on its way to the operation."""
    if kind not in (CONV, TRANSPOSED) or rank not in _SPACE:
        return ""
    if node.op == "DepthwiseConv2dNative":
        return f"{_SPACE[rank]}IM"
    return _SPACE[rank] + ("OI" if kind == TRANSPOSED else "IO")


def _origin(topology: Topology, tensor: str) -> str:
    """The node whose value a tensor holds, as it is."""
    for _ in range(_MOST_STEPS):
        node = topology.nodes.get(owner(tensor))
        if node is None or node.op not in _PASSED or not node.inputs:
            break
        place = number(tensor) if node.op == "IdentityN" else 0
        if place >= len(node.inputs):
            break
        tensor = node.inputs[place]
    return owner(tensor)
