"""What the rules of recurrent operators share: their directions, and scans over the steps of a sequence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inspector.gradients.expressions import positive, size_at, sliced
from inspector.gradients.node import Node
from inspector.gradients.value import Value

if TYPE_CHECKING:
    from onnx import GraphProto

END = int(np.iinfo(np.int32).max)
_SLOPES: dict[str, Callable[[Value], Value]] = {
    "Sigmoid": lambda y: y * (1 - y),
    "Tanh": lambda y: 1 - y * y,
    "Relu": positive,
}


@dataclass(frozen=True)
class Direction:
    """One direction of a recurrent node. Sequences are (time, batch, size), states (1, batch, size).

    Attributes:
        node: The forward node.
        at: Its place among the node's directions.
        backwards: Whether it reads the sequence from its end.
        activations: Names of its activations.
        x: The input sequence.
        h: The hidden state after each step.
        w: The weights of the input, (gates · hidden, input).
        r: The weights of the state, (gates · hidden, hidden).
        by_h: The gradient of the hidden states.
    """

    node: Node
    at: int
    backwards: bool
    activations: tuple[str, ...]
    x: Value
    h: Value
    w: Value
    r: Value
    by_h: Value

    @property
    def hidden(self) -> int:
        """The size of the state."""
        return size_at(self.node, self.r, 1)

    def bias(self, which: int) -> Value | None:
        """The bias of the input's weights (0) or the state's (1), (gates · hidden,); None without."""
        if not self.node.has_input(3):
            return None
        gates = size_at(self.node, self.r, 0)
        return sliced(self._own(self.node.given(3)), 0, which * gates, (which + 1) * gates)

    def initial(self, index: int) -> Value:
        """The state before the first step, from an input that may be left out."""
        if not self.node.has_input(index):
            return sliced(self.h, 0, 0, 1).zeros()
        return sliced(self.node.given(index), 0, self.at, self.at + 1)

    def by_final(self, output: int) -> Value:
        """The gradient of the state after the last step, (batch, hidden), by which output gives it."""
        grad = self.node.grads[output] if output < len(self.node.grads) else None
        if grad is None:
            return sliced(self.h, 0, 0, 1).zeros().op("Squeeze", axes=(0,))
        return self._own(grad)

    def _own(self, value: Value) -> Value:
        """This direction's part of a value that has the directions as its first axis."""
        return value.op("Gather", np.array(self.at, np.int64), axis=0)

    def previous(self, states: Value, initial: Value) -> Value:
        """The state before each step, given those after it."""
        if self.backwards:
            return sliced(states, 0, 1, END).op("Concat", initial, axis=0)
        return initial.op("Concat", sliced(states, 0, 0, -1), axis=0)

    def gates(self, sequence: Value, weights: Value, bias: Value | None) -> Value:
        """What weights make of a sequence, for all steps at once."""
        product = sequence.op("MatMul", weights.transpose((1, 0)))
        return product if bias is None else product + bias

    def gate(self, gates: Value, at: int, count: int = 1) -> Value:
        """The part of one gate, or of several."""
        return sliced(gates, gates.rank - 1, at * self.hidden, (at + count) * self.hidden)

    def active(self, at: int, value: Value) -> Value:
        """An activation of a value."""
        return value.op(self.activations[at])

    def slope(self, at: int, y: Value) -> Value:
        """The derivative of an activation, by its output."""
        return _SLOPES[self.activations[at]](y)

    def scanned(
        self, body: GraphProto, states: Sequence[Value], sequences: Sequence[Value], *, against: bool
    ) -> tuple[Value, ...]:
        """Run a body step by step, in the order of the forward pass or against it.

        Returns:
            The last states, (batch, hidden), and the sequences that the body makes.
        """
        last_first = int(self.backwards != against)
        outputs = len(body.output)
        return self.node.op(
            "Scan",
            *states,
            *sequences,
            body=body,
            num_scan_inputs=len(sequences),
            scan_input_directions=[last_first] * len(sequences),
            scan_output_directions=[last_first] * (outputs - len(states)),
            n_outputs=outputs,
        )


@dataclass(frozen=True)
class Passed:
    """What flows back out of one direction.

    Attributes:
        by_gates: The gradient of what the input's weights made, (time, batch, gates · hidden).
        by_state_gates: The gradient of what the state's weights made.
        by_r: The gradient of the state's weights, (gates · hidden, hidden).
        by_states: The gradient of each initial state, (batch, hidden).
    """

    by_gates: Value
    by_state_gates: Value
    by_r: Value
    by_states: tuple[Value, ...]


