"""ONNX as a source of `convert`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converters.formats import Format, Request, Source, Written

if TYPE_CHECKING:
    from converters.onnx_model.reading import ModelFile
    from converters.onnx_model.repair import Patient


def _recognise(path: Path) -> bool:
    from converters.onnx_model.reading import looks_like_onnx

    return looks_like_onnx(path)


@contextmanager
def _open(path: Path, request: Request) -> Iterator[Source]:
    from converters.certificate import FileRecord
    from converters.onnx_model.bits import clear_unused_bits
    from converters.onnx_model.naming import name_layers, name_nodes
    from converters.onnx_model.opsets import version_of
    from converters.onnx_model.reading import read_model
    from converters.onnx_model.reference import reference
    from converters.onnx_model.repair import Patient, repaired
    from converters.onnx_model.selection import select
    from converters.onnx_model.sizes import sized
    from converters.onnx_model.values import declared_specs, tensors_only, with_types

    file = read_model(path)
    clean, cleared = clear_unused_bits(file.model)
    file = dataclasses.replace(file, model=clean)
    patient = Patient(str(path), _copy(file), dict(file.model.weights), file.repeated)
    chosen = select(patient, request)
    decisions = [*chosen, *repaired(patient), cleared]
    with_types(patient)
    decisions.append(name_nodes(patient.model))
    layers = tensors_only(patient, name_layers(patient.model, patient.constants()))
    # What a function of the file makes inside has no name in it.
    known = {name for node in file.model.nodes.graph.node for name in node.output}
    inputs, outputs = declared_specs(patient)
    inputs, pinned = sized(patient, inputs, request)
    decisions.append(pinned)
    yield Source(
        kind=f"ONNX model, opset {version_of(file.model.nodes)}",
        files=tuple(FileRecord.of(each) for each in (path, *file.external)),
        inputs=inputs,
        outputs=outputs,
        layers={layer: value for layer, value in layers.items() if value in known},
        decisions=tuple(filter(None, decisions)),
        warnings=(),
        reference=reference(file, patient, [spec.name for spec in inputs] if request.inputs else []),
        write=partial(_write, patient, request),
    )


def _copy(file: ModelFile) -> Any:
    import onnx

    model = onnx.ModelProto()
    model.CopyFrom(file.model.nodes)
    return model


def _write(patient: Patient, request: Request) -> Written:
    """The repaired model at the opset that was asked for."""
    import onnx

    from converters.assemble import Assembled
    from converters.onnx_model.naming import complete_layers, name_nodes
    from converters.onnx_model.opsets import renewed

    model, sentence = renewed(patient, request.opset)
    name_nodes(model)
    complete_layers(model)
    return Written(
        model=Assembled(model, patient.weights),
        engine=f"onnx {onnx.__version__}",
        decisions=(sentence,) if sentence else (),
    )


ONNX = Format("ONNX model", _recognise, _open)
