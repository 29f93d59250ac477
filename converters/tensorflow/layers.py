"""Which tensors hold the value of each layer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

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
    | {
        "IdentityN",
        "ReadVariableOp",
        "ExpandDims",
        "Fill",
        "Range",
        "Prod",
        "Size",
        "Rank",
        "NoOp",
        "Greater",
        "Less",
        "Equal",
    }
)


def layer_tensors(
    source: SourceGraph, folded: Folded, nodes: Sequence[Node]
) -> Mapping[str, tuple[str, ...]]:
    """Return each layer's tensors in the written graph, layers in the order of the graph.

    tflearn notes the outputs of its layers. In a SavedModel of TensorFlow 2 a layer is a scope with
    variables, or else the outermost one. In other graphs every name scope is a layer. Its value is the last
    tensor that is computed in it.

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
    if source.kind == "TensorFlow 2 SavedModel":
        return _owners(folded, nodes)
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


def _owners(folded: Folded, nodes: Sequence[Node]) -> dict[str, tuple[str, ...]]:
    """The last computation of each layer of TensorFlow 2; a node without a scope is a layer by itself."""
    inner = [node for node in nodes if node.op not in ("VarHandleOp", "Const")]
    variables = {node.name.rpartition("/")[0] for node in nodes if node.op == "VarHandleOp"}
    # A model within a model stands before the name of the node, and not always before that of the variable.
    owned = {scope for node in inner if (scope := _owning(node.name, variables))}
    # Models within a model have layers, and do nothing by themselves.
    models = {scope for owning in owned for scope in _scopes_of(owning)}
    models -= {node.name.rpartition("/")[0] for node in inner}
    last: dict[str, str] = {}
    for node in inner:
        tensor = f"{node.name}:0"
        if node.op in _PLUMBING or tensor in folded.constants or node.name in folded.conditional:
            continue
        layer = _owning(node.name, variables) or _outermost(node.name, models)
        last.pop(layer, None)
        last[layer] = tensor
    return {layer: (tensor,) for layer, tensor in last.items()}


def _owning(name: str, variables: Collection[str]) -> str:
    """The scope of a node that has variables; "" when none has."""
    scopes = _scopes_of(name)
    exact = [scope for scope in scopes if scope in variables]
    return exact[-1] if exact else next((s for s in scopes if _tails(s) & set(variables)), "")


def _outermost(name: str, models: Collection[str]) -> str:
    """The outermost scope of a node that is no model; its name when it has none."""
    return next((scope for scope in _scopes_of(name) if scope not in models), name)


def _scopes_of(name: str) -> list[str]:
    """The scopes that a name lies in, the outermost first."""
    return [name[:at] for at, letter in enumerate(name) if letter == "/"]


def _tails(scope: str) -> set[str]:
    """A scope without some of its outer ones."""
    parts = scope.split("/")
    return {"/".join(parts[at:]) for at in range(len(parts))}
