"""Derivative rules: how one is declared, found, and chosen for an operator's version."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from inspector.gradients.node import Node
from inspector.gradients.value import Value

Gradients: TypeAlias = "Value | Sequence[Value | None] | None"
Derivative: TypeAlias = Callable[[Node, Value], Gradients]


@dataclass(frozen=True)
class Rule:
    """The derivative of one operator, from one of its versions on.

    Attributes:
        op_type: The operator.
        since: The first version of the operator that it holds for.
        domain: The operator's domain; "" is ONNX's own.
        derivative: Takes the forward node and the gradient of its first output (zeros when only others have
            one; all stand in `Node.grads`), and gives the gradient of each input: None where none flows. One
            value alone is the gradient of the first input.
    """

    op_type: str
    since: int
    domain: str
    derivative: Derivative = field(repr=False)

    def __call__(self, node: Node, grad: Value) -> Gradients:
        """Emit the backward nodes of one forward node."""
        return self.derivative(node, grad)


def vjp(op_type: str, *, since: int = 1, domain: str = "") -> Callable[[Derivative], Rule]:
    """Declare the vector-Jacobian product of an operator; below another `vjp`, it is shared by both.

    Args:
        op_type: The operator.
        since: The first version of the operator that it holds for.
        domain: The operator's domain.

    Example:
        >>> @vjp("Tanh", since=6)
        ... def tanh(node: Node, grad: Value) -> Value:
        ...     y = node.output
        ...     return grad * (1 - y * y)
        >>> tanh
        Rule(op_type='Tanh', since=6, domain='')
    """

    def declare(derivative: Derivative) -> Rule:
        return Rule(op_type, since, domain, derivative)

    return declare


@dataclass(frozen=True)
class Rules:
    """Rules by operator, never changed: `RULES | others` is a new set in which `others` come first.

    Attributes:
        all: The rules.

    Example:
        >>> @vjp("Relu")
        ... def guided_relu(node: Node, grad: Value) -> Value:
        ...     return node.op("Relu", grad)
        >>> mine = Rules((guided_relu,))
        >>> mine.find("", "Relu", 14)
        Rule(op_type='Relu', since=1, domain='')
        >>> mine.find("", "Tanh", 14) is None
        True
    """

    all: tuple[Rule, ...]

    def __or__(self, other: Rules | Rule) -> Rules:
        """These rules, apart from those of operators that the other has rules of."""
        added = (other,) if isinstance(other, Rule) else other.all
        replaced = {(rule.domain, rule.op_type) for rule in added}
        kept = tuple(rule for rule in self.all if (rule.domain, rule.op_type) not in replaced)
        return Rules(kept + added)

    def __iter__(self) -> Iterator[Rule]:
        """Each rule."""
        return iter(self.all)

    def __len__(self) -> int:
        """How many there are."""
        return len(self.all)

    def find(self, domain: str, op_type: str, version: int) -> Rule | None:
        """Return the newest rule of an operator that holds for a version of it; None without one."""
        fitting = [
            rule
            for rule in self.all
            if rule.op_type == op_type and rule.domain == domain and rule.since <= version
        ]
        return max(fitting, key=lambda rule: rule.since, default=None)

    @classmethod
    def found_in(cls, package: str, folders: Iterable[str]) -> Rules:
        """Collect the rules that the modules of a package have at their top level.

        Args:
            package: Its name.
            folders: Its `__path__`.
        """
        names = sorted(module.name for module in pkgutil.iter_modules(folders))
        return cls(
            tuple(
                thing
                for name in names
                for thing in _unique(vars(importlib.import_module(f"{package}.{name}")))
            )
        )


def _unique(names: Mapping[str, object]) -> Iterator[Rule]:
    """The rules among the names of a module."""
    seen = set[int]()
    for thing in names.values():
        for rule in thing if isinstance(thing, tuple) else (thing,):
            if isinstance(rule, Rule) and id(rule) not in seen:
                seen.add(id(rule))
                yield rule
