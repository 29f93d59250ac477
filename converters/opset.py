"""Writing a model anew at a later operator set."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from converters.errors import UnsupportedError

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

# Larger tensors are kept out of the conversion, which would copy them several times; smaller ones it may need
# to know.
_LARGEST_KEPT = 1_024
_AI_ONNX = ("", "ai.onnx")
# The operator set from which a PRelu's slope is broadcast like any other factor.
_SLOPES_ALIGNED = 7


def upgraded(model: ModelProto, opset: int) -> ModelProto:
    """Return a model at a version of ONNX's operator set, or the very model when it has that or a later one.

    Names of values, nodes, inputs and outputs stay, and so does the metadata of the model and of its nodes.
    The weights are copied once.

    Args:
        model: The model; it is not changed.
        opset: The least version wanted.

    Raises:
        UnsupportedError: An operator cannot be written at that version.

    Example:
        >>> from onnx import helper, TensorProto
        >>> value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in "xy"]
        >>> node = helper.make_node("Softmax", ["x"], ["y"], name="last")
        >>> graph = helper.make_graph([node], "net", value[:1], value[1:])
        >>> old = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 9)])
        >>> new = upgraded(old, 13)
        >>> new.opset_import[0].version, upgraded(new, 13) is new
        (13, True)
    """
    from onnx import version_converter

    if _version(model) >= opset:
        return model
    bare = _without_weights(model)
    try:
        converted: ModelProto = version_converter.convert_version(bare, opset)
    except (RuntimeError, version_converter.ConvertError) as error:
        raise UnsupportedError(
            f"a model of opset {_version(model)} cannot be written at opset {opset}: {_reason(error)}",
            "Export the model again at a later opset, if its framework can.",
        ) from error
    if _version(model) < _SLOPES_ALIGNED and any(node.op_type == "PRelu" for node in converted.graph.node):
        _turn_slopes(converted)
    return _restored(model, converted)


def _version(model: ModelProto) -> int:
    """The version of ONNX's own operator set that a model is written in."""
    found = [each.version for each in model.opset_import if each.domain in _AI_ONNX]
    # Before there were operator sets, there was the first.
    return max(found) if found or model.opset_import else 1


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".")


def _without_weights(model: ModelProto) -> ModelProto:
    """A copy in which large initializers are inputs."""
    import onnx
    from onnx import helper

    bare = onnx.ModelProto(ir_version=max(model.ir_version, 4), opset_import=model.opset_import)
    graph = bare.graph
    graph.name = model.graph.name or "graph"
    graph.node.extend(model.graph.node)
    graph.input.extend(model.graph.input)
    graph.output.extend(model.graph.output)
    graph.value_info.extend(model.graph.value_info)
    declared = {info.name for info in graph.input}
    for tensor in model.graph.initializer:
        if tensor.ByteSize() <= _LARGEST_KEPT:
            graph.initializer.append(tensor)
        elif tensor.name not in declared:
            graph.input.append(
                helper.make_tensor_value_info(tensor.name, tensor.data_type, tuple(tensor.dims))
            )
    return bare


def _restored(model: ModelProto, converted: ModelProto) -> ModelProto:
    """The converted graph with everything that the conversion left out or lost."""
    import onnx

    made = onnx.ModelProto()
    for part, value in model.ListFields():
        if part.name not in ("graph", "opset_import", "ir_version"):
            if hasattr(value, "MergeFrom") or hasattr(value, "extend"):
                getattr(made, part.name).MergeFrom(value)
            else:
                setattr(made, part.name, value)
    made.ir_version = max(model.ir_version, converted.ir_version)
    made.opset_import.extend(converted.opset_import)
    for part, value in model.graph.ListFields():
        if part.name not in ("node", "initializer"):
            if hasattr(value, "extend"):
                getattr(made.graph, part.name).extend(value)
            else:
                setattr(made.graph, part.name, value)
    made.graph.node.extend(converted.graph.node)
    _keep_metadata(model.graph.node, made.graph.node)
    made.graph.initializer.extend(model.graph.initializer)
    stored = {tensor.name for tensor in model.graph.initializer}
    made.graph.initializer.extend(
        tensor for tensor in converted.graph.initializer if tensor.name not in stored
    )
    return made


def _turn_slopes(model: ModelProto) -> None:
    """Give the slope for each channel of a PRelu the axes behind the channels, which the conversion forgets.

    Until version 6 a vector went with the channels; since then it goes with the last axis.
    """
    from onnx import TensorProto, helper

    graph = model.graph
    ranks = _ranks(model)
    nodes = list(graph.node)
    del graph.node[:]
    for node in nodes:
        rank = ranks.get(node.input[0], 0) if node.op_type == "PRelu" and not node.domain else 0
        if rank > 2 and ranks.get(node.input[1]) == 1:
            name = f"{node.output[0]}/slope"
            shape = helper.make_tensor(
                f"{name}/shape", TensorProto.INT64, [rank - 1], [-1, *[1] * (rank - 2)]
            )
            graph.initializer.append(shape)
            graph.node.append(helper.make_node("Reshape", [node.input[1], shape.name], [name]))
            node.input[1] = name
        graph.node.append(node)


def _ranks(model: ModelProto) -> dict[str, int]:
    """The rank of every value that shape inference finds one of."""
    from onnx import shape_inference

    graph = shape_inference.infer_shapes(model).graph
    infos = (*graph.input, *graph.value_info, *graph.output)
    found = {
        each.name: len(each.type.tensor_type.shape.dim)
        for each in infos
        if each.type.tensor_type.HasField("shape")
    }
    return {**found, **{tensor.name: len(tensor.dims) for tensor in graph.initializer}}


def _keep_metadata(before: Iterable[NodeProto], after: Iterable[NodeProto]) -> None:
    """Give the nodes that make the same values their names and metadata again; a new one has no name."""
    nodes = {name: node for node in before for name in node.output if name}
    for node in after:
        old = next((nodes[name] for name in node.output if name in nodes), None)
        # The conversion numbers the nodes that it adds, and may meet a name that is there.
        node.name = "" if old is None else old.name
        if old is not None and not node.metadata_props:
            node.metadata_props.extend(old.metadata_props)
