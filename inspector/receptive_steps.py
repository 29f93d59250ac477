"""What one position of a node's output sees of the node's input, along each axis of space."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias

from inspector.constants import NotConstantError, constant
from inspector.layers.shapes import Shapes

if TYPE_CHECKING:
    from inspector.constants.arguments import Array
    from inspector.onnxfile import Graph, Node

WINDOWS = {"Conv", "MaxPool", "AveragePool", "LpPool", "QLinearConv", "ConvInteger"}
_ENDLESS = 2**31


@dataclass(frozen=True)
class Step:
    """Positions first to last of one value see those from ⌈first · stride + begin⌉ to ⌊last · stride + end⌋.

    Attributes:
        stride: How far apart neighbours look; less than 1 behind enlarging, 0 where one position is spread.
        begin: Where what position 0 sees begins.
        end: The last that it sees.
        length: How many positions there are to be seen, where what lies outside is taken from the edge.
    """

    stride: Fraction = Fraction(1)
    begin: Fraction = Fraction(0)
    end: Fraction = Fraction(0)
    length: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether nothing is ever rounded."""
        parts = self.stride.denominator, self.begin.denominator, self.end.denominator
        return self.length is None and parts == (1, 1, 1)

    @property
    def size(self) -> int:
        """How many positions are seen, where nothing is rounded."""
        return int(self.end - self.begin) + 1

    def __call__(self, first: int, last: int) -> tuple[int, int]:
        """What a run of positions sees."""
        seen = math.ceil(first * self.stride + self.begin), math.floor(last * self.stride + self.end)
        if self.length is None:
            return seen
        return min(max(seen[0], 0), self.length - 1), min(max(seen[1], 0), self.length - 1)

    def then(self, before: Step) -> Step | None:
        """This step and the one before it as a single one; None where two roundings are not one."""
        shifts = before.stride == 1 and before.is_whole and self.length is None
        if not self.is_whole and not shifts:
            return None
        return Step(
            self.stride * before.stride,
            self.begin * before.stride + before.begin,
            self.end * before.stride + before.end,
            before.length,
        )


Steps: TypeAlias = tuple[Step, Step]
"""Down, and to the right."""


def shifted(by: int, stride: int = 1) -> Step:
    """The step to position i · stride + by."""
    return Step(Fraction(stride), Fraction(by), Fraction(by))


ONE_FOR_ALL = Step(Fraction(0))


def steps_of(graph: Graph, shapes: Shapes, node: Node, axes: str) -> Steps | None:
    """Say what a node's positions see of its first input.

    Args:
        graph: The graph.
        shapes: Shapes of its values.
        node: A node of one input that has axes of space, all others being constants.
        axes: A letter for each axis of its output.

    Returns:
        A step down and one to the right; None where the node is unknown or does not tell.
    """
    if node.op_type in WINDOWS:
        return _windows(shapes, node)
    try:
        found = _STEPS[node.op_type](graph, shapes, node, axes) if node.op_type in _STEPS else None
    except NotConstantError:
        return None
    return found


def _windows(shapes: Shapes, node: Node) -> Steps | None:
    """A convolution or a pooling of two dimensions."""
    sizes = numbers(node, "kernel_shape") or _kernel_sizes(shapes, node)
    if sizes is None or len(sizes) != 2:
        return None
    strides, dilations = numbers(node, "strides") or (1, 1), numbers(node, "dilations") or (1, 1)
    pads = _pads(shapes, node, sizes, strides, dilations)
    if pads is None:
        return None
    down, right = (
        Step(Fraction(stride), Fraction(-pad), Fraction((size - 1) * dilation - pad))
        for size, stride, dilation, pad in zip(sizes, strides, dilations, pads, strict=True)
    )
    return down, right


