"""Exported programs as ONNX, in the child process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from converters.errors import UnsupportedError
from converters.input_shapes import matched
from converters.pytorch.exported import input_names, layers, opened, output_tensors
from converters.pytorch.onnx_graph import simplified
from converters.pytorch.onnx_model import LEAST_OPSET, finished
from converters.pytorch.origin import Exported, Origin

if TYPE_CHECKING:
    from torch.export import ExportedProgram
    from torch.fx import Node


def export(origin: Origin, folder: str, opset: int, fold: bool) -> Exported:
    """Convert a program.

    Args:
        origin: The program.
        folder: Where the file of weights is written.
        opset: The opset that is asked for.
        fold: Whether batch normalization goes into the weights before it.
    """
    program, _ = opened(origin)
    made = _onnx_program(origin, program, opset)
    names = _new_names(made.exported_program)
    ends = output_tensors(program)
    inputs = {value.name for value in made.model.graph.inputs}
    for value, (name, tensor) in zip(made.model.graph.outputs, ends.items(), strict=True):
        if value.name not in inputs:
            value.name = names[tensor] = name
    origins = {new: old for old, new in names.items()}
    nodes, weights = simplified(made.model, fold=fold, parameters=set(program.state_dict), origins=origins)
    tensors = {**ends, **{tensor: tensor for tensor in layers(program).values()}}
    return finished(
        nodes,
        weights,
        folder=Path(folder),
        opset=opset,
        values={name: names.get(tensor, tensor) for name, tensor in tensors.items()},
        engine="torch.onnx (torch.export)",
        axes=_axis_names(origin, program),
    )


def _axis_names(origin: Origin, program: ExportedProgram) -> dict[str, str]:
    """Symbol of the program → the letter that the user gave it; N for the first axis of the first input."""
    names = input_names(origin, program)
    nodes = {node.name: node for node in program.graph.nodes}
    letters: list[tuple[int | str, ...]] = [("N",)]
    if origin.shapes:
        letters = [shape.axes for shape in matched(origin.shapes, names, origin.name).values()]
    found: dict[str, str] = {}
    for name, axes in zip(names, letters, strict=False):
        for size, letter in zip(nodes[name].meta["val"].shape, axes, strict=False):
            if not isinstance(size, int) and isinstance(letter, str):
                found.setdefault(str(size), letter)
    return found


def _onnx_program(origin: Origin, program: ExportedProgram, opset: int) -> Any:
    import torch
    from torch.onnx import OnnxExporterError

    try:
        return torch.onnx.export(
            program, dynamo=True, optimize=False, verbose=False, opset_version=max(opset, LEAST_OPSET)
        )
    except OnnxExporterError as error:
        raise UnsupportedError(
            f"{origin.name}: PyTorch's exporter cannot write it: {_cause(error)}",
            "INSPECTOR_DEBUG=1 shows its own words.",
        ) from error


def _cause(error: BaseException) -> str:
    """The first line of what lies at the bottom of a chain of errors."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _new_names(program: ExportedProgram) -> dict[str, str]:
    """Node of the original graph → the node of the decomposed graph that holds its value."""
    groups: dict[str, list[Node]] = {}
    for node in program.graph.nodes:
        if node.op == "call_function":
            source = node.meta.get("from_node") or []
            while source:
                origin, source = source[-1].name, source[-1].from_node
            if node.meta.get("from_node"):
                groups.setdefault(origin, []).append(node)
    found = {}
    for name, nodes in groups.items():
        used = [node for node in nodes if any(user not in nodes for user in node.users)]
        found[name] = (used or nodes)[0 if used else -1].name
    return found
