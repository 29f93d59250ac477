"""Recurrent layers over a whole sequence, whose state begins at zero."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from converters.tensorflow.dtypes import Array
from converters.tensorflow.emit.registry import NoEmitter
from converters.tensorflow.emit.value import Value
from converters.tflite import schema
from converters.tflite.emit.emission import Emission
from converters.tflite.emit.registry import emitter
from converters.tflite.emit.steps import batch_first, clipped_lstm, steps_first
from converters.tflite.emit.weights import is_quantised
from converters.tflite.model import Operation

_ACTIVATIONS = {"TANH": "Tanh", "RELU": "Relu"}
# Where the file has the four gates, in the order in which ONNX has them: input, output, forget, cell.
_INPUT_WEIGHTS, _STATE_WEIGHTS, _BIASES = (1, 4, 2, 3), (5, 8, 6, 7), (12, 15, 13, 14)
_PEEPHOLES = (9, 11, 10)
_PROJECTION = (16, 17)
_STATES = (18, 19)
_NORMS = (20, 21, 22, 23)


@emitter("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs=(20, 24))
def lstm(to: Emission, operation: Operation) -> Value:
    """Long short-term memory, with peepholes or without.

    Reference: https://onnx.ai/onnx/operators/onnx__LSTM.html
    """
    if to.tensor(operation, 1) is None:
        raise NoEmitter(operation, "its input and forget gates are one")
    if any(to.tensor(operation, place) for place in (*_PROJECTION, *_NORMS)):
        raise NoEmitter(operation, "it projects its state or normalizes its gates")
    activation = _activation(operation, ("TANH",))
    _check_states(to, operation, _STATES)
    kernel, recurrent, bias = (_stacked(to, operation, p) for p in (_INPUT_WEIGHTS, _STATE_WEIGHTS, _BIASES))
    given = [place for place in _PEEPHOLES if to.tensor(operation, place) is not None]
    if given and len(given) < len(_PEEPHOLES):
        raise NoEmitter(operation, "it has some of its peepholes only")
    peepholes = _stacked(to, operation, given)[None] if given else None
    weights = kernel, recurrent, bias
    if _may_be_clipped(to, operation):
        if peepholes is not None:
            raise NoEmitter(operation, "it has peepholes and a bound on its state")
        return clipped_lstm(to, operation, weights, float(operation.options["cell_clip"]))
    return _sequence(to, operation, "LSTM", weights, peepholes, activation, gates=4)


@emitter("UNIDIRECTIONAL_SEQUENCE_RNN", inputs=5)
def rnn(to: Emission, operation: Operation) -> Value:
    """A plain recurrent layer."""
    activation = _activation(operation, tuple(_ACTIVATIONS))
    _check_states(to, operation, (4,))
    kernel, recurrent, bias = (_real(to, operation, place) for place in (1, 2, 3))
    return _sequence(to, operation, "RNN", (kernel, recurrent, bias), None, activation, gates=1)


def _may_be_clipped(to: Emission, operation: Operation) -> bool:
    """Whether the bound on the cell's state can be reached: it moves by one a step at most, from zero."""
    clip = operation.options["cell_clip"]
    shape = to.input(operation, 0).shape
    if clip <= 0 or shape is None or len(shape) != 3:
        return False
    steps = shape[0 if operation.options["time_major"] else 1]
    return steps is None or steps > clip


def _sequence(
    to: Emission,
    operation: Operation,
    op_type: str,
    weights: tuple[Array, Array, Array],
    peepholes: Array | None,
    activation: str,
    *,
    gates: int,
) -> Value:
    """A recurrent ONNX node; ONNX has the steps first, and an axis for directions."""
    kernel, recurrent, bias = weights
    size = recurrent.shape[-1]
    x = steps_first(to, operation, weights, gates)
    steps, batch, _ = x.shape or ()
    both = np.concatenate([bias, np.zeros_like(bias)])
    held = [
        to.weight(array[None], f"{to.layer}/{name}")
        for name, array in (("kernel", kernel), ("recurrent_kernel", recurrent), ("bias", both))
    ]
    read = [x, *held, None, None, None, peepholes]
    functions = None if activation == "Tanh" else [activation]
    like = x.like(shape=(steps, 1, batch, size))
    made = to.node(op_type, read, like, hidden_size=size, activations=functions)
    made = to.node("Squeeze", [made, to.small([1])], x.like(shape=(steps, batch, size)))
    return batch_first(to, operation, made)


def _stacked(to: Emission, operation: Operation, places: Sequence[int]) -> Array:
    """The weights of several gates, one behind another."""
    parts = [_real(to, operation, place) for place in places]
    if len({part.shape for part in parts}) > 1:
        raise NoEmitter(
            operation, f"the weights of its gates have the shapes {[list(p.shape) for p in parts]}"
        )
    return np.concatenate(parts)


def _real(to: Emission, operation: Operation, index: int) -> Array:
    """The real numbers of a stored input."""
    tensor = to.held(operation, index)
    if tensor is None or tensor.data is None or not tensor.data.ndim:
        raise NoEmitter(operation, f"its input {index} is not stored in the file")
    return tensor.real()


def _activation(operation: Operation, known: Sequence[str]) -> str:
    number = operation.options["activation"]
    name = schema.ACTIVATIONS[number] if 0 <= number < len(schema.ACTIVATIONS) else f"number {number}"
    if name not in known:
        raise NoEmitter(operation, f"its activation is {name}")
    return _ACTIVATIONS[name]


def _check_states(to: Emission, operation: Operation, places: Sequence[int]) -> None:
    """Refuse a state that begins at something else than zero, or that is kept in whole numbers."""
    if is_quantised(to, operation, 0):
        raise NoEmitter(operation, "its state is kept in whole numbers")
    for place in places:
        tensor = to.tensor(operation, place)
        if tensor is None or not tensor.is_variable or (tensor.data is not None and np.any(tensor.data)):
            raise NoEmitter(operation, "its state does not begin at zero")
