"""Partial evaluation of a training graph: what is known before any input is, and what can never run.

TensorFlow 1 writes a conditional as Switch and Merge: a Switch sends its value one of two ways, what comes
after it on the other way is dead, and a Merge passes on what is alive.

Reference: Yu et al., "Dynamic Control Flow in Large-Scale Machine Learning", EuroSys 2018, section 4.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from converters.tensorflow.constants import CONCATS, compute, concatenated, is_computable
from converters.tensorflow.dropout import dropout_source
from converters.tensorflow.dtypes import Array
from converters.tensorflow.topology import Node, Topology, owner

_SWITCHES = frozenset({"Switch", "RefSwitch"})
_MERGES = frozenset({"Merge", "RefMerge"})
_ALIASES = frozenset(
    {"Identity", "RefIdentity", "StopGradient", "PreventGradient", "Snapshot", "CheckNumerics"}
)


@dataclass(frozen=True)
class Folded:
    """What partial evaluation found.

    Attributes:
        aliases: Tensors that always hold what another one holds.
        constants: The values of tensors that depend on no input; computed or read when asked for.
        dead: Nodes that never run.
        conditional: Nodes that run or not, depending on the input: conditionals and loops that stay.
        dropouts: Nodes that end a dropout which was taken out, with what goes into it.
        folded_switches: How many Switch nodes went one way for good.
    """

    aliases: dict[str, str] = field(default_factory=dict)
    constants: dict[str, Callable[[], Array]] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)
    conditional: set[str] = field(default_factory=set)
    dropouts: dict[str, str] = field(default_factory=dict)
    folded_switches: set[str] = field(default_factory=set)

    def root(self, tensor: str) -> str:
        """Return the tensor that holds what `tensor` holds and is no alias itself."""
        return self.aliases.get(tensor, tensor)

    def is_dead(self, tensor: str) -> bool:
        """Say whether a tensor never has a value."""
        return tensor in self.dead or owner(tensor) in self.dead


def fold(
    topology: Topology,
    order: Collection[Node],
    *,
    inputs: Collection[str],
    known: Mapping[str, Callable[[], Array]],
) -> Folded:
    """Evaluate what can be evaluated without an input.

    Args:
        topology: The whole graph.
        order: The nodes to look at, each after those that it depends on.
        inputs: Tensors that are given from outside, whatever their node does.
        known: Values decided beforehand, by tensor: variables, switches of training.
    """
    folded = Folded()
    for node in order:
        tensor = f"{node.name}:0"
        if tensor in inputs:
            continue
        if node.op in _MERGES:
            _merge(topology, folded, node)
        elif _never_runs(folded, node):
            folded.dead.add(node.name)
        elif (
            node.op in _SWITCHES and len(node.inputs) == 2 and folded.root(node.inputs[1]) in folded.constants
        ):
            _switch(folded, node)
        elif node.op in _SWITCHES or node.op.endswith("Enter") or _depends_on_branch(folded, node):
            # What leaves a loop is there once, like any other value.
            if not node.op.endswith("Exit"):
                folded.conditional.add(node.name)
        elif tensor in known:
            folded.constants[tensor] = known[tensor]
        else:
            _evaluate(topology, folded, node)
    return folded


def _never_runs(folded: Folded, node: Node) -> bool:
    """Whether something that must come first never does."""
    first = (*node.inputs, *(folded.root(f"{name}:0") for name in node.controls))
    return any(folded.is_dead(tensor) for tensor in first)


def _depends_on_branch(folded: Folded, node: Node) -> bool:
    """Whether the input decides if, or how often, the node runs."""
    return any(owner(folded.root(tensor)) in folded.conditional for tensor in node.inputs) or any(
        owner(folded.root(f"{name}:0")) in folded.conditional for name in node.controls
    )


def _switch(folded: Folded, node: Node) -> None:
    """One way is dead once the predicate is known."""
    data, predicate = (folded.root(tensor) for tensor in node.inputs[:2])
    taken = int(bool(np.all(folded.constants[predicate]())))
    folded.aliases[f"{node.name}:{taken}"] = data
    folded.dead.add(f"{node.name}:{1 - taken}")
    folded.folded_switches.add(node.name)


def _merge(topology: Topology, folded: Folded, node: Node) -> None:
    """A Merge with one input left is that input."""
    alive = [tensor for tensor in node.inputs if not folded.is_dead(tensor)]
    looped = any(topology.nodes[owner(tensor)].op.endswith("NextIteration") for tensor in node.inputs)
    if looped:
        folded.conditional.add(node.name)
    elif not alive:
        folded.dead.add(node.name)
    elif len(alive) == 1:
        root = folded.root(alive[0])
        index = np.asarray(node.inputs.index(alive[0]), np.int32)
        folded.aliases[f"{node.name}:0"] = root
        folded.constants[f"{node.name}:1"] = lambda: index


def _evaluate(topology: Topology, folded: Folded, node: Node) -> None:
    """A node that runs once, whatever the input is: an alias, a constant, or one to keep."""
    tensor = f"{node.name}:0"
    roots = [folded.root(other) for other in node.inputs]
    if node.op in _ALIASES and roots:
        folded.aliases[tensor] = roots[0]
        return
    if node.op == "IdentityN":
        folded.aliases.update({f"{node.name}:{place}": root for place, root in enumerate(roots)})
        return
    if node.op == "ReadVariableOp" and roots and roots[0] in folded.constants:
        folded.aliases[tensor] = roots[0]
        return
    source = dropout_source(topology, folded.root, node)
    if source is not None:
        folded.aliases[tensor] = folded.dropouts[node.name] = source
        return
    values = [value for root in roots if (value := folded.constants.get(root)) is not None]
    if roots and len(values) == len(roots) and is_computable(node):
        _compute(folded, node, [value() for value in values])


def _compute(folded: Folded, node: Node, values: list[Array]) -> None:
    """Make a node's output a constant if it is small, or a mere joining of parts."""
    result = compute(node, values)
    if result is not None:
        folded.constants[f"{node.name}:0"] = lambda: result
    elif node.op in CONCATS and (joined := concatenated(node, values)) is not None:
        folded.constants[f"{node.name}:0"] = lambda: joined


def needed(topology: Topology, folded: Folded, outputs: Collection[str], inputs: Collection[str]) -> set[str]:
    """Return the nodes that outputs depend on, through aliases, up to inputs and constants."""
    found: set[str] = set()
    pending = [folded.root(tensor) for tensor in outputs]
    while pending:
        tensor = pending.pop()
        name = owner(tensor)
        if name in found:
            continue
        found.add(name)
        node = topology.nodes[name]
        if tensor in inputs or tensor in folded.constants or node.op.startswith("Placeholder"):
            continue
        pending.extend(folded.root(other) for other in node.inputs)
        pending.extend(f"{other}:0" for other in kept_controls(folded, node))
    return found


def kept_controls(folded: Folded, node: Node) -> tuple[str, ...]:
    """Return the control dependencies that still decide whether `node` runs."""
    return tuple(name for name in node.controls if name in folded.conditional)
