"""`inspector layers`: what a model is made of."""

from __future__ import annotations

from inspector.cli import output
from inspector.cli.options import AsJson, ModelPath


def layers(model: ModelPath, as_json: AsJson = False) -> None:
    """List every layer: name, kind, output shape, parameters, multiply-adds.

    Examples:
    inspector layers lars.onnx

    inspector layers lars.onnx --json
    """
    from inspector.model import load

    found = load(model).layers
    if as_json:
        output.json(found.to_dict())
        return
    rows = [
        output.cells(layer.name, layer.kind, layer.shape_text, layer.parameters, layer.multiply_adds)
        for layer in found
    ]
    rows.append(output.cells("total", "", "", found.parameters, found.multiply_adds))
    numbers = ("parameters", "multiply-adds")
    output.table(("layer", "kind", "output", *numbers), rows, numbers=numbers)
