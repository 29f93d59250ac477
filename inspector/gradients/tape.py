"""The builder that writes backward nodes and keeps their constants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from inspector.gradients.dialect import written
from inspector.gradients.kinds import Kind, Known, Sizes, schema_of
from inspector.gradients.names import unique
from inspector.gradients.value import Operand, Value

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

T = TypeVar("T")

LAYER_KEY = "inspector.layer"
_PREFIX = "gradient"


class Tape:
    """The backward nodes emitted so far, beside what is known of the forward graph.

    Args:
        where: The model, as messages name it.
        known: What is known of the forward values; what is emitted is added.
        taken: Names that the forward graph uses.
        weights: The forward graph's initializers, by name.
        steady: The forward values that do not depend on what the network is given.
        batched: An input whose first axis is the batch; empty where none is.
    """

    def __init__(
        self,
        where: str,
        known: Known,
        taken: set[str],
        weights: Mapping[str, TensorProto],
        steady: frozenset[str] = frozenset(),
        batched: str = "",
    ) -> None:
        self.where = where
        self.known = known
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, NDArray[Any]] = {}
        self.steady = steady
        self.scope = ""
        self.layer = ""
        self._batched = batched
        self._batch: Value | None = None
        self._taken = taken
        self._weights = weights
        self._stored: dict[tuple[str, Sizes, bytes], str] = {}
        self._folded: dict[tuple[str, str], str] = {}
        self._makers: dict[str, NodeProto] = {}
        self._origins: dict[str, object] = {}

    def value(self, name: str) -> Value:
        """The value of this name."""
        return Value(name, self)

    def batch(self) -> Value | None:
        """The size of the batch, int64 (1,); None when no input has such an axis."""
        if self._batch is None and self._batched:
            scope, self.scope = self.scope, ""
            self._batch = self.value(self._batched).op("Shape", start=0, end=1)
            self.scope = scope
        return self._batch

    def maker(self, value: Value) -> NodeProto | None:
        """The backward node that makes a value; None of forward values and constants."""
        return self._makers.get(value.name)

    def remember(self, value: Value, origin: object) -> None:
        """Keep what a value was made of, for rules that can make something shorter of that."""
        self._origins[value.name] = origin

    def recall(self, value: Value, kind: type[T]) -> T | None:
        """What `remember` kept of a value, if it is of this type."""
        found = self._origins.get(value.name)
        return found if isinstance(found, kind) else None

    def unique(self, name: str) -> str:
        """A name that nothing has yet."""
        return unique(name, self._taken)

    def emit(
        self,
        op_type: str,
        inputs: Sequence[Operand],
        n_outputs: int,
        domain: str,
        attributes: Mapping[str, Any],
    ) -> tuple[Value, ...]:
        """Emit one backward node; see `Node.op`."""
        from onnx import helper

        opset = self.known.opsets[""]
        op_type, inputs, attributes = written(op_type, tuple(inputs), dict(attributes), opset)
        names = self._operands(op_type, domain, inputs)
        outputs = self._results(op_type, n_outputs)
        return self._appended(
            helper.make_node(op_type, names, outputs, name=outputs[0], domain=domain, **attributes)
        )

    def emit_copy(self, forward: NodeProto, inputs: Sequence[Operand]) -> NodeProto:
        """Emit a forward node once more among the backward nodes; see `Node.again`."""
        import onnx

        outputs = self._results(forward.op_type, len(forward.output))
        node = onnx.NodeProto(
            op_type=forward.op_type,
            domain=forward.domain,
            name=outputs[0],
            input=self._operands(forward.op_type, forward.domain, tuple(inputs)),
            output=[new if old else "" for new, old in zip(outputs, forward.output, strict=True)],
            attribute=forward.attribute,
        )
        self._appended(node)
        return node

    def constant(self, array: NDArray[Any]) -> Value:
        """Store a constant, once for all that are equal."""
        array = np.ascontiguousarray(array) if array.ndim else array
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._stored:
            name = self.unique(f"{_PREFIX}/constant_{len(self.constants)}")
            self._stored[key] = name
            self.add_constant(name, array)
        return self.value(self._stored[key])

    def add_constant(self, name: str, array: NDArray[Any]) -> None:
        """Store a constant under a name of its own."""
        self.constants[name] = array
        self.known.kinds[name] = Kind(array.dtype, (array.shape,) * 2)
        if array.size <= 4096:
            self.known.numbers[name] = (array,) * 2

    def weight(self, name: str) -> NDArray[Any] | None:
        """The numbers of an initializer of the forward graph or a constant of the backward one, or None."""
        from onnx import numpy_helper

        if name in self.constants:
            return self.constants[name]
        return numpy_helper.to_array(self._weights[name]) if name in self._weights else None

    def constant_vector(self, numbers: Sequence[int]) -> Value:
        """Store whole numbers as an int64 vector."""
        return self.constant(np.array(numbers, np.int64))

    def folded(self, value: Value, step: str, array: NDArray[Any]) -> Value:
        """Store what a step makes of a weight; asked again for the same, the same constant is returned."""
        key = value.name, step
        if key not in self._folded:
            self._folded[key] = self.unique(f"{_PREFIX}/{value.name}/{step}")
            self.add_constant(self._folded[key], array)
        return self.value(self._folded[key])

    def has_folded(self, value: Value, step: str) -> Value | None:
        """What `folded` stored for a weight and step, if it did."""
        name = self._folded.get((value.name, step))
        return None if name is None else self.value(name)

    def _appended(self, node: NodeProto) -> tuple[Value, ...]:
        """Add a node, marked with the layer that it is for."""
        if self.layer:
            node.metadata_props.add(key=LAYER_KEY, value=f"{_PREFIX}/{self.layer}")
        self.nodes.append(node)
        self._makers.update(dict.fromkeys(node.output, node))
        self.known.learn(node)
        return tuple(map(self.value, node.output))

    def _results(self, op_type: str, count: int) -> list[str]:
        """Names for the outputs of a node to emit; the first is the node's own."""
        stem = self.unique(f"{_PREFIX}/{self.scope}/{op_type}" if self.scope else f"{_PREFIX}/{op_type}")
        return [stem, *(self.unique(f"{stem}:{at}") for at in range(1, count))]

    def _operands(self, op_type: str, domain: str, inputs: Sequence[Operand]) -> list[str]:
        """The names of the inputs of a node to emit, without those left out at the end."""
        names = [self._operand(op_type, domain, inputs, at) for at in range(len(inputs))]
        while names and not names[-1]:
            names.pop()
        return names

    def _operand(self, op_type: str, domain: str, inputs: Sequence[Operand], at: int) -> str:
        """The name of an input of a node to emit; numbers become constants of the dtype wanted there."""
        given = inputs[at]
        if given is None:
            return ""
        if isinstance(given, Value):
            return given.name
        array = np.asarray(given, None if np.size(given) else np.int64)
        wanted = self._dtype_at(op_type, domain, inputs, at)
        if array.dtype.kind == "b" or (array.dtype.kind in "iu" and isinstance(given, np.ndarray)):
            wanted = wanted if wanted is not None and array.dtype.kind == "i" and wanted.kind == "f" else None
        return self.constant(array if wanted is None else array.astype(wanted)).name

    def _dtype_at(
        self, op_type: str, domain: str, inputs: Sequence[Operand], at: int
    ) -> np.dtype[Any] | None:
        """The dtype that an operator takes at an input, given the values among its inputs."""
        values = [each for each in inputs if isinstance(each, Value)]
        first = values[0].dtype if values else None
        if domain:
            return first
        formal = schema_of(op_type, self.known.opsets[""], domain).inputs
        parameter = formal[min(at, len(formal) - 1)]
        if parameter.types == {"tensor(int64)"}:
            return np.dtype(np.int64)
        for other, each in enumerate(inputs):
            same = formal[min(other, len(formal) - 1)].type_str == parameter.type_str
            if isinstance(each, Value) and same:
                return each.dtype
        if "tensor(int64)" in parameter.types and not isinstance(inputs[at], (int, float)):
            return np.dtype(np.int64) if np.asarray(inputs[at]).dtype.kind in "iu" else first
        return first
