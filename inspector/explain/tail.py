"""The part of a model behind a layer, run by itself: what a changed layer leads to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

    from inspector.session import Session


@dataclass(frozen=True, eq=False)
class Tail:
    """The nodes that lead from a value to another.

    Attributes:
        session: Runs them.
        inputs: Inputs of the model that they need as well: what goes around the layer comes from there.
    """

    session: Session
    inputs: tuple[str, ...]


def tail(model: ModelProto, start: str, end: str, where: str) -> Tail:
    """Cut a model at a value.

    Args:
        model: The model with all its weights.
        start: The value that is given.
        end: The value that is wanted.
        where: The model's path, for messages.
    """
    import onnx

    from inspector.onnxfile.memory import open_bytes
    from inspector.session import Session

    graph = model.graph
    needed, nodes = {end}, []
    for node in reversed(graph.node):
        if needed.intersection(node.output) and start not in node.output:
            needed.update(node.input)
            for attribute in node.attribute:
                needed.update(_captured(attribute.g))
            nodes.append(node)
    cut = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import)
    cut.functions.extend(model.functions)
    cut.graph.name = graph.name
    cut.graph.node.extend(reversed(nodes))
    stored = [tensor for tensor in graph.initializer if tensor.name in needed]
    cut.graph.initializer.extend(stored)
    given = {tensor.name for tensor in stored}
    inputs = [value for value in graph.input if value.name in needed - given]
    anything = onnx.TensorProto.FLOAT
    cut.graph.input.extend([onnx.helper.make_tensor_value_info(start, anything, None), *inputs])
    cut.graph.output.append(onnx.helper.make_tensor_value_info(end, anything, None))
    session = Session(open_bytes(cut.SerializeToString(), where))
    return Tail(session, tuple(value.name for value in inputs))


def _captured(graph: GraphProto) -> set[str]:
    """Every name that a graph inside a node reads."""
    found = {name for node in graph.node for name in node.input}
    inner = (attribute.g for node in graph.node for attribute in node.attribute)
    return found.union(*(_captured(each) for each in inner))
