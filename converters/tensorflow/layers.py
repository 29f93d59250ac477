"""Which tensors hold the value of each layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from converters.tensorflow.fold import Folded
from converters.tensorflow.graph import SourceGraph
from converters.tensorflow.topology import Node, full_name, owner

_PLUMBING = frozenset(
    {
        "Const",
        "Placeholder",
        "PlaceholderWithDefault",
        "Shape",
        "Pack",
        "StridedSlice",
        "Identity",
        "Cast",
        "Slice",
    }
    | {"ExpandDims", "Fill", "Range", "Prod", "Size", "Rank", "NoOp", "Greater", "Less", "Equal"}
)


def layer_tensors(
    source: SourceGraph, folded: Folded, nodes: Sequence[Node]
) -> Mapping[str, tuple[str, ...]]:
    """Return each layer's tensors in the written graph, layers in the order of the graph.

    tflearn notes the outputs of its layers. In other graphs a layer is a name scope, and its value the last
    tensor computed in it.

    Args:
        source: Where the nodes come from.
        folded: What is an alias of what.
        nodes: The nodes that are written, each after those that it reads.
    """
    position = {node.name: place for place, node in enumerate(nodes)}
    if source.collections.layer_tensors:
        found, own = _noted(source, folded, position), noted_tensors(source)
        # Dropout holds the same tensor as the layer before it, whose own it is.
        places = {
            layer: (max(position[owner(tensor)] for tensor in tensors), tensors[-1] not in own[layer])
            for layer, tensors in found.items()
        }
        return {layer: found[layer] for layer in sorted(found, key=places.__getitem__)}
    return _scopes(folded, nodes)


def noted_tensors(source: SourceGraph) -> Mapping[str, tuple[str, ...]]:
    """Return each layer's tensors in the source itself, as tflearn notes them; empty for other graphs."""
    found: dict[str, tuple[str, ...]] = {}
    for noted, tensors in source.collections.layer_tensors.items():
        for tensor in dict.fromkeys(full_name(tensor) for tensor in tensors):
            layer = _own_name(noted, tensor)
            found[layer] = (*found.get(layer, ()), tensor)
    return found


def _noted(source: SourceGraph, folded: Folded, position: Mapping[str, int]) -> dict[str, tuple[str, ...]]:
    """The layers that tflearn notes and that are still there."""
    found = {}
    for layer, tensors in noted_tensors(source).items():
        roots = dict.fromkeys(folded.root(tensor) for tensor in tensors)
        left = tuple(root for root in roots if owner(root) in position and root not in folded.constants)
        if left:
            found[layer] = left
    return found


def _own_name(noted: str, tensor: str) -> str:
    """A layer's name; tflearn notes some layers' instances under one, and only the scope tells them apart."""
    scope, _, rest = owner(tensor).partition("/")
    numbered = scope.removeprefix(f"{noted}_")
    return scope if rest and scope != numbered and numbered.isdigit() else noted


def _scopes(folded: Folded, nodes: Sequence[Node]) -> dict[str, tuple[str, ...]]:
    """The last computation in each name scope; a node without a scope is a layer by itself."""
    last: dict[str, str] = {}
    for node in nodes:
        tensor = f"{node.name}:0"
        if node.op in _PLUMBING or tensor in folded.constants or node.name in folded.conditional:
            continue
        scope = node.name.rpartition("/")[0] or node.name
        last.pop(scope, None)
        last[scope] = tensor
    return {scope: (tensor,) for scope, tensor in last.items()}
