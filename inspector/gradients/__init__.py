"""The gradient of any ONNX network, as an ONNX graph.

Example:
    >>> from inspector.gradients import RULES, Rules, backward, vjp
    >>> graph = backward("lars.onnx", of="logits", wrt="conv_2")  # doctest: +SKIP
"""

from __future__ import annotations

from inspector.gradients.node import Node
from inspector.gradients.registry import Gradients, Rule, Rules, vjp
from inspector.gradients.rules import RULES
from inspector.gradients.value import Value, unbroadcast, zeros_like

from inspector.gradients.backward import backward  # isort: skip
from inspector.gradients.run import Gradient  # isort: skip

__all__ = [
    "RULES",
    "Gradient",
    "Gradients",
    "Node",
    "Rule",
    "Rules",
    "Value",
    "backward",
    "unbroadcast",
    "vjp",
    "zeros_like",
]
