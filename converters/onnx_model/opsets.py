"""A model at a later version of ONNX's own operators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from converters.errors import UnsupportedError
from converters.onnx_model.graph import replace

if TYPE_CHECKING:
    from onnx import ModelProto

    from converters.onnx_model.repair import Patient

# onnxruntime's, and ours.
_OLDEST_THAT_RUNS = 7


def version_of(model: ModelProto) -> int:
    """The version of ONNX's own operators in a model; the first where it names none."""
    found = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    return max(found, default=1)


def renewed(patient: Patient, opset: int) -> tuple[ModelProto, str]:
    """The model at a later opset, and a sentence; as it is where it has that or a later one.

    A model that runs as it is, but of which an operator cannot be written at that opset, stays at its own.

    Raises:
        UnsupportedError: Nothing runs the model as it is, and it cannot be written at that opset.
    """
    from converters.onnx_model.wholes import with_weights_as_inputs
    from converters.opset import upgraded

    before = version_of(patient.model)
    if before >= opset:
        return patient.model, ""
    try:
        made = upgraded(with_weights_as_inputs(patient.model, patient.weights), opset)
    except UnsupportedError as error:
        if before < _OLDEST_THAT_RUNS:
            raise
        return patient.model, f"Opset {before} is kept: {error.message}."
    replace(made.graph.input, [value for value in made.graph.input if value.name not in patient.weights])
    # Shapes that were declared of values in between may hold no longer.
    del made.graph.value_info[:]
    return made, f"Opset {before} became {opset}."
