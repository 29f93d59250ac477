"""Sizes that a user gives to the free axes of an ONNX model's inputs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

from converters.errors import SourceError
from converters.input_shapes import InputShape, matched

if TYPE_CHECKING:
    from onnx import ModelProto, TensorShapeProto

    from converters.formats import Request
    from converters.onnx_model.repair import Patient
    from converters.trials import TensorSpec


def sized(
    patient: Patient, inputs: tuple[TensorSpec, ...], request: Request
) -> tuple[tuple[TensorSpec, ...], str]:
    """Write the sizes of `--input-shape` into the model's declarations.

    A letter leaves an axis as the model declares it. Where the model gives the same name to other axes, in
    its outputs say, these get the size too.

    Args:
        patient: The model; its declarations are changed.
        inputs: Its inputs.
        request: What was asked for.

    Returns:
        The inputs with their sizes, and a sentence on what was decided; empty when nothing was asked for.

    Raises:
        SourceError: An input has another rank or size than was given.
    """
    if not request.input_shapes:
        return inputs, ""
    given = matched(request.input_shapes, [spec.name for spec in inputs], patient.where)
    pinned = tuple(_pinned(patient.where, spec, given[spec.name]) for spec in inputs)
    names = _declare(patient.model, {spec.name: spec for spec in pinned})
    _rename(patient.model, names)
    fixed = [spec for spec, before in zip(pinned, inputs, strict=True) if spec.shape != before.shape]
    said = ", ".join(f"{spec.name} [{', '.join(map(_shown, spec.shape or ()))}]" for spec in fixed)
    return pinned, f"Free sizes are set as was asked for: {said}." if fixed else ""


def _shown(size: int | None) -> str:
    return "N" if size is None else str(size)


def _pinned(where: str, spec: TensorSpec, given: InputShape) -> TensorSpec:
    """The input with the sizes that were given to axes that it leaves free."""
    axes = given.spec(spec.name).shape or ()
    declared = spec.shape if spec.shape is not None else (None,) * len(axes)
    fits = len(axes) == len(declared) and all(
        size is None or wanted is None or size == wanted for size, wanted in zip(declared, axes, strict=True)
    )
    if not fits:
        stands, said = (", ".join(map(_shown, shape)) for shape in (declared, axes))
        raise SourceError(
            f"{where}: the input {spec.name} is declared as ({stands}); --input-shape says ({said})",
            "Only free axes can be given a size.",
        )
    return dataclasses.replace(
        spec, shape=tuple(size or wanted for size, wanted in zip(declared, axes, strict=True))
    )


def _declare(model: ModelProto, specs: Mapping[str, TensorSpec]) -> dict[str, int]:
    """Write the shapes of inputs into a model; return the sizes of axes that had names."""
    names: dict[str, int] = {}
    for info in model.graph.input:
        shape = specs[info.name].shape if info.name in specs else None
        if shape is None:
            continue
        axes = info.type.tensor_type.shape
        while len(axes.dim) < len(shape):
            axes.dim.add()
        for axis, size in zip(axes.dim, shape, strict=True):
            if size is not None:
                if axis.dim_param:
                    names[axis.dim_param] = size
                axis.dim_value = size
    return names


def _rename(model: ModelProto, names: Mapping[str, int]) -> None:
    """Give every axis of one of these names its size."""
    graph = model.graph
    for info in (*graph.input, *graph.output, *graph.value_info):
        shape: TensorShapeProto = info.type.tensor_type.shape
        for axis in shape.dim:
            if axis.dim_param in names:
                axis.dim_value = names[axis.dim_param]
