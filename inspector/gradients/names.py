"""The names in a graph: what a node reads, what the graphs inside it use, and names that nothing has yet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

# AttributeProto's types of a graph and of several.
_GRAPHS = (5, 10)


def label(node: NodeProto) -> str:
    """A node as a message names it."""
    made = next(filter(None, node.output), "")
    shown = f" {node.name!r}" if node.name else f" that makes {made!r}" if made else ""
    return f"the {node.op_type} node{shown}"


def reads(node: NodeProto) -> tuple[str, ...]:
    """The values that a node reads, those that its inner graphs take from outside among them."""
    return tuple(dict.fromkeys(name for name in (*node.input, *_captured(node)) if name))


def _captured(node: NodeProto) -> Iterator[str]:
    """The names that the graphs inside a node read and do not make."""
    for graph in graphs_in(node):
        made = {each.name for each in (*graph.input, *graph.initializer)}
        made.update(each.values.name for each in graph.sparse_initializer)
        made.update(name for inner in graph.node for name in inner.output)
        for inner in graph.node:
            yield from (name for name in (*inner.input, *_captured(inner)) if name not in made)
        yield from (each.name for each in graph.output if each.name not in made)


def names_in(node: NodeProto) -> Iterator[str]:
    """Every name that a node uses, those of its inner graphs among them."""
    for each in nodes_in(node):
        yield from (each.name, *each.input, *each.output)
        for graph in graphs_in(each):
            yield from (part.name for part in (*graph.input, *graph.initializer))
            yield from (part.values.name for part in graph.sparse_initializer)


def nodes_in(node: NodeProto) -> Iterator[NodeProto]:
    """A node, and those of the graphs inside it."""
    yield node
    for graph in graphs_in(node):
        for inner in graph.node:
            yield from nodes_in(inner)


def graphs_in(node: NodeProto) -> Iterator[GraphProto]:
    """The graphs that a node's attributes hold."""
    for attribute in node.attribute:
        if attribute.type in _GRAPHS:
            yield from (attribute.g,) if attribute.HasField("g") else attribute.graphs


def unique(name: str, taken: set[str]) -> str:
    """A name that nothing has yet; it is taken from now on."""
    chosen, count = name, 1
    while chosen in taken:
        count += 1
        chosen = f"{name}_{count}"
    taken.add(chosen)
    return chosen
