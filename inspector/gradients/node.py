"""A forward node as its derivative rule sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from inspector.errors import GradientError
from inspector.gradients.tape import LAYER_KEY, Tape
from inspector.gradients.value import Operand, Value

if TYPE_CHECKING:
    from onnx import AttributeProto, NodeProto

T = TypeVar("T")


class Node:
    """A forward node as its derivative rule sees it.

    Attributes:
        op_type: Its operator.
        domain: The operator's domain; "" is ONNX's own.
        version: The version of the operator that is in force.
        name: Its name; may be empty.
        layer: The layer that it belongs to, else its name, else its output's.
        inputs: What it reads; None for an input left out.
        outputs: What it makes.
        grads: The gradient of each output; None where none flows.
    """

    def __init__(
        self, proto: NodeProto, tape: Tape, version: int, grads: Sequence[Value | None], flows: frozenset[str]
    ) -> None:
        self._proto = proto
        self._flows = flows
        self._tape = tape
        self.op_type: str = proto.op_type
        self.domain: str = proto.domain
        self.version = version
        self.name: str = proto.name
        self.layer = layer_of(proto)
        self.inputs = tuple(tape.value(name) if name else None for name in proto.input)
        self.outputs = tuple(tape.value(name) for name in proto.output)
        self.grads = tuple(grads)

    @property
    def input(self) -> Value:
        """Its first input."""
        return self.given(0)

    @property
    def output(self) -> Value:
        """Its first output."""
        return self.forward_output(0)

    @property
    def opset(self) -> int:
        """The version of ONNX's operator set that backward nodes are written at."""
        return self._tape.known.opsets[""]

    def given(self, at: int) -> Value:
        """Return an input.

        Raises:
            GradientError: It is left out.
        """
        found = self.inputs[at] if at < len(self.inputs) else None
        if found is None:
            raise self.refuse("lacks an input that it needs")
        return found

    def wants(self, at: int) -> bool:
        """Whether the gradient of an input is of use; what is not need not be emitted."""
        return self.has_input(at) and self._proto.input[at] in self._flows

    def has_input(self, at: int) -> bool:
        """Whether an optional input is given."""
        return at < len(self.inputs) and self.inputs[at] is not None

    def attr(self, name: str, default: T) -> T:
        """Return an attribute as int, float, str, tuple, array or graph.

        Args:
            name: Its name.
            default: What stands for it where the node has none; it tells the type too.
        """
        found = next((each for each in self._proto.attribute if each.name == name), None)
        return default if found is None else _python(found)

    def constant(self, at: int) -> NDArray[Any] | None:
        """Return the numbers of an input that does not depend on what the network is given; None of others.

        Numbers that go with the batch are no constants.
        """
        if not self.has_input(at):
            return None
        name = self._proto.input[at]
        known = self._tape.known.numbers.get(name)
        if known is not None:
            return known[0] if np.array_equal(known[0], known[1]) else None
        return self._tape.weight(name)

    @overload
    def op(
        self, op_type: str, *inputs: Operand, n_outputs: int, domain: str = "", **attributes: Any
    ) -> tuple[Value, ...]: ...
    @overload
    def op(self, op_type: str, *inputs: Operand, domain: str = "", **attributes: Any) -> Value: ...
    def op(
        self,
        op_type: str,
        *inputs: Operand,
        n_outputs: int | None = None,
        domain: str = "",
        **attributes: Any,
    ) -> Value | tuple[Value, ...]:
        """Emit one backward node.

        Args:
            op_type: Its operator. Axes of reductions, Squeeze, Unsqueeze and Split's `split` may always be
                given as attributes; they are written as the operator set in force wants them.
            inputs: Values, numbers, arrays, or None for an input left out. Numbers become constants of the
                dtype that the operator takes there; equal ones are stored once.
            n_outputs: How many outputs it has; not given for one.
            domain: The operator's domain.
            attributes: Its attributes; arrays become tensors, and None is left out.

        Returns:
            The output; a tuple of them when `n_outputs` is given.
        """
        made = self._tape.emit(op_type, inputs, n_outputs or 1, domain, attributes)
        return made[0] if n_outputs is None else made

    def again(self, *inputs: Operand) -> Node:
        """Emit this very operator once more, on other inputs, as a backward node.

        Args:
            inputs: As for `op`.

        Returns:
            The new node, to be handed to a rule: its attributes and the gradients of its outputs are those of
            this one, and the gradient of every input is wanted.
        """
        proto = self._tape.emit_copy(self._proto, inputs)
        return Node(proto, self._tape, self.version, self.grads, frozenset(proto.input))

    def array(self, numbers: NDArray[Any]) -> Value:
        """Store a constant."""
        return self._tape.constant(numbers)

    def forward_output(self, at: int) -> Value:
        """Return an output of the forward node; one that it does not have yet is added to it."""
        while len(self._proto.output) <= at:
            self._proto.output.append("")
        if not self._proto.output[at]:
            stem = next(filter(None, self._proto.output), "") or self.name or self.op_type
            self._proto.output[at] = self._tape.unique(f"{stem}/output_{at}")
            self._tape.known.learn(self._proto)
            self.outputs = tuple(map(self._tape.value, self._proto.output))
        return self.outputs[at]

    def grad(self, at: int) -> Value:
        """Return the gradient of an output, zeros where none flows."""
        found = self.grads[at] if at < len(self.grads) else None
        return self.forward_output(at).zeros() if found is None else found

    def refuse(self, reason: str) -> GradientError:
        """The error that says why this node has no gradient.

        Args:
            reason: Follows the node's name: "has no gradient with the attribute mode='cubic'".
        """
        return refusal(self._tape.where, self._proto, self.version, reason)


def layer_of(proto: NodeProto) -> str:
    """The layer that a node belongs to, else its name, else its first output's."""
    declared = next((each.value for each in proto.metadata_props if each.key == LAYER_KEY), "")
    return declared or proto.name or next((name for name in proto.output if name), "")


def refusal(where: str, proto: NodeProto, version: int, reason: str) -> GradientError:
    """The error that names a node, its operator and layer, and why it has no gradient."""
    operator = f"{proto.domain}.{proto.op_type}" if proto.domain else proto.op_type
    shown = proto.name or next((name for name in proto.output if name), "")
    return GradientError(
        f"{where}: the node {shown!r} ({operator}, version {version}) of layer {layer_of(proto)!r} {reason}",
        "What needs no gradient still works: occlusion, RISE, Score-CAM, Eigen-CAM, ablation-CAM, KernelSHAP "
        "and LIME.",
    )


def _python(attribute: AttributeProto) -> Any:
    """An attribute's value in Python's terms."""
    from onnx import TensorProto, helper, numpy_helper

    value = helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, TensorProto):
        return numpy_helper.to_array(value)
    if isinstance(value, (str, int, float)) or not isinstance(value, Sequence):
        return value
    return tuple(each.decode() if isinstance(each, bytes) else each for each in value)
