"""`inspector annotate`: labels and the way from pixels to the input, stored in the model file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inspector.cli import options, output


def annotate(
    model: options.ModelPath,
    out: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file to write.", show_default="MODEL itself"),
    ] = None,
    labels: options.Labels = None,
    channels: options.Channels = None,
    range: options.Range = None,
    mean: options.Mean = None,
    std: options.Std = None,
    resize: options.Resize = None,
    quiet: options.Quiet = False,
    force: options.Force = False,
) -> None:
    """Store class labels and the way from pixels to the input in a model.

    Examples:
    inspector annotate net.onnx --labels labels.txt

    inspector annotate net.onnx -o ready.onnx --channels bgr --range 0..255 --mean 104,117,123
    """
    from inspector.model import load

    written = load(model).annotate(
        labels=labels,
        preprocess=options.preprocess_fields(channels, range, mean, std, resize),
        out=out,
        force=force,
    )
    output.note(f"wrote {written}", quiet=quiet)
