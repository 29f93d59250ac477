"""Recurrent layers while a network is traced, in the child process.

TensorFlow writes them as loops that few can read. Where ONNX has the very layer, a placeholder takes its
place, and `converters.keras.recurrent_nodes` puts ONNX's operator there. Others are unrolled where the number
of steps is known.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

from converters.errors import UnsupportedError
from converters.keras.loading import Network, unwrapped
from converters.keras.recording import Recorder, patched
from converters.keras.traced import Port, Recurrence

# Beyond this, a graph with every step in it takes longer to open than to run.
_MOST_STEPS = 256
_KINDS: Mapping[str, Literal["LSTM", "GRU", "RNN"]] = {"LSTM": "LSTM", "GRU": "GRU", "SimpleRNN": "RNN"}
_ACTIVATIONS = {
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "relu": "Relu",
    "softsign": "Softsign",
    "softplus": "Softplus",
    "hard_sigmoid": "HardSigmoid",
}


class Interception:
    """Takes the place of Keras's own loop over time."""

    def __init__(self, network: Network, recorder: Recorder, names: Mapping[int, str], graph: Any) -> None:
        """Intercept nothing yet.

        Args:
            network: What is traced.
            recorder: Knows the layer at work.
            names: The variables' names, by identity.
            graph: Into which the network is traced.
        """
        self.found: list[Recurrence] = []
        self._network = network
        self._recorder = recorder
        self._names = names
        self._graph = graph

    @contextmanager
    def active(self) -> Iterator[None]:
        """Intercept."""
        backend = self._network.inner("backend")
        loop = backend.rnn
        signature = inspect.signature(loop)

        def rnn(*args: Any, **kwargs: Any) -> Any:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            made = self._made(bound.arguments)
            if made is not None:
                return made
            self._refuse_endless(bound.arguments)
            bound.arguments["unroll"] = True
            return loop(*bound.args, **bound.kwargs)

        with patched(backend, "rnn", rnn):
            yield

    def _refuse_endless(self, given: Mapping[str, Any]) -> None:
        """Refuse a loop that ONNX has no operator for, and that cannot be written out step by step."""
        axis = 0 if given["time_major"] else 1
        sizes = [item.shape[axis] for item in self._network.flat(given["inputs"])]
        if all(size is not None and size <= _MOST_STEPS for size in sizes):
            return
        layer, path = self._recorder.current
        steps = "a free number of" if None in sizes else f"{max(sizes):,}"
        reason = "a mask" if given["mask"] is not None else "a cell or an activation that ONNX does not have"
        raise UnsupportedError(
            f"the recurrent layer {path!r} ({type(layer).__name__}) has {steps} steps and {reason}; expected "
            f"none of these, or at most {_MOST_STEPS} steps, which can be written one after another",
            "Build the model with a fixed number of steps, load the weights into it, and save it.",
        )

    def _made(self, given: Mapping[str, Any]) -> Any:
        """What a loop gives, as placeholders; None where ONNX has no such layer."""
        import tensorflow as tf

        layer, path = self._recorder.current
        kind = _KINDS.get(type(layer).__name__)
        activations = self._activations(layer)
        sequence = given["inputs"]
        if kind is None or type(layer) is not getattr(self._network.keras.layers, type(layer).__name__):
            return None
        if activations is None or given["mask"] is not None or given["time_major"] or given["constants"]:
            return None
        if tf.compat.v1.get_default_graph() is not self._graph or sequence.dtype != tf.float32:
            return None
        if given["go_backwards"]:
            sequence = tf.reverse(sequence, [1])
        cell, units = layer.cell, int(layer.units)
        batch, steps = sequence.shape[0], sequence.shape[1]
        states = [tf.convert_to_tensor(state) for state in self._network.flat(given["initial_states"])]
        whole = tf.compat.v1.placeholder(sequence.dtype, (batch, steps, units))
        last = [tf.compat.v1.placeholder(sequence.dtype, (batch, units)) for _ in states]
        names, alphas, betas = activations
        self.found.append(
            Recurrence(
                kind=kind,
                layer=path,
                sequence=sequence.name,
                states=tuple(None if _is_zero(state) else state.name for state in states),
                outputs=tuple(_port(tensor) for tensor in (whole, *last)),
                units=units,
                kernel=self._names[id(unwrapped(cell.kernel))],
                recurrent=self._names[id(unwrapped(cell.recurrent_kernel))],
                bias=self._names[id(unwrapped(cell.bias))] if cell.use_bias else "",
                activations=names,
                alphas=alphas,
                betas=betas,
                after=bool(getattr(cell, "reset_after", False)),
            )
        )
        outputs = whole if given["return_all_outputs"] else tf.expand_dims(last[0], 1)
        return last[0], outputs, last

    def _activations(self, layer: Any) -> tuple[tuple[str, ...], tuple[float, ...], tuple[float, ...]] | None:
        """ONNX's names and parameters for a layer's activations; None where it lacks one."""
        cell = getattr(layer, "cell", None)
        functions = [getattr(cell, "recurrent_activation", None), getattr(cell, "activation", None)]
        if type(layer).__name__ == "LSTM":
            functions.append(functions[1])
        used = [function for function in functions if function is not None]
        own = self._network.keras.activations
        names = [getattr(function, "__name__", "") for function in used]
        if any(
            name not in _ACTIVATIONS or getattr(own, name) is not f
            for name, f in zip(names, used, strict=True)
        ):
            return None
        slope = 0.2 if self._network.keras.__name__ == "tf_keras" else 1 / 6
        hard = [name for name in names if name == "hard_sigmoid"]
        return (
            tuple(_ACTIVATIONS[name] for name in names),
            tuple(slope for _ in hard),
            tuple(0.5 for _ in hard),
        )


def _is_zero(state: Any) -> bool:
    """Whether a state is the zeros that a layer begins with by itself."""
    import tensorflow as tf

    if state.op.type != "Fill":
        return False
    return bool(tf.get_static_value(state.op.inputs[1]) == 0)


def _port(tensor: Any) -> Port:
    return Port(tensor.op.name, tensor.name, tensor.dtype.name, tuple(tensor.shape.as_list()))
