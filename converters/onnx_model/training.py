"""What behaves otherwise in training than in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from converters.onnx_model.graph import all_nodes
from converters.onnx_model.words import some

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto


def leave_training_mode(model: ModelProto) -> str:
    """Set what behaves otherwise in training to inference; a sentence of what was done."""
    from onnx import numpy_helper

    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    made = {n.output[0]: a.t for n in model.graph.node if n.op_type == "Constant" for a in n.attribute}
    switched = []
    for node in all_nodes(model.graph.node):
        if node.op_type == "Dropout" and len(node.input) > 2 and node.input[2]:
            tensor = constants.get(node.input[2]) or made.get(node.input[2])
            if tensor is None or not tensor.ByteSize():
                continue
            if numpy_helper.to_array(tensor).any():
                switched.append(node.name or node.output[0])
            del node.input[2:]
        elif node.op_type == "BatchNormalization" and not any(node.output[1:]):
            for attribute in node.attribute:
                if attribute.name == "training_mode" and attribute.i:
                    attribute.i = 0
                    switched.append(node.name or node.output[0])
        if node.op_type in ("Dropout", "BatchNormalization") and _is_old(model):
            _switch_old(node)
    return f"Set from training to inference: {some(switched)}." if switched else ""


def _is_old(model: ModelProto) -> bool:
    """Whether dropout and batch normalization still say themselves that they are not trained."""
    return any(entry.domain in ("", "ai.onnx") and entry.version < 7 for entry in model.opset_import)


def _switch_old(node: NodeProto) -> None:
    # Exporters of that time left it out, and every runtime took such a model for inference.
    for attribute in node.attribute:
        if attribute.name == "is_test":
            attribute.i = 1
            return
    node.attribute.add(name="is_test", type=2, i=1)
