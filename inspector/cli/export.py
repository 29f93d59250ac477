"""`inspector export`: a model with its gradient, in one ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inspector.cli import options, output


def export(
    model: options.ModelPath,
    gradient: Annotated[
        str,
        typer.Option(
            help="What to differentiate: a layer or value, one channel of it (conv_2:5), or logits, the "
            "value before the last softmax.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file to write.", show_default="NAME+grad.onnx"),
    ] = None,
    wrt: Annotated[
        list[str] | None,
        typer.Option(
            help="With respect to what: a layer or value; may be repeated.", show_default="the first input"
        ),
    ] = None,
    outputs: Annotated[
        list[str] | None,
        typer.Option(
            help="A layer or value that the file is to give too; may be repeated.", show_default=False
        ),
    ] = None,
    input_shape: Annotated[
        list[str] | None,
        typer.Option(
            help="Sizes of axes that the model leaves free: 1,3,224,224; with several inputs "
            "image=1,3,224,224, may be repeated.",
            show_default=False,
        ),
    ] = None,
    quiet: options.Quiet = False,
    force: options.Force = False,
) -> None:
    """Write a model with its gradient as one ONNX file that any onnxruntime runs.

    Examples:
    inspector export lars.onnx --gradient logits -o lars+grad.onnx

    inspector export lars.onnx --gradient conv_2:5 --outputs conv_1 -o conv_2-5.onnx

    inspector export net.onnx --gradient logits --wrt layer3 --input-shape 1,3,224,224
    """
    from inspector.export import export, shapes
    from inspector.model import load

    path = export(
        load(model),
        out or Path(f"{model.stem}+grad.onnx"),
        gradient=gradient,
        wrt=wrt or None,
        outputs=outputs or (),
        input_shape=shapes(input_shape or ()),
        force=force,
    )
    output.note(f"wrote {path}", quiet=quiet)
