"""Finding dropout that is built without a conditional, by what it computes.

Reference: Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", JMLR 15,
2014: at inference nothing is dropped.
"""

from __future__ import annotations

from collections.abc import Callable

from converters.tensorflow.topology import Node, Topology, owner

_SUMS = frozenset({"Add", "AddV2", "Mul", "Sub", "Identity"})
_SCALED = frozenset({"Mul", "RealDiv", "Div"})
_DEPTH = 4


def dropout_source(topology: Topology, root: Callable[[str], str], node: Node) -> str | None:
    """Return what goes into the dropout that `node` ends, or None when it ends none.

    Recognised are the forms that `tf.nn.dropout` has built over the years: scaled input times a mask, which
    is `floor(keep + random)` or `random >= rate`, or a selection between scaled input and zeros.

    Args:
        topology: The whole graph.
        root: What a tensor is an alias of.
        node: Any node.
    """
    if node.op == "Mul" and len(node.inputs) == 2:
        pairs = [node.inputs, node.inputs[::-1]]
    elif node.op in ("Select", "SelectV2") and len(node.inputs) == 3:
        pairs = [(node.inputs[1], node.inputs[0])]
    else:
        return None
    for data, mask in pairs:
        scaled = topology.nodes.get(owner(root(data)))
        if scaled is not None and scaled.op in _SCALED and scaled.inputs and _is_mask(topology, root, mask):
            return root(scaled.inputs[0])
    return None


def _is_mask(topology: Topology, root: Callable[[str], str], tensor: str) -> bool:
    """Whether a tensor is nought or one at random."""
    node = topology.nodes.get(owner(root(tensor)))
    if node is not None and node.op == "Cast" and node.inputs:
        node = topology.nodes.get(owner(root(node.inputs[0])))
    if node is None or node.op not in ("Floor", "GreaterEqual") or not node.inputs:
        return False
    pending = [(root(node.inputs[0]), 0)]
    while pending:
        tensor, depth = pending.pop()
        source = topology.nodes.get(owner(tensor))
        if source is None:
            continue
        if "RandomUniform" in source.op:
            return True
        if source.op in _SUMS and depth < _DEPTH:
            pending.extend((root(other), depth + 1) for other in source.inputs)
    return False
