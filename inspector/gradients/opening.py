"""A model in any of the forms that a user has it in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from inspector.errors import ModelError, TensorError

if TYPE_CHECKING:
    from onnx import ModelProto

    from inspector.model import Model

_IN_MEMORY = "the model in memory"


@dataclass(frozen=True, eq=False)
class Opened:
    """A model with all its weights.

    Attributes:
        where: What messages call it.
        proto: The whole model.
        outputs: Names of its outputs.
        layers: The output of each layer, by the layer's name.
    """

    where: str
    proto: ModelProto = field(repr=False)
    outputs: tuple[str, ...]
    layers: Mapping[str, str]


def opened(model: Model | str | os.PathLike[str] | ModelProto) -> Opened:
    """Read a model with its weights.

    Raises:
        FileError: The file is missing or unreadable.
        ModelError: Its structure is broken.
        TensorError: External data is missing, not allowed, or was not loaded.
    """
    import onnx

    from inspector.model import Model, load

    if isinstance(model, onnx.ModelProto):
        _check_loaded(model)
        return Opened(_IN_MEMORY, model, _outputs(model), _declared_layers(model))
    opened_model = model if isinstance(model, Model) else load(model)
    proto = _loaded(opened_model)
    layers = {layer.name: layer.output for layer in opened_model.layers}
    return Opened(str(opened_model.path), proto, _outputs(proto), layers)


def _check_loaded(model: ModelProto) -> None:
    from onnx import TensorProto

    for tensor in model.graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL:
            file = next((each.value for each in tensor.external_data if each.key == "location"), "")
            raise TensorError(
                f"{_IN_MEMORY}: the initializer {tensor.name!r} has its data in {file!r}, which was not "
                "loaded",
                "Load the model with its weights, onnx.load(PATH), or give its path.",
            )


def _loaded(model: Model) -> ModelProto:
    import onnx
    from google.protobuf.message import DecodeError

    from inspector.onnxfile.runnable import check_external, check_runnable
    from inspector.onnxfile.source import AGAIN

    check_external(model.file)
    check_runnable(model.file)
    try:
        return onnx.load(Path(model.path))
    except DecodeError as error:
        raise ModelError(f"{model.path}: is damaged: {error}", AGAIN) from error


def _outputs(model: ModelProto) -> tuple[str, ...]:
    return tuple(info.name for info in model.graph.output)


def _declared_layers(model: ModelProto) -> dict[str, str]:
    """The first output of the last node of each layer, by what the nodes say, or by their own names."""
    from inspector.gradients.node import layer_of

    return {layer_of(node): next(filter(None, node.output)) for node in model.graph.node if any(node.output)}