def directions(node: Node, defaults: tuple[str, ...]) -> list[Direction]:
    """The directions of a recurrent node.

    Args:
        node: The node.
        defaults: The activations of one direction where the node names none.

    Raises:
        GradientError: It is a variant without a rule.
    """
    _check_variant(node)
    named = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}
    backwards = named[node.attr("direction", "forward")]
    activations = node.attr("activations", defaults * len(backwards))
    if unknown := sorted(set(activations) - set(_SLOPES)):
        raise node.refuse(f"has no gradient with the activation {unknown[0]!r}")
    h, by_h = node.forward_output(0), node.grad(0)
    count = len(defaults)
    found = []
    for at, each in enumerate(backwards):
        place = np.array(at, np.int64)
        states, gradients = (value.op("Gather", place, axis=1) for value in (h, by_h))
        w, r = (node.given(index).op("Gather", place, axis=0) for index in (1, 2))
        names = tuple(activations[at * count : (at + 1) * count])
        found.append(Direction(node, at, each, names, node.input, states, w, r, gradients))
    return found


def _check_variant(node: Node) -> None:
    for name in ("clip", "input_forget", "layout"):
        if node.attr(name, 0.0):
            raise node.refuse(f"has no gradient with the attribute {name}")
    if node.has_input(7):
        raise node.refuse("has no gradient with peepholes")
    if node.has_input(4) and not _is_whole(node):
        raise node.refuse("has no gradient with sequences of different lengths")


def _is_whole(node: Node) -> bool:
    """Whether every sequence has the full length."""
    lengths = node.given(4)
    known = lengths.tape.known.numbers.get(lengths.name, ())
    time = node.input.known_shape[0]
    return bool(known) and all(np.all(each == time) for each in known)


def assembled(found: Sequence[Direction], passed: Sequence[Passed]) -> tuple[Value | None, ...]:
    """The gradient of each input of a recurrent node, given what flows back out of its directions."""
    pairs = list(zip(found, passed, strict=True))
    by_x = [each.by_gates.op("MatMul", direction.w) for direction, each in pairs]
    by_w = [outer(each.by_gates, direction.x) for direction, each in pairs]
    by_bias = [
        each.by_gates.sum((0, 1), keepdims=False).op(
            "Concat", each.by_state_gates.sum((0, 1), keepdims=False), axis=0
        )
        for each in passed
    ]
    states = [_stacked(each) for each in zip(*(each.by_states for each in passed), strict=True)]
    total = by_x[0] if len(by_x) == 1 else by_x[0] + by_x[1]
    by_r = _stacked([each.by_r for each in passed])
    return total, _stacked(by_w), by_r, _stacked(by_bias), None, *states


def outer(by_gates: Value, sequence: Value) -> Value:
    """The gradient of weights, given that of what they make of a sequence."""
    return by_gates.op("Einsum", sequence, equation="tbg,tbi->gi")


def _stacked(values: Sequence[Value]) -> Value:
    """The values of the directions along a new first axis."""
    each = [value.op("Unsqueeze", axes=(0,)) for value in values]
    return each[0] if len(each) == 1 else each[0].op("Concat", *each[1:], axis=0)


def body(
    like: Value, states: Sequence[str], sequences: Sequence[str], steps: Sequence[str], outputs: Sequence[str]
) -> GraphProto:
    """One step of a scan.

    Args:
        like: A value of the dtype that everything has.
        states: Names of the states before the step.
        sequences: Names of the parts of the sequences.
        steps: What is computed, as "name = Operator input input"; Concat joins along the last axis. Other
            names are values of the graph around.
        outputs: Names of the states after the step, then of the parts of the sequences made.

    Returns:
        The step, with names that no value of the graph around has.
    """
    from onnx import helper

    element = helper.np_dtype_to_tensor_dtype(like.dtype)
    computed = [step.split(" = ") for step in steps]
    own = {name: like.tape.unique(name) for name in (*states, *sequences, *(name for name, _ in computed))}
    made = []
    for name, computation in computed:
        op_type, *inputs = computation.split()
        node = helper.make_node(op_type, [own.get(each, each) for each in inputs], [own[name]])
        if op_type == "Concat":
            node.attribute.append(helper.make_attribute("axis", -1))
        made.append(node)
    return helper.make_graph(
        made,
        "step",
        [helper.make_tensor_value_info(own[name], element, None) for name in (*states, *sequences)],
        [helper.make_tensor_value_info(own[name], element, None) for name in outputs],
    )
