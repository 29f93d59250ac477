"""The part of the input that one position of a value sees, computed from the graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from inspector.axes import axes_of
from inspector.constants import NotConstantError, constant
from inspector.layers.shapes import Shapes
from inspector.onnxfile import in_order

if TYPE_CHECKING:
    from inspector.model import Model
    from inspector.onnxfile import Graph, Node

# Each position of these sees the positions of the same place.
_POINTWISE = {
    *("Relu", "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "ThresholdedRelu", "Sigmoid", "HardSigmoid"),
    *(
        "HardSwish",
        "Tanh",
        "Softplus",
        "Softsign",
        "Gelu",
        "Mish",
        "Swish",
        "Erf",
        "Abs",
        "Neg",
        "Exp",
        "Log",
    ),
    *("Sqrt", "Reciprocal", "Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Sum", "Mean", "Where", "Clip"),
    *("Identity", "Dropout", "Cast", "BatchNormalization", "LRN", "QuantizeLinear", "DequantizeLinear"),
}
_RELAID = {"Reshape", "Squeeze", "Unsqueeze"}
_WINDOWS = {"Conv", "MaxPool", "AveragePool", "LpPool", "QLinearConv", "ConvInteger"}


@dataclass(frozen=True)
class Field:
    """What position i along one axis sees: `size` pixels from `start + i * stride` on.

    Attributes:
        size: In pixels.
        stride: In pixels; a fraction after enlarging.
        start: The first pixel that position 0 sees; negative within padding.
    """

    size: int = 1
    stride: Fraction = Fraction(1)
    start: Fraction = Fraction(0)

    def span(self, position: int) -> tuple[int, int]:
        """The first pixel and the one behind the last that a position sees; padding counts."""
        first = int(self.start + position * self.stride)
        return first, first + self.size


@dataclass(frozen=True)
class ReceptiveField:
    """What one position of a value sees of the picture.

    Attributes:
        height: Down.
        width: To the right.
    """

    height: Field = Field()
    width: Field = Field()

    def box(self, row: int, column: int) -> tuple[int, int, int, int]:
        """Top, left, bottom and right of what a position sees, bottom and right exclusive; padding counts."""
        top, bottom = self.height.span(row)
        left, right = self.width.span(column)
        return top, left, bottom, right


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
        >>> Field(3, Fraction(2), Fraction(-1)).span(4)
        (7, 10)
    """
    graph, shapes = model.graph, Shapes(model.file)
    constants = {*graph.initializers, *graph.sparse_initializers}
    inputs = {each.name for each in graph.inputs} - constants
    found: dict[str, ReceptiveField | None] = {name: ReceptiveField() for name in inputs}
    for node in in_order(graph.nodes)[0]:
        read = [found[name] for name in node.inputs if name in found]
        if not read:
            # Made of constants alone.
            continue
        field = None if any(each is None for each in read) else _through(graph, shapes, node, read)
        found.update(dict.fromkeys(node.outputs, field))
        if value in node.outputs:
            break
    return found.get(value)


def _through(
    graph: Graph, shapes: Shapes, node: Node, read: Sequence[ReceptiveField | None]
) -> ReceptiveField | None:
    """The field of what a node makes."""
    first = read[0]
    assert first is not None
    if node.op_type in _POINTWISE:
        return _union([each for each in read if each is not None])
    if node.op_type == "Transpose" or (node.op_type in _RELAID and _keeps_order(shapes, node)):
        return first
    axes = axes_of(graph, node.outputs[0], 4)
    if axes is None or sorted(axes) != sorted("NCHW"):
        return None
    if node.op_type == "Concat" and axes[_axis(node)] in "NC":
        return _union([each for each in read if each is not None])
    if node.op_type in _WINDOWS:
        return _windows(shapes, node, first)
    if node.op_type == "Pad":
        return _padded(graph, node, first, axes)
    return None


def _keeps_order(shapes: Shapes, node: Node) -> bool:
    """Whether nothing but axes of one element move: a grey picture's channel axis, say."""
    before, after = shapes.get(node.inputs[0]), shapes.get(node.outputs[0])
    if before is None or after is None:
        return False
    sizes = [[size for size in shape[1:] if size != 1] for shape in (before, after)]
    return len(sizes[0]) == 2 and sizes[0] == sizes[1] and all(isinstance(size, int) for size in sizes[0])


def _union(fields: Sequence[ReceptiveField]) -> ReceptiveField | None:
    """What sees all that these see, where their positions lie on one another."""
    heights, widths = _joined([f.height for f in fields]), _joined([f.width for f in fields])
    return ReceptiveField(heights, widths) if heights and widths else None


def _joined(fields: Sequence[Field]) -> Field | None:
    if len({field.stride for field in fields}) > 1:
        return None
    start = min(field.start for field in fields)
    end = max(field.start + field.size for field in fields)
    return Field(-int(-(end - start) // 1), fields[0].stride, start)


def _windows(shapes: Shapes, node: Node, before: ReceptiveField) -> ReceptiveField | None:
    """The field behind a convolution or a pooling of two dimensions."""
    sizes = _numbers(node, "kernel_shape") or _kernel_sizes(shapes, node)
    if sizes is None or len(sizes) != 2:
        return None
    strides, dilations = _numbers(node, "strides") or (1, 1), _numbers(node, "dilations") or (1, 1)
    pads = _pads(shapes, node, sizes, strides, dilations)
    if pads is None:
        return None
    height, width = (
        Field(
            field.size + int((size - 1) * dilation * field.stride),
            field.stride * stride,
            field.start - pad * field.stride,
        )
        for field, size, stride, dilation, pad in zip(
            (before.height, before.width), sizes, strides, dilations, pads, strict=True
        )
    )
    return ReceptiveField(height, width)


def _pads(
    shapes: Shapes, node: Node, sizes: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> tuple[int, ...] | None:
    """How many pixels are put before each axis."""
    how = node.attributes.get("auto_pad", "NOTSET")
    if how in ("NOTSET", ""):
        return (_numbers(node, "pads") or (0, 0, 0, 0))[:2]
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


def _padded(graph: Graph, node: Node, before: ReceptiveField, axes: str) -> ReceptiveField | None:
    try:
        pads = [int(n) for n in constant(graph, node.inputs[1])] if len(node.inputs) > 1 else None
    except NotConstantError:
        return None
    pads = pads or list(_numbers(node, "pads") or ())
    if len(pads) != 8:
        return None
    height, width = (
        Field(field.size, field.stride, field.start - pads[axes.index(letter)] * field.stride)
        for letter, field in (("H", before.height), ("W", before.width))
    )
    return ReceptiveField(height, width)


def _kernel_sizes(shapes: Shapes, node: Node) -> tuple[int, ...] | None:
    at = 3 if node.op_type == "QLinearConv" else 1
    shape = shapes.get(node.inputs[at]) if len(node.inputs) > at else None
    sizes = shape[2:] if shape else ()
    known = tuple(size for size in sizes if isinstance(size, int))
    return known if known and len(known) == len(sizes) else None


def _axis(node: Node) -> int:
    axis = node.attributes.get("axis", 1)
    return axis if isinstance(axis, int) else 1


def _numbers(node: Node, name: str) -> tuple[int, ...]:
    found = node.attributes.get(name, ())
    return tuple(n for n in found if isinstance(n, int)) if isinstance(found, tuple) else ()
