"""A sequence step by step: its axes as ONNX wants them, and memory whose state is bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from converters.tensorflow.dtypes import Array
from converters.tensorflow.emit.registry import NoEmitter
from converters.tensorflow.emit.value import Value
from converters.tflite.emit.emission import Emission
from converters.tflite.model import Operation

if TYPE_CHECKING:
    from onnx import GraphProto, ValueInfoProto


def steps_first(to: Emission, operation: Operation, weights: tuple[Array, Array, Array], gates: int) -> Value:
    """The input of a recurrent operator as (steps, batch, features).

    Args:
        to: The graph.
        operation: The operator.
        weights: Of the input, (gates · size, features), of the state, (gates · size, size), and the bias.
        gates: How many gates each unit has, one for a plain layer.

    Raises:
        NoEmitter: The weights do not fit each other or the input.
    """
    kernel, recurrent, bias = weights
    rows, size = kernel.shape[0], recurrent.shape[-1]
    x = to.plain(to.input(operation, 0))
    told = f"{list(kernel.shape)}, {list(recurrent.shape)} and {list(bias.shape)}"
    if rows != gates * size or recurrent.shape != (rows, size) or bias.shape != (rows,):
        raise NoEmitter(operation, f"its weights {told} do not fit each other")
    if x.shape is None or x.rank != 3 or kernel.shape != (rows, x.shape[2]):
        raise NoEmitter(operation, f"its weights {told} do not fit its input")
    if operation.options["time_major"]:
        return x
    return to.node("Transpose", [x], x.like(shape=(x.shape[1], x.shape[0], x.shape[2])), perm=(1, 0, 2))


def batch_first(to: Emission, operation: Operation, value: Value) -> Value:
    """What a recurrent node makes, (steps, batch, size), in the order of the file."""
    if operation.options["time_major"]:
        return value
    steps, batch, size = value.shape or ()
    return to.node("Transpose", [value], value.like(shape=(batch, steps, size)), perm=(1, 0, 2))


def clipped_lstm(
    to: Emission, operation: Operation, weights: tuple[Array, Array, Array], bound: float
) -> Value:
    """Long short-term memory whose cells stay within a bound: ONNX's LSTM has none, so its equations.

    Args:
        to: The graph.
        operation: The operator.
        weights: As in `steps_first`; the gates are input, output, forget, cell.
        bound: The largest absolute state of a cell.

    Reference: Hochreiter and Schmidhuber, "Long Short-Term Memory", 1997; the bound is Sak et al., 2014.
    """
    kernel, recurrent, bias = weights
    size = recurrent.shape[-1]
    x = steps_first(to, operation, weights, gates=4)
    steps, batch, _ = x.shape or ()
    like = x.like(shape=(steps, batch, 4 * size))
    product = to.node("MatMul", [x, to.weight(kernel.T, f"{to.layer}/kernel")], like)
    sums = to.node("Add", [product, to.weight(bias, f"{to.layer}/bias")], like)
    zeros = _zeros(to, x, batch, size)
    state = x.like(shape=(batch, size))
    made = to.nodes(
        "Scan",
        [zeros, zeros, sums],
        [state, state, x.like(shape=(steps, batch, size))],
        body=_step(recurrent, bound),
        num_scan_inputs=1,
    )
    return batch_first(to, operation, made[2])


def _zeros(to: Emission, x: Value, batch: int | None, size: int) -> Value:
    """The state before the first step, (batch, size)."""
    if batch is not None:
        return to.weight(np.zeros((batch, size), np.float32), f"{to.layer}/state")
    shape = to.node("Shape", [x], Value("", np.dtype(np.int64), (3,)))
    count = to.node("Slice", [shape, to.small([1]), to.small([2])], shape.like(shape=(1,)))
    sizes = to.node("Concat", [count, to.small([size])], shape.like(shape=(2,)), axis=0)
    return to.node("ConstantOfShape", [sizes], x.like(shape=(None, size)))


def _step(recurrent: Array, bound: float) -> GraphProto:
    """One step: state and cell before it, and the sums over its input, to both after it and its output."""
    from onnx import TensorProto, helper, numpy_helper

    size = recurrent.shape[-1]
    nodes = [
        helper.make_node("MatMul", ["state", "recurrent_kernel"], ["of_state"]),
        helper.make_node("Add", ["of_input", "of_state"], ["sums"]),
        helper.make_node("Split", ["sums", "sizes"], ["input", "output", "forget", "new"], axis=-1),
        *(helper.make_node("Sigmoid", [gate], [f"{gate}_gate"]) for gate in ("input", "output", "forget")),
        helper.make_node("Tanh", ["new"], ["new_cell"]),
        helper.make_node("Mul", ["forget_gate", "cell"], ["kept"]),
        helper.make_node("Mul", ["input_gate", "new_cell"], ["added"]),
        helper.make_node("Add", ["kept", "added"], ["unbounded"]),
        helper.make_node("Clip", ["unbounded", "least", "most"], ["cell_after"]),
        helper.make_node("Tanh", ["cell_after"], ["shown"]),
        helper.make_node("Mul", ["output_gate", "shown"], ["state_after"]),
        helper.make_node("Identity", ["state_after"], ["step"]),
    ]
    held: dict[str, Array] = {
        "recurrent_kernel": np.ascontiguousarray(recurrent.T, np.float32),
        "sizes": np.full(4, size, np.int64),
        "least": np.asarray(-bound, np.float32),
        "most": np.asarray(bound, np.float32),
    }

    def declared(name: str, width: int) -> ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, width])

    return helper.make_graph(
        nodes,
        "step",
        [declared("state", size), declared("cell", size), declared("of_input", 4 * size)],
        [declared(name, size) for name in ("state_after", "cell_after", "step")],
        [numpy_helper.from_array(array, name) for name, array in held.items()],
    )
