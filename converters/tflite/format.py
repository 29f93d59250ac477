"""TensorFlow Lite models as sources of `convert`."""

from __future__ import annotations

import importlib.util
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from converters.certificate import FileRecord
from converters.child import Child
from converters.errors import MissingExtraError, SourceError, UnsupportedError
from converters.files import check_file
from converters.formats import Feeds, Format, Reference, Request, Source, Written
from converters.tflite import emit
from converters.tflite.model import LiteModel, Tensor
from converters.tflite.naming import Layers, name_layers
from converters.tflite.reader import read_model, recognise
from converters.tflite.unsigned import as_unsigned, moved_bytes
from converters.tflite.weights import read_weights
from converters.trials import TensorSpec

INSTALL = "pip install 'onnx-inspector[tflite]'"
_RUNS = ("ai_edge_litert", "tensorflow")
# Weights of these meet data of floats.
_FEW_BITS = ("int8", "uint8", "INT4")
_WEIGHTED = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED"}) | {
    "BATCH_MATMUL",
    "UNIDIRECTIONAL_SEQUENCE_LSTM",
    "UNIDIRECTIONAL_SEQUENCE_RNN",
}


@contextmanager
def _open(path: Path, request: Request) -> Iterator[Source]:
    _check_request(path, request)
    check_file(path, "a TensorFlow Lite model")
    with ExitStack() as stack:
        child = _started(stack, path) if request.verify else None
        model = read_model(path, request.signature)
        inputs, outputs = _ends(model, request)
        layers = name_layers(model)
        widened = _widened(model)
        moved = as_unsigned(model, [spec.name for spec in outputs]).moved.difference(model.inputs)

        def write_model() -> Written:
            made = emit.emit(model, layers.of, inputs, outputs, request.opset)
            values = {name: value for name, value in made.values.items() if value != name}
            return Written(made.model, "native", values)

        yield Source(
            kind=f"TensorFlow Lite model{_told(model)}",
            files=(FileRecord.of(path),),
            inputs=inputs,
            outputs=outputs,
            layers=_seen(layers, outputs, model),
            decisions=(*_decisions(model, layers, request), *_widening(widened), *_moving(moved)),
            warnings=(),
            reference=_litert(child, model, widened, moved),
            write=write_model,
            steps=_steps(model, outputs),
        )


def _check_request(path: Path, request: Request) -> None:
    """Refuse what was asked for and does not exist here.

    Raises:
        UnsupportedError: It says what to leave out.
        MissingExtraError: The comparison is wanted, and nothing that runs such a file is installed.
    """
    if request.engine == "tf2onnx":
        raise UnsupportedError(
            f"{path}: is a TensorFlow Lite model, which tf2onnx is not used for", "--engine native"
        )
    if request.bake_preprocessing:
        raise UnsupportedError(
            f"{path}: holds no statistics of a preprocessing to bake in", "Leave out --bake-preprocessing."
        )
    if request.input_shapes:
        raise UnsupportedError(f"{path}: declares its inputs itself", "Leave out --input-shape.")
    if request.opset < emit.MIN_OPSET:
        raise UnsupportedError(
            f"{path}: opset {request.opset} was asked for; expected {emit.MIN_OPSET} or higher",
            f"--opset {emit.MIN_OPSET}",
        )
    if request.verify and not any(map(_is_installed, _RUNS)):
        raise MissingExtraError(
            f"{path}: comparing it with its conversion needs ai-edge-litert, not installed here",
            f"{INSTALL}, or --no-verify",
        )


def _is_installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def _started(stack: ExitStack, path: Path) -> Child:
    """LiteRT, which is imported while the file is read."""
    child = stack.enter_context(Child("LiteRT", path))
    child.send("converters.tflite.reference:versions")
    return child


