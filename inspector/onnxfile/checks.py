"""What can be wrong with a graph as a whole, found without running it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from inspector.errors import ModelError
from inspector.onnxfile.graph import Function, Graph, Node
from inspector.onnxfile.source import AGAIN, LIMITS, quoted

# The newest that onnx 1.23.2 knows; a test compares them with the package.
NEWEST_IR = 14
NEWEST_OPSETS: Mapping[str, int] = {
    "": 28,
    "ai.onnx.ml": 5,
    "ai.onnx.preview": 1,
    "ai.onnx.preview.training": 1,
}
# The nodes that a model may have once its functions are written out in full.
MAX_EXPANDED = 1_000_000

Key: TypeAlias = tuple[str, str, str]


def check_versions(path: Path, ir_version: int, opsets: Mapping[str, int]) -> None:
    """Check that the file is of a version that is known.

    Raises:
        ModelError: The IR version or an operator set is missing or from the future.
    """
    update = "Update onnx-inspector, or export the model for an older version."
    if ir_version < 1:
        raise ModelError(f"{path}: does not say which version of ONNX it is (ir_version)", AGAIN)
    if ir_version > NEWEST_IR:
        raise ModelError(f"{path}: has IR version {ir_version}; the newest known is {NEWEST_IR}", update)
    if not opsets:
        raise ModelError(f"{path}: does not say which operator set it uses (opset_import)", AGAIN)
    for domain, version in opsets.items():
        newest = NEWEST_OPSETS.get(domain, version)
        shown = quoted(domain)[1:-1] or "ai.onnx"
        if version > newest:
            raise ModelError(f"{path}: uses opset {version} of {shown}; the newest known is {newest}", update)
        if version < 1:
            raise ModelError(f"{path}: uses opset {version} of {shown}; the first is 1", AGAIN)


def check_structure(path: Path, graph: Graph, functions: Sequence[Function]) -> None:
    """Check names and order of all graphs, and the functions that they call.

    Raises:
        ModelError: The graph has no nodes, a value is made twice, nodes wait for each other, a function calls
            itself, or the functions written out in full have more than `MAX_EXPANDED` nodes.
    """
    if not graph.nodes:
        raise ModelError(f"{path}: its graph has no nodes", AGAIN)
    for each in graphs_within(graph.nodes, graph):
        known = {*each.initializers, *each.sparse_initializers, *(value.name for value in each.inputs)}
        _check_nodes(path, each.nodes, known)
    for function in functions:
        _check_nodes(path, function.nodes, set(function.inputs))
        for each in graphs_within(function.nodes):
            known = {*each.initializers, *each.sparse_initializers, *(value.name for value in each.inputs)}
            _check_nodes(path, each.nodes, known)
    _check_calls(path, graph, functions)


def graphs_within(nodes: Iterable[Node], *outer: Graph) -> Iterator[Graph]:
    """Yield `outer`, then every graph in an attribute of these nodes, at any depth."""
    yield from outer
    waiting = [graph for node in nodes for graph in node.graphs]
    while waiting:
        graph = waiting.pop()
        yield graph
        waiting.extend(inner for node in graph.nodes for inner in node.graphs)


def all_nodes(nodes: Iterable[Node]) -> Iterator[Node]:
    """Yield these nodes and every node inside them, at any depth."""
    nodes = tuple(nodes)
    yield from nodes
    for graph in graphs_within(nodes):
        yield from graph.nodes


def reads(node: Node) -> set[str]:
    """Names of the values that a node reads, those that its inner graphs take from outside included."""
    names = {name for name in node.inputs if name}
    for graph in graphs_within([node]):
        names.update(name for inner in graph.nodes for name in inner.inputs if name)
        names.update(value.name for value in graph.outputs)
    return names


def in_order(nodes: Sequence[Node]) -> tuple[list[Node], list[Node]]:
    """Sort nodes so that each comes after those whose values it reads.

    Returns:
        The nodes in order, and those that cannot be ordered because they wait for each other.
    """
    maker = {name: index for index, node in enumerate(nodes) for name in node.outputs if name}
    waits = [{maker[name] for name in reads(node) if name in maker} for node in nodes]
    if all(max(before, default=-1) < index for index, before in enumerate(waits)):
        return list(nodes), []
    readers: dict[int, list[int]] = {}
    for index, before in enumerate(waits):
        for other in before:
            readers.setdefault(other, []).append(index)
    left = [len(before) for before in waits]
    ready = [index for index, count in enumerate(left) if not count]
    for index in ready:
        for reader in readers.get(index, ()):
            left[reader] -= 1
            if not left[reader]:
                ready.append(reader)
    return [nodes[index] for index in ready], [node for node, count in zip(nodes, left, strict=True) if count]


def _check_nodes(path: Path, nodes: Sequence[Node], known: set[str]) -> None:
    """Refuse values made twice, and circles."""
    made = set(known)
    for node in nodes:
        for name in node.outputs:
            if name and name in made:
                other = "a constant or input" if name in known else "another node"
                raise ModelError(
                    f"{path}: {node.label} makes {quoted(name)}, which {other} gives already", AGAIN
                )
            made.add(name)
    _, waiting = in_order(nodes)
    if waiting:
        raise ModelError(f"{path}: has a cycle: {waiting[0].label} waits for its own result", AGAIN)


def _check_calls(path: Path, graph: Graph, functions: Sequence[Function]) -> None:
    """Refuse functions that call themselves, and those that grow beyond all measure when written out."""
    bodies: dict[Key, Sequence[Node]] = {}
    for function in functions:
        key = (function.domain, function.name, function.overload)
        if key in bodies:
            raise ModelError(f"{path}: defines the function {quoted(function.name)} twice", AGAIN)
        bodies[key] = function.nodes
    if not bodies:
        return
    sizes: dict[Key, int] = {}
    for start in bodies:
        # Depth first, without recursion: a function is measured once all that it calls have been.
        stack = [] if start in sizes else [(start, iter(_calls(bodies[start], bodies)))]
        entered = {start}
        while stack:
            key, called = stack[-1]
            following = next((other for other in called if other not in sizes), None)
            if following is None:
                sizes[key] = _expanded(bodies[key], sizes)
                entered.discard(key)
                stack.pop()
            elif following in entered:
                raise ModelError(f"{path}: the function {quoted(following[1])} calls itself", AGAIN)
            else:
                entered.add(following)
                stack.append((following, iter(_calls(bodies[following], bodies))))
    if max(_expanded(graph.nodes, sizes), *sizes.values()) > MAX_EXPANDED:
        raise ModelError(
            f"{path}: would have more than {MAX_EXPANDED:,} nodes once its functions are written out in full",
            LIMITS,
        )


def _calls(nodes: Iterable[Node], bodies: Mapping[Key, object]) -> tuple[Key, ...]:
    keys = ((node.domain, node.op_type, node.overload) for node in all_nodes(nodes))
    return tuple(dict.fromkeys(key for key in keys if key in bodies))


def _expanded(nodes: Iterable[Node], sizes: Mapping[Key, int]) -> int:
    """The number of nodes, each call counting as many as its function; no more than is too many."""
    count = sum(sizes.get((node.domain, node.op_type, node.overload), 1) for node in all_nodes(nodes))
    return min(count, MAX_EXPANDED + 1)
