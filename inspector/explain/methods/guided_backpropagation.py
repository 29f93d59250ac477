"""Guided backpropagation: the gradient, with whatever is negative stopped at every ReLU."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from inspector.constants import NotConstantError, constant
from inspector.explain.registry import Heatmaps, method
from inspector.explain.subject import Subject
from inspector.gradients import RULES, Gradients, Node, Rules, Value, vjp

if TYPE_CHECKING:
    from inspector.onnxfile import Graph
    from inspector.onnxfile import Node as GraphNode

_UNGUIDED = (
    "the network has no ReLU between the picture and the logits, where alone negative gradients are stopped: "
    "this is its plain gradient"
)


@vjp("Relu")
def _guided(node: Node, grad: Value) -> Value:
    """The ReLU's own derivative of what is positive."""
    return node.op("Where", node.output.greater(0), node.op("Relu", grad), 0.0)


@vjp("Clip", since=11)
def _guided_between(node: Node, grad: Value) -> Gradients:
    """The same for a ReLU that stops at a highest value, ReLU6 above all; other bounds are left alone."""
    rule = RULES.find(node.domain, node.op_type, node.version)
    assert rule is not None
    low = node.constant(1)
    return rule(node, node.op("Relu", grad) if low is not None and not low.any() else grad)


GUIDED: Rules = RULES | Rules((_guided, _guided_between))


@method(
    "guided-backpropagation",
    paper="Springenberg, Dosovitskiy, Brox, Riedmiller: Striving for simplicity, ICLR workshop 2015",
    needs="gradient",
    signed=False,
    caution="it draws the picture's edges nearly whatever the network has learned: it fails the sanity "
    "checks of Adebayo et al., NeurIPS 2018",
)
def guided_backpropagation(subject: Subject) -> Heatmaps:
    """The magnitude of the guided gradient, the largest over the colour channels.

    The rule is one for ReLUs, those among them that stop at a highest value. Other activations keep their
    derivatives; where a network has none but these, a note says that the map is its plain gradient.

    Args:
        subject: What is explained.

    Returns:
        float32 (N, height, width), zero or more.

    Reference:
        Springenberg et al. 2015, section 3.4: R = (f > 0) · (R > 0) · R.
    """
    found = subject.gradient(subject.inputs, subject.targets, rules=GUIDED)["gradient"]
    values: NDArray[np.float32] = np.abs(subject.channels_first(found)).max(axis=1)
    guided = _has_rectifier(subject.model.graph, subject.runner.logits)
    return Heatmaps(values, notes=() if guided else (_UNGUIDED,))


def _has_rectifier(graph: Graph, logits: str) -> bool:
    """Whether a value is made by way of a ReLU."""
    ahead, seen = [logits], set[str]()
    while ahead:
        node = graph.producers.get(ahead.pop())
        if node is None or node.outputs[0] in seen:
            continue
        if _is_rectifier(graph, node):
            return True
        seen.add(node.outputs[0])
        ahead += node.inputs
    return False


def _is_rectifier(graph: Graph, node: GraphNode) -> bool:
    if node.op_type != "Clip":
        return node.op_type == "Relu"
    if len(node.inputs) < 2 or not node.inputs[1]:
        return node.attributes.get("min") == 0
    try:
        return not constant(graph, node.inputs[1]).any()
    except NotConstantError:
        return False
