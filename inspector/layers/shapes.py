"""Shapes of all values of a graph, by ONNX's own shape inference on the model without its weights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from inspector.onnxfile import Dimension, OnnxFile

if TYPE_CHECKING:
    from onnx import GraphProto, TensorShapeProto, ValueInfoProto

Shape: TypeAlias = tuple[Dimension, ...]

# What shape inference calls an axis of which it knows nothing.
_UNNAMED = re.compile(r"unk__\d+")


@dataclass(frozen=True, eq=False)
class Shapes:
    """The shapes of a model's values, inferred when first asked for."""

    file: OnnxFile

    def get(self, name: str) -> Shape | None:
        """The shape of a value as the model has it; None when it cannot be told."""
        return self._as_declared.get(name)

    def single(self, name: str) -> tuple[int, ...] | None:
        """The shape of a value when a dynamic batch is 1; None unless every axis is known."""
        shape = self._single.get(name)
        if shape is None:
            return None
        sizes = tuple(size for size in shape if isinstance(size, int))
        return sizes if len(sizes) == len(shape) else None

    @cached_property
    def batch(self) -> int:
        """The batch that the model is fixed to; 1 when it is dynamic or there is none."""
        given = [value for value in self.file.graph.inputs if value.name not in self.file.graph.initializers]
        first = given[0].shape[0] if given and given[0].shape and len(given[0].shape) > 1 else 1
        return first if isinstance(first, int) and first > 0 else 1

    @cached_property
    def _as_declared(self) -> Mapping[str, Shape]:
        return _infer(self.file, single=False)

    @cached_property
    def _single(self) -> Mapping[str, Shape]:
        return _infer(self.file, single=True)


def _infer(file: OnnxFile, *, single: bool) -> Mapping[str, Shape]:
    """Infer shapes; where that fails, give what the file itself declares.

    Args:
        file: The model.
        single: Whether a dynamic first axis of an input is taken as 1.
    """
    import onnx
    from google.protobuf.message import DecodeError
    from onnx import shape_inference

    known = {tensor.name: tensor.shape for tensor in file.graph.initializers.values()}
    try:
        model = onnx.load_model_from_string(file.skeleton())
        if single:
            _set_batch(model.graph)
        graph = shape_inference.infer_shapes(model, data_prop=True).graph
    except (DecodeError, shape_inference.InferenceError, RuntimeError, UnicodeDecodeError):
        # RuntimeError is what the compiled part of onnx raises for what it cannot read at all.
        declared = file.graph.values.values()
        return known | {value.name: value.shape for value in declared if value.shape is not None}
    values = (*graph.value_info, *graph.input, *graph.output)
    return known | {value.name: shape for value in values if (shape := _shape(value)) is not None}


def _shape(value: ValueInfoProto) -> Shape | None:
    """The shape of one value, None when it has none that is known."""
    if not value.type.tensor_type.HasField("shape"):
        return None
    return tuple(map(_dimension, value.type.tensor_type.shape.dim))


def _dimension(dim: TensorShapeProto.Dimension) -> Dimension:
    if dim.HasField("dim_value"):
        return dim.dim_value if dim.dim_value >= 0 else None
    return dim.dim_param if dim.dim_param and not _UNNAMED.fullmatch(dim.dim_param) else None


def _set_batch(graph: GraphProto) -> None:
    """Make every dynamic first axis of an input 1, and every other axis of the same name."""
    names: set[str] = set()
    for value in graph.input:
        for dim in value.type.tensor_type.shape.dim[:1]:
            if _dimension(dim) is None or dim.dim_param:
                names.add(dim.dim_param)
                dim.dim_value = 1
    for value in (*graph.input, *graph.value_info, *graph.output):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param and dim.dim_param in names:
                dim.dim_value = 1
