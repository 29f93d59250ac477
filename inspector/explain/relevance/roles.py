"""What part a value plays in a network: it carries the signal, or it says how much of one passes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspector.onnxfile import in_order

if TYPE_CHECKING:
    from inspector.gradients import Node
    from inspector.onnxfile import Graph
    from inspector.onnxfile import Node as GraphNode

# Between 0 and 1, as a part of something is.
_PARTS = {"Sigmoid", "HardSigmoid", "Softmax"}
# These have bounds too, but may as well carry the signal: an LSTM's candidate, a ReLU6.
_BOUNDED = {"Tanh", "Erf", "Softsign", "Clip"}
# What these make plays the part that the only computed value that they read plays.
_HANDED_ON = {
    *("Identity", "Dropout", "Cast", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Expand"),
    *("Slice", "Split", "Gather", "Pad", "Tile", "Resize", "Upsample"),
    *("Add", "Sub", "Mul", "Div", "BatchNormalization"),
}


@dataclass(frozen=True)
class Roles:
    """The parts that values play, by their names.

    Attributes:
        parts: Numbers between 0 and 1, and what constants make of them.
        bounded: Other numbers with bounds, and what constants make of them.
        pictures: The picture itself, and what constants make of it.
    """

    parts: frozenset[str] = frozenset()
    bounded: frozenset[str] = frozenset()
    pictures: frozenset[str] = frozenset()

    def shares(self, node: Node, factors: Iterable[int]) -> dict[int, float]:
        """What part of a product's relevance each of its factors is given; they add up to 1.

        All goes to the signal, and none to a gate or a constant. Which factor is the gate is told by what
        made it, else by its being broadcast; where nothing tells, factors share alike.

        Args:
            node: The product.
            factors: Which of its inputs are multiplied.

        Reference:
            Arras, Arjona-Medina, Widrich, Montavon, Gillhofer, Müller, Hochreiter, Samek: Explaining and
            interpreting LSTMs, 2019, section 3 (all to the signal). Ali, Schnake, Eberle, Montavon, Müller,
            Wolf: XAI for transformers, ICML 2022, section 3.2 (attention as a gate). Achtibat et al.:
            AttnLRP, ICML 2024, proposition 3.3 (alike).
        """
        likeness = {at: self._like_a_gate(node, at) for at in factors if node.wants(at)}
        signals = [at for at, each in likeness.items() if each == min(likeness.values())]
        return {at: 1 / len(signals) if at in signals else 0.0 for at in likeness}

    def _like_a_gate(self, node: Node, at: int) -> tuple[bool, bool, bool]:
        value = node.given(at)
        spread = node.op_type == "Mul" and value.sizes != node.output.sizes
        return value.name in self.parts, spread, value.name in self.bounded


def roles_of(graph: Graph, picture: str) -> Roles:
    """Tell the parts that the values of a graph play.

    Args:
        graph: The graph.
        picture: The input that pictures go into.
    """
    computed = {value.name for value in graph.inputs} - {*graph.initializers, *graph.sparse_initializers}
    found: Mapping[str, set[str]] = {"parts": set(), "bounded": set(), "pictures": {picture}}
    for node in in_order(graph.nodes)[0]:
        read = [name for name in node.inputs if name in computed]
        if not read:
            continue
        computed.update(node.outputs)
        if node.op_type in _PARTS:
            found["parts"].update(node.outputs)
        elif node.op_type in _BOUNDED and _has_upper_bound(node):
            found["bounded"].update(node.outputs)
        elif node.op_type in _HANDED_ON and len(read) == 1:
            for names in found.values():
                names.update(node.outputs if read[0] in names else ())
    return Roles(**{role: frozenset(names) for role, names in found.items()})


def _has_upper_bound(node: GraphNode) -> bool:
    """Whether it is no Clip that is a ReLU."""
    return node.op_type != "Clip" or "max" in node.attributes or bool([*node.inputs, "", ""][2])
