"""The gradient graph put together, without what no output needs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from inspector.gradients.forward import Forward
from inspector.gradients.names import reads
from inspector.gradients.request import Request
from inspector.gradients.tape import Tape

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, ValueInfoProto

RECORD = "inspector.gradient"


def assembled(
    forward: Forward, tape: Tape, wanted: Request, seed: ValueInfoProto, results: Mapping[str, str]
) -> ModelProto:
    """The whole graph, without what no output needs."""
    import onnx
    from onnx import helper, numpy_helper

    names = list(dict.fromkeys((wanted.target.value, *wanted.outputs, *results.values())))
    nodes = _needed([*forward.nodes, *tape.nodes], names)
    read = {name for node in nodes for name in reads(node)} | set(names)
    model = onnx.ModelProto()
    model.CopyFrom(forward.model)
    model.ir_version = max(model.ir_version, 8)
    graph = model.graph
    graph.name = "gradient"
    graph.node.extend(nodes)
    graph.input.extend([*forward.inputs, seed])
    for name in names:
        graph.output.append(_output(forward, name))
    graph.initializer.extend(tensor for name, tensor in forward.weights.items() if name in read)
    graph.initializer.extend(
        numpy_helper.from_array(array, name) for name, array in tape.constants.items() if name in read
    )
    record = {
        "model": forward.where,
        "of": wanted.target.value,
        "channel": wanted.target.channel,
        "wrt": list(wanted.wrt),
        "gradients": list(results.values()),
        "outputs": list(wanted.outputs),
        "seed": seed.name,
        "seed_sizes": forward.known.kinds[seed.name].sizes,
        "batch": forward.batch,
    }
    helper.set_model_props(
        model, {**{each.key: each.value for each in model.metadata_props}, RECORD: json.dumps(record)}
    )
    return model


def _output(forward: Forward, name: str) -> ValueInfoProto:
    """The declaration of an output, with what is known of it."""
    from onnx import helper

    kind = forward.known.kinds.get(name)
    if kind is None:
        return helper.make_empty_tensor_value_info(name)
    shape = kind.declared(forward.batch_name)
    if name in forward.known.disputed:
        shape = [None] * len(shape)
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(kind.dtype), shape)


def _needed(nodes: Sequence[NodeProto], names: Sequence[str]) -> list[NodeProto]:
    """The nodes that some values are made by, in order."""
    wanted, kept = set(names), []
    for node in reversed(nodes):
        if any(name in wanted for name in node.output):
            wanted.update(reads(node))
            kept.append(node)
    return kept[::-1]
