"""What writes the ONNX nodes: our own emitters, or tf2onnx for what they do not cover."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from converters.assemble import Assembled, name_layers, put_back
from converters.errors import UnsupportedError
from converters.formats import Request, Written
from converters.tensorflow import emit
from converters.tensorflow.emit.value import Shape
from converters.tensorflow.framework import INSTALL, check_installed, is_installed
from converters.tensorflow.freeze import freeze
from converters.tensorflow.graph import SourceGraph
from converters.tensorflow.inference import InferenceGraph

NATIVE = "native"
_TF2ONNX = ("tensorflow", "tf2onnx")
_MOST_LISTED = 8


class Framework(Protocol):
    """What runs functions of this package where TensorFlow can be imported; it starts when first asked."""

    def call(self, function: str, **arguments: Any) -> Any:
        """Call a function there: "package.module:name"."""

    def versions(self) -> Mapping[str, str]:
        """Package → version of TensorFlow, and of tf2onnx where it is installed."""


def write(graph: InferenceGraph, request: Request, framework: Framework, *, path: Path, kind: str) -> Written:
    """Write a frozen graph as ONNX by the engine that was asked for.

    Args:
        graph: What computes the outputs from the inputs, its weights apart.
        request: The engine, the opset, and whether to fold.
        framework: Called only when tf2onnx is needed.
        path: The source, for messages.
        kind: What the source is, for messages.

    Raises:
        UnsupportedError: The native engine does not cover the graph, and tf2onnx was not asked for or is not
            there; it names each op and the layer that it belongs to. Or nobody knows the opset.
        MissingExtraError: tf2onnx was asked for and is not installed.
    """
    if request.engine == "tf2onnx":
        return _by_tf2onnx(graph, request, framework, path, kind, why=())
    _check_opset(request.opset)
    low = request.opset < emit.MIN_OPSET
    made = () if low else emit.attempt(graph, request.opset, fold=request.fold)
    if isinstance(made, Assembled):
        return Written(made, NATIVE)
    why = f"the native engine writes opset {emit.MIN_OPSET} and up" if low else _told(made)
    if request.engine == "native" or not all(map(is_installed, _TF2ONNX)):
        hint = "--engine tf2onnx" if all(map(is_installed, _TF2ONNX)) else INSTALL
        raise UnsupportedError(f"{path}: cannot be converted without tf2onnx: {why}", hint)
    return _by_tf2onnx(graph, request, framework, path, kind, why=(f"Written by tf2onnx: {why}.",))


def _check_opset(opset: int) -> None:
    import onnx

    newest = onnx.defs.onnx_opset_version()
    if opset > newest:
        raise UnsupportedError(
            f"opset {opset} is not known to onnx {onnx.__version__}; expected at most {newest}",
            f"--opset {emit.MIN_OPSET}",
        )


def with_shapes(
    source: SourceGraph, graph: InferenceGraph, request: Request, ask: Callable[[list[str]], list[Shape]]
) -> InferenceGraph:
    """The graph with the shapes of its inputs: a tensor in the middle of a graph does not note its own.

    They are worked out by writing what comes before it, and by TensorFlow where that cannot be written.

    Args:
        source: Where the graph comes from.
        graph: What was frozen of it.
        request: Which engine writes it.
        ask: Gives the shapes that TensorFlow works out for tensors of the source.
    """
    if all(spec.shape is not None for spec in graph.inputs):
        return graph
    names = [spec.name for spec in graph.inputs]
    before = None if request.engine == "tf2onnx" else emit.output_shapes(_cone(source, graph))
    if before is not None:
        return graph.with_input_shapes([before.get(name) for name in names])
    if not is_installed("tensorflow"):
        return graph
    return graph.with_input_shapes(ask(names))


def _cone(source: SourceGraph, graph: InferenceGraph) -> InferenceGraph:
    """What computes those inputs that are tensors in the middle of the graph."""
    return freeze(source, outputs=[spec.name for spec in graph.inputs if spec.shape is None])


def _by_tf2onnx(
    graph: InferenceGraph, request: Request, framework: Framework, path: Path, kind: str, why: tuple[str, ...]
) -> Written:
    import onnx

    check_installed(path, kind, *_TF2ONNX)
    if request.fold:
        raise UnsupportedError(
            f"{path}: --fold is done by the native engine only, and this is tf2onnx"
            + (f": {why[0].removeprefix('Written by tf2onnx: ').rstrip('.')}" if why else ""),
            "Leave out --fold." if why else "--engine native",
        )
    versions = framework.versions()
    serialized = framework.call(
        "converters.tensorflow.through_tf2onnx:emit",
        graph_def=graph.graph_def.SerializeToString(),
        inputs=[*(spec.name for spec in graph.inputs), *(f"{name}:0" for name in graph.weights)],
        outputs=[spec.name for spec in graph.outputs],
        opset=request.opset,
    )
    model = onnx.ModelProto.FromString(serialized)
    name_layers(model, list(graph.layers))
    return Written(
        put_back(model, graph.weights), f"tf2onnx {versions['tf2onnx']}", versions=versions, decisions=why
    )


def _told(gaps: Sequence[emit.Missing]) -> str:
    """Each op without an emitter once, with the layers that need it."""
    layers: dict[tuple[str, str], dict[str, None]] = {}
    for gap in gaps:
        layers.setdefault((gap.op, gap.reason), {})[gap.layer] = None
    listed = [
        f"{op} in {', '.join(list(names)[:3])}{', …' if len(names) > 3 else ''}"
        + (f" ({reason})" if reason else "")
        for (op, reason), names in layers.items()
    ]
    more = f"; and {len(listed) - _MOST_LISTED} more" if len(listed) > _MOST_LISTED else ""
    return f"no emitter for {'; '.join(listed[:_MOST_LISTED])}{more}"
