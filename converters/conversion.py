"""From a source to an ONNX file with its certificate."""

from __future__ import annotations

import dataclasses
import importlib
import platform
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata as packages
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converters import gate
from converters.assemble import append_metadata
from converters.certificate import METADATA_KEY, Certificate
from converters.comparison import Comparison, answers, compare, drawn, feeds
from converters.errors import NotEqualError
from converters.files import check_not_input, check_output, replacing
from converters.formats import Reference, Request, Source, Written, recognise
from converters.runtime import Runtime
from converters.trials import Pictures, standard_trials

if TYPE_CHECKING:
    from onnx import ModelProto

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Conversion:
    """A finished conversion.

    Attributes:
        path: The ONNX file.
        certificate: What was read, decided and compared.
    """

    path: Path
    certificate: Certificate

    def to_dict(self) -> dict[str, Any]:
        """The path and the certificate as JSON's types."""
        return {"path": str(self.path), "certificate": self.certificate.to_dict()}


def convert(
    source: str | Path,
    out: str | Path,
    *,
    request: Request | None = None,
    metadata: Callable[[Source], Mapping[str, str]] = lambda opened: {},
    force: bool = False,
    progress: Progress = lambda stage: None,
) -> Conversion:
    """Convert a trained network to ONNX and prove that it gives the same answers.

    Args:
        source: The network's own file or folder, of any format in the registry.
        out: The ONNX file to write.
        request: Choices that override the defaults.
        metadata: Gives the keys and values to store in the model beside the certificate.
        force: Whether an existing `out` may be replaced.
        progress: Called with a few words as each stage begins.

    Returns:
        The path and the certificate, which the file holds too.

    Raises:
        NotEqualError: The model does not give the source's outputs; its `certificate` has the figures.
        SourceError: The source cannot be read.
        UnsupportedError: Something in it has no ONNX counterpart.
        MissingExtraError: A framework that this source needs is not installed.
    """
    source, out, request = Path(source), Path(out), request or Request()
    check_output(out, force=force)
    check_not_input(out, _family(source))
    progress("reading the source")
    known = recognise(source)
    with known.open(source, request) as opened:
        progress("writing the model")
        stored = metadata(opened)
        written = opened.write()
        passed = gate.check_nodes(written.model.nodes, str(source))
        _drop_metadata(written.model.nodes, stored)
        # A library that is interrupted while it is imported may crash; here nothing would be left behind.
        importlib.import_module("onnxruntime")
        with replacing(out, force=force) as temporary:
            written.model.write(temporary)
            passed += gate.check_file(temporary)
            runtime = Runtime(temporary)
            trials = standard_trials()
            passed += gate.check_answers(runtime, [feeds(opened, written, trial) for trial in trials])
            given = answers(opened, written, runtime) if request.verify else []
            # Windows renames no file that is open; and the session holds a copy of the weights.
            del runtime
            certificate = certified(source.name, opened, written, passed, request)
            if request.verify:
                progress("comparing with the source")
                certificate = compared(certificate, compare(opened, written, given), opened.reference)
            append_metadata(temporary, {**stored, METADATA_KEY: certificate.to_json()})
            _refuse_if_different(certificate)
    return Conversion(out, certificate)


def _drop_metadata(model: ModelProto, keys: Iterable[str]) -> None:
    """Take out metadata that will be written anew."""
    kept = [entry for entry in model.metadata_props if entry.key not in set(keys)]
    if len(kept) < len(model.metadata_props):
        del model.metadata_props[:]
        model.metadata_props.extend(kept)


def _family(source: Path) -> list[Path]:
    """The files that a source may consist of: those in it, or those whose names begin with its own."""
    if source.is_dir():
        return list(source.iterdir())
    beside = source.parent.iterdir() if source.parent.is_dir() else ()
    return [path for path in beside if path.name.startswith(source.name.removesuffix(".meta"))]


def certified(
    name: str, source: Source, written: Written, passed: tuple[str, ...], request: Request
) -> Certificate:
    """A certificate of what was read and decided, before anything is compared."""
    own = {name: packages.version(name) for name in ("onnx-inspector", "onnx", "onnxruntime", "numpy")}
    nodes = written.model.nodes
    return Certificate(
        source=name,
        format=source.kind,
        files=source.files,
        engine=written.engine,
        versions={"python": platform.python_version(), **own, **written.versions},
        model={
            "opset": next(entry.version for entry in nodes.opset_import if entry.domain in ("", "ai.onnx")),
            "nodes": len(nodes.graph.node),
            "parameters": written.model.parameters,
            "inputs": [written.values.get(spec.name, spec.name) for spec in source.inputs],
            "outputs": [written.values.get(spec.name, spec.name) for spec in source.outputs],
        },
        decisions=(*source.decisions, *written.decisions),
        warnings=source.warnings,
        gate=passed,
        request=asked(request),
    )


def asked(request: Request) -> dict[str, Any]:
    """A request as JSON's types: what makes the same source of the same files again."""
    fields = {**dataclasses.asdict(request)}
    del fields["verify"]
    return {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}


def compared(certificate: Certificate, comparison: Comparison, reference: Reference) -> Certificate:
    """The certificate with the comparison's figures."""
    trials = drawn(comparison)
    return dataclasses.replace(
        certificate,
        versions={**certificate.versions, **reference.versions()},
        reference=reference.name(),
        trials=trials,
        pictures=sum(len(each.names) for each in comparison.trials if isinstance(each, Pictures)),
        outputs=comparison.outputs,
        layers=comparison.layers,
        unseen=comparison.unseen,
        decisions=(*certificate.decisions, *comparison.refusals),
    )


def _refuse_if_different(certificate: Certificate) -> None:
    differing = certificate.first_difference
    if differing is None:
        return
    raise NotEqualError(
        f"{certificate.source}: the converted model differs from the source, first at {differing.name}: "
        f"by {differing.max_abs:.3g}, allowed {differing.allowed:.3g}",
        "Nothing was written. --certificate FILE keeps all figures.",
        certificate,
    )
