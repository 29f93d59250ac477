"""What a layer computes for one picture: its feature maps, as arrays and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from inspector.activations.asked import asked_for
from inspector.activations.result import Activations
from inspector.axes import axes_of
from inspector.choices import TIME_LIMIT, Order
from inspector.errors import OptionError
from inspector.filters.selection import select as selected
from inspector.images import decode
from inspector.onnxfile.source import quoted

if TYPE_CHECKING:
    from inspector.images import ImageSource
    from inspector.model import Model
    from inspector.preprocess import Fields, Preprocess

__all__ = ["Activations", "activations"]

_PICTURE_NAME = "the picture"


def activations(
    model: Model,
    image: ImageSource,
    layer: str,
    *,
    select: str | Sequence[int] | None = None,
    sort: Order = "none",
    top: int | None = None,
    preprocess: Preprocess | Fields | None = None,
    time_limit: float | None = TIME_LIMIT,
) -> Activations:
    """Compute the activations of a layer, or of any value, for one picture.

    Args:
        model: The opened model.
        image: The picture: a path, bytes, an array, or a Pillow image.
        layer: A layer's or a value's name, or "logits"; also with a channel, "conv_2:5".
        select: Which channels: "0-15,40", or numbers; by default, all.
        sort: "none", as asked for; "strength", the largest mean magnitude first.
        top: How many of the strongest to give, strongest first; None for all of those selected.
        preprocess: The way from pixels to the input, or some fields of it, where it is not what the model
            declares.
        time_limit: Seconds that the run may take; None for any time.

    Returns:
        The maps, with the picture as the model sees it.

    Raises:
        UnknownLayerError: There is no such layer or value.
        OptionError: The value is no tensor of numbers, has no axes that can be told, or the selection makes
            no sense.
        ImageError: The picture cannot be read, or the model takes none.
        RunError: The model cannot be run.

    Example:
        >>> import numpy, onnx, pathlib, tempfile
        >>> from onnx import TensorProto, helper, numpy_helper
        >>> image = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, 4, 4])
        >>> result = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
        >>> weight = numpy_helper.from_array(numpy.ones((2, 1, 1, 1), "float32"), "twice.weight")
        >>> node = helper.make_node("Conv", ["x", "twice.weight"], ["y"])
        >>> graph = helper.make_graph([node], "net", [image], [result], [weight])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "net.onnx")
        ...     onnx.save(helper.make_model(graph), path)
        ...     from inspector.model import load
        ...     model = load(path)
        ...     found = activations(model, numpy.full((4, 4), 255, "uint8"), "twice")
        ...     model.file.close()
        >>> found.maps.shape, float(found.maps.max())
        ((2, 4, 4), 1.0)
    """
    ready, asked = asked_for(model, layer, preprocess)
    chosen = select if asked.channel is None else (asked.channel,)
    _check(top, chosen, sort)
    name = str(image) if isinstance(image, str) or hasattr(image, "__fspath__") else _PICTURE_NAME
    decoded = decode(image, name=name)
    tensor = ready.way.apply(decoded.image, ready.input, where=name)
    feed = np.concatenate([tensor] * (ready.layout.batch or 1)) if "N" in ready.layout.axes else tensor
    session = model.session(time_limit=time_limit)
    array = session.run({ready.input.name: feed}, [asked.value])[asked.value]
    where = f"{model.path}: {quoted(asked.name)}"
    maps = _maps(model, asked.value, array, where)
    if asked.paired and len(maps) == 1:
        maps = np.concatenate([-maps, maps])
    order = np.asarray(selected(chosen, len(maps), "filter", where), np.int64)
    if sort == "strength" or top is not None:
        strength = np.abs(maps[order]).mean(axis=(1, 2), dtype=np.float64)
        order = order[np.argsort(-strength, kind="stable")][:top]
    warnings = (*([ready.assumed] if ready.assumed else []), *decoded.warnings)
    return Activations(
        source=str(model.path),
        picture_name=name,
        layer=asked.name,
        value=asked.value,
        maps=maps[order],
        indices=tuple(order.tolist()),
        total=len(maps),
        sort=sort if top is None else "strength",
        seen=np.asarray(ready.way.fitted(decoded.image, ready.input, where=name)),
        labels=asked.labels(ready, len(maps), order.tolist()),
        warnings=warnings,
    )


def _check(top: int | None, select: str | Sequence[int] | None, sort: Order) -> None:
    if sort not in ("none", "strength"):
        raise OptionError(f"there is no order {sort!r}; expected none or strength", "--sort strength")
    if top is None:
        return
    if top < 1:
        raise OptionError(f"top is {top}; expected 1 or more", "--top 16")
    if select is not None:
        raise OptionError(
            "both the strongest maps and certain maps are asked for; expected one of them",
            "--top 16, or --filters 0-15 --sort strength",
        )


def _maps(model: Model, value: str, array: NDArray[np.generic], where: str) -> NDArray[np.float32]:
    """The first sample's values as float32 (C, H, W)."""
    if array.dtype.kind not in "fiub":
        raise OptionError(
            f"{where}: its value is made of {array.dtype}; expected numbers", "Name another layer."
        )
    rank = array.ndim
    axes = axes_of(model.graph, value, rank)
    if rank == 3 and axes is None:
        # Of a sequence: one map, a row for each step.
        return array[:1].astype(np.float32)
    if axes is None or not {"N", "C"} <= set(axes) or "D" in axes:
        raise OptionError(
            f"{where}: its value has the shape {list(array.shape)}, and no operator says what its axes are; "
            "expected feature maps or one number a unit",
            f"Name a layer that has some: inspector layers {model.path}",
        )
    order = [axes.index(letter) for letter in ("N", "C", "H", "W") if letter in axes]
    maps: NDArray[np.float32] = array.transpose(order)[0].astype(np.float32)
    return maps.reshape(len(maps), *((1,) * (3 - maps.ndim)), *maps.shape[1:])
