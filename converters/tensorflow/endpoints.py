"""Choosing a graph's inputs and outputs when nobody names them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial, reduce

from converters.errors import SourceError
from converters.tensorflow.dtypes import DT_BOOL
from converters.tensorflow.graph import SourceGraph
from converters.tensorflow.restore import VARIABLES
from converters.tensorflow.signature import output_shape, output_type
from converters.tensorflow.topology import Node, Topology, full_name, owner
from converters.tensorflow.training import is_rate

PLACEHOLDERS = frozenset({"Placeholder", "PlaceholderV2", "PlaceholderWithDefault"})
# What multiplies data with weights: a placeholder that leads to none of these is no input of the network.
_WEIGHTED = frozenset(
    {"Conv1D", "Conv2D", "Conv3D", "DepthwiseConv2dNative", "Conv2DBackpropInput", "Conv3DBackpropInputV2"}
    | {"MatMul", "BatchMatMul", "BatchMatMulV2", "GatherV2", "Gather", "Einsum"}
)
_NO_OUTPUT = (
    frozenset(
        {
            "NoOp",
            "Assert",
            "SaveV2",
            "Save",
            "SaveSlices",
            "RestoreV2",
            "Restore",
            "Print",
            "PrintV2",
            "Placeholder",
        }
        | {
            "Const",
            "IsVariableInitialized",
            "VarIsInitializedOp",
            "ReadVariableOp",
            "Enter",
            "LoopCond",
            "NextIteration",
        }
        | {"ControlTrigger", "FIFOQueueV2", "Switch", "Shape", "ShapeN", "Size", "Rank"}
    )
    | VARIABLES
)
# What a loss does to an output on its own, when it is the only one that looks at it.
_PRELUDE = frozenset(
    {"Log", "Minimum", "Maximum", "Reshape", "Cast", "Identity", "ArgMax", "Squeeze", "Shape"}
)
_FLOATS = frozenset({0, 1, 2, 14, 19})


def check_tensors(source: SourceGraph, topology: Topology, tensors: Sequence[str]) -> tuple[str, ...]:
    """Return the full names of tensors that a user gave.

    Raises:
        SourceError: The graph has no such tensor; the nearest names are in the hint.
    """
    import difflib

    found = []
    for tensor in tensors:
        full = full_name(tensor)
        if owner(full) not in topology.nodes:
            near = difflib.get_close_matches(owner(full), topology.nodes, n=3, cutoff=0.5)
            raise SourceError(
                f"{source.path}: the graph has no tensor {tensor!r}",
                f"Nearest: {', '.join(f'{name}:0' for name in near)}" if near else "",
            )
        found.append(full)
    return tuple(dict.fromkeys(found))


def choose_outputs(source: SourceGraph, topology: Topology) -> tuple[tuple[str, ...], str]:
    """Return the outputs of the network, and the sentence that says why these.

    Raises:
        SourceError: Nothing in the graph looks like an output.
    """
    noted = _layer_outputs(source, topology)
    if noted:
        reason = "the layers of tflearn that no other layer reads"
        return noted, f"Outputs: {', '.join(noted)}: {reason}."
    found = _ends(topology, str(source.path))
    if not found:
        raise SourceError(
            f"{source.path}: the graph has no output that depends on an input",
            "Name the tensors: --outputs NAME:0",
        )
    reason = "what depends on the inputs, not on labels, and is read by nothing else"
    return found, f"Outputs: {', '.join(found)}: {reason}."


def _layer_outputs(source: SourceGraph, topology: Topology) -> tuple[str, ...]:
    """The tensors of tflearn's layers that are no ancestor of another one, targets aside."""
    collections = source.collections
    aside = topology.downstream(owner(full_name(name)) for name in collections.targets)
    fed = topology.downstream(owner(full_name(name)) for name in collections.inputs)
    possible = fed - aside - {owner(full_name(name)) for name in collections.inputs}
    candidates = dict.fromkeys(
        full_name(tensor)
        for tensors in collections.layer_tensors.values()
        for tensor in tensors
        if owner(full_name(tensor)) in possible
    )
    inner = _ancestors(topology, (owner(tensor) for tensor in candidates))
    position = {name: place for place, name in enumerate(topology.nodes)}
    ends = [tensor for tensor in candidates if owner(tensor) not in inner]
    return tuple(sorted(ends, key=lambda tensor: position[owner(tensor)]))


