"""The part of the input that one position of a value sees, computed from the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import reduce
from typing import TYPE_CHECKING

from inspector.axes import axes_of
from inspector.layers.operators import ELEMENTWISE
from inspector.layers.shapes import Shapes
from inspector.onnxfile import in_order
from inspector.receptive_steps import ONE_FOR_ALL, Step, Steps, numbers, steps_of

if TYPE_CHECKING:
    from inspector.model import Model
    from inspector.onnxfile import Graph, Node

# Each position of these sees the positions of the same place.
_POINTWISE = ELEMENTWISE | {
    *("Identity", "Dropout", "Cast", "BatchNormalization", "LRN", "QuantizeLinear", "DequantizeLinear"),
}
_RELAID = {"Reshape", "Squeeze", "Unsqueeze"}
_SIZES = {"Shape", "Size"}
# More ways to the picture than these are not followed.
_MOST_WAYS = 64


@dataclass(frozen=True)
class Field:
    """What the positions along one axis see.

    Attributes:
        ways: Each way through the network as its steps, the last one being that to the picture. What a
            position sees is what it sees on any of them.
    """

    ways: tuple[tuple[Step, ...], ...] = ((Step(),),)

    def span(self, position: int) -> tuple[int, int]:
        """The first pixel and the one behind the last that a position sees; padding counts."""
        spans = [_followed(way, position) for way in self.ways]
        first = min(span[0] for span in spans)
        # Where a kernel is narrower than its stride, positions between see no pixel.
        return first, max(first, *(span[1] for span in spans)) + 1

    @property
    def line(self) -> Step | None:
        """The one step from a position to the picture, where all positions see equally many pixels."""
        only = self.ways[0][0]
        return only if len(self.ways) == len(self.ways[0]) == 1 and only.is_whole and only.stride else None

    def behind(self, step: Step) -> Field:
        """The field of what sees this through one more step."""
        ways = []
        for first, *others in self.ways:
            both = step.then(first)
            ways.append((step, first, *others) if both is None else (both, *others))
        return Field(tuple(ways))

    def beside(self, other: Field) -> Field:
        """What is seen by either; positions lie on one another."""
        joined: dict[tuple[Fraction, int | None, tuple[Step, ...]], Step] = {}
        for step, *others in (*self.ways, *other.ways):
            key = step.stride, step.length, tuple(others)
            old = joined.get(key, step)
            joined[key] = replace(step, begin=min(old.begin, step.begin), end=max(old.end, step.end))
        return Field(tuple((step, *others) for (_, _, others), step in joined.items()))


def _followed(way: Sequence[Step], position: int) -> tuple[int, int]:
    seen = position, position
    for step in way:
        seen = step(*seen)
    return seen


@dataclass(frozen=True)
class ReceptiveField:
    """What one position of a value sees of the picture.

    Attributes:
        height: What a row sees.
        width: What a column sees.
        turned: Whether rows see columns of the picture, and columns rows.
    """

    height: Field = Field()
    width: Field = Field()
    turned: bool = False

    def box(self, row: int, column: int) -> tuple[int, int, int, int]:
        """Top, left, bottom and right of what a position sees, bottom and right exclusive; padding counts."""
        (top, bottom), (left, right) = self.height.span(row), self.width.span(column)
        return (left, top, right, bottom) if self.turned else (top, left, bottom, right)

    def behind(self, steps: Steps) -> ReceptiveField:
        """The field of what sees this through one more step along each axis."""
        return ReceptiveField(self.height.behind(steps[0]), self.width.behind(steps[1]), self.turned)

    def other_way_round(self) -> ReceptiveField:
        """The same with rows for columns."""
        return ReceptiveField(self.width, self.height, not self.turned)


def receptive_field(model: Model, value: str) -> ReceptiveField | None:
    """Compute the receptive field of a value.

    Args:
        model: The opened model.
        value: A value of its graph.

    Returns:
        The field; None when a position sees everything (behind a dense layer, a global pooling or a
        normalization over space) or the graph does not tell.

    Reference:
        Araujo, Norris, Sim: Computing receptive fields of convolutional neural networks, Distill 2019.

    Example:
        >>> window = Step(stride=Fraction(2), begin=Fraction(-1), end=Fraction(1))
        >>> Field().behind(window).span(4)
        (7, 10)
    """
    graph, shapes = model.graph, Shapes(model.file)
    constants = {*graph.initializers, *graph.sparse_initializers}
    inputs = {each.name for each in graph.inputs} - constants
    found: dict[str, ReceptiveField | None] = {name: ReceptiveField() for name in inputs}
    for node in in_order(graph.nodes)[0]:
        read = {name: found[name] for name in node.inputs if name in found}
        if not read or node.op_type in _SIZES:
            # Made of constants and sizes alone.
            continue
        known = {name: field for name, field in read.items() if field is not None}
        field = _through(graph, shapes, node, known) if len(known) == len(read) else None
        found.update(dict.fromkeys(node.outputs, field))
        if value in node.outputs:
            break
    return found.get(value)


def _through(
    graph: Graph, shapes: Shapes, node: Node, read: Mapping[str, ReceptiveField]
) -> ReceptiveField | None:
    """The field of what a node makes."""
    first = next(iter(read.values()))
    if node.op_type in _RELAID:
        return first if _keeps_order(shapes, node) else None
    if node.op_type == "Transpose":
        return first if _moves_letters(node) else None
    axes = axes_of(graph, node.outputs[0], 4)
    if axes is None or sorted(axes) != sorted("NCHW"):
        return first if node.op_type in _POINTWISE and len(read) == 1 else None
    facing = {name: _facing(graph, axes, name, field) for name, field in read.items()}
    if node.op_type in _POINTWISE or (node.op_type == "Concat" and axes[_axis(node)] in "NC"):
        return _beside([_spread(shapes, node, axes, name, field) for name, field in facing.items()])
    steps = steps_of(graph, shapes, node, axes) if len(read) == 1 else None
    return next(iter(facing.values())).behind(steps) if steps else None


def _beside(fields: Sequence[ReceptiveField]) -> ReceptiveField | None:
    """What sees all that these see, where their positions lie on one another."""
    if len({field.turned for field in fields}) > 1:
        return None
    height, width = (
        reduce(Field.beside, each) for each in zip(*((f.height, f.width) for f in fields), strict=True)
    )
    few = max(len(height.ways), len(width.ways)) <= _MOST_WAYS
    return ReceptiveField(height, width, fields[0].turned) if few else None


def _facing(graph: Graph, axes: str, name: str, field: ReceptiveField) -> ReceptiveField:
    """The field of an input with rows for columns where the node takes its rows for columns."""
    own = axes_of(graph, name, 4)
    if own is None or sorted(own) != sorted(axes):
        return field
    alike = (own.index("H") < own.index("W")) == (axes.index("H") < axes.index("W"))
    return field if alike else field.other_way_round()


def _spread(shapes: Shapes, node: Node, axes: str, name: str, field: ReceptiveField) -> ReceptiveField:
    """The field of an input as the node broadcasts it: a single row or column stands for all."""
    given = shapes.get(name)
    if given is None or len(given) > 4:
        return field
    sizes = (*(1,) * (4 - len(given)), *given)
    made = shapes.get(node.outputs[0]) or (None,) * 4
    steps = [ONE_FOR_ALL if sizes[at] == 1 and made[at] != 1 else Step() for at in map(axes.index, "HW")]
    return field.behind((steps[0], steps[1]))


def _moves_letters(node: Node) -> bool:
    """Whether `axes_of` tells where the axes of a transposed value went."""
    perm = numbers(node, "perm")
    return len(perm) == 4 or (bool(perm) and list(perm) == sorted(perm))


def _keeps_order(shapes: Shapes, node: Node) -> bool:
    """Whether nothing but axes of one element move: a grey picture's channel axis, say."""
    before, after = shapes.get(node.inputs[0]), shapes.get(node.outputs[0])
    if before is None or after is None:
        return False
    sizes = [[size for size in shape[1:] if size != 1] for shape in (before, after)]
    return len(sizes[0]) == 2 and sizes[0] == sizes[1] and all(isinstance(size, int) for size in sizes[0])


def _axis(node: Node) -> int:
    axis = node.attributes.get("axis", 1)
    return axis if isinstance(axis, int) else 1
