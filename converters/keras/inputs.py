"""The inputs of a network, in the child process: those that it declares, and those that a user describes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from converters.errors import SourceError, UnsupportedError
from converters.input_shapes import InputShape, matched, parse
from converters.keras import loading
from converters.keras.loading import Network
from converters.keras.traced import Shape

_ANY_SIZE = 32
Spec = tuple[str, str, Shape]
"""Name, type and shape."""


def declared(network: Network) -> list[Spec]:
    """Name, type and shape of each input that a model declares; none when it has not seen one."""
    model = network.model
    declared = getattr(model, "inputs", None) or []
    names = getattr(model, "input_names", None) or operations(declared)
    specs = []
    for name, tensor in zip(names, declared, strict=False):
        dtype = getattr(tensor.dtype, "name", str(tensor.dtype))
        if dtype == "string" or getattr(tensor, "sparse", False) is True:
            kind = "text" if dtype == "string" else "sparse tensors"
            raise UnsupportedError(f"the input {name!r} takes {kind}; expected plain arrays of numbers")
        specs.append((str(name), dtype, tuple(tensor.shape)))
    return specs


def operations(tensors: Sequence[Any]) -> list[str]:
    """What Keras 3 calls the layers or operations that tensors come from."""
    return [
        str(tensor._keras_history.operation.name) for tensor in tensors if hasattr(tensor, "_keras_history")
    ]


def specs_of(given: Sequence[str]) -> list[Spec]:
    """The inputs that a user describes."""
    described = [parse(text) for text in given]
    names = [
        shape.name or (f"input_{place + 1}" if len(described) > 1 else "input")
        for place, shape in enumerate(described)
    ]
    specs = [shape.spec(name) for name, shape in zip(names, described, strict=True)]
    return [(spec.name, spec.dtype.name, spec.shape or ()) for spec in specs]


def check(given: Sequence[str], specs: Sequence[Spec], where: str) -> None:
    """Check what a user says of the inputs against what the network declares.

    Args:
        given: The descriptions, as `Request.input_shapes`.
        specs: What the network declares.
        where: The source, for messages.

    Raises:
        SourceError: There is no such input, or it has another shape or type.
    """
    if not given:
        return
    typed = {parse(text).axes for text in given if ":" in text}
    shapes = matched(given, [name for name, _, _ in specs], where)
    for name, dtype, shape in specs:
        described = shapes[name]
        other = described.axes in typed and described.dtype.name != dtype
        if other or not _fits(described, shape):
            types = (f":{dtype}", f":{described.dtype.name}") if other else ("", "")
            raise SourceError(
                f"{where}: its input {name} is {_shown(_letters(shape))}{types[0]}; "
                f"given --input-shape {_shown(described.axes)}{types[1]}",
                "Leave out --input-shape: the model declares its inputs.",
            )


def _fits(described: InputShape, declared: Shape) -> bool:
    """Whether all sizes but that of the batch are those that the network declares, where it does."""
    pairs = zip(described.axes[1:], declared[1:], strict=False)
    return len(described.axes) == len(declared) and all(size in (None, axis) for axis, size in pairs)


def _letters(shape: Shape) -> tuple[int | str, ...]:
    return tuple(
        "N" if not place and size is None else "?" if size is None else size
        for place, size in enumerate(shape)
    )


def _shown(axes: Sequence[int | str]) -> str:
    return ",".join(map(str, axes))


def build(network: Network, specs: Sequence[Spec]) -> None:
    """Let a model see an input once: it makes its variables only then.

    Raises:
        SourceError: It does not take inputs of these shapes.
    """
    import tensorflow as tf

    loading.without_comments(network.keras)
    shapes = [tuple(_ANY_SIZE if size is None else size for size in shape) for _, _, shape in specs]
    inputs = [tf.zeros(shape, dtype) for shape, (_, dtype, _) in zip(shapes, specs, strict=True)]
    try:
        answer(network, inputs)
    except (TypeError, ValueError, tf.errors.OpError) as error:
        reason = str(error).strip().splitlines() or [""]
        tried = ", ".join(
            f"{_shown(shape)}:{dtype}" for shape, (_, dtype, _) in zip(shapes, specs, strict=True)
        )
        raise SourceError(
            f"--input-shape: the model does not take {tried}: {type(error).__name__}: {reason[0]}",
            "Another --input-shape may be what it takes.",
        ) from error


def answer(network: Network, inputs: Sequence[Any]) -> list[Any]:
    """The outputs of a network at inference."""
    return network.flat(network.model(inputs[0] if len(inputs) == 1 else list(inputs), training=False))
