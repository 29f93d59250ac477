"""The kernels of one layer, found in the graph and laid out as (out, in, height, width)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from converters.weights import out_first
from inspector.constants import NotConstantError, constant
from inspector.constants.quantized import dequantized
from inspector.errors import ModelError, OptionError, TensorError
from inspector.layers.operators import KERNEL_INPUT, TRANSPOSED
from inspector.onnxfile import Graph, Node
from inspector.onnxfile.source import AGAIN, quoted

if TYPE_CHECKING:
    from inspector.layers import Layer
    from inspector.model import Model

_DOMAINS = {"", "com.microsoft"}

# What may lie between the model's input and its first layer without making other channels of the picture's.
_BEFORE_FIRST = {
    *("Add", "BatchNormalization", "Cast", "Clip", "DequantizeLinear", "Div", "Identity", "Mul", "Pad"),
    *("QuantizeLinear", "Reshape", "Resize", "Squeeze", "Sub", "Transpose", "Unsqueeze", "Upsample"),
}


@dataclass(frozen=True, eq=False)
class Kernels:
    """All kernels of a layer.

    Attributes:
        source: The model's file, as a message names it.
        layer: The layer's name.
        kind: The layer's kind, as `inspector.layers` calls it.
        weight: The name of the value that the operator reads them from.
        array: float32 or float64, (out, in, height, width) or (out, in, depth, height, width). "in" counts
            the input channels that one filter sees: those of its group. A one-dimensional kernel has height
            1.
        groups: In how many groups the channels are.
        colours: The order of the three input channels when they are those of the model's own input picture.
    """

    source: str
    layer: str
    kind: str
    weight: str
    array: NDArray[np.floating]
    groups: int = 1
    colours: Literal["rgb", "bgr"] | None = None


def read_kernels(model: Model, layer: Layer) -> Kernels:
    """Read the kernels of a layer; nothing else of the file is touched.

    Args:
        model: The opened model.
        layer: One of its layers.

    Returns:
        The kernels: dequantised, in float32 unless they are stored in float64, and turned so that the output
        channel comes first.

    Raises:
        OptionError: The layer is of a kind without kernels.
        TensorError: The weights are no numbers, are computed at run time, or are broken.
        ModelError: The operator's attributes do not fit its weights.

    Reference:
        ONNX operators, Conv-11 and ConvTranspose-11: the layouts of their weights.
    """
    where = f"{model.path}: layer {quoted(layer.name)}"
    node = _conv_node(layer)
    if node is None:
        raise without_kernels(model, layer)
    name = node.inputs[KERNEL_INPUT[node.op_type]]
    try:
        stored = _weights(model.graph, node, name)
    except NotConstantError as error:
        raise TensorError(
            f"{where}: its weights {quoted(name)} {error}; expected weights that are stored",
            "Let the exporter fold the model's constants.",
        ) from error
    check_kernels(stored, name, where)
    groups = _groups(node, stored, where)
    order = ("IO" if node.op_type in TRANSPOSED else "OI") + "DHW"[5 - stored.ndim :]
    array = as_floats(out_first(stored, order, groups))
    colours = _colours(model, node) if groups == 1 and stored.ndim == 4 and array.shape[1] == 3 else None
    return Kernels(str(model.path), layer.name, layer.kind, name, array, groups, colours)


def check_kernels(stored: NDArray[Any], name: str, where: str) -> None:
    """Refuse an array that cannot be kernels.

    Raises:
        TensorError: It holds no real numbers, or has too few or too many axes.
    """
    if stored.dtype.kind not in "fiub":
        found = "strings" if stored.dtype == object else f"{stored.dtype} numbers"
        raise TensorError(f"{where}: its weights {quoted(name)} are {found}; expected real numbers", AGAIN)
    if not 3 <= stored.ndim <= 5:
        raise TensorError(
            f"{where}: its weights {quoted(name)} have the shape {list(stored.shape)}; "
            "expected kernels of one to three dimensions",
            AGAIN,
        )


def as_floats(kernels: NDArray[Any]) -> NDArray[np.floating]:
    """Copy kernels of (out, in, …space): float64 stays so, all else is float32; one dimension gets a height.

    A view of a mapped file would keep it open, and break when somebody changes the file.
    """
    array: NDArray[np.floating] = kernels.astype(
        np.float64 if kernels.dtype == np.float64 else np.float32, order="C"
    )
    return array[:, :, None, :] if array.ndim == 3 else array


def _conv_node(layer: Layer) -> Node | None:
    """Return the node of a layer that has the kernels: the one that reads its weight, else the first."""
    nodes = [
        node
        for node in layer.nodes
        if node.domain in _DOMAINS and len(node.inputs) > KERNEL_INPUT.get(node.op_type, len(node.inputs))
    ]
    return next((node for node in nodes if layer.weight in node.inputs), nodes[0] if nodes else None)


def without_kernels(model: Model, layer: Layer) -> OptionError:
    """The error for a layer that has none; it names those that have."""
    names = [quoted(each.name) for each in model.layers.conv]
    others = (
        f"layers that have: {', '.join(names[:5])}{', …' if names[5:] else ''}" if names else "none here has"
    )
    return OptionError(
        f"{model.path}: layer {quoted(layer.name)} is {layer.kind} and has no kernels; {others}",
        f"inspector layers {model.path}",
    )


def _weights(graph: Graph, node: Node, name: str) -> NDArray[Any]:
    """Return the weights in the operator's own layout, dequantised where it does that itself."""
    weights = constant(graph, name)

    def more(at: int) -> NDArray[Any] | None:
        return constant(graph, node.inputs[at]) if len(node.inputs) > at and node.inputs[at] else None

    if node.op_type == "QLinearConv":
        scale = more(4)
        return weights if scale is None else dequantized(node, weights, scale, more(5), axis=0)
    if node.op_type == "ConvInteger":
        # It has no scale: the kernels are the whole numbers that it multiplies by.
        return dequantized(node, weights, np.ones((), np.float32), more(3), axis=0)
    return weights


def _groups(node: Node, stored: NDArray[Any], where: str) -> int:
    groups = node.attributes.get("group", 1)
    # The channels that are divided come first in both layouts: of the output, or of ConvTranspose's input.
    divided = stored.shape[0]
    if not isinstance(groups, int) or groups < 1 or divided % groups:
        side = "input" if node.op_type in TRANSPOSED else "output"
        raise ModelError(
            f"{where}: its group is {groups!r}; expected a divisor of its {divided} {side} channels", AGAIN
        )
    return groups


def _colours(model: Model, node: Node) -> Literal["rgb", "bgr"] | None:
    """Return the channel order if the node's input is the model's input, prepared at most."""
    graph, name = model.graph, node.inputs[0]
    inputs = {value.name for value in graph.inputs} - set(graph.initializers)
    while name not in inputs:
        before = graph.producers.get(name)
        if before is None or before.op_type not in _BEFORE_FIRST:
            return None
        # Of the two sides of, say, a Sub, the one that is no constant leads on to the picture.
        name = next((each for each in before.inputs if each and _runs(graph, each)), "")
    return "bgr" if model.preprocess is not None and model.preprocess.channels == "bgr" else "rgb"


def _runs(graph: Graph, name: str) -> bool:
    """Return whether a value is an input or made by a node that is no Constant."""
    if name in graph.initializers or name in graph.sparse_initializers:
        return False
    node = graph.producers.get(name)
    return node is None or node.op_type != "Constant"
