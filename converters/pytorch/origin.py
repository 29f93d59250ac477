"""What the parent and the child process tell each other about a PyTorch program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from converters.trials import TensorSpec

WEIGHTS_FILE = "weights.bin"


@dataclass(frozen=True)
class Origin:
    """Where a program comes from.

    Attributes:
        name: The source, for messages.
        file: Its file; empty where somebody's own code makes it.
        code: "package.module:name" of that code.
        shapes: The descriptions of its inputs, as `Request.input_shapes`.
    """

    name: str
    file: str = ""
    code: str = ""
    shapes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Described:
    """A program as it declares itself.

    Attributes:
        inputs: Its inputs, in order.
        outputs: Its outputs, in order.
        layers: Layer name → the tensor that is its value.
        decisions: One sentence for each choice.
        warnings: What the user should know.
        steps: As in `Source`.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    layers: Mapping[str, str]
    decisions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    steps: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class StoredWeight:
    """Where a weight stands in the file that the child wrote.

    Attributes:
        dtype: ONNX's number of its element type.
        shape: Its shape.
        offset: Its first byte.
    """

    dtype: int
    shape: tuple[int, ...]
    offset: int


@dataclass(frozen=True)
class Exported:
    """A converted program, its weights apart.

    Attributes:
        nodes: A serialized ModelProto that reads each weight as the graph input `NAME:0`.
        weights: NAME → where it stands in the file of weights.
        engine: What wrote the nodes.
        values: Tensor of the program → its name in the graph, where that is another.
        decisions: One sentence for each choice.
    """

    nodes: bytes
    weights: Mapping[str, StoredWeight]
    engine: str
    values: Mapping[str, str]
    decisions: tuple[str, ...] = ()


Arrays = dict[str, Any]
