"""A model cut down to what one position of a value sees, checked against the whole."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from inspector.errors import RunError
from inspector.gradients.names import reads
from inspector.receptive_field import ReceptiveField
from inspector.receptive_steps import Step
from inspector.visualize.head import Head, sized
from inspector.visualize.pixels import Floats

if TYPE_CHECKING:
    from onnx import ModelProto

_PADDING = {"Conv", "MaxPool", "AveragePool", "LpPool"}
# How equal a patch must be to the same place of a whole picture.
_CLOSE = 1e-3


@dataclass(frozen=True)
class _Side:
    """One side of a patch: its length, the position that counts, and where what that sees begins."""

    length: int
    place: int = 0
    corner: int = 0


def patch_of(whole: Head, field: ReceptiveField, tensor: Floats, array: Floats) -> Head | None:
    """Cut the pictures of a head down to what one position sees.

    Args:
        whole: The head on whole pictures.
        field: What a position of its value sees.
        tensor: float32 (1, channels, height, width), the model's numbers for a picture.
        array: What the value is for it.

    Returns:
        The head on patches; None where a patch would be no smaller, or does not give what the whole gives.
    """
    if sorted(whole.axes) != sorted("NCHW"):
        return None
    # Where all goes one way, padding can be taken off, and a patch gives a single position.
    chain = _is_chain(whole.proto, whole.input)
    lines = field.height.line, field.width.line
    if field.turned or lines[0] is None or lines[1] is None:
        return None
    sides = [_Side(each.size) if chain else _within_padding(each) for each in lines if each is not None]
    size = sides[0].length, sides[1].length
    if size == whole.size or any(part > full for part, full in zip(size, whole.size, strict=True)):
        return None
    proto = sized(whole.proto, whole.axes, tensor.shape[1], size)
    if chain:
        _unpad(proto)
    patch = replace(whole, proto=proto, size=size, place=(sides[0].place, sides[1].place), patch=True)
    return patch if _gives_the_same(patch, field, sides, tensor, array) else None


def _within_padding(line: Step) -> _Side:
    """The side of a patch of which the first position that sees no padding counts."""
    place = max(0, math.ceil(-line.begin / line.stride))
    corner = int(line.begin + place * line.stride)
    return _Side(corner + line.size, place, corner)


def _is_chain(model: ModelProto, start: str) -> bool:
    """Whether every node reads one value at most that depends on the picture."""
    varying = {start}
    for node in model.graph.node:
        count = sum(name in varying for name in reads(node))
        if count > 1:
            return False
        if count:
            varying.update(node.output)
    return True


def _unpad(model: ModelProto) -> None:
    """Take the padding off, in place."""
    for node in model.graph.node:
        if node.op_type in _PADDING:
            kept = [each for each in node.attribute if each.name not in ("pads", "auto_pad")]
            del node.attribute[:]
            node.attribute.extend(kept)
        elif node.op_type == "Pad":
            node.op_type = "Identity"
            del node.attribute[:], node.input[1:]


def _gives_the_same(
    patch: Head, field: ReceptiveField, sides: list[_Side], tensor: Floats, array: Floats
) -> bool:
    """Whether a position of the whole picture comes out as from its patch alone."""
    from inspector.onnxfile.memory import open_bytes
    from inspector.session import Session

    where = _inner_position(patch, field, sides, tensor, array)
    if where is None:
        return False
    row, column = where
    top, left, _, _ = field.box(row, column)
    y, x = top - sides[0].corner, left - sides[1].corner
    part = tensor[:, :, y : y + patch.size[0], x : x + patch.size[1]]
    session = Session(open_bytes(patch.proto.SerializeToString(), "a patch"))
    declared = session.inputs[0].shape
    count = declared[0] if declared and isinstance(declared[0], int) else 1
    try:
        made = session.run({patch.input: np.repeat(patch.feed(part), count, axis=0)})[patch.value]
    except RunError:
        return False
    if made.ndim != array.ndim:
        return False
    mine, true = (_rows_first(each, patch.value_axes) for each in (made, array))
    if mine.shape[2] <= sides[0].place or mine.shape[3] <= sides[1].place:
        return False
    reach = float(np.abs(array).max()) or 1.0
    found, expected = mine[0, :, sides[0].place, sides[1].place], true[0, :, row, column]
    return bool(np.allclose(found, expected, rtol=_CLOSE, atol=_CLOSE * reach))


def _inner_position(
    patch: Head, field: ReceptiveField, sides: list[_Side], tensor: Floats, array: Floats
) -> tuple[int, int] | None:
    """The first position of the whole whose patch lies within the picture."""
    counts = _rows_first(array, patch.value_axes).shape[2:]
    found = []
    for axis, (side, along) in enumerate(zip(sides, (field.height, field.width), strict=True)):
        fits = (
            at
            for at in range(counts[axis])
            if 0 <= along.span(at)[0] - side.corner <= tensor.shape[2 + axis] - side.length
        )
        found.append(next(fits, None))
    row, column = found
    return None if row is None or column is None else (row, column)


def _rows_first(array: NDArray[np.generic], axes: str) -> NDArray[np.generic]:
    return array.transpose([axes.index(letter) for letter in "NCHW"])
