"""The reverse pass: derivative rules applied from the target back to what the gradient is with respect to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from inspector.errors import GradientError
from inspector.gradients.forward import Forward
from inspector.gradients.kinds import schema_of
from inspector.gradients.names import reads
from inspector.gradients.no_gradient import NO_GRADIENT
from inspector.gradients.node import Node, layer_of, refusal
from inspector.gradients.registry import Rule, Rules
from inspector.gradients.request import ELSEWHERE, Request
from inspector.gradients.rules import RULES
from inspector.gradients.tape import Tape
from inspector.gradients.value import Value

if TYPE_CHECKING:
    from onnx import NodeProto


class Walk:
    """The reverse pass over one graph."""

    def __init__(self, forward: Forward, tape: Tape, rules: Rules) -> None:
        self.forward = forward
        self.tape = tape
        self.rules = rules

    def run(self, wanted: Request, start: Value) -> dict[str, Value]:
        """Give the gradient of each value in `wrt`."""
        flows = self._flowing(wanted)
        gradients: dict[str, list[Value]] = {wanted.target.value: [start]}
        found: dict[str, Value] = {}
        for node in reversed(self._between(wanted, flows)):
            grads = [self._summed(gradients, name, found) if name else None for name in node.output]
            if any(grad is not None for grad in grads):
                self._visit(node, grads, flows, gradients)
        for name in wanted.wrt:
            self._summed(gradients, name, found)
            if name not in found:
                raise self._dead_end(wanted, name)
        return found

    def check(self, wanted: Request) -> None:
        """Look for a rule of every node between `wrt` and the target.

        Raises:
            GradientError: One has none.
        """
        for node in self._between(wanted, self._flowing(wanted)):
            self._rule(node, self._version(node))

    def _summed(self, gradients: dict[str, list[Value]], name: str, found: dict[str, Value]) -> Value | None:
        """The gradient of a value of which all readers have been visited."""
        parts = gradients.pop(name, [])
        if parts:
            self.tape.scope = ""
            first = parts[0]
            found[name] = (
                first
                if len(parts) == 1
                else first + parts[1]
                if len(parts) == 2
                else first.op("Sum", *parts[1:])
            )
        return found.get(name)

    def _visit(
        self,
        node: NodeProto,
        grads: Sequence[Value | None],
        flows: frozenset[str],
        gradients: dict[str, list[Value]],
    ) -> None:
        """Apply the rule of one node, and hand what it gives to the node's inputs."""
        version = self._version(node)
        rule = self._rule(node, version)
        # Bodies of scans are written as text, in which a space ends a name.
        self.tape.scope = "_".join((node.name or next(name for name in node.output if name)).split())
        self.tape.layer = layer_of(node)
        seen = Node(node, self.tape, version, grads, flows)
        made = rule(seen, seen.grad(0))
        parts = (made,) if made is None or isinstance(made, Value) else made
        for name, part in zip(node.input, parts, strict=False):
            if part is not None and name in flows:
                gradients.setdefault(name, []).append(part)

    def _rule(self, node: NodeProto, version: int) -> Rule:
        rule = self.rules.find(node.domain, node.op_type, version)
        if rule is None:
            raise refusal(self.forward.where, node, version, "has no derivative rule")
        return rule

    def _version(self, node: NodeProto) -> int:
        """The version of a node's operator that is in force."""
        from onnx import defs

        opset = self.forward.known.opsets.get(node.domain, 1)
        try:
            return int(schema_of(node.op_type, opset, node.domain).since_version)
        except defs.SchemaError:
            return opset

    def _flowing(self, wanted: Request) -> frozenset[str]:
        """The values of floats that depend on one of `wrt` by operators that have a gradient."""
        flows = set(wanted.wrt)
        for node in self.forward.nodes:
            if node.op_type in NO_GRADIENT and not self.rules.find(node.domain, node.op_type, 1 << 30):
                continue
            if self._rounds(node):
                continue
            if any(name in flows for name in reads(node)):
                flows.update(name for name in node.output if name and self._carries(name))
        return frozenset(flows)

    def _rounds(self, node: NodeProto) -> bool:
        """Whether a node casts floats to whole numbers, which stand for floats only where a scale says so."""
        if node.op_type not in ("Cast", "CastLike") or node.domain:
            return False
        before, after = (self.forward.known.kinds.get(name) for name in (node.input[0], node.output[0]))
        if before is None or after is None or not before.is_float or after.is_float:
            return False
        # A rule of one's own may let the gradient pass straight through.
        version = self._version(node)
        return self.rules.find("", node.op_type, version) == RULES.find("", node.op_type, version)

    def _carries(self, name: str) -> bool:
        kind = self.forward.known.kinds.get(name)
        return kind is None or kind.carries

    def _between(self, wanted: Request, flows: frozenset[str]) -> list[NodeProto]:
        """The nodes on a way from `wrt` to the target, in order."""
        needed = {wanted.target.value}
        between = []
        for node in reversed(self.forward.nodes):
            made = [name for name in node.output if name in needed and name in flows]
            if not made:
                continue
            sources = [name for name in reads(node) if name in flows]
            if sources:
                needed.update(sources)
                between.append(node)
        return between[::-1]

    def _dead_end(self, wanted: Request, name: str) -> GradientError:
        return GradientError(
            f"{self.forward.where}: no gradient flows from {wanted.target.value!r} to {name!r}; "
            "expected a way of differentiable operators between them",
            ELSEWHERE,
        )
