"""From a TensorFlow Lite graph to ONNX nodes: one short function for each operator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from converters.assemble import Assembled, name_layers
from converters.errors import UnsupportedError
from converters.tensorflow.emit.registry import NoEmitter
from converters.tflite.emit.emission import Emission
from converters.tflite.emit.registry import Rule, emitters
from converters.tflite.model import LiteModel, Operation, Quantization, Tensor
from converters.tflite.unsigned import as_unsigned
from converters.trials import TensorSpec

__all__ = ["MIN_OPSET", "Emitted", "emit", "emitters"]

MIN_OPSET = 17
"""The lowest ONNX opset that is written."""
_MOST_LISTED = 8


@dataclass(frozen=True)
class Emitted:
    """A graph written as ONNX.

    Attributes:
        model: Nodes with the names of their layers, and the weights.
        values: Tensor of the file → what it is called in the ONNX graph, where it is there.
    """

    model: Assembled
    values: Mapping[str, str]


def emit(
    model: LiteModel,
    layers: Mapping[str, str],
    inputs: tuple[TensorSpec, ...],
    outputs: tuple[TensorSpec, ...],
    opset: int = MIN_OPSET,
) -> Emitted:
    """Write a graph as ONNX.

    Args:
        model: What `read_model` gives.
        layers: Operator → its layer.
        inputs: The inputs, as they are declared.
        outputs: The outputs.
        opset: The ONNX opset to write, 17 or higher.

    Raises:
        UnsupportedError: Operators have no emitter; it names each with the layers that hold it.
    """
    wanted = _needed(model, outputs)
    known = emitters()
    unknown = [(operation, "") for operation in wanted if operation.op not in known]
    if unknown:
        raise _refusal(model, layers, unknown)
    readers = Counter(name for operation in wanted for name in operation.inputs)
    readers.update(spec.name for spec in outputs)
    tensors = as_unsigned(model, [spec.name for spec in outputs]).tensors
    to = Emission(opset, tensors, readers=readers)
    _give(to, inputs, {*readers}, tensors)
    scopes = _scopes(wanted, layers)
    for operation in wanted:
        try:
            _write(to, operation, scopes[operation.name], layers[operation.name], known[operation.op])
        except NoEmitter as error:
            raise _refusal(model, layers, [(operation, error.reason)]) from error
    made = to.finish(inputs, outputs)
    name_layers(made.nodes, list(dict.fromkeys(layers.values())))
    values = {name: found for name in model.tensors if (found := to.value_name(name)) is not None}
    return Emitted(made, {**values, **{spec.name: spec.name for spec in (*inputs, *outputs)}})


def _needed(model: LiteModel, outputs: tuple[TensorSpec, ...]) -> list[Operation]:
    """The operators that outputs depend on, in the order of the file."""
    needed, kept = {spec.name for spec in outputs}, []
    for operation in reversed(model.operations):
        if needed.intersection(operation.outputs):
            kept.append(operation)
            needed.update(operation.inputs)
    return kept[::-1]


def _give(
    to: Emission, inputs: tuple[TensorSpec, ...], read: set[str], tensors: Mapping[str, Tensor]
) -> None:
    """The values that no operator makes: inputs, and what the file stores."""
    given = {spec.name for spec in inputs}
    for spec in inputs:
        to.feed(spec)
    for name in sorted(read - given - {""}):
        data = tensors[name].data
        if data is not None:
            to.give(name, to.weight(data, name))


def _write(to: Emission, operation: Operation, scope: str, layer: str, rule: Rule) -> None:
    count = len(operation.inputs)
    if not rule.least <= count <= rule.most:
        raise NoEmitter(operation, f"it has {count} inputs")
    to.start(operation, scope, layer=layer, moves=rule.moves and _is_uniform(to, operation))
    made = rule.write(to, operation)
    to.complete(operation, scope, made if isinstance(made, tuple) else (made,))


def _is_uniform(to: Emission, operation: Operation) -> bool:
    """Whether the same whole numbers stand for the same real ones in all that an operator reads and makes."""
    tensors: list[Tensor | None] = [to.tensor(operation, place) for place in range(len(operation.inputs))]
    tensors += [to.made(operation, place) for place in range(len(operation.outputs))]
    found: list[Quantization] = [
        t.quantization for t in tensors if t is not None and t.quantization is not None
    ]
    return all(each.is_per_tensor and each.equals(found[0]) for each in found)


def _scopes(operations: list[Operation], layers: Mapping[str, str]) -> dict[str, str]:
    """Operator → what its nodes are named after: its layer, with what it does where a layer has several."""
    counts = Counter(layers[operation.name] for operation in operations)
    scopes: dict[str, str] = {}
    for operation in operations:
        layer = layers[operation.name]
        alone = counts[layer] == 1 and len(operation.outputs) == 1
        scopes[operation.name] = layer if alone else f"{layer}/{operation.op.lower()}"
    return scopes


def _refusal(
    model: LiteModel, layers: Mapping[str, str], gaps: list[tuple[Operation, str]]
) -> UnsupportedError:
    """Each operator once, with the layers that need it."""
    held: dict[tuple[str, str], dict[str, None]] = {}
    for operation, reason in gaps:
        held.setdefault((operation.op, reason), {})[layers[operation.name]] = None
    listed = [
        f"{op} in {', '.join(list(names)[:3])}{', …' if len(names) > 3 else ''}"
        + (f" ({reason})" if reason else "")
        for (op, reason), names in held.items()
    ]
    more = f"; and {len(listed) - _MOST_LISTED} more" if len(listed) > _MOST_LISTED else ""
    return UnsupportedError(
        f"{model.path}: cannot be converted: no emitter for {'; '.join(listed[:_MOST_LISTED])}{more}",
        "Name the tensors before it with --outputs, or convert the model that this file was exported from.",
    )
