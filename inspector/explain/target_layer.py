"""The layer whose feature maps a class activation map is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspector.axes import axes_of
from inspector.errors import OptionError, UnknownLayerError
from inspector.explain.last_maps import before, last_maps
from inspector.onnxfile.source import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspector.model import Model
    from inspector.onnxfile.graph import Dimension

_LEARNED = ("Conv", "ConvTranspose", "QLinearConv", "ConvInteger")
# So many dense layers may follow the maps of however small a network; more of them than convolutions before
# mix the places anew, as a transformer's do behind its patches.
_FEW = 4


@dataclass(frozen=True)
class TargetLayer:
    """A layer with maps.

    Attributes:
        name: The layer's, or the value's, name.
        value: The value that holds the maps.
        axes: One letter an axis: "NCHW" or "NHWC".
    """

    name: str
    value: str
    axes: str


def target_layer(model: Model, start: str, end: str, asked: str = "") -> TargetLayer:
    """Find the maps that a class activation map is made of: the last ones that still have a place.

    Args:
        model: The model.
        start: The input of the pictures.
        end: The value whose decision is explained.
        asked: A layer or value to take; empty to find the last one with maps, from the last convolution on
            through sums, activations and normalisations on the way to `end`.

    Raises:
        OptionError: There is no convolution on the way, most of the network lies behind the last maps, or
            what was asked for has no maps.
        UnknownLayerError: There is no such layer.
    """
    if asked:
        return _given(model, asked)
    found = _last_convolution(model, before(model.graph, end), end)
    last = last_maps(model.graph, found.value, found.axes, end)
    if last.behind > max(_FEW, last.before):
        raise OptionError(
            f"{model.path}: its last feature maps are those of {quoted(found.name)}, with {last.before} of "
            f"{last.before + last.behind} convolutions and matrix products up to there; a class activation "
            "map would show nothing of what the others do",
            "Use another method: -m gradient, -m rise; or name a layer all the same: --layer LAYER",
        )
    if last.value == found.value:
        return found
    names = (layer.name for layer in model.layers.all if layer.output == last.value)
    return TargetLayer(next(names, last.value), last.value, last.axes)


def _last_convolution(model: Model, needed: set[str], end: str) -> TargetLayer:
    """The last convolution's layer whose value is among those needed."""
    # A dense layer written as a convolution has maps of one position: they show nothing of a picture.
    single: TargetLayer | None = None
    for layer in reversed(model.layers.all):
        makers = [node for node in layer.nodes if node.op_type in _LEARNED]
        if not makers or not any(name in needed for node in makers for name in node.outputs):
            continue
        for value in (layer.output, *(name for node in reversed(layer.nodes) for name in node.outputs)):
            axes = axes_of(model.graph, value, 4) if value in needed and _flat(layer.shape) else None
            if axes and {"C", "H", "W"} <= set(axes):
                found = TargetLayer(layer.name, value, axes)
                if not _single(layer.shape, axes):
                    return found
                single = single or found
                break
    if single is not None:
        return single
    raise OptionError(
        f"{model.path}: no convolution leads to {quoted(end)}; a class activation map needs feature maps",
        "Name a layer with --layer, or use another method: -m gradient, -m rise",
    )


def _flat(shape: Sequence[Dimension] | None) -> bool:
    """Whether maps have a height and a width, as those of a one-dimensional convolution have not."""
    return shape is None or len(shape) == 4


def _single(shape: Sequence[Dimension] | None, axes: str) -> bool:
    return (
        shape is not None
        and len(shape) == len(axes)
        and shape[axes.index("H")] == shape[axes.index("W")] == 1
    )


def _given(model: Model, asked: str) -> TargetLayer:
    try:
        value = model.layers.get(asked).output
    except UnknownLayerError:
        if asked not in model.graph.producers:
            raise
        value = asked
    axes = axes_of(model.graph, value, 4)
    shape = model.layers.get(asked).shape if value != asked else None
    if axes is None or (shape is not None and len(shape) != 4):
        raise no_maps(model, asked)
    return TargetLayer(asked, value, axes)


def no_maps(model: Model, asked: str) -> OptionError:
    """The error for a layer whose value is no set of maps."""
    return OptionError(
        f"{model.path}: {quoted(asked)} has no feature maps; a class activation map needs some",
        "Leave out --layer to have one found.",
    )
