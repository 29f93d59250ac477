"""A source and a model of it that was made earlier, elsewhere, or by something else: are they still equal?"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converters.assemble import Assembled
from converters.certificate import Certificate
from converters.comparison import Comparison, answers, compare
from converters.conversion import Progress, certified, compared
from converters.errors import SourceError
from converters.formats import Request, Source, Written, recognise
from converters.runtime import Runtime
from converters.stored_certificate import Stored, stored_certificate
from converters.trials import Inputs, Pictures, TensorSpec, standard_trials

if TYPE_CHECKING:
    from onnx import GraphProto, ValueInfoProto

PictureBatches = Callable[[Sequence[TensorSpec]], Iterable[Pictures]]


@dataclass(frozen=True)
class Verification:
    """What a repeated comparison found.

    Attributes:
        path: The ONNX file.
        certificate: What was read and compared, now.
    """

    path: Path
    certificate: Certificate

    @property
    def equal(self) -> bool:
        """Whether the model gives what the source gives."""
        return self.certificate.verdict == "equal"

    def to_dict(self) -> dict[str, Any]:
        """The path and the certificate as JSON's types."""
        return {"path": str(self.path), "certificate": self.certificate.to_dict()}


@dataclass(frozen=True)
class Changes:
    """What of a request should be otherwise than the model's certificate says; None where it should not."""

    inputs: tuple[str, ...] | None = None
    outputs: tuple[str, ...] | None = None
    signature: str | None = None
    input_shapes: tuple[str, ...] | None = None
    trust: bool = False


def verify(
    source: str | Path,
    model: str | Path,
    *,
    changes: Changes | None = None,
    trials: int = 4,
    pictures: PictureBatches | None = None,
    progress: Progress = lambda stage: None,
) -> Verification:
    """Compare a model with the source that it is said to be of.

    Args:
        source: What was converted.
        model: The ONNX file, from `convert` or from anything else.
        changes: What of the request should be otherwise than the model's certificate says. Whether code of
            the source may run is never taken from there.
        trials: How many kinds of random inputs.
        pictures: Gives pictures for the source's inputs, in batches, instead of random inputs.
        progress: Called with a few words as each stage begins.

    Returns:
        The path and a certificate of this comparison.

    Raises:
        SourceError: The source or the model cannot be read, or the model is not of this source.
        UnsupportedError: onnxruntime cannot run the model, or the source cannot be run.
        MissingExtraError: A framework that this source needs is not installed.
    """
    from converters.onnx_model.reading import read_model

    source, model = Path(source), Path(model)
    progress("reading the model")
    held = read_model(model)
    stored = stored_certificate(held.model.nodes)
    request = _request(stored.request, changes or Changes())
    progress("reading the source")
    with recognise(source).open(source, request) as opened:
        values = matched(opened, held.model, stored, f"{model}", f"{source}")
        written = Written(held.model, stored.engine, values)
        certificate = certified(source.name, opened, written, (), request)
        progress("comparing with the source")
        if pictures is None:
            found = _random(opened, written, model, trials)
        else:
            found = _pictured(opened, written, model, pictures(opened.inputs))
        certificate = compared(certificate, found, opened.reference)
    return Verification(model, _noted(certificate, stored))


def matched(source: Source, model: Assembled, stored: Stored, where: str, of: str) -> dict[str, str]:
    """Tensor of the source → what the model calls it: inputs, outputs, and the layers that it holds.

    The certificate says it; else equal names do, and of inputs and outputs their order and shapes.

    Args:
        source: The source.
        model: The model.
        stored: What its certificate says.
        where: The model, for messages.
        of: The source, for messages.

    Raises:
        SourceError: The model takes other inputs, or gives other outputs.
    """
    graph = model.nodes.graph
    constants = {tensor.name for tensor in graph.initializer} | set(model.weights)
    taken = {value.name: _spec(value) for value in graph.input if value.name not in constants}
    given = {value.name: _spec(value) for value in graph.output}
    by_order = dict(zip((spec.name for spec in source.inputs), stored.inputs, strict=False))
    inputs = _paired(source.inputs, taken, by_order)
    outputs = _paired(source.outputs, given, stored.outputs)
    for kind, declared, pairs, known in (
        ("takes", source.inputs, inputs, taken),
        ("gives", source.outputs, outputs, given),
    ):
        wrong = next(
            (spec for spec in declared if not _fits(spec, known.get(pairs.get(spec.name, "")))), None
        )
        if wrong is not None or (kind == "takes" and len(known) != len(declared)):
            raise SourceError(
                f"{where}: is no conversion of {of}: it {kind} {_listed(known.values())}; "
                f"the source {kind} {_listed(declared)}",
                "Name the tensors that were converted with --inputs and --outputs, or the right files.",
            )
    return {**_layer_values(source, graph, stored), **inputs, **outputs}


