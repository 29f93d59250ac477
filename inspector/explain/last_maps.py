"""From a convolution on to the last value that still has its places, and how much is learned behind that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspector.layers.operators import ELEMENTWISE, KERNEL_INPUT, PRODUCT_INPUTS, RECURRENT
from inspector.onnxfile import in_order
from inspector.onnxfile.checks import reads

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Mapping

    from inspector.onnxfile import Graph, Node

# These leave every place where it is.
_ONWARD = ELEMENTWISE | {
    *("QLinearAdd", "QLinearMul", "QLinearSigmoid", "QLinearLeakyRelu", "Slice", "Split", "Pad"),
    *("BatchNormalization", "InstanceNormalization", "GroupNormalization", "LayerNormalization", "LRN"),
}
# These give the same numbers again: what comes out is no layer of its own.
_SAME = {"Identity", "Dropout", "Cast", "QuantizeLinear", "DequantizeLinear", "Transpose"}
_CONCAT = {"Concat", "QLinearConcat"}
# Where what is learned is multiplied with what is seen.
_LEARNING = {*KERNEL_INPUT, *PRODUCT_INPUTS, *RECURRENT, "Einsum", "Attention", "MultiHeadAttention"}


@dataclass(frozen=True)
class LastMaps:
    """The last value with places on every way from a convolution to the scores.

    Attributes:
        value: Its name.
        axes: One letter an axis: "NCHW" or "NHWC".
        before: How many convolutions, products and recurrent nodes lead to it.
        behind: How many come after it.
    """

    value: str
    axes: str
    before: int
    behind: int


def last_maps(graph: Graph, start: str, axes: str, end: str) -> LastMaps:
    """Go on from a value through all that keeps its places: sums, activations, normalisations.

    Pooling ends it: what is behind has fewer places.

    Args:
        graph: The graph.
        start: The value of a convolution.
        axes: One letter for each of its axes.
        end: The scores.
    """
    nodes = in_order(graph.nodes)[0]
    varying = _after(nodes, start)
    places, candidates = {start: axes}, [start]
    for node in nodes:
        kept = _kept(node, places, varying)
        if kept is not None and start not in node.outputs:
            places |= {name: kept for name in node.outputs if name}
            candidates += [name for name in node.outputs if name and node.op_type not in _SAME]
    # What leaves the others a way around it is no more than a part of what the scores are made of.
    value = next(
        name for name in reversed(candidates) if name == start or end not in _after(nodes, start, {name})
    )
    needed = before(graph, end)
    return LastMaps(
        value,
        places[value],
        _learned(nodes, before(graph, value)),
        _learned(nodes, (_after(nodes, value) & needed) - {value}),
    )


def _kept(node: Node, places: Mapping[str, str], varying: Container[str]) -> str | None:
    """The axes of what a node makes; None where it may keep no places."""
    found = next((places[name] for name in node.inputs if name in places), None)
    if found is None or node.domain not in ("", "com.microsoft"):
        return None
    if node.op_type in _ONWARD or (node.op_type in _SAME and node.op_type != "Transpose"):
        return found
    if node.op_type == "Transpose":
        return _turned(found, node.attributes.get("perm"))
    if node.op_type in _CONCAT:
        axis = node.attributes.get("axis")
        return found if isinstance(axis, int) and found[axis:][:1] == "C" else None
    # A matrix of weights behind channels that stand last is a convolution of one by one.
    product = node.op_type in PRODUCT_INPUTS and node.op_type not in ("Gemm", "FusedGemm", "QGemm")
    first, second = PRODUCT_INPUTS[node.op_type] if product else (0, 0)
    weighted = product and node.inputs[first] in places and node.inputs[second] not in varying
    return found if weighted and found[-1] == "C" else None


def _turned(axes: str, perm: object) -> str | None:
    if isinstance(perm, tuple) and sorted(perm) == list(range(len(axes))):
        return "".join(axes[at] for at in perm)
    return None


def _after(nodes: Collection[Node], start: str, without: Container[str] = ()) -> set[str]:
    """A value and all that is made of it, unless only by way of some others."""
    found = {start}
    for node in nodes:
        if found.intersection(reads(node)):
            found.update(name for name in node.outputs if name and name not in without)
    return found


def before(graph: Graph, end: str) -> set[str]:
    """A value and all that it is made of."""
    found, pending = {end}, [end]
    while pending:
        node = graph.producers.get(pending.pop())
        for name in reads(node) if node else ():
            if name and name not in found:
                found.add(name)
                pending.append(name)
    return found


def _learned(nodes: Collection[Node], values: Container[str]) -> int:
    """How many nodes that multiply with what was learned make some of these values."""
    return sum(node.op_type in _LEARNING and any(name in values for name in node.outputs) for node in nodes)
