"""The shapes of what a network takes: the batch free, every other axis pinned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import index
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from inspector.errors import GradientError
from inspector.gradients.kinds import BATCHES, Kind, Known, Shape

if TYPE_CHECKING:
    from onnx import GraphProto, ValueInfoProto

BATCH = "N"
InputShape: TypeAlias = "Sequence[int | None] | Mapping[str, Sequence[int | None]]"


def declared_shapes(graph: GraphProto, where: str, input_shape: InputShape | None) -> dict[str, Shape]:
    """The shape of every input: None for a free batch, all other sizes known."""
    stored = {tensor.name for tensor in graph.initializer}
    inputs = [info for info in graph.input if info.name not in stored]
    given: Mapping[str, Sequence[int | None]]
    if isinstance(input_shape, Mapping):
        given = input_shape
    else:
        given = {} if input_shape is None or not inputs else {inputs[0].name: input_shape}
    for name in given:
        if name not in {info.name for info in inputs}:
            raise GradientError(
                f"{where}: has no input {name!r} to give a shape; "
                f"expected {', '.join(repr(i.name) for i in inputs)}",
                f"inspector layers {where}",
            )
    whole = {name: _whole(where, name, shape) for name, shape in given.items()}
    batch = next(
        (
            info.type.tensor_type.shape.dim[0].dim_param
            for info in inputs
            if info.type.tensor_type.shape.dim and info.type.tensor_type.shape.dim[0].dim_param
        ),
        "",
    )
    return {info.name: _pinned(info, where, whole.get(info.name), batch) for info in inputs}


def _whole(where: str, name: str, shape: Sequence[int | None]) -> tuple[int | None, ...]:
    """A shape that a user gave, of whole numbers behind the first axis, whose size is not looked at."""
    try:
        first, others = tuple(shape[:1]), shape[1:]
        sizes = [None if size is None else index(size) for size in others]
        if isinstance(shape, (str, bytes)) or any(size is not None and size < 1 for size in sizes):
            raise ValueError
    except (TypeError, ValueError):
        raise GradientError(
            f"{where}: the input {name!r} is given the shape {shape!r}; expected a size of at least 1 for "
            "every axis",
            f"Give them: backward(model, ..., input_shape={{{name!r}: (1, ...)}})",
        ) from None
    return (*first, *sizes)


def _pinned(info: ValueInfoProto, where: str, given: Sequence[int | None] | None, batch: str) -> Shape:
    kind = info.type.tensor_type
    known = kind.HasField("shape")
    declared: list[int | None] = [
        each.dim_value if each.HasField("dim_value") else None for each in kind.shape.dim
    ]
    if not known and given is not None:
        declared = [None] * len(given)
    if given is not None:
        fits = len(given) == len(declared) and all(
            size is None or want is None or size == want
            for size, want in zip(declared[1:], given[1:], strict=True)
        )
        if not fits:
            raise GradientError(
                f"{where}: the input {info.name!r} takes the shape {_shown(declared)}; given {_shown(given)}",
                "Give a size for every axis that the model leaves free, and its own size for every other.",
            )
        declared = [declared[0], *(given[1:])] if declared else []
    same = [bool(batch) and each.dim_param == batch for each in kind.shape.dim]
    loose = [at for at, size in enumerate(declared) if at and size is None and same[at : at + 1] != [True]]
    if loose or (not known and given is None):
        shown = _shown(declared) if known or given is not None else "?"
        raise GradientError(
            f"{where}: the input {info.name!r} has the shape {shown}, of which only the first axis may stay "
            "free in a gradient graph; expected a size for every other",
            f"Give them: --input-shape {info.name}={_example(declared)} "
            f"(in Python input_shape={{{info.name!r}: (1, ...)}})",
        )
    return tuple(declared)


def _example(shape: Sequence[int | None]) -> str:
    """A shape as the option takes it: sizes that are to be chosen are letters."""
    if not shape:
        return "1,3,224,224"
    return ",".join("N" if not at else "SIZE" if size is None else str(size) for at, size in enumerate(shape))


def _shown(shape: Sequence[int | None]) -> str:
    return "(" + ", ".join("?" if size is None else str(size) for size in shape) + ")"


def learn_input(known: Known, info: ValueInfoProto, shape: Shape, free: bool) -> None:
    """Write the shape of an input into the graph, and what it means for its kind."""
    from onnx import TensorProto, helper

    element = info.type.tensor_type.elem_type
    name = next((each.dim_param for each in info.type.tensor_type.shape.dim[:1] if each.dim_param), BATCH)
    loose = [size is None or (free and at == 0) for at, size in enumerate(shape)]
    dimensions = [name if loose[at] else size for at, size in enumerate(shape)]
    info.type.CopyFrom(helper.make_tensor_type_proto(element, dimensions))
    if element in (TensorProto.UNDEFINED, TensorProto.STRING):
        return
    sizes = tuple(
        tuple(batch if loose[at] else int(size or 0) for at, size in enumerate(shape)) for batch in BATCHES
    )
    known.kinds[info.name] = Kind(np.dtype(helper.tensor_dtype_to_np_dtype(element)), sizes)
