"""The registry of operators that are worked out on numpy arrays. A new one is a decorated function."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from inspector.constants.arguments import Array, Inputs
from inspector.onnxfile import Node

Rule: TypeAlias = Callable[[Node, Inputs], Array]

RULES: dict[str, Rule] = {}
"""The rule of each operator type: filled when the modules with the rules are imported, read only after."""


def rule(*op_types: str) -> Callable[[Rule], Rule]:
    """Register a function as the rule of these operator types.

    It is given the node and its inputs, None for one left out, and returns the node's first output. An
    argument that makes no sense raises `NotConstantError`, by way of the helpers in `arguments`.
    """

    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(op_types, function))
        return function

    return register
