"""Whether a graph that declares one batch size would do the same for any."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from inspector.gradients.kinds import BATCHES, Kind, Known
from inspector.gradients.picked_samples import picks_samples

if TYPE_CHECKING:
    from onnx import NodeProto

    from inspector.gradients.forward import Forward


def free_batch(forward: Forward, node: NodeProto, declared: int | None) -> None:
    """Let a Reshape whose constant shape spells out the batch take the batch that it is given.

    It is known to be the batch when the value begins with the free axis and the other sizes multiply to the
    same number: the numbers of one sample then stay together.
    """
    from onnx import numpy_helper

    known = forward.known
    kind, numbers = known.kinds.get(node.input[0]), known.numbers.get(node.input[1])
    if kind is None or numbers is None or not np.array_equal(numbers[0], numbers[1]) or not kind.sizes[0]:
        return
    target = [int(size) for size in numbers[0]]
    sample = kind.sizes[0][1:]
    is_batch = kind.sizes[0][0] != kind.sizes[1][0] and sample == kind.sizes[1][1:]
    if not is_batch or not target or 0 in target:
        return
    # Where any batch is declared, a number in its place stands for the batch of the export.
    if target[0] != (1 if declared is None else declared) and (declared is not None or -1 in target):
        return
    if -1 not in target[1:] and math.prod(target[1:]) != math.prod(sample):
        return
    if any(attribute.name == "allowzero" and attribute.i for attribute in node.attribute):
        return
    name = f"{node.input[1]}/any_batch"
    if name not in forward.weights:
        array = np.array([0, *target[1:]], np.int64)
        forward.weights[name] = numpy_helper.from_array(array, name)
        known.kinds[name] = Kind(array.dtype, (array.shape,) * len(BATCHES))
        known.numbers[name] = (array,) * len(BATCHES)
        forward.names.add(name)
    node.input[1] = name


def keeps_count(known: Known, node: NodeProto) -> bool:
    """Whether a Reshape makes as many numbers as it is given at each batch size; inference does not look."""
    before, after = known.kinds.get(node.input[0]), known.kinds.get(node.output[0])
    return (
        before is None
        or after is None
        or all(
            math.prod(given) == math.prod(made) for given, made in zip(before.sizes, after.sizes, strict=True)
        )
    )


def spells_batch(known: Known, node: NodeProto) -> bool:
    """Whether a node writes out, drops or picks from the axis that a free batch would have more of."""
    if picks_samples(known, node):
        return True
    kind = known.kinds.get(node.input[0]) if node.input else None
    if kind is None or not kind.shape or kind.shape[0] is not None:
        return False
    if node.op_type == "Squeeze":
        return len(node.input) < 2 or not node.input[1]
    if node.op_type == "Resize" and len(node.input) > 3 and node.input[3]:
        return not any(attribute.name == "axes" and 0 not in attribute.ints for attribute in node.attribute)
    return False


def loses_batch(known: Known, value: str, declared: int) -> bool:
    """Whether a value begins with as many as the declared batch has, however many samples there are."""
    kind = known.kinds.get(value)
    return kind is not None and None not in kind.shape and kind.shape[:1] == (declared,)
