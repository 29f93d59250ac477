"""What the child process hands over of a network: its graph, and where everything in it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Port:
    """An input, output or weight of the network.

    Attributes:
        name: What Keras calls it.
        tensor: The tensor of the graph, `NODE:0`.
        dtype: Its element type, as numpy names it.
        shape: Its shape, None for a free axis; None when the rank is unknown.
        offset: Where a weight begins in the file of weights, in bytes.
    """

    name: str
    tensor: str
    dtype: str
    shape: Shape | None
    offset: int = 0


@dataclass(frozen=True)
class Recurrence:
    """A recurrent layer that stands in the graph as placeholders for what it computes.

    Attributes:
        kind: ONNX's operator.
        layer: The layer.
        sequence: The tensor that it reads, (batch, time, features).
        states: The tensors of its first states, (batch, units), None for zeros.
        outputs: The placeholders of all its outputs (batch, time, units), and of its last states.
        units: How many units it has.
        kernel: The weight of that name, (features, gates · units).
        recurrent: The recurrent kernel, (units, gates · units).
        bias: The bias, (gates · units) or (2, gates · units); empty for none.
        activations: ONNX's names, in ONNX's order.
        alphas: What those activations take that have a parameter alpha.
        betas: Likewise.
        after: Whether a GRU applies its reset gate after the product.
    """

    kind: Literal["LSTM", "GRU", "RNN"]
    layer: str
    sequence: str
    states: tuple[str | None, ...]
    outputs: tuple[Port, ...]
    units: int
    kernel: str
    recurrent: str
    bias: str
    activations: tuple[str, ...]
    alphas: tuple[float, ...] = ()
    betas: tuple[float, ...] = ()
    after: bool = False


@dataclass(frozen=True)
class Traced:
    """A network as a graph.

    Attributes:
        graph_def: A serialized GraphDef, in which every weight is a placeholder.
        inputs: The inputs, in order.
        outputs: The outputs, in order.
        weights: The weights.
        owners: Node → the layer that made it.
        layers: Layer → its value, in the order of the network.
        recurrences: The recurrent layers that were left out of the graph.
        framework: Package → version of what runs it, the Keras package first.
        decisions: One sentence for each choice.
    """

    graph_def: bytes = field(repr=False)
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    weights: tuple[Port, ...]
    owners: Mapping[str, str]
    layers: Mapping[str, Port]
    recurrences: tuple[Recurrence, ...]
    framework: Mapping[str, str]
    decisions: tuple[str, ...] = ()
