"""What a node's output is: element type and shape, as far as the node says."""

from __future__ import annotations

import numpy as np

from converters.tensorflow.dtypes import DT_BOOL, to_numpy
from converters.tensorflow.topology import Node, number
from converters.trials import TensorSpec

__all__ = ["TensorSpec", "output_shape", "output_type", "tensor_spec"]

_INT32, _INT64 = 3, 9
_COMPARISONS = frozenset(
    {"Equal", "NotEqual", "Less", "LessEqual", "Greater", "GreaterEqual", "All", "Any"}
    | {"LogicalAnd", "LogicalOr", "LogicalNot", "IsNan", "IsInf", "IsFinite", "InTopK", "InTopKV2"}
)
_TYPE_ATTRS = ("dtype", "out_type", "output_type", "DstT", "Tparams", "T")
# Calls, conditionals and loops have a type for each output.
_TYPE_LISTS = ("Tout", "T")
_INDICES = frozenset({"Shape", "ShapeN", "Size", "Rank"})
_ARGS = frozenset({"ArgMax", "ArgMin", "Where"})


def output_type(node: Node, place: int = 0) -> int:
    """Return the TensorFlow `DataType` of one output of a node, or 0 when the node does not say."""
    if node.op in _COMPARISONS:
        return DT_BOOL
    if node.op in _INDICES:
        return node.type("out_type") or _INT32
    if node.op in _ARGS:
        return node.type("output_type") or _INT64
    if node.op.startswith("LookupTableFind"):
        return node.type("Tout")
    if node.op in ("Merge", "RefMerge", "TopKV2", "TopK") and place == 1:
        return _INT32
    for name in _TYPE_LISTS:
        types = node.attr(name)
        if types is not None and types.WhichOneof("value") == "list" and place < len(types.list.type):
            return int(types.list.type[place])
    return node.type(*_TYPE_ATTRS)


def output_shape(node: Node, place: int = 0) -> tuple[int | None, ...] | None:
    """Return the shape of one output of a node as the graph notes it, or None when it does not."""
    shapes = node.attr("_output_shapes")
    if shapes is not None and place < len(shapes.list.shape):
        shape = shapes.list.shape[place]
    elif (declared := node.attr("shape")) is not None and node.op.startswith("Placeholder"):
        shape = declared.shape
        if not shape.dim and not shape.unknown_rank and node.op == "Placeholder":
            return None  # older files write an unknown shape so; a scalar is never an input of a network
    else:
        return None
    if shape.unknown_rank:
        return None
    return tuple(dim.size if dim.size >= 0 else None for dim in shape.dim)


def tensor_spec(node: Node, tensor: str) -> TensorSpec:
    """Return what is known of `tensor`, an output of `node`; a type that it does not give is float32."""
    place = number(tensor)
    dtype = to_numpy(output_type(node, place)) or np.dtype(np.float32)
    return TensorSpec(tensor, dtype, output_shape(node, place))
