"""Recurrent layers as ONNX's own operators.

Reference: https://onnx.ai/onnx/operators/onnx__LSTM.html, and likewise GRU and RNN.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from converters.assemble import LAYER_KEY
from converters.keras.traced import Recurrence

if TYPE_CHECKING:
    from onnx import NodeProto

Arrays = Mapping[str, NDArray[Any]]
# ONNX's order of gates, as places in Keras's: i f c o there, i o f c here; z r h in both.
_GATES = {"LSTM": (0, 3, 1, 2), "GRU": (0, 1, 2), "RNN": (0,)}
_TIME_FIRST = (1, 0, 2)


def recurrent_nodes(item: Recurrence, weights: Arrays) -> tuple[list[NodeProto], dict[str, NDArray[Any]]]:
    """The nodes that compute a recurrent layer, and the arrays that they read.

    Args:
        item: The layer.
        weights: Its kernels and bias by their names: float32 (features, gates · units),
            (units, gates · units), and (gates · units) or (2, gates · units).
    """
    prefix = item.layer
    arrays = {
        f"{item.kernel}": _kernel(weights[item.kernel], item),
        f"{item.recurrent}": _kernel(weights[item.recurrent], item),
    }
    if item.bias:
        arrays[item.bias] = _bias(weights[item.bias], item)
    nodes: list[NodeProto] = []

    def add(op: str, inputs: list[str], outputs: list[str], **attributes: Any) -> str:
        from onnx import helper

        made = {name: value for name, value in attributes.items() if value not in (None, (), [])}
        node = helper.make_node(op, inputs, outputs, name=f"{prefix}/{op}_{len(nodes)}", **made)
        node.metadata_props.add(key=LAYER_KEY, value=prefix)
        nodes.append(node)
        return outputs[0]

    first, second = f"{prefix}/axis_0", f"{prefix}/axis_1"
    arrays[first], arrays[second] = np.array([0], np.int64), np.array([1], np.int64)
    sequence = add("Transpose", [item.sequence], [f"{prefix}/time_first"], perm=_TIME_FIRST)
    states = [
        "" if state is None else add("Unsqueeze", [state, first], [f"{prefix}/first_state_{place}"])
        for place, state in enumerate(item.states)
    ]
    whole = f"{prefix}/steps"
    last = [f"{prefix}/last_state_{place}" for place in range(len(item.states))]
    read = [sequence, item.kernel, item.recurrent, item.bias, "", *states]
    while not read[-1]:
        read.pop()
    add(
        item.kind,
        read,
        [whole, *last],
        hidden_size=item.units,
        activations=item.activations,
        activation_alpha=item.alphas,
        activation_beta=item.betas,
        linear_before_reset=int(item.after) or None,
    )
    squeezed = add("Squeeze", [whole, second], [f"{prefix}/steps_of_one_direction"])
    add("Transpose", [squeezed], [item.outputs[0].tensor], perm=_TIME_FIRST)
    for state, port in zip(last, item.outputs[1:], strict=True):
        add("Squeeze", [state, first], [port.tensor])
    return nodes, arrays


def _kernel(kernel: NDArray[Any], item: Recurrence) -> NDArray[Any]:
    """(features, gates · units) as (1, gates · units, features)."""
    gates = kernel.T.reshape(len(_GATES[item.kind]), item.units, -1)
    return gates[list(_GATES[item.kind])].reshape(1, -1, kernel.shape[0])


def _bias(bias: NDArray[Any], item: Recurrence) -> NDArray[Any]:
    """(gates · units), or one for each of the two products, as (1, 2 · gates · units)."""
    both = bias if bias.ndim == 2 else np.stack([bias, np.zeros_like(bias)])
    gates = both.reshape(2, len(_GATES[item.kind]), item.units)
    return gates[:, list(_GATES[item.kind])].reshape(1, -1)
