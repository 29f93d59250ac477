"""What convolutions and pooling have in common: strides, padding, and the sizes that come out.

Reference: https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from converters.tensorflow.emit.attributes import integers, text
from converters.tensorflow.emit.emission import Emission
from converters.tensorflow.emit.registry import NoEmitter
from converters.tensorflow.emit.value import CHANNELS_FIRST, Value
from converters.tensorflow.topology import Node

Sizes = tuple[int | None, ...]


@dataclass(frozen=True)
class Window:
    """How a window moves over the spatial axes, one entry for each.

    Attributes:
        kernel: Its size.
        strides: Its step.
        dilations: The distance between two of its places.
        pads: What is added before all axes, then behind all; None where it depends on a size not yet known.
        out: How many places it takes on each axis.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[int, ...] | None
    out: Sizes

    def attributes(self) -> dict[str, object]:
        """As attributes of an ONNX node; what ONNX assumes anyway is left out."""
        found: dict[str, object] = {"kernel_shape": self.kernel}
        if set(self.strides) != {1}:
            found["strides"] = self.strides
        if set(self.dilations) != {1}:
            found["dilations"] = self.dilations
        if self.pads is None:
            found["auto_pad"] = "SAME_UPPER"
        elif any(self.pads):
            found["pads"] = self.pads
        return found


def window(
    node: Node,
    spatial: Sizes,
    kernel: tuple[int, ...],
    *,
    dilated: bool = True,
    strides: tuple[int, ...] | None = None,
    before: tuple[int, ...] | None = None,
) -> Window:
    """Work out the window of a convolution or pooling.

    Args:
        node: It has the attributes strides, padding, explicit_paddings, dilations, data_format.
        spatial: The sizes of the input's spatial axes.
        kernel: The window's size on each of them.
        dilated: Whether the op has dilations at all.
        strides: Its steps, when they are no attribute.
        before: Zeros that are added already, in the order of `Window.pads`; not together with SAME.
    """
    axes = spatial_axes(node, len(kernel) + 2)
    strides = spread(node, "strides", axes) if strides is None else strides
    dilations = spread(node, "dilations", axes) if dilated else (1,) * len(kernel)
    reach = tuple((size - 1) * step + 1 for size, step in zip(kernel, dilations, strict=True))
    padding = text(node, "padding", "VALID")
    if padding == "EXPLICIT":
        given = integers(node, "explicit_paddings")
        pads = (*(given[2 * axis] for axis in axes), *(given[2 * axis + 1] for axis in axes))
    elif padding == "SAME":
        return _same(spatial, kernel, strides, dilations, reach)
    elif padding == "VALID":
        pads = (0,) * (2 * len(kernel))
    else:
        raise NoEmitter(node, f"its padding {padding!r} is not known")
    count = len(kernel)
    if before is not None:
        pads = tuple(own + more for own, more in zip(pads, before, strict=True))
    out = tuple(
        None if size is None else max(0, (size + pads[i] + pads[count + i] - reach[i]) // strides[i] + 1)
        for i, size in enumerate(spatial)
    )
    return Window(kernel, strides, dilations, pads, out)


def same_pads(size: int, reach: int, stride: int) -> tuple[int, int]:
    """What SAME adds before and behind an axis.

    Example:
        >>> same_pads(7, 3, 2), same_pads(8, 3, 2)
        ((1, 1), (0, 1))
    """
    total = max(0, (-(-size // stride) - 1) * stride + reach - size)
    return total // 2, total - total // 2


def _same(
    spatial: Sizes,
    kernel: tuple[int, ...],
    strides: tuple[int, ...],
    dilations: tuple[int, ...],
    reach: tuple[int, ...],
) -> Window:
    """With SAME there are as many places as the stride allows, and the excess of padding goes behind."""
    out = tuple(None if n is None else -(-n // step) for n, step in zip(spatial, strides, strict=True))
    both: list[tuple[int, int]] = []
    for size, far, step in zip(spatial, reach, strides, strict=True):
        # At stride 1 the padding is the same whatever the size.
        if size is None and step != 1 and far > 1:
            return Window(kernel, strides, dilations, None, out)
        both.append(same_pads(size or 1, far, step) if size or step == 1 else (0, 0))
    pads = (*(before for before, _ in both), *(behind for _, behind in both))
    return Window(kernel, strides, dilations, pads, out)


def spatial_axes(node: Node, rank: int) -> tuple[int, ...]:
    """The spatial axes of a node's data format."""
    first = 2 if channels_lead(node) else 1
    return tuple(range(first, first + rank - 2))


def channels_lead(node: Node) -> bool:
    """Whether the node's own data has the channels on the second axis: NCHW, NCDHW."""
    found = text(node, "data_format", "NHWC")
    if found not in ("NHWC", "NDHWC", "NWC", "NCHW", "NCDHW", "NCW"):
        raise NoEmitter(node, f"its data format {found!r} is not known")
    return found.startswith("NC")


def spread(node: Node, name: str, axes: tuple[int, ...]) -> tuple[int, ...]:
    """A list attribute with an entry for each of the data's axes, at these axes; ones when it is absent."""
    return given_at(node, name, integers(node, name, (1,) * (len(axes) + 2)), axes)


def given_at(node: Node, name: str, given: Sequence[int], axes: tuple[int, ...]) -> tuple[int, ...]:
    """The entries of a list at the spatial axes; the others must be one."""
    if any(step != 1 for axis, step in enumerate(given) if axis not in axes):
        raise NoEmitter(node, f"its {name} go over samples or channels")
    return tuple(given[axis] for axis in axes)


def as_channels_first(to: Emission, node: Node, value: Value) -> Value:
    """A node's data with the channels on the second axis of the ONNX tensor.

    Data that has them there in TensorFlow too is seen as channels last, lying channels first.
    """
    if value.rank is None:
        raise NoEmitter(node, "the rank of its input is not known")
    if not channels_lead(node):
        return to.channels_first(value)
    plain = to.plain(value)
    shape = plain.shape or ()
    if plain.constant is not None:
        raise NoEmitter(node, "its input is a constant")
    return Value(plain.name, plain.dtype, (shape[0], *shape[2:], shape[1]), CHANNELS_FIRST)


def as_declared(node: Node, value: Value) -> Value:
    """What a node made of such data, as its data format has it: the inverse of `as_channels_first`."""
    if not channels_lead(node):
        return value
    return Value(value.name, value.dtype, value.physical)