def _ends(topology: Topology, where: str) -> tuple[str, ...]:
    """Where the network ends in a graph that says nothing about itself."""
    placeholders = [
        node.name for node in topology.nodes.values() if node.op in PLACEHOLDERS and not _is_switch(node)
    ]
    training = _training(topology)
    data = [name for name in placeholders if _feeds_weights(topology, name, training)] or placeholders
    labels = [name for name in placeholders if name not in data]
    judged = topology.downstream(labels)
    fed = topology.downstream(data) - training - judged
    network = {name for name in fed if topology.nodes[name].op not in _NO_OUTPUT}
    inside = network | judged
    last = [
        name
        for name in topology.nodes
        if name in network and inside.isdisjoint(topology.consumers.get(name, ()))
    ]
    # A summary or an optimizer reads what is no output, unless there is nothing else.
    ends = dict.fromkeys([name for name in last if name not in topology.consumers])
    ends.update(dict.fromkeys(_judged_outputs(topology, where, labels, fed, training)))
    ends = ends or dict.fromkeys(last)
    real = [name for name in ends if output_type(topology.nodes[name]) in _FLOATS] or list(ends)
    inner = _ancestors(topology, real)
    return tuple(f"{name}:0" for name in real if name not in inner and name not in placeholders)


def _ancestors(topology: Topology, names: Iterable[str]) -> set[str]:
    """Every node that one of these depends on; one of them too, when another depends on it."""
    before = (owner(tensor) for name in names for tensor in topology.nodes[name].inputs)
    return topology.upstream(before, controls=False)


def _judged_outputs(
    topology: Topology, where: str, labels: Sequence[str], network: set[str], training: set[str]
) -> list[str]:
    """Per placeholder of labels, what losses and metrics compare with it.

    A loss may take a softmax and a logarithm of the output, a metric its largest entry. The output is the
    last node that all ways from the inputs to the labels lead through.
    """
    if not labels:
        return []
    order = topology.ordered(topology.upstream(network, controls=True), where)
    above, depth = _dominators(order, network)
    found = []
    for label in labels:
        judged = topology.downstream([label]) - training
        entries = [name for name in network if not judged.isdisjoint(topology.consumers.get(name, ()))]
        output = reduce(partial(_common, above, depth), entries) if entries else ""
        while output and topology.nodes[output].op in _PRELUDE and above[output]:
            output = above[output]
        found.extend([output] if output else entries)
    return found


def _dominators(order: Sequence[Node], network: set[str]) -> tuple[dict[str, str], dict[str, int]]:
    """Per node of the network, the last one before it on all ways from the inputs, and how deep it lies.

    Reference: Cooper, Harvey, Kennedy, "A Simple, Fast Dominance Algorithm", 2001.
    """
    above: dict[str, str] = {"": ""}
    depth = {"": 0}
    for node in order:
        if node.name in network:
            before = [name for tensor in node.inputs if (name := owner(tensor)) in above and name]
            above[node.name] = reduce(partial(_common, above, depth), before) if before else ""
            depth[node.name] = depth[above[node.name]] + 1
    return above, depth


def _common(above: Mapping[str, str], depth: Mapping[str, int], a: str, b: str) -> str:
    """The deepest node that dominates both; "" when there is none."""
    while a != b:
        if depth[a] >= depth[b]:
            a = above[a]
        else:
            b = above[b]
    return a


def _training(topology: Topology) -> set[str]:
    """The nodes of gradients, optimizers, savers and summaries."""
    return {
        name
        for name, node in topology.nodes.items()
        if node.op.endswith(("Summary", "SummaryV2", "Grad", "BackpropFilter", "GradV2", "GradV3"))
        or node.op.startswith(
            ("Assign", "Apply", "ResourceApply", "SparseApply", "ResourceSparseApply", "Scatter")
        )
        or any(part.split("_")[0] == "gradients" for part in name.split("/")[:-1])
    }


def _feeds_weights(topology: Topology, name: str, training: set[str]) -> bool:
    """Whether a placeholder reaches an operation with weights, the backward pass aside."""
    seen: set[str] = set()
    pending = [name]
    while pending:
        name = pending.pop()
        if name in seen or name in training:
            continue
        seen.add(name)
        if topology.nodes[name].op in _WEIGHTED:
            return True
        pending.extend(topology.consumers.get(name, ()))
    return False


def _is_switch(node: Node) -> bool:
    """Whether a placeholder is a switch or a rate of training rather than data or labels."""
    return output_type(node) == DT_BOOL or (output_shape(node) in (None, ()) and is_rate(node))


def choose_inputs(
    source: SourceGraph, topology: Topology, needed: Iterable[str]
) -> tuple[tuple[str, ...], str]:
    """Return the inputs among the `needed` nodes, and the sentence that says why these."""
    there = {name for name in needed if topology.nodes[name].op in PLACEHOLDERS}
    noted = [full_name(name) for name in source.collections.inputs]
    known = [tensor for tensor in noted if owner(tensor) in there]
    rest = [f"{name}:0" for name in topology.nodes if name in there and f"{name}:0" not in known]
    reason = (
        "noted as inputs by tflearn" if known and not rest else "the placeholders that the outputs depend on"
    )
    found = (*known, *rest)
    return found, f"Inputs: {', '.join(found)}: {reason}."
