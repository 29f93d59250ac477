"""`inspector layers`: what a model is made of."""

from __future__ import annotations

from inspector.cli import output
from inspector.cli.options import AsJson, WeightsPath

_NUMBERS = ("parameters", "multiply-adds")


def layers(model: WeightsPath, as_json: AsJson = False) -> None:
    """List every layer: name, kind, output shape, parameters, multiply-adds.

    Of a file that holds weights alone, or that has to be converted first: the shapes of its kernels instead.

    Examples:
    inspector layers lars.onnx

    inspector layers weights.safetensors

    inspector layers lars.onnx --json
    """
    from inspector.model import load

    opened = load(model)
    found = opened.layers
    for note in opened.notes:
        output.note(note)
    if as_json:
        output.json(found.to_dict())
        return
    head, *rows = found.rows()
    output.table([str(title) for title in head], [output.cells(*row) for row in rows], numbers=_NUMBERS)