def _litert(
    child: Child | None, model: LiteModel, widened: Sequence[str], moved: Collection[str]
) -> Reference:
    """The file itself, run by LiteRT in the child process; signed bytes as the conversion has them."""
    found: dict[str, str] = {}

    def versions() -> Mapping[str, str]:
        if not found and child is not None:
            found.update(child.receive())
        return found

    def name() -> str:
        told = {"ai-edge-litert": "LiteRT", "tensorflow": "the interpreter of TensorFlow"}
        return "the source in " + " ".join(
            f"{told.get(key, key)} {value}" for key, value in versions().items()
        )

    def run(feeds: Feeds, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        assert child is not None
        versions()
        indices = {each: model.tensors[each].index for each in names}
        values = child.call(
            "converters.tflite.reference:run",
            path=str(model.path),
            widened=[model.tensors[each].index for each in widened],
            subgraph=model.subgraph,
            feeds={model.tensors[each].index: array for each, array in feeds.items()},
            fetches=list(dict.fromkeys(indices.values())),
        )
        return {
            each: moved_bytes(values[index]) if each in moved else values[index]
            for each, index in indices.items()
        }

    return Reference(run, name, versions)


def _ends(model: LiteModel, request: Request) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """What goes in and what comes out, as the file declares it or as it was asked for."""
    if request.inputs and set(request.inputs) != set(model.inputs):
        raise UnsupportedError(
            f"{model.path}: can be fed its own inputs only: {', '.join(model.inputs)}",
            "Leave out --inputs.",
        )
    for name in request.outputs:
        if name not in model.producers:
            raise SourceError(
                f"{model.path}: makes no tensor {name!r}; its outputs are {', '.join(model.outputs)}",
                "Leave out --outputs.",
            )
    outputs = request.outputs or model.outputs
    return (
        tuple(_spec(model, model.tensors[name]) for name in request.inputs or model.inputs),
        tuple(_spec(model, model.tensors[name]) for name in outputs),
    )


def _spec(model: LiteModel, tensor: Tensor) -> TensorSpec:
    if tensor.dtype is None:
        raise UnsupportedError(
            f"{model.path}: its tensor {tensor.name!r} holds {tensor.kind}; expected numbers that numpy has"
        )
    return TensorSpec(tensor.name, tensor.dtype, tensor.signature)


def _told(model: LiteModel) -> str:
    """What kind of numbers a model computes with."""
    kinds = {tensor.kind for tensor in model.tensors.values() if tensor.quantization is not None}
    kinds &= {"int8", "uint8", "int16", "INT4"}
    return f", quantised {' and '.join(sorted(kinds))}" if kinds else ""


def _steps(model: LiteModel, outputs: Sequence[TensorSpec]) -> dict[str, float]:
    """The step of each quantised tensor that is computed.

    An output of floats that is computed from such tensors carries the largest of their steps.
    """
    own: dict[str, float] = {}
    carried: dict[str, float] = {}
    for name in model.inputs:
        own[name] = _step(model.tensors[name])
    for operation in model.operations:
        read = max((carried.get(name, 0.0) for name in operation.inputs), default=0.0)
        for name in operation.outputs:
            own[name] = _step(model.tensors[name])
            carried[name] = own[name] or read
    for spec in outputs:
        own[spec.name] = carried.get(spec.name, 0.0)
    return {name: step for name, step in own.items() if step}


def _step(tensor: Tensor) -> float:
    """The real value of one step of a tensor, 0 when it is not quantised."""
    quantization = tensor.quantization
    if (
        quantization is None
        or not quantization.is_per_tensor
        or tensor.kind not in ("int8", "uint8", "int16")
    ):
        return 0.0
    return float(quantization.scale[0])


def _seen(layers: Layers, outputs: Sequence[TensorSpec], model: LiteModel) -> dict[str, str]:
    """The layers that the outputs depend on."""
    needed = {spec.name for spec in outputs}
    for operation in reversed(model.operations):
        if needed.intersection(operation.outputs):
            needed.update(operation.inputs)
    return {layer: tensor for layer, tensor in layers.tensors.items() if tensor in needed}


def _widened(model: LiteModel) -> list[str]:
    """The stored tensors of few bits that are multiplied with floats."""
    found: dict[str, None] = {}
    for operation in model.operations:
        if operation.op not in _WEIGHTED:
            continue
        read = [model.tensors[name] for name in operation.inputs if name]
        if any(tensor.kind == "float32" and tensor.data is None for tensor in read):
            few = [tensor for tensor in read if tensor.data is not None and tensor.kind in _FEW_BITS]
            found.update({tensor.name: None for tensor in few if tensor.quantization is not None})
    return list(found)


def _widening(widened: Sequence[str]) -> tuple[str, ...]:
    if not widened:
        return ()
    return (
        f"{len(widened)} weights of few bits meet data of floats: LiteRT may round that data to 8 bits while"
        " it runs; here, and in what it is compared with, the data stays as it is.",
    )


def _moving(moved: Collection[str]) -> tuple[str, ...]:
    if not moved:
        return ()
    return (
        "Inside, signed bytes became unsigned ones with the zero point 128 higher: the same real numbers.",
    )


def _decisions(model: LiteModel, layers: Layers, request: Request) -> tuple[str, ...]:
    found = list(layers.decisions)
    if model.signature:
        found.append(f"Signature: {model.signature}.")
    if request.fold:
        found.append("--fold changes nothing: TensorFlow Lite's converter folds batch normalization itself.")
    return tuple(found)


TFLITE = Format("TensorFlow Lite model", recognise, _open, read_weights)
