"""A layer's kernels: read from the file, described, reduced, sorted, and shown as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from inspector.choices import Reduce, Sort
from inspector.filters.build import build
from inspector.filters.kernels import Kernels, read_kernels
from inspector.filters.result import SUFFIXES, Filters, PictureOptions
from inspector.filters.statistics import Statistics

if TYPE_CHECKING:
    from inspector.layers import Layer
    from inspector.model import Model

__all__ = [
    "SUFFIXES",
    "Filters",
    "Kernels",
    "PictureOptions",
    "Statistics",
    "build",
    "filters",
    "read_kernels",
]


def filters(
    model: Model,
    layer: str | Layer,
    *,
    select: str | Sequence[int] | None = None,
    channels: str | Sequence[int] | None = None,
    reduce: Reduce = "none",
    sort: Sort = "none",
) -> Filters:
    """Read the filters of one layer; no other weight of the model is touched.

    Args:
        model: The opened model.
        layer: A layer with kernels, or its name.
        select: Which filters: "0-15,40", or numbers; by default, all.
        channels: Which input channels, likewise, counted within a filter's group.
        reduce: How the input channels of a filter become one: "mean", their mean; "pca", the spatial pattern
            that they share, see `inspector.filters.reduction.principal`.
        sort: The order: "none", as asked for; "norm", the strongest first; "similarity", each followed by the
            one most like it.

    Raises:
        UnknownLayerError: There is no such layer.
        OptionError: The layer has no kernels, or an option's value makes no sense for it.
        TensorError: The weights are broken, no numbers, or computed at run time.

    Example:
        >>> import numpy, onnx, tempfile, pathlib
        >>> from onnx import TensorProto, helper, numpy_helper
        >>> image = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 8, 8])
        >>> result = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
        >>> weight = numpy_helper.from_array(numpy.eye(3, dtype="float32").reshape(1, 1, 3, 3), "edge.weight")
        >>> node = helper.make_node("Conv", ["x", "edge.weight"], ["y"])
        >>> graph = helper.make_graph([node], "net", [image], [result], [weight])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "net.onnx")
        ...     onnx.save(helper.make_model(graph), path)
        ...     from inspector.model import load
        ...     model = load(path)
        ...     found = filters(model, "edge")
        ...     model.file.close()
        ...     found.save(path.with_suffix(".png")).name
        'net.png'
        >>> found
        Filters(edge · 1 filter of 3x3)
        >>> found.statistics.norm.round(3).tolist()
        [1.732]
    """
    found = model.layers.get(layer) if isinstance(layer, str) else layer
    return build(model.kernels(found), select=select, channels=channels, reduce=reduce, sort=sort)
