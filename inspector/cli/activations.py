"""`inspector activations`: what a layer computes for one picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inspector import choices
from inspector.cli import options, output

_PICTURE = "The picture"


def activations(
    model: options.ModelPath,
    image: Annotated[Path, typer.Argument(help="A picture; - reads one from stdin.", show_default=False)],
    layer: Annotated[
        str,
        typer.Option(
            "--layer",
            "-l",
            help="A layer's name, a value's, or logits; also with a channel: conv_2:5.",
            autocompletion=options.complete_layer,
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="A .png, .svg or .npy file.", show_default="LAYER-activations.png"
        ),
    ] = None,
    select: Annotated[
        str | None, typer.Option("--filters", help="Channels: 0-15,40.", show_default="all")
    ] = None,
    sort: Annotated[choices.Order, typer.Option(help="The order of the maps.")] = "none",
    top: Annotated[
        int | None, typer.Option(help="Only so many of the strongest, strongest first.", show_default="all")
    ] = None,
    scale: Annotated[
        choices.Scale, typer.Option(help="What gets the strongest colour.", rich_help_panel=_PICTURE)
    ] = "shared",
    overlay: Annotated[
        bool, typer.Option("--overlay", help="Lay each map over the picture.", rich_help_panel=_PICTURE)
    ] = False,
    colormap: Annotated[
        str | None,
        typer.Option(
            help="Colours of the maps.",
            autocompletion=options.complete_colormap,
            show_default="gray",
            rich_help_panel=_PICTURE,
        ),
    ] = None,
    columns: Annotated[
        int | None, typer.Option(help="Tiles a row.", show_default="square", rich_help_panel=_PICTURE)
    ] = None,
    zoom: Annotated[
        int | None, typer.Option(help="Pixels a number.", show_default=False, rich_help_panel=_PICTURE)
    ] = None,
    captions: Annotated[
        bool,
        typer.Option("--captions", help="Write channel numbers and the scale.", rich_help_panel=_PICTURE),
    ] = False,
    channels: options.Channels = None,
    range: options.Range = None,
    mean: options.Mean = None,
    std: options.Std = None,
    resize: options.Resize = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    force: options.Force = False,
) -> None:
    """Show the feature maps of a layer for one picture.

    Examples:
    inspector activations lars.onnx face.png -l conv_1 -o conv_1.png

    inspector activations lars.onnx face.png -l conv_2 --top 16 --overlay --captions

    inspector activations lars.onnx face.png -l conv_2 -o conv_2.npy
    """
    from inspector.model import load
    from inspector.safe_names import file_names

    fields = options.preprocess_fields(channels, range, mean, std, resize)
    opened = load(model)
    found = opened.activations(
        options.picture(image), layer, select=select, sort=sort, top=top, preprocess=fields or None
    )
    path = found.save(
        out or Path(f"{file_names([layer])[0]}-activations.png"),
        force=force,
        scale=scale,
        overlay=overlay,
        colormap=colormap,
        columns=columns,
        zoom=zoom,
        captions=captions,
    )
    for warning in found.warnings:
        output.warning(warning)
    for note in found.notes:
        output.note(note, quiet=quiet)
    if as_json:
        output.json({**found.to_dict(), "path": str(path)})
    output.note(f"wrote {path}", quiet=quiet)
