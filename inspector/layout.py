"""The one place that guesses which axis of a model's input is what."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from inspector.choices import Channels
from inspector.errors import ImageError, OptionError
from inspector.onnxfile.source import AGAIN, quoted

if TYPE_CHECKING:
    from inspector.onnxfile.graph import Dimension, Value
    from inspector.onnxfile.model_file import OnnxFile

_FEED = "Run it from Python, which takes any input: inspector.session.Session(model.file).run({...})."

Axes: TypeAlias = Literal["NCHW", "NHWC", "NHW", "CHW", "HWC", "NF"]


@dataclass(frozen=True)
class Layout:
    """How a picture lies in an input tensor.

    Attributes:
        axes: One letter per axis: N batch, C channel, H height, W width, F all of them flattened.
        channels: 1 or 3.
        height: In pixels; None when the model takes any.
        width: In pixels; None when the model takes any.
        batch: The number of pictures that one run takes; None when it takes any.
    """

    axes: Axes
    channels: int
    height: int | None
    width: int | None
    batch: int | None


def layout_of(value: Value, channels: Channels | None = None, *, where: str = "") -> Layout:
    """Tell the axes of an input that takes pictures.

    With four axes, channels are last when the last axis is 1 or 3, and second when the second is. With
    three, the missing axis is the batch or the channel of a grey picture. Two axes are flattened square grey
    pictures, which only `channels="gray"` tells from any other list of numbers.

    Args:
        value: The input as declared.
        channels: What is known of the channels, if anything.
        where: The model's path, for messages.

    Raises:
        ImageError: The input's shape is not that of pictures, or can be read in two ways.
        OptionError: The shape has another number of channels than `channels`.
    """
    shape, subject = value.shape, input_name(value, where)
    if shape is None:
        raise ImageError(f"{subject} does not declare its shape; expected that of pictures", _FEED)
    subject = f"{subject} has the shape {show(shape)}"
    sizes = tuple(size if isinstance(size, int) else None for size in shape)
    if any(size is not None and size < 1 for size in sizes):
        raise ImageError(f"{subject}; expected positive sizes", AGAIN)
    found = _candidates(sizes, channels)
    if not found and len(sizes) == 2 and channels != "gray" and _square(sizes[1]):
        raise ImageError(
            f"{subject}, which may be flattened grey pictures; expected a declaration that it is",
            "Add --channels gray, or set it with inspector annotate.",
        )
    if not found:
        raise ImageError(
            f"{subject}; expected pictures: (batch, height, width, channels) or "
            "(batch, channels, height, width) with 1 or 3 channels",
            _FEED,
        )
    if len(found) > 1:
        names = " or ".join(layout.axes for layout in found)
        raise ImageError(f"{subject}, which may be {names}; expected one", _FEED)
    layout = found[0]
    wanted = None if channels is None else 1 if channels == "gray" else 3
    if wanted is not None and wanted != layout.channels:
        raise OptionError(
            f"{subject}, that is {_count(layout.channels)}; channels {channels!r} gives {_count(wanted)}",
            "Use --channels gray for one channel, --channels rgb or bgr for three.",
        )
    return layout


def picture_input(file: OnnxFile) -> Value:
    """The one input of a model that pictures go into.

    Raises:
        ImageError: The model has no input, or needs others beside a picture.
    """
    graph = file.graph
    inputs = [value for value in graph.inputs if value.name not in graph.initializers]
    if len(inputs) == 1:
        return inputs[0]
    if not inputs:
        raise ImageError(f"{file.path}: has no input; expected one for pictures", _FEED)
    shown = ", ".join(f"{quoted(value.name)} {show(value.shape)}" for value in inputs[:8])
    raise ImageError(
        f"{file.path}: has {len(inputs)} inputs: {shown}; expected one for pictures",
        _FEED,
    )


def input_name(value: Value, where: str) -> str:
    """An input as a sentence about it begins, with the model's path if that is known."""
    return f"{where}: the input {quoted(value.name)}" if where else f"the input {quoted(value.name)}"


def show(shape: tuple[Dimension, ...] | None) -> str:
    """A shape as people write it: (N, 91, 91, 1), with ? for an axis without size or name."""
    if shape is None:
        return "(unknown)"
    inside = ", ".join("?" if size is None or size == "" else str(size)[:40] for size in shape)
    return f"({inside},)" if len(shape) == 1 else f"({inside})"


def _candidates(sizes: tuple[int | None, ...], channels: Channels | None) -> list[Layout]:
    """Every way in which the sizes can be read as pictures."""
    if len(sizes) == 4:
        found = []
        batch, second, third, last = sizes
        if last in (1, 3):
            found.append(Layout("NHWC", last, second, third, batch))
        if second in (1, 3):
            found.append(Layout("NCHW", second, third, last, batch))
        return found
    if len(sizes) == 3:
        first, second, third = sizes
        if third in (1, 3) and first is not None:
            return [Layout("HWC", third, first, second, 1)]
        if first == 3:
            return [Layout("CHW", 3, second, third, 1)]
        return [Layout("NHW", 1, second, third, first)]
    if len(sizes) == 2 and channels == "gray" and (side := _square(sizes[1])):
        return [Layout("NF", 1, side, side, sizes[0])]
    return []


def _square(size: int | None) -> int:
    """The side of a square of so many pixels, or 0; fewer than 16 are no picture."""
    if size is None or size < 16:
        return 0
    side = math.isqrt(size)
    return side if side * side == size else 0


def _count(channels: int) -> str:
    return f"{channels} channel" if channels == 1 else f"{channels} channels"