def _pads(
    shapes: Shapes, node: Node, sizes: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> tuple[int, ...] | None:
    """How many pixels are put before each axis."""
    how = node.attributes.get("auto_pad", "NOTSET")
    if how in ("NOTSET", ""):
        return (numbers(node, "pads") or (0, 0, 0, 0))[:2]
    if how == "VALID":
        return 0, 0
    shape = shapes.get(node.inputs[0])
    if shape is None or len(shape) != 4:
        return None
    pads = []
    for length, size, stride, dilation in zip(shape[2:], sizes, strides, dilations, strict=True):
        if not isinstance(length, int):
            return None
        made = -(-length // stride)
        total = max(0, (made - 1) * stride + (size - 1) * dilation + 1 - length)
        pads.append(total // 2 if how == "SAME_UPPER" else -(-total // 2))
    return tuple(pads)


def _kernel_sizes(shapes: Shapes, node: Node) -> tuple[int, ...] | None:
    at = 3 if node.op_type == "QLinearConv" else 1
    shape = shapes.get(node.inputs[at]) if len(node.inputs) > at else None
    sizes = shape[2:] if shape else ()
    known = tuple(size for size in sizes if isinstance(size, int))
    return known if known and len(known) == len(sizes) else None


def _transposed(graph: Graph, shapes: Shapes, node: Node, axes: str) -> Steps | None:
    """Position o is made of those i for which o + pad − i · stride lies within the kernel."""
    sizes = numbers(node, "kernel_shape") or _kernel_sizes(shapes, node)
    how = node.attributes.get("auto_pad", "NOTSET")
    if sizes is None or len(sizes) != 2 or numbers(node, "output_shape"):
        return None
    strides, dilations = numbers(node, "strides") or (1, 1), numbers(node, "dilations") or (1, 1)
    given, more = numbers(node, "pads") or (0, 0, 0, 0), numbers(node, "output_padding") or (0, 0)
    steps = []
    for at, (size, stride, dilation) in enumerate(zip(sizes, strides, dilations, strict=True)):
        reach = (size - 1) * dilation
        total = max(0, reach + 1 - stride + more[at])
        same = {"SAME_UPPER": total // 2, "SAME_LOWER": total - total // 2, "VALID": 0}
        pad = same[str(how)] if how in same else given[at]
        steps.append(Step(Fraction(1, stride), Fraction(pad - reach, stride), Fraction(pad, stride)))
    return steps[0], steps[1]


def _to_space(graph: Graph, shapes: Shapes, node: Node, axes: str) -> Steps:
    block = _integer(node, "blocksize", 1)
    step = _floor(Fraction(1, block), Fraction(0))
    return step, step


def _to_depth(graph: Graph, shapes: Shapes, node: Node, axes: str) -> Steps:
    block = _integer(node, "blocksize", 1)
    step = Step(Fraction(block), Fraction(0), Fraction(block - 1))
    return step, step


def _padded(graph: Graph, shapes: Shapes, node: Node, axes: str) -> Steps | None:
    pads = [int(n) for n in constant(graph, node.inputs[1])] if len(node.inputs) > 1 else None
    pads = pads or list(numbers(node, "pads"))
    if len(pads) != 8:
        return None
    return shifted(-pads[axes.index("H")]), shifted(-pads[axes.index("W")])


def _sliced(graph: Graph, shapes: Shapes, node: Node, axes: str) -> Steps | None:
    """A part of some axes; those of batch and channels do not matter here."""
    given = [_vector(graph, node, at) for at in range(1, 5)]
    starts = given[0] if given[0] is not None else numbers(node, "starts")
    where = given[2] if given[2] is not None else numbers(node, "axes") or tuple(range(len(starts)))
    strides = given[3] if given[3] is not None else (1,) * len(starts)
    shape = shapes.get(node.inputs[0])
    found = {"H": Step(), "W": Step()}
    for start, axis, stride in zip(starts, where, strides, strict=True):
        letter = axes[axis]
        if letter not in found:
            continue
        length = shape[axis] if shape is not None else None
        if stride < 0 or ((start < 0 or start >= _ENDLESS) and not isinstance(length, int)):
            return None
        if isinstance(length, int):
            start = max(0, start + length) if start < 0 else min(start, length)
        found[letter] = shifted(start, stride)
    return found["H"], found["W"]


def _split(graph: Graph, shapes: Shapes, node: Node, axes: str) -> Steps | None:
    return (Step(), Step()) if axes[_integer(node, "axis", 0)] in "NC" else None


def _resized(graph: Graph, shapes: Shapes, node: Node, axes: str) -> Steps | None:
    """Each axis by itself: where a position lies between those of the input, and which of these it takes."""
    given, made = shapes.get(node.inputs[0]), shapes.get(node.outputs[0])
    if node.attributes.get("antialias", 0) or numbers(node, "axes"):
        return None
    scales = _scales(graph, node)
    steps = []
    for letter in "HW":
        axis = axes.index(letter)
        length = given[axis] if given is not None else None
        size = made[axis] if made is not None else None
        whole = isinstance(length, int) and isinstance(size, int)
        if scales is None and not whole:
            return None
        exact = Fraction(size, length) if isinstance(size, int) and isinstance(length, int) else None
        scale = Fraction(float(scales[axis])).limit_denominator(1 << 16) if scales is not None else exact
        assert scale is not None
        line = _coordinates(node, scale, length, size, old=len(node.inputs) < 3)
        taken = None if line is None else _taken(node, *line)
        if taken is None:
            return None
        end = length if isinstance(length, int) else None
        steps.append(Step(taken.stride, taken.begin, taken.end, None if taken == Step() else end))
    return steps[0], steps[1]


def _scales(graph: Graph, node: Node) -> Array | None:
    """How much larger each axis becomes; None where the size that it becomes is given."""
    at = 1 if len(node.inputs) == 2 else 2
    if len(node.inputs) > at and node.inputs[at]:
        scales = constant(graph, node.inputs[at])
        return scales if scales.size else None
    listed = node.attributes.get("scales")
    if isinstance(listed, tuple):
        import numpy as np

        return np.asarray(listed)
    return None


def _coordinates(
    node: Node, scale: Fraction, length: object, size: object, *, old: bool
) -> tuple[Fraction, Fraction] | None:
    """Position i lies at i · the first + the second; ONNX, Resize, coordinate_transformation_mode."""
    how = "asymmetric" if old else node.attributes.get("coordinate_transformation_mode", "half_pixel")
    if how == "asymmetric":
        return 1 / scale, Fraction(0)
    if how == "half_pixel" or (how == "pytorch_half_pixel" and size != 1):
        return 1 / scale, (1 / scale - 1) / 2
    if how == "align_corners" and isinstance(length, int) and isinstance(size, int) and size > 1:
        return Fraction(length - 1, size - 1), Fraction(0)
    return None


def _taken(node: Node, stride: Fraction, at: Fraction) -> Step | None:
    """What is taken for a position that lies at i · stride + at."""
    mode = node.attributes.get("mode", "nearest")
    down, up = _floor(stride, at), _ceiling(stride, at)
    if mode == "linear":
        return Step(stride, down.begin, up.end)
    if mode == "cubic":
        return Step(stride, down.begin - 1, up.end + 1)
    half = Fraction(1, 2)
    old = "floor" if len(node.inputs) < 3 else "round_prefer_floor"
    nearest = {
        "floor": down,
        "ceil": up,
        "round_prefer_floor": _ceiling(stride, at - half),
        "round_prefer_ceil": _floor(stride, at + half),
    }
    return nearest.get(str(node.attributes.get("nearest_mode", old))) if mode == "nearest" else None


def _floor(stride: Fraction, at: Fraction) -> Step:
    """The step to the one position ⌊i · stride + at⌋."""
    parts = math.lcm(stride.denominator, at.denominator)
    return Step(stride, at - Fraction(parts - 1, parts), at)


def _ceiling(stride: Fraction, at: Fraction) -> Step:
    """The step to the one position ⌈i · stride + at⌉."""
    parts = math.lcm(stride.denominator, at.denominator)
    return Step(stride, at, at + Fraction(parts - 1, parts))


def _vector(graph: Graph, node: Node, at: int) -> tuple[int, ...] | None:
    if len(node.inputs) <= at or not node.inputs[at]:
        return None
    return tuple(int(n) for n in constant(graph, node.inputs[at]).reshape(-1))


def _integer(node: Node, name: str, default: int) -> int:
    found = node.attributes.get(name, default)
    return found if isinstance(found, int) else default


def numbers(node: Node, name: str) -> tuple[int, ...]:
    """An attribute that lists whole numbers; empty without it."""
    found = node.attributes.get(name, ())
    return tuple(n for n in found if isinstance(n, int)) if isinstance(found, tuple) else ()


_Told: TypeAlias = "Callable[[Graph, Shapes, Node, str], Steps | None]"
_STEPS: dict[str, _Told] = {
    "ConvTranspose": _transposed,
    "DepthToSpace": _to_space,
    "SpaceToDepth": _to_depth,
    "Pad": _padded,
    "Slice": _sliced,
    "Split": _split,
    "Resize": _resized,
    "Upsample": _resized,
}
