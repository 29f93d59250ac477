"""Indices and bounds along the batch: those of the declared size leave out the samples of a larger batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inspector.gradients.kinds import Known

if TYPE_CHECKING:
    from onnx import NodeProto

# More samples than a bound is ever written for; "to the end" is the greatest int32 or int64.
_LONG = 2**30


def picks_samples(known: Known, node: NodeProto) -> bool:
    """Whether a node picks or replaces parts of a free batch by places that do not go with its size."""
    if node.domain or any(name and name not in known.kinds for name in node.input):
        return False
    if node.op_type == "Slice":
        return _cuts(known, node)
    if node.op_type == "Gather":
        axis = _axis(known, node, "axis")
        return axis in _free(known, node, 0) and not _follows(known, node.input[1])
    if node.op_type in ("GatherElements", "ScatterElements"):
        return _picks_elements(known, node)
    return node.op_type in ("GatherND", "ScatterND") and _picks_parts(known, node)


def _cuts(known: Known, node: NodeProto) -> bool:
    """Whether a Slice takes less than all of a free axis."""
    free = _free(known, node, 0)
    names = [name for name in node.input[1:] if name]
    if not free or any(_follows(known, name) for name in names):
        return False
    if any(name not in known.numbers for name in names):
        return True
    given = [*node.input[1:], "", ""][:4]
    starts, ends, axes, steps = (known.numbers[name][0].tolist() if name else None for name in given)
    count, rank = len(starts or ()), len(known.kinds[node.input[0]].shape)
    cuts = zip(starts or (), ends or (), axes or range(count), steps or [1] * count, strict=True)
    return any(
        axis % rank in free and len(range(_LONG)[start:end:step]) != _LONG for start, end, axis, step in cuts
    )


def _picks_elements(known: Known, node: NodeProto) -> bool:
    """Along its axis, or because the indices have not as many samples as what they are for."""
    axis = _axis(known, node, "axis")
    data = _free(known, node, 0)
    if axis in data:
        return not _follows(known, node.input[1])
    others = [_free(known, node, at) - {axis} for at in range(1, len(node.input))]
    return any(each != data for each in others)


def _picks_parts(known: Known, node: NodeProto) -> bool:
    """Along the axes that each row of indices names, or because there are not as many rows as samples."""
    shared = _axis(known, node, "batch_dims")
    shape = known.kinds[node.input[1]].shape
    behind = shared + (shape[-1] or 0)
    data, rows = _free(known, node, 0), _free(known, node, 1)
    if any(shared <= axis < behind for axis in data) and not _follows(known, node.input[1]):
        return True
    if {axis for axis in data if axis < shared} != {axis for axis in rows if axis < shared}:
        return True
    if node.op_type == "GatherND":
        return False
    kept = {axis - behind + len(shape) - 1 for axis in data if axis >= behind}
    return _free(known, node, 2) != kept | (rows - {len(shape) - 1})


def _axis(known: Known, node: NodeProto, name: str) -> int:
    """An attribute that is an axis of the first input, or a count of axes."""
    found = next((each.i for each in node.attribute if each.name == name), 0)
    return int(found % max(len(known.kinds[node.input[0]].shape), 1))


def _free(known: Known, node: NodeProto, at: int) -> set[int]:
    """The axes of an input that go with the batch."""
    return {axis for axis, size in enumerate(known.kinds[node.input[at]].shape) if size is None}


def _follows(known: Known, name: str) -> bool:
    """Whether whole numbers are known to go with the batch."""
    numbers = known.numbers.get(name)
    return numbers is not None and not np.array_equal(numbers[0], numbers[1])
