"""The last steps of a conversion, whichever exporter wrote the nodes; runs in the child process."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from converters.errors import UnsupportedError
from converters.pytorch.origin import WEIGHTS_FILE, Exported, StoredWeight
from converters.runtime import Runtime

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

# What the exporter of exported programs is written for; it leaves earlier ones to a conversion.
LEAST_OPSET = 18
_ALIGNED = 64


def finished(
    nodes: ModelProto,
    weights: Mapping[str, NDArray[Any]],
    *,
    folder: Path,
    opset: int,
    values: Mapping[str, str],
    engine: str,
    axes: Mapping[str, str],
) -> Exported:
    """Bring a model to the opset that is asked for, and store its weights for the parent.

    Args:
        nodes: The model; it reads each weight as a graph input.
        weights: Name of that input → array.
        folder: Where the weights are written.
        opset: The opset that is asked for.
        values: As in `Exported`.
        engine: As in `Exported`.
        axes: Symbol of an axis in the model → the name that it gets.
    """
    import torch

    nodes, decisions = _at_opset(nodes, opset)
    _name_inputs(nodes, weights)
    _name_axes(nodes, axes)
    del nodes.graph.value_info[:]
    nodes.ClearField("metadata_props")
    nodes.graph.ClearField("metadata_props")
    nodes.producer_name, nodes.producer_version = "pytorch", torch.__version__
    return Exported(
        nodes.SerializeToString(),
        _stored(folder / WEIGHTS_FILE, weights),
        engine,
        dict(values),
        decisions,
    )


def _at_opset(model: ModelProto, opset: int) -> tuple[ModelProto, tuple[str, ...]]:
    """The model at an opset, or at the one that it has, with a sentence, where that cannot be."""
    import onnx

    present = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    if present == opset:
        return model, ()
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    # Shapes noted for other operators' results would be held against the new ones.
    del bare.graph.value_info[:]
    _leave_out_defaults(bare, present, opset)
    try:
        converted = onnx.version_converter.convert_version(bare, opset)
        onnx.checker.check_model(converted)
        Runtime(converted.SerializeToString())
    except (
        RuntimeError,
        onnx.version_converter.ConvertError,
        onnx.checker.ValidationError,
        UnsupportedError,
    ) as error:
        reason = " ".join(str(error).split())[:120]
        return model, (
            f"opset {present} instead of {opset}, at which its operations cannot be written ({reason}).",
        )
    _keep_layers(model.graph.node, converted.graph.node)
    converted.ir_version = model.ir_version
    return converted, ()


def _leave_out_defaults(model: ModelProto, present: int, opset: int) -> None:
    """Drop attributes that the other opset does not know, where they say what is meant without them."""
    from onnx import defs

    for node in model.graph.node:
        if not (defs.has(node.op_type, present, node.domain) and defs.has(node.op_type, opset, node.domain)):
            continue
        known = defs.get_schema(node.op_type, opset, node.domain).attributes
        defaults = defs.get_schema(node.op_type, present, node.domain).attributes
        kept = [
            attribute
            for attribute in node.attribute
            if attribute.name in known or defaults[attribute.name].default_value != attribute
        ]
        del node.attribute[:]
        node.attribute.extend(kept)


def _keep_layers(before: Iterable[NodeProto], after: Iterable[NodeProto]) -> None:
    """Give the nodes that make the same values the names and metadata that they had."""
    nodes = {name: node for node in before for name in node.output if name}
    last = None
    for node in after:
        old = last = next((nodes[name] for name in node.output if name in nodes), last)
        if old is not None:
            node.name = old.name if old.output[0] in node.output else node.name
            del node.metadata_props[:]
            node.metadata_props.extend(old.metadata_props)


def _name_inputs(model: ModelProto, weights: Mapping[str, Any]) -> None:
    """Call each weight `NAME:0`, as `put_back` expects it."""

    def rename(nodes: Iterable[NodeProto]) -> None:
        for node in nodes:
            for place, name in enumerate(node.input):
                if name in weights:
                    node.input[place] = f"{name}:0"
            for attribute in node.attribute:
                for graph in (attribute.g, *attribute.graphs):
                    rename(graph.node)

    rename(model.graph.node)
    for value in model.graph.input:
        if value.name in weights:
            value.name = f"{value.name}:0"


def _name_axes(model: ModelProto, axes: Mapping[str, str]) -> None:
    for value in (*model.graph.input, *model.graph.output):
        for size in value.type.tensor_type.shape.dim:
            for symbol, name in axes.items():
                if size.dim_param:
                    size.dim_param = re.sub(rf"\b{re.escape(symbol)}\b", name, size.dim_param)


def _stored(path: Path, weights: Mapping[str, NDArray[Any]]) -> dict[str, StoredWeight]:
    import onnx

    found = {}
    with path.open("wb") as file:
        for name, array in weights.items():
            file.write(bytes(-file.tell() % _ALIGNED))
            code = int(onnx.helper.np_dtype_to_tensor_dtype(array.dtype))
            found[name] = StoredWeight(code, tuple(array.shape), file.tell())
            file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return found
