"""The original ONNX file as something that can be run: what its conversion is compared with."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from converters.assemble import Assembled
from converters.errors import SourceError, UnsupportedError
from converters.formats import Feeds, Reference
from converters.onnx_model.graph import needed, replace
from converters.onnx_model.opsets import version_of
from converters.onnx_model.training import leave_training_mode
from converters.onnx_model.wholes import with_weights
from converters.runtime import Runtime

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

    from converters.onnx_model.reading import ModelFile
    from converters.onnx_model.repair import Patient

_OLDEST_OPSET = 7
_RUNTIME, _EVALUATOR = "onnxruntime", "onnx's reference evaluator"
Run = Callable[[Feeds, Sequence[str]], dict[str, NDArray[Any]]]


@dataclass(frozen=True)
class _Engine:
    """One way to run the file.

    Attributes:
        name: What it is.
        open: Makes ready to compute some values.
    """

    name: str
    open: Callable[[Sequence[str]], Run]


def reference(file: ModelFile, patient: Patient, cut: Sequence[str]) -> Reference:
    """The file as it stands, run by onnxruntime; by onnx's own evaluator where onnxruntime is too new for it.

    A file that neither runs as it stands is run as it was repaired, at its own opset.

    Args:
        file: The original.
        patient: The repaired model.
        cut: The inputs, where they are others than its own.
    """
    judge = _Judge(file, patient, cut)
    return Reference(judge.run, lambda: judge.name)


class _Judge:
    """The first engine that runs the file; it stays the judge."""

    def __init__(self, file: ModelFile, patient: Patient, cut: Sequence[str]) -> None:
        self._path = file.path
        self._candidates = [
            *_engines("the file itself", lambda: (_original(file, cut), file.model.weights)),
            *_engines("the repaired file", lambda: (patient.model, patient.weights)),
        ]
        self._chosen: _Engine | None = None
        self._ready: tuple[frozenset[str], Run] | None = None

    @property
    def name(self) -> str:
        """What judged."""
        return (self._chosen or self._candidates[0]).name

    def run(self, feeds: Feeds, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Compute values of the original; what is fed is given back."""
        wanted = [name for name in dict.fromkeys(names) if name not in feeds]
        found = self._values(feeds, wanted) if wanted else {}
        return {name: feeds[name] if name in feeds else found[name] for name in names}

    def _values(self, feeds: Feeds, wanted: Sequence[str]) -> dict[str, NDArray[Any]]:
        reasons: list[UnsupportedError] = []
        for engine in [self._chosen] if self._chosen else self._candidates:
            try:
                run = self._opened(engine, wanted)
                found = run(feeds, wanted)
            except UnsupportedError as error:
                reasons.append(error)
                continue
            self._chosen = engine
            return found
        raise SourceError(f"{self._path}: {reasons[0].message}") from reasons[0]

    def _opened(self, engine: _Engine, wanted: Sequence[str]) -> Run:
        if engine is self._chosen and self._ready and self._ready[0] == frozenset(wanted):
            return self._ready[1]
        run = engine.open(wanted)
        self._ready = frozenset(wanted), run
        return run


def _engines(what: str, load: Callable[[], tuple[ModelProto, Mapping[str, NDArray[Any]]]]) -> list[_Engine]:
    def in_runtime(names: Sequence[str]) -> Run:
        nodes, weights = load()
        if version_of(nodes) < _OLDEST_OPSET:
            raise UnsupportedError(f"onnxruntime runs no model of opset {version_of(nodes)}")
        whole = Assembled(nodes, weights).with_outputs(names)
        runtime = Runtime(whole.SerializeToString(), weights, what=what)
        return lambda feeds, _: runtime.run(feeds)

    def in_evaluator(names: Sequence[str]) -> Run:
        nodes, weights = load()
        if version_of(nodes) >= _OLDEST_OPSET:
            raise UnsupportedError("onnxruntime runs such models")
        return _evaluator(nodes, weights)

    return [_Engine(f"{what} in {_RUNTIME}", in_runtime), _Engine(f"{what} in {_EVALUATOR}", in_evaluator)]


def _original(file: ModelFile, cut: Sequence[str]) -> ModelProto:
    """The file's own nodes, in inference mode, with other inputs if they are asked for."""
    import onnx

    nodes = onnx.ModelProto()
    nodes.CopyFrom(file.model.nodes)
    leave_training_mode(nodes)
    _cut(nodes, cut)
    return nodes


def _evaluator(nodes: ModelProto, weights: Mapping[str, NDArray[Any]]) -> Run:
    """Onnx's own evaluator: slow, and for every opset."""
    from onnx.reference import ReferenceEvaluator

    whole = with_weights(nodes, weights)
    replace(whole.graph.node, [made for node in whole.graph.node for made in _as_evaluated(node)])
    evaluator: Any = None

    def run(feeds: Feeds, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        nonlocal evaluator
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                evaluator = evaluator or ReferenceEvaluator(whole)
                values = evaluator.run(list(names), dict(feeds))
            except Exception as error:
                reason = " ".join(str(error).split())[:200]
                raise UnsupportedError(f"onnx's reference evaluator cannot run it: {reason}") from error
        # It takes the logarithm of a softmax where that has become zero, for example.
        strange = next(
            (name for name, value in zip(names, values, strict=True) if not _is_finite(value)), None
        )
        if strange is not None:
            raise UnsupportedError(f"onnx's reference evaluator gives no finite numbers for {strange!r}")
        return {name: np.asarray(value) for name, value in zip(names, values, strict=True)}

    return run


def _as_evaluated(node: NodeProto) -> list[NodeProto]:
    """A node of an old opset as the evaluator understands it, which knows operators as they are today."""
    from onnx import helper

    output = node.output[0] if node.output else ""
    if node.op_type == "Dropout" and not any(node.output[1:]):
        # In inference there is nothing to it.
        return [helper.make_node("Identity", node.input[:1], [output])]
    if node.op_type not in ("Softmax", "LogSoftmax", "Hardmax"):
        return [node]
    # Until version 12, what stands before the axis is one axis, and the rest another.
    axis = next((each.i for each in node.attribute if each.name == "axis"), 1)
    source, flat, done, shape = node.input[0], f"{output}/flat", f"{output}/done", f"{output}/shape"
    return [
        helper.make_node("Shape", [source], [shape]),
        helper.make_node("Flatten", [source], [flat], axis=axis),
        helper.make_node(node.op_type, [flat], [done], axis=1),
        helper.make_node("Reshape", [done, shape], [output]),
    ]


def _is_finite(value: object) -> bool:
    return not isinstance(value, np.ndarray) or value.dtype.kind != "f" or bool(np.isfinite(value).all())


def _cut(model: ModelProto, inputs: Sequence[str]) -> None:
    """Let values be given that nodes make."""
    import onnx

    if not inputs:
        return
    names = [value.name for value in model.graph.output]
    replace(model.graph.node, needed(model.graph, names, inputs))
    kept = {value.name: value for value in model.graph.input}
    replace(model.graph.input, [kept.get(name, onnx.ValueInfoProto(name=name)) for name in inputs])
