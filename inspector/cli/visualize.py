"""`inspector visualize`: what filters, units or classes look for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inspector.cli import options, output


def visualize(
    model: options.ModelPath,
    layer: Annotated[
        str | None,
        typer.Option(
            "--layer",
            "-l",
            help="A layer's name, a value's, or logits; also with a channel: conv_2:5.",
            autocompletion=options.complete_layer,
            show_default=False,
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option("--class", help="A class in place of a layer: its name or number.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="A .png, .svg or .npy file.", show_default="LAYER-visualized.png"
        ),
    ] = None,
    select: Annotated[
        str | None, typer.Option("--filters", help="Filters: 0-15,40.", show_default="all")
    ] = None,
    steps: Annotated[int, typer.Option(help="Steps of the ascent.")] = 256,
    per_filter: Annotated[int, typer.Option(help="Pictures for each filter, kept from being alike.")] = 1,
    transforms: Annotated[
        bool,
        typer.Option(
            "--transforms/--no-transforms",
            help="Whether each step sees the picture a little shifted, turned and enlarged.",
        ),
    ] = True,
    seed: Annotated[int, typer.Option(help="Of what is drawn by chance.", min=0)] = 0,
    columns: Annotated[int | None, typer.Option(help="Tiles a row.", show_default="square")] = None,
    zoom: Annotated[int | None, typer.Option(help="Screen pixels a pixel.", show_default=False)] = None,
    captions: Annotated[
        bool,
        typer.Option("--captions/--no-captions", help="Write numbers and what each picture reaches."),
    ] = True,
    labels: options.Labels = None,
    channels: options.Channels = None,
    range: options.Range = None,
    mean: options.Mean = None,
    std: options.Std = None,
    resize: options.Resize = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    force: options.Force = False,
) -> None:
    """Show what filters look for: pictures that excite them most, found by climbing the gradient.

    Under each stands the activation that it reaches, and in brackets the most that random pictures do.

    Examples:
    inspector visualize lars.onnx -l conv_2 -o conv_2-looks-for.png

    inspector visualize lars.onnx -l conv_2 --filters 0-7 --per-filter 4

    inspector visualize lars.onnx --class Lars --per-filter 3 -o lars.png
    """
    from converters.files import check_output
    from inspector.model import load
    from inspector.safe_names import file_names
    from inspector.visualize import visualize as run
    from inspector.visualize.result import check_suffix

    path = out or Path(f"{file_names([layer or f'class {target}'])[0]}-visualized.png")
    check_suffix(path)
    check_output(path, force=force)
    fields = options.preprocess_fields(channels, range, mean, std, resize)
    opened = load(model)
    # Where no picture does better than chance, there is a second ascent of as many steps.
    with output.progress(2 * max(steps, 0), quiet) as step:
        found = run(
            opened,
            layer or "",
            select=select,
            target=target,
            steps=steps,
            per_filter=per_filter,
            seed=seed,
            transforms=transforms,
            preprocess=fields or None,
            labels=labels,
            step=step,
        )
    found.save(path, force=force, columns=columns, zoom=zoom, captions=captions)
    for warning in found.warnings:
        output.warning(warning)
    for note in found.notes:
        output.note(note, quiet=quiet)
    if as_json:
        output.json({**found.to_dict(), "path": str(path)})
    output.note(f"wrote {path}", quiet=quiet)
