"""What an ONNX graph declares of its values, and what can be worked out of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from converters.errors import UnsupportedError
from converters.trials import TensorSpec

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

    from converters.onnx_model.repair import Patient


def spec_of(value: ValueInfoProto) -> TensorSpec:
    """The name, element type and shape of a declared value.

    An axis with a name, or of no positive size, is free. What is no tensor, or of no declared type, has the
    element type `object`.
    """
    from onnx import helper

    kind = value.type.tensor_type
    if not value.type.HasField("tensor_type") or not kind.elem_type:
        return TensorSpec(value.name, np.dtype(object), None)
    try:
        dtype = np.dtype(helper.tensor_dtype_to_np_dtype(kind.elem_type))
    except KeyError:
        dtype = np.dtype(object)
    if not kind.HasField("shape"):
        return TensorSpec(value.name, dtype, None)
    sizes = tuple(axis.dim_value if axis.dim_value > 0 else None for axis in kind.shape.dim)
    return TensorSpec(value.name, dtype, sizes)


def inferred(patient: Patient) -> dict[str, ValueInfoProto]:
    """Value name → its declaration, worked out from the inputs on as far as possible."""
    from onnx import shape_inference

    from converters.onnx_model.wholes import with_weights_as_inputs

    model = patient.model
    known = {value.name: value for value in (*model.graph.value_info, *model.graph.input)}
    try:
        found: ModelProto = shape_inference.infer_shapes(with_weights_as_inputs(model, patient.weights))
    except (shape_inference.InferenceError, RuntimeError, ValueError):
        return known
    return {value.name: value for value in (*found.graph.output, *found.graph.value_info)} | known


def tensors_only(patient: Patient, layers: Mapping[str, str]) -> dict[str, str]:
    """The layers whose values are tensors, as far as is known: a sequence cannot be compared."""
    found = inferred(patient)
    strange = {
        name
        for name, value in found.items()
        if value.HasField("type") and not value.type.HasField("tensor_type")
    }
    return {layer: value for layer, value in layers.items() if value not in strange}


def with_types(patient: Patient) -> None:
    """Declare the type of each output that has none."""
    graph = patient.model.graph
    if all(spec_of(value).dtype != object for value in graph.output):
        return
    found = inferred(patient)
    for value in graph.output:
        if spec_of(value).dtype == object and value.name in found:
            value.CopyFrom(found[value.name])


def declared_specs(patient: Patient) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """The inputs and outputs of a repaired model.

    Raises:
        UnsupportedError: One is no tensor of numbers.
    """
    graph = patient.model.graph
    found = []
    for kind, values in (("input", graph.input), ("output", graph.output)):
        specs = tuple(spec_of(value) for value in values)
        strange = next((spec for spec in specs if spec.dtype.kind not in "fiub"), None)
        if strange is not None:
            raise UnsupportedError(
                f"{patient.where}: its {kind} {strange.name!r} is no tensor of numbers, as far as it says",
                "Name other tensors with --inputs and --outputs.",
            )
        found.append(specs)
    return found[0], found[1]