def _request(stored: Request, changes: Changes) -> Request:
    given = {
        name: value
        for name in ("inputs", "outputs", "signature", "input_shapes")
        if (value := getattr(changes, name)) is not None
    }
    return dataclasses.replace(stored, verify=True, trust=changes.trust, **given)


def _random(source: Source, written: Written, model: Path, count: int) -> Comparison:
    trials = standard_trials(count)
    runtime = Runtime(model)
    given = answers(source, written, runtime, trials)
    # An open session holds a copy of the weights, and the comparison needs a session of its own.
    del runtime
    return compare(source, written, given, trials)


def _pictured(source: Source, written: Written, model: Path, batches: Iterable[Pictures]) -> Comparison:
    """Compare the outputs on every picture, and the layers on the first ones."""
    runtime = Runtime(model)
    found: Comparison | None = None
    for batch in batches:
        trials: Sequence[Inputs] = [batch]
        given = answers(source, written, runtime, trials)
        each = compare(source, written, given, trials, layers=found is None)
        found = each if found is None else found.and_then(each)
    if found is None:
        raise SourceError("there is no picture to compare on", "Name pictures or folders with --images.")
    return found


def _noted(certificate: Certificate, stored: Stored) -> Certificate:
    """The certificate with what differs from the conversion's own."""
    if not stored.files or stored.files == {file.sha256 for file in certificate.files}:
        return certificate
    changed = "The source's files are not those of which the model's certificate speaks."
    return dataclasses.replace(certificate, warnings=(*certificate.warnings, changed))


def _paired(
    declared: Sequence[TensorSpec], known: Mapping[str, TensorSpec], stored: Mapping[str, str]
) -> dict[str, str]:
    """Source's name → model's name, for as many as can be told."""
    if all(stored.get(spec.name) in known for spec in declared):
        return {spec.name: stored[spec.name] for spec in declared}
    by_name = {
        spec.name: name for spec in declared for name in (_bare(spec.name), spec.name) if name in known
    }
    if len(by_name) == len(declared):
        return by_name
    if len(known) != len(declared):
        return by_name
    return dict(zip((spec.name for spec in declared), known, strict=True))


def _layer_values(source: Source, graph: GraphProto, stored: Stored) -> dict[str, str]:
    present = {name for node in graph.node for name in node.output if name}
    found: dict[str, str] = {}
    for layer, tensor in source.layers.items():
        names = (stored.layers.get(layer, ""), tensor, _bare(tensor), layer)
        value = next((name for name in names if name in present), None)
        if value is not None:
            found[tensor] = value
    return found


def _bare(tensor: str) -> str:
    """TensorFlow's tensors end in the number of an output, which other tools leave out."""
    return tensor.removesuffix(":0")


def _fits(declared: TensorSpec, found: TensorSpec | None) -> bool:
    if found is None or found.dtype != declared.dtype:
        return False
    if found.shape is None or declared.shape is None:
        return True
    return len(found.shape) == len(declared.shape) and all(
        None in (one, other) or one == other for one, other in zip(found.shape, declared.shape, strict=True)
    )


def _listed(specs: Iterable[TensorSpec]) -> str:
    return ", ".join(f"{spec.name} ({_shape(spec)} of {spec.dtype})" for spec in specs) or "nothing"


def _shape(spec: TensorSpec) -> str:
    if spec.shape is None:
        return "any shape"
    return "x".join("?" if size is None else str(size) for size in spec.shape) or "one number"


def _spec(value: ValueInfoProto) -> TensorSpec:
    from converters.onnx_model.values import spec_of

    return spec_of(value)
