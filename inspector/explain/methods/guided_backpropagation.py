"""Guided backpropagation: the gradient, with whatever is negative stopped at every ReLU."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inspector.explain.registry import method
from inspector.explain.subject import Subject
from inspector.gradients import RULES, Node, Rules, Value, vjp


@vjp("Relu")
def _guided(node: Node, grad: Value) -> Value:
    """The ReLU's own derivative of what is positive."""
    return node.op("Where", node.output.greater(0), node.op("Relu", grad), 0.0)


GUIDED: Rules = RULES | _guided


@method(
    "guided-backpropagation",
    paper="Springenberg, Dosovitskiy, Brox, Riedmiller: Striving for simplicity, ICLR workshop 2015",
    needs="gradient",
    signed=False,
    caution="it draws the picture's edges nearly whatever the network has learned: it fails the sanity "
    "checks of Adebayo et al., NeurIPS 2018",
)
def guided_backpropagation(subject: Subject) -> NDArray[np.float32]:
    """The magnitude of the guided gradient, the largest over the colour channels.

    Args:
        subject: What is explained.

    Returns:
        float32 (N, height, width), zero or more.

    Reference:
        Springenberg et al. 2015, section 3.4: R = (f > 0) · (R > 0) · R.
    """
    found = subject.gradient(subject.inputs, subject.targets, rules=GUIDED)["gradient"]
    values: NDArray[np.float32] = np.abs(subject.channels_first(found)).max(axis=1)
    return values
