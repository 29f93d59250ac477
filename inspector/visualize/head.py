"""The part of a model up to a value: on whole pictures, or on a patch that one position of the value sees."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from inspector.axes import axes_of
from inspector.errors import ImageError, OptionError
from inspector.gradients.names import reads
from inspector.onnxfile.source import quoted
from inspector.receptive_field import receptive_field
from inspector.visualize.pixels import Floats, Pixels
from inspector.visualize.unit import Units, no_units

if TYPE_CHECKING:
    from onnx import ModelProto

    from inspector.onnxfile import Graph
    from inspector.predictor import Predictor

# What only lays a picture out anew before the network begins.
_LAYING_OUT = {"Reshape", "Squeeze", "Unsqueeze", "Transpose", "Identity", "Cast"}
# The side of a picture for a model that takes any.
_ANY_SIDE = 224


@dataclass(frozen=True, eq=False)
class Head:
    """A model up to a value.

    Attributes:
        proto: The model, with one input and one output.
        input: The input's name.
        axes: One letter for each axis of the input.
        size: Height and width of its pictures.
        value: The output's name.
        value_axes: One letter for each axis of the output: "NC" for units, "NCHW" or "NHWC" for maps.
        units: How many channels the output has.
        place: The row and column of the output that count; None where it has none.
        patch: Whether a picture is only what one position sees, rather than the model's whole input.
        box: Top, left, bottom and right of what the place sees of a whole input; None where it sees all.
    """

    proto: ModelProto
    input: str
    axes: str
    size: tuple[int, int]
    value: str
    value_axes: str
    units: int
    place: tuple[int, int] | None
    patch: bool = False
    box: tuple[int, int, int, int] | None = None

    @cached_property
    def dtype(self) -> np.dtype[np.generic]:
        """What the input takes."""
        from onnx import helper

        kind = self.proto.graph.input[0].type.tensor_type.elem_type
        return np.dtype(helper.tensor_dtype_to_np_dtype(kind))

    def feed(self, tensor: Floats) -> NDArray[np.generic]:
        """Lay out the model's numbers for pictures, (M, channels, height, width), as the input has them.

        They are rounded for a model that takes whole numbers.
        """
        laid = laid_out(tensor, self.axes)
        if self.dtype.kind not in "iu":
            return laid
        limits = np.iinfo(self.dtype.name)
        return np.rint(laid).clip(limits.min, limits.max).astype(self.dtype)

    def unfeed(self, array: Floats) -> Floats:
        """Undo `feed`."""
        if self.axes == "NF":
            return array.reshape(len(array), 1, *self.size)
        if self.axes == "NHW":
            return array[:, None]
        return array.transpose([self.axes.index(letter) for letter in "NCHW"])

    def index(self, channels: NDArray[np.int64]) -> tuple[NDArray[np.int64] | int, ...]:
        """The index of one unit of each sample in the output."""
        rows: dict[str, NDArray[np.int64] | int] = {"N": np.arange(len(channels)), "C": channels}
        if self.place is not None:
            rows |= {"H": self.place[0], "W": self.place[1]}
        return tuple(rows.get(letter, 0) for letter in self.value_axes)


def head_of(ready: Predictor, units: Units, pixels: Pixels) -> Head:
    """Cut a model at a value, and where the graph permits it, its pictures down to what one position sees.

    Whether it permits is tried: one position of a random picture must come out as from the patch alone.

    Args:
        ready: The model.
        units: The value.
        pixels: How pixels become the input.

    Raises:
        OptionError: Nobody knows what the value's axes are, or it holds no floats.
        ImageError: The model has no batch axis.
        RunError: The model cannot be run.
    """
    model, graph = ready.model, ready.model.graph
    probe, tensor = _probe(ready, pixels)
    start = _front(graph, ready.input.name)
    found = model.session(time_limit=ready.time_limit).run(
        {ready.input.name: probe}, [units.value, *([start] if start else [])]
    )
    if found[units.value].dtype.kind != "f":
        raise OptionError(
            f"{model.path}: {quoted(units.asked)} holds {found[units.value].dtype}; expected floats, which "
            "alone can be climbed by their gradient",
            f"inspector activations {model.path} PICTURE -l {units.asked} needs none.",
        )
    array = found[units.value].astype(np.float32)
    axes = axes_of(graph, units.value, array.ndim)
    if axes is None or not {"N", "C"} <= set(axes) or "D" in axes:
        raise no_units(model, units.asked, array.shape)
    start_axes = axes_of(graph, start, found[start].ndim) if start else None
    if start is None or start_axes is None or sorted(start_axes) != sorted("NCHW"):
        start, start_axes = ready.input.name, ready.layout.axes
    if "N" not in start_axes:
        raise ImageError(
            f"{model.path}: its input has no batch axis; expected one, so that many are optimised at once",
            "Export the model with a batch axis.",
        )
    size = tensor.shape[2], tensor.shape[3]
    middle = (array.shape[axes.index("H")] // 2, array.shape[axes.index("W")] // 2) if "H" in axes else None
    cut, value, count = _cut(ready, start, units.value), units.value, array.shape[axes.index("C")]
    if units.paired and count == 1:
        value, count = _pair(cut, value, axes.index("C")), 2
    whole = Head(
        sized(cut, start_axes, pixels.channels, size), start, start_axes, size, value, axes, count, middle
    )
    field = receptive_field(model, units.value) if "H" in axes else None
    if field is None:
        return whole
    from inspector.visualize.patch import patch_of

    assert middle is not None
    return patch_of(whole, field, tensor, array) or replace(whole, box=field.box(*middle))


def laid_out(tensor: Floats, axes: str) -> Floats:
    """Lay (M, channels, height, width) out as an input with these axes."""
    if axes == "NF":
        return tensor.reshape(len(tensor), -1)
    if axes == "NHW":
        return tensor[:, 0]
    return np.ascontiguousarray(tensor.transpose(["NCHW".index(letter) for letter in axes]))


def _probe(ready: Predictor, pixels: Pixels) -> tuple[NDArray[np.generic], Floats]:
    """A random picture: as the model takes it, and as (1, channels, height, width)."""
    layout = ready.layout
    size = (layout.height or _ANY_SIDE, layout.width or _ANY_SIDE)
    drawn = np.random.default_rng(0).random((1, pixels.channels, *size), np.float32)
    tensor = pixels.tensor(drawn)
    dtype = np.dtype(np.float32) if ready.input.dtype is None else ready.input.dtype.numpy
    if np.issubdtype(dtype, np.integer):
        tensor = np.rint(tensor)
    if "N" in layout.axes:
        fed = np.repeat(laid_out(tensor, layout.axes), layout.batch or 1, axis=0)
    else:
        fed = laid_out(tensor, f"N{layout.axes}")[0]
    return fed.astype(dtype), tensor


def _front(graph: Graph, name: str) -> str | None:
    """The value in which the picture is laid out as the network wants it; None where it is not told."""
    while True:
        readers = graph.consumers.get(name, ())
        if len(readers) != 1 or readers[0].op_type not in _LAYING_OUT or readers[0].inputs[0] != name:
            return name
        name = readers[0].outputs[0]


def _cut(ready: Predictor, start: str, end: str) -> ModelProto:
    """The nodes and weights that lead from one value to another."""
    import onnx

    from inspector.gradients.opening import opened

    model = opened(ready.model).proto
    makers = {name: node for node in model.graph.node for name in node.output if name}
    needed, pending = {start, end}, [end]
    while pending:
        node = makers.get(pending.pop())
        for name in reads(node) if node is not None else ():
            if name and name not in needed:
                needed.add(name)
                pending.append(name)
    cut = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import)
    cut.functions.extend(model.functions)
    cut.graph.name = model.graph.name
    cut.graph.node.extend(
        node for node in model.graph.node if start not in node.output and needed & set(node.output)
    )
    cut.graph.initializer.extend(tensor for tensor in model.graph.initializer if tensor.name in needed)
    declared = next(info for info in model.graph.input if info.name == ready.input.name)
    kind, name = declared.type.tensor_type.elem_type, start
    while name != ready.input.name:
        node = makers[name]
        if node.op_type == "Cast":
            kind = next(attribute.i for attribute in node.attribute if attribute.name == "to")
            break
        name = node.input[0]
    cut.graph.input.append(onnx.helper.make_tensor_value_info(start, kind, None))
    if start == ready.input.name:
        cut.graph.input[0].CopyFrom(declared)
    cut.graph.output.append(onnx.helper.make_empty_tensor_value_info(end))
    return cut


def _pair(cut: ModelProto, value: str, axis: int) -> str:
    """Have a model give a number with its negative before it, in place; returns the value that holds both."""
    from onnx import helper

    taken = {name for node in cut.graph.node for name in (*node.input, *node.output)}
    negative, both = f"{value}/negative", f"{value}/both"
    while {negative, both} & taken:
        negative, both = f"{negative}_", f"{both}_"
    cut.graph.node.append(helper.make_node("Neg", [value], [negative]))
    cut.graph.node.append(helper.make_node("Concat", [negative, value], [both], axis=axis))
    cut.graph.output[0].name = both
    return both


def sized(cut: ModelProto, axes: str, channels: int, size: tuple[int, int]) -> ModelProto:
    """A copy whose pictures have this size; a batch that the model itself declares stays."""
    import onnx

    model = onnx.ModelProto()
    model.CopyFrom(cut)
    info = model.graph.input[0]
    kind = info.type.tensor_type
    dims = kind.shape.dim
    batch = dims[0].dim_value if dims and dims[0].HasField("dim_value") else "N"
    sizes: dict[str, str | int] = {"N": batch, "C": channels, "H": size[0], "W": size[1]}
    shape = [sizes.get(letter, size[0] * size[1]) for letter in axes]
    info.CopyFrom(onnx.helper.make_tensor_value_info(info.name, kind.elem_type, shape))
    return model
