"""The ONNX graph under construction, with whole numbers that stand for real ones.

Built on TensorFlow's emission: values know how they lie, and change their order of axes as rarely as can be.
What comes on top are quantised tensors. Their value in the ONNX graph is the whole number that the source
has too. An operator that computes reads them through DequantizeLinear and ends in QuantizeLinear, the pattern
that onnxruntime turns into kernels on whole numbers; one that only moves numbers takes them as they are.

Reference: https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence

import numpy as np

from converters.assemble import Assembled
from converters.tensorflow.dtypes import Array
from converters.tensorflow.emit import emission as tensorflow
from converters.tensorflow.emit.casting import converted
from converters.tensorflow.emit.registry import NoEmitter
from converters.tensorflow.emit.value import Layout, Value
from converters.tensorflow.topology import Node
from converters.tflite.model import Operation, Quantization, Tensor
from converters.trials import TensorSpec

# From this opset on QuantizeLinear knows 16 bits.
_SIXTEEN_BITS = 21
# By how much a signed byte is lower than the unsigned one that stands for the same.
_SIGNED_ZERO = 128
# A tensor of more would take half a gigabyte: no network for small devices has one, and a broken file may.
_MOST_NUMBERS = 1 << 27


class Emission(tensorflow.Emission):
    """Collects nodes and initializers while the operators of a graph are written one after another."""

    def __init__(self, opset: int, tensors: Mapping[str, Tensor], *, readers: Mapping[str, int]) -> None:
        """Begin an empty graph.

        Args:
            opset: The ONNX opset to write.
            tensors: Those of the graph, by name.
            readers: Tensor → how many inputs of operators and outputs of the graph it is.
        """
        super().__init__(opset, readers=readers)
        self.tensors = tensors
        self._moves = False
        self._operation = Operation("", "", (), (), None)
        self._constants = 0
        self.layer = ""
        # The name of a real value → the whole numbers that it comes from, and what they stand for.
        self._stored: dict[str, tuple[Value, Quantization]] = {}
        self._reals: dict[str, Value] = {}
        self._fed: dict[str, Value] = {}
        self._scopes: dict[str, str] = {}

    # What emitters read.

    def tensor(self, node: Node, index: int) -> Tensor | None:
        """What the file says of an input; None where it is left out or not the file's."""
        if not -len(node.inputs) <= index < len(node.inputs):
            return None
        return self.tensors.get(node.inputs[index])

    def made(self, operation: Operation, index: int = 0) -> Tensor:
        """What the file says of an output."""
        return self.tensors[operation.outputs[index]]

    def stored(self, node: Node, index: int) -> Value:
        """An input as it is stored: whole numbers where it is quantised."""
        return super().input(node, index)

    def input(self, node: Node, index: int) -> Value:
        """An input as the operator at hand reads it: real numbers, but where it only moves them."""
        found = super().input(node, index)
        tensor = self.tensor(node, index)
        if self._moves or tensor is None or tensor.quantization is None:
            return found
        return self.real(node, found, tensor.quantization)

    def held(self, node: Node, index: int) -> Tensor | None:
        """What the file stores for an input, also where it is turned into real numbers first."""
        tensor, before = self.tensor(node, index), None
        if tensor is not None and tensor.data is None:
            before = self.source(node, index)
        if before is not None and before.op == "DEQUANTIZE":
            tensor = self.tensor(before, 0)
        return None if tensor is None or tensor.data is None else tensor

    def constant(self, array: Array) -> str:
        """A name under which a node can read numbers that the file does not store."""
        self._constants += 1
        name = f"constant:{self._constants}"
        self.give(name, self.weight(array, f"{self.layer}/constant"))
        return name

    def real(self, node: Node, value: Value, quantization: Quantization, axis: int | None = None) -> Value:
        """The real numbers that whole ones stand for; a value that holds real ones already stays.

        Args:
            node: What asks, for messages.
            value: The whole numbers.
            quantization: What they stand for.
            axis: Which axis of the ONNX tensor the scales are for; the quantization's own by default.
        """
        if value.dtype.kind not in "iu":
            return value
        key = value.name
        if value.constant is None and key in self._reals:
            return self._reals[key]
        if value.dtype.name in ("int16", "uint16") and self.opset < _SIXTEEN_BITS:
            raise NoEmitter(node, f"its tensors have 16 bits, which needs opset {_SIXTEEN_BITS}")
        if value.dtype.name not in ("int8", "uint8", "int16", "uint16", "int32"):
            raise NoEmitter(node, f"it computes on quantised {value.dtype.name}")
        where = None
        if not quantization.is_per_tensor:
            where = value.axis(quantization.axis) if axis is None else axis
        scale, zero = self._parameters(quantization, value.dtype)
        like = value.like(dtype="float32")
        made = self.node("DequantizeLinear", [value, scale, zero], like, axis=where)
        if value.constant is None:
            self._reals[key], self._stored[made.name] = made, (value, quantization)
        return made

    # The order of axes: it is the whole numbers that move.

    def plain(self, value: Value) -> Value:
        """The value with its axes in TensorFlow's order."""
        return self._reordered(value, "plain") or super().plain(value)

    def channels_first(self, value: Value) -> Value:
        """The value with its last axis as the second one of the ONNX tensor.

        Raises:
            NoEmitter: It has no channels beside samples and space.
        """
        if value.rank is None or value.rank < 3:
            raise NoEmitter(
                self._operation, f"its input has {value.rank} axes; expected channels behind space"
            )
        return self._reordered(value, "channels first") or super().channels_first(value)

    # What the package's driver calls.

    def feed(self, spec: TensorSpec) -> None:
        """Declare an input; where it is read as other whole numbers than it is fed, these are made of it."""
        value, tensor = Value(spec.name, spec.dtype, spec.shape), self.tensors[spec.name]
        self.give(spec.name, value)
        if tensor.dtype == spec.dtype or tensor.quantization is None:
            return
        self._fed[spec.name] = value
        scope = re.sub(r":\d+$", "", spec.name)
        self.start(Operation(scope, "QUANTIZE", (spec.name,), (), None), scope, layer=scope, moves=True)
        signed = dataclasses.replace(
            tensor.quantization, zero_point=tensor.quantization.zero_point - _SIGNED_ZERO
        )
        stored = self._as_stored(self._operation, self.real(self._operation, value, signed), tensor)
        self._nodes.name_nodes(scope, [], since=self._mark)
        self.give(spec.name, stored)

    def start(self, operation: Operation, scope: str, *, layer: str, moves: bool) -> None:
        """Begin with an operator: its nodes are named after `scope`, its weights after its layer."""
        self.begin(dataclasses.replace(operation, name=scope))
        self._moves = moves
        self._operation = operation
        self.layer = layer

    def complete(self, operation: Operation, scope: str, made: tuple[Value, ...]) -> None:
        """Give what an emitter made of an operator the names of the file, as whole numbers where it has them.

        Raises:
            NoEmitter: It has not as many outputs as the file says, or of a type that ONNX cannot hold.
        """
        if len(made) != len(operation.outputs):
            raise NoEmitter(operation, f"it has {len(operation.outputs)} outputs; expected {len(made)}")
        main: set[str] = set()
        for name, value in zip(operation.outputs, made, strict=True):
            tensor = self.tensors[name]
            if (value.size or 0) > _MOST_NUMBERS:
                raise NoEmitter(operation, f"its output has {value.size:,} numbers")
            value = self._as_stored(operation, value, tensor)
            if value.name in self._own and not self._nodes.is_taken(name):
                value = self._called(value, name)
                main.add(name)
            self._values[name], self._sources[name], self._scopes[name] = value, operation, scope
        self._nodes.name_nodes(scope, main, since=self._mark)

    def finish(self, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> Assembled:
        """The whole graph, without what no output needs."""
        self._values.update(self._fed)
        made = super().finish(inputs, outputs)
        for value in (*made.nodes.graph.input, *made.nodes.graph.output):
            for place, axis in enumerate(value.type.tensor_type.shape.dim):
                if axis.dim_param.startswith("_"):
                    axis.dim_param = f"{value.name}_{place}"
        return made

    def value_name(self, tensor: str) -> str | None:
        """What a tensor of the file is called in the ONNX graph; None when it is not there."""
        value = self._values.get(tensor)
        return None if value is None or value.constant is not None else value.name

    # Private.

    def _as_output(self, spec: TensorSpec) -> Value:
        """Make a value an output of the graph; what it takes belongs to the operator that made the value."""
        self._scope = self._scopes.get(spec.name, self._scope)
        return super()._as_output(spec)

    def _parameters(self, quantization: Quantization, dtype: np.dtype[np.generic]) -> tuple[Array, Array]:
        """Scale and zero point as the ONNX operators read them."""
        scale = quantization.scale.astype(np.float32)
        zero = quantization.zero_point.astype(dtype)
        if quantization.is_per_tensor:
            return scale.reshape(()), zero.reshape(())
        return scale, zero

    def _as_stored(self, operation: Operation, value: Value, tensor: Tensor) -> Value:
        """A value as the file has it: real numbers become whole ones where the tensor is quantised."""
        dtype = tensor.dtype
        if dtype is None:
            raise NoEmitter(operation, f"it makes a tensor of {tensor.kind}, which ONNX has no numbers for")
        quantization = tensor.quantization
        if quantization is None or dtype.kind not in "iu" or value.dtype.kind != "f":
            return converted(self, value, dtype)
        if not quantization.is_per_tensor or dtype.name not in ("int8", "uint8", "int16", "uint16"):
            raise NoEmitter(
                operation, f"its output is quantised {dtype.name} with {quantization.scale.size} scales"
            )
        if dtype.itemsize > 1 and self.opset < _SIXTEEN_BITS:
            raise NoEmitter(operation, f"its tensors have 16 bits, which needs opset {_SIXTEEN_BITS}")
        scale, zero = self._parameters(quantization, dtype)
        return self.node("QuantizeLinear", [value, scale, zero], value.like(dtype=dtype))

    def _called(self, value: Value, name: str) -> Value:
        """Rename a value, and what was noted about it."""
        renamed = self._renamed(value, name)
        for key, real in self._reals.items():
            if real.name == value.name:
                self._reals[key] = dataclasses.replace(real, name=name)
        if value.name in self._reals:
            self._reals[name] = self._reals.pop(value.name)
        if value.name in self._stored:
            self._stored[name] = self._stored.pop(value.name)
        return renamed

    def _reordered(self, value: Value, layout: Layout) -> Value | None:
        """The value in another order by way of the whole numbers that it comes from; None without such."""
        if value.layout == layout or value.name not in self._stored:
            return None
        stored, quantization = self._stored[value.name]
        moved = super().plain(stored) if layout == "plain" else super().channels_first(stored)
        return self.real(self._operation, moved, quantization)
