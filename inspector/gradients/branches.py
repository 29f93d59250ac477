"""Branches of which it is known, before anything runs, which one is taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from inspector.gradients.names import graphs_in, reads, unique
from inspector.gradients.tape import LAYER_KEY
from inspector.gradients.weights import keep_weights

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

    from inspector.gradients.forward import Forward

_PICKING = ("Gather", "GatherElements", "GatherND", "Slice", "Split")


def taken_branch(forward: Forward, node: NodeProto) -> GraphProto | None:
    """The branch of an If whose condition shapes and constants decide; None where a run does."""
    if node.op_type != "If" or node.domain:
        return None
    numbers = forward.known.numbers.get(node.input[0])
    if numbers is None or numbers[0].size != 1 or _asks_for_batch(forward, node.input[0]):
        return None
    wanted = "then_branch" if numbers[0].item() else "else_branch"
    return next((each.g for each in node.attribute if each.name == wanted), None)


def _asks_for_batch(forward: Forward, condition: str) -> bool:
    """Whether the size of a free batch decides a condition, though both sizes looked at give one answer."""
    known, seen = forward.known.numbers, {condition}
    pending = [condition]
    while pending:
        name = pending.pop()
        if name in known and not np.array_equal(known[name][0], known[name][1]):
            return True
        maker = forward.producers.get(name)
        # What picks some of the sizes of a shape need not pick the batch.
        parts = () if maker is None or maker.op_type in _PICKING else reads(maker)
        pending.extend(part for part in parts if part in known and part not in seen)
        seen.update(parts)
    return False


def written_out(forward: Forward, node: NodeProto, branch: GraphProto) -> list[NodeProto]:
    """The nodes that do what an If does by a branch, in order; its constants become weights of the graph.

    What the branch makes has new names, since the other branch, or that of another If, may use the same.
    """
    import onnx
    from onnx import helper

    from inspector.gradients.order import in_order

    scope = node.name or next(filter(None, node.output), "")
    stored = {each.name for each in branch.initializer} | {
        each.values.name for each in branch.sparse_initializer
    }
    made = (name for inner in branch.node for name in inner.output if name)
    names = {name: unique(f"{scope}/{name}", forward.names) for name in (*stored, *made)}
    keep_weights(forward.weights, forward.known, branch, names)
    layer = [each for each in node.metadata_props if each.key == LAYER_KEY]
    nodes = []
    for inner in in_order(branch.node, forward.where):
        copied = onnx.NodeProto()
        copied.CopyFrom(inner)
        _rename(copied, names)
        copied.output[:] = [names.get(name, name) for name in inner.output]
        copied.name = unique(f"{scope}/{inner.name}", forward.names) if inner.name else ""
        if all(each.key != LAYER_KEY for each in copied.metadata_props):
            copied.metadata_props.extend(layer)
        nodes.append(copied)
    for at, (given, result) in enumerate(zip(branch.output, node.output, strict=False)):
        if result:
            name = node.name if at == 0 else ""
            last = helper.make_node("Identity", [names.get(given.name, given.name)], [result], name=name)
            last.metadata_props.extend(node.metadata_props)
            nodes.append(last)
    return nodes


def _rename(node: NodeProto, names: Mapping[str, str]) -> None:
    """Let a node, and the graphs inside it, read values by their new names."""
    node.input[:] = [names.get(name, name) for name in node.input]
    for graph in graphs_in(node):
        for inner in graph.node:
            _rename(inner, names)
        for info in graph.output:
            info.name = names.get(info.name, info.name)
