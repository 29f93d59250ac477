"""The nodes of a GraphDef as a graph: who reads whom."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from converters.errors import SourceError
from converters.tensorflow.dtypes import base


@dataclass(frozen=True)
class Node:
    """One operation.

    Attributes:
        name: Its name, unique in the graph.
        op: What it does, "Conv2D".
        inputs: The tensors that it reads, "conv_1/W/read:0".
        controls: The nodes that must run before it.
        definition: The NodeDef message; not to be changed.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    controls: tuple[str, ...]
    definition: Any

    def attr(self, name: str) -> Any:
        """Return an AttrValue message, or None when the node has no such attribute."""
        # A lookup in a protobuf map inserts what it does not find.
        return self.definition.attr[name] if name in self.definition.attr else None  # noqa: SIM401

    def type(self, *names: str) -> int:
        """Return the first of these attributes that is there, an element type, or 0."""
        return next((base(value.type) for name in names if (value := self.attr(name)) is not None), 0)


@dataclass(frozen=True)
class Topology:
    """The nodes of a graph by name, in the order of the file."""

    nodes: Mapping[str, Node]

    @cached_property
    def consumers(self) -> Mapping[str, tuple[str, ...]]:
        """The nodes that read a tensor of each node."""
        found: dict[str, dict[str, None]] = {}
        for node in self.nodes.values():
            for tensor in node.inputs:
                found.setdefault(owner(tensor), {})[node.name] = None
        return {name: tuple(readers) for name, readers in found.items()}

    def upstream(self, names: Iterable[str], *, controls: bool, stop: Collection[str] = ()) -> set[str]:
        """Return the nodes `names` with all that they depend on.

        Args:
            names: Nodes to begin at.
            controls: Whether to follow control dependencies too.
            stop: Nodes whose inputs are not followed.
        """
        seen: set[str] = set()
        pending = list(names)
        while pending:
            name = pending.pop()
            if name in seen or name not in self.nodes:
                continue
            seen.add(name)
            if name in stop:
                continue
            node = self.nodes[name]
            pending.extend(owner(tensor) for tensor in node.inputs)
            if controls:
                pending.extend(node.controls)
        return seen

    def downstream(self, names: Iterable[str]) -> set[str]:
        """Return the nodes `names` with all that reads from them, directly or not."""
        seen: set[str] = set()
        pending = list(names)
        while pending:
            name = pending.pop()
            if name not in seen:
                seen.add(name)
                pending.extend(self.consumers.get(name, ()))
        return seen

    def ordered(self, names: Collection[str], where: str, *, stop: Collection[str] = ()) -> list[Node]:
        """Return these nodes, each after those of them that it depends on; a loop's way back does not count.

        Raises:
            SourceError: They depend on each other in a circle, or on a node that is not there.
        """
        waiting: dict[str, int] = {}
        readers: dict[str, list[str]] = {}
        for name in names:
            node = self.nodes[name]
            needed = () if name in stop else self._needs(node, where)
            waiting[name] = len(needed)
            for other in needed:
                readers.setdefault(other, []).append(name)
        ready = [name for name in self.nodes if waiting.get(name) == 0]
        order: list[Node] = []
        for name in ready:
            order.append(self.nodes[name])
            for reader in readers.get(name, ()):
                waiting[reader] -= 1
                if not waiting[reader]:
                    ready.append(reader)
        if len(order) < len(waiting):
            stuck = min(name for name, count in waiting.items() if count)
            raise SourceError(f"{where}: the graph has a cycle through the node {stuck!r}; expected none")
        return order

    def _needs(self, node: Node, where: str) -> set[str]:
        """The nodes that must come before `node`."""
        needed = {owner(tensor) for tensor in node.inputs} | set(node.controls)
        for name in needed:
            if name not in self.nodes:
                raise SourceError(
                    f"{where}: the node {node.name!r} reads {name!r}, which the graph does not have"
                )
        if node.op in ("Merge", "RefMerge"):
            needed = {name for name in needed if not self.nodes[name].op.endswith("NextIteration")}
        return needed


def read_topology(graph_def: Any, where: str) -> Topology:
    """Return the nodes of a GraphDef.

    Raises:
        SourceError: Two nodes have the same name, or one has none.
    """
    nodes: dict[str, Node] = {}
    for definition in graph_def.node:
        name = definition.name
        if not name or not definition.op:
            raise SourceError(f"{where}: the graph is damaged: it has a node without a name or an op")
        if name in nodes:
            raise SourceError(f"{where}: the graph is damaged: it has two nodes named {name!r}")
        refs = tuple(definition.input)
        nodes[name] = Node(
            name,
            definition.op,
            tuple(full_name(ref) for ref in refs if not ref.startswith("^")),
            tuple(ref[1:] for ref in refs if ref.startswith("^")),
            definition,
        )
    return Topology(nodes)


def full_name(tensor: str) -> str:
    """Return the name of a tensor with its number: "conv_1/Relu" is "conv_1/Relu:0".

    Example:
        >>> full_name("input/X"), full_name("split:1")
        ('input/X:0', 'split:1')
    """
    _, colon, number = tensor.rpartition(":")
    return tensor if colon and number.isdecimal() and len(number) < 10 else f"{tensor}:0"


def owner(tensor: str) -> str:
    """Return the node that makes a tensor given by its full name."""
    return tensor.rpartition(":")[0]


def number(tensor: str) -> int:
    """Return which output of its node a tensor given by its full name is."""
    return int(tensor.rpartition(":")[2])
