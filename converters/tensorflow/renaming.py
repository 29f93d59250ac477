"""Giving values of a written model other names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from converters.assemble import Assembled

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto


def renamed(model: Assembled, names: Mapping[str, str]) -> Assembled:
    """Return a model in which some values are called otherwise.

    Args:
        model: Changed in place, as far as its nodes go.
        names: Value → its new name, which no other value may have: one that is taken moves aside.
    """
    graph = model.nodes.graph
    changed = {old: new for old, new in names.items() if old != new}
    taken = _values(graph) | set(model.weights)
    for new in changed.values():
        if new in taken and new not in changed:
            free = f"{new}/value"
            while free in taken:
                free += "_"
            taken.add(free)
            changed = {**changed, new: free}
    _rename(graph, changed)
    return replace(model, weights={changed.get(name, name): array for name, array in model.weights.items()})


def _values(graph: GraphProto) -> set[str]:
    """Every name that a value of the graph or of a graph within it has."""
    found = {entry.name for entry in (*graph.input, *graph.output, *graph.initializer)}
    for node in graph.node:
        found.update(node.output)
        for inner in _inner(node):
            found |= _values(inner)
    return found


def _rename(graph: GraphProto, names: Mapping[str, str]) -> None:
    for entry in (*graph.input, *graph.output, *graph.initializer, *graph.value_info):
        entry.name = names.get(entry.name, entry.name)
    for node in graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = names.get(name, name)
        for place, name in enumerate(node.output):
            node.output[place] = names.get(name, name)
        for inner in _inner(node):
            _rename(inner, names)


def _inner(node: NodeProto) -> Iterable[GraphProto]:
    """The graphs within a node: the body of a loop, the branches of a conditional."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs
