"""An ONNX graph put in order: what is needed, what is made before what, and what nobody reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableSequence, Sequence
from typing import TYPE_CHECKING, TypeVar

from converters.errors import SourceError

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

_Message = TypeVar("_Message")


def replace(field: MutableSequence[_Message], kept: Iterable[_Message]) -> None:
    """Set a repeated protobuf field."""
    kept = list(kept)
    del field[:]
    field.extend(kept)


def all_nodes(nodes: Iterable[NodeProto]) -> Iterator[NodeProto]:
    """Every node, those of subgraphs too."""
    pending = list(nodes)
    while pending:
        node = pending.pop()
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                pending += graph.node


def reads(node: NodeProto) -> Iterator[str]:
    """What a node reads, in its subgraphs too; an input that is left out is no name."""
    for each in all_nodes([node]):
        yield from filter(None, each.input)
        for attribute in each.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from (value.name for value in graph.output)


def needed(graph: GraphProto, outputs: Iterable[str], cut: Iterable[str] = ()) -> list[NodeProto]:
    """The nodes that lead to some values, in the graph's order.

    Args:
        graph: The graph.
        outputs: The values wanted.
        cut: Values that are given, and whose makers are not needed.
    """
    makers = {name: index for index, node in enumerate(graph.node) for name in node.output if name}
    given = set(cut)
    pending, kept = list(outputs), set[int]()
    while pending:
        name = pending.pop()
        index = makers.get(name)
        if name not in given and index is not None and index not in kept:
            kept.add(index)
            pending += reads(graph.node[index])
    return [node for index, node in enumerate(graph.node) if index in kept]


def in_order(nodes: Sequence[NodeProto], where: str) -> list[NodeProto]:
    """Nodes so that each stands behind those that make what it reads; as they are where they do already.

    Raises:
        SourceError: They go round in a circle.
    """
    makers = {name: index for index, node in enumerate(nodes) for name in node.output if name}
    before = [{makers[name] for name in reads(node) if name in makers} for node in nodes]
    if all(max(needs, default=-1) < index for index, needs in enumerate(before)):
        return list(nodes)
    after: dict[int, list[int]] = {}
    for index, needs in enumerate(before):
        for each in needs:
            after.setdefault(each, []).append(index)
    waiting = [len(needs) for needs in before]
    ready = [index for index, count in enumerate(waiting) if not count]
    found: list[int] = []
    while ready:
        index = ready.pop(0)
        found.append(index)
        for each in after.get(index, ()):
            waiting[each] -= 1
            if not waiting[each]:
                ready.append(each)
    if len(found) < len(nodes):
        left = next(node for index, node in enumerate(nodes) if waiting[index])
        name = left.name or left.output[0] if left.output else left.op_type
        raise SourceError(f"{where}: its nodes go round in a circle at {name!r}")
    return [nodes[index] for index in found]
