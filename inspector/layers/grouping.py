"""Which nodes of a graph are one layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from inspector.layers.naming import base_of, node_base, unique
from inspector.layers.operators import learned
from inspector.layers.stored import Stored
from inspector.onnxfile import Graph, Node

LAYER_KEY = "inspector.layer"

# Operators that move or convert a value, and nothing else.
_PLUMBING = frozenset(
    (
        "Cast",
        "CastLike",
        "Constant",
        "ConstantOfShape",
        "DequantizeLinear",
        "DynamicQuantizeLinear",
        "Identity",
        "QuantizeLinear",
        "Shape",
        "Size",
    )
)
_MEASURES = frozenset(("Shape", "Size"))
# Operators that a layer's own bias or factor is applied with.
_APPLIES = frozenset(("Add", "Sub", "Mul", "Div"))


@dataclass(eq=False)
class _Group:
    """Nodes found so far for one layer."""

    name: str
    declared: bool
    nodes: list[Node] = field(default_factory=list)


def group(
    graph: Graph, nodes: Sequence[Node], stored: Mapping[str, Stored]
) -> list[tuple[str, tuple[Node, ...]]]:
    """Split a graph into layers.

    Nodes that carry the same `inspector.layer` are one layer. Any other node that computes something is one
    of its own, apart from the Add or Mul that follows with a bias or factor of the same layer. Nodes that
    only prepare weights, measure shapes or convert types belong to none.

    Args:
        graph: The graph.
        nodes: Its nodes, each after those whose values it reads.
        stored: The values that depend on no input.

    Returns:
        The name of each layer, unique, and its nodes, in the order of their first nodes.
    """
    declared: dict[str, _Group] = {}
    groups: list[_Group] = []
    owner: dict[str, _Group] = {}
    shapes = _measured(nodes, stored)
    for node in nodes:
        name = node.metadata.get(LAYER_KEY, "")
        if name:
            if name not in declared:
                declared[name] = _Group(name, declared=True)
                groups.append(declared[name])
            mine = declared[name]
        elif _is_plumbing(node, stored, shapes):
            continue
        else:
            mine = _derived(node, stored, owner, groups)
        mine.nodes.append(node)
        owner.update(dict.fromkeys(node.outputs, mine))
    groups = [each for each in groups if not all(_prepares(node, stored) for node in each.nodes)]
    # Names that the file gives keep their letters; the others make way.
    ordered = sorted(groups, key=lambda each: not each.declared)
    names = dict(zip(map(id, ordered), unique(each.name for each in ordered), strict=True))
    return [(names[id(each)], tuple(each.nodes)) for each in groups]


def _derived(
    node: Node, stored: Mapping[str, Stored], owner: Mapping[str, _Group], groups: list[_Group]
) -> _Group:
    """The layer of a node that does not say which it belongs to."""
    weights = learned(node, stored)
    weight = weights[0].name if weights else ""
    base = base_of(weight) if weight else None
    if base is not None and node.op_type in _APPLIES:
        before = next((owner[name] for name in node.inputs if name in owner), None)
        if before is not None and not before.declared and before.name == base:
            return before
    mine = _Group(base if base is not None else node_base(node, weight), declared=False)
    groups.append(mine)
    return mine


def _is_plumbing(node: Node, stored: Mapping[str, Stored], shapes: frozenset[str]) -> bool:
    return (
        node.op_type in _PLUMBING or _prepares(node, stored) or any(name in shapes for name in node.outputs)
    )


def _prepares(node: Node, stored: Mapping[str, Stored]) -> bool:
    """Whether a node only makes constants of constants."""
    return any(name in stored for name in node.outputs)


def _measured(nodes: Sequence[Node], stored: Mapping[str, Stored]) -> frozenset[str]:
    """Names of the values that depend on the shapes of others, not on their numbers."""
    found: set[str] = set()
    for node in nodes:
        known = [name in found or name in stored for name in node.inputs if name]
        if node.op_type in _MEASURES or (
            known and all(known) and not node.has_graphs and not learned(node, stored)
        ):
            found.update(name for name in node.outputs if name)
    return frozenset(found)
