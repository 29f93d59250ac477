"""`inspector exemplars`: what excites each filter most in the user's own pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inspector.cli import options, output

if TYPE_CHECKING:
    from inspector.exemplars.search import Answer
    from inspector.predictions import Failure

SOME_FAILED = 3


def exemplars(
    model: options.ModelPath,
    images: Annotated[list[str], typer.Argument(help="Pictures, folders or globs.", show_default=False)],
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
            "--output", "-o", help="A .png, .svg or .json file.", show_default="LAYER-exemplars.png"
        ),
    ] = None,
    select: Annotated[
        str | None, typer.Option("--filters", help="Filters: 0-15,40.", show_default="all")
    ] = None,
    count: Annotated[int, typer.Option(help="How many for each filter, one per picture.")] = 9,
    visualized: Annotated[
        bool, typer.Option("--visualize", help="Show what each filter looks for, too.")
    ] = False,
    steps: Annotated[int, typer.Option(help="Steps that --visualize takes.")] = 256,
    seed: Annotated[int, typer.Option(help="Of what --visualize draws by chance.", min=0)] = 0,
    columns: Annotated[int | None, typer.Option(help="Cards a row.", show_default="square")] = None,
    side: Annotated[
        int | None, typer.Option(help="Screen pixels of an exemplar.", show_default="what fits")
    ] = None,
    channels: options.Channels = None,
    range: options.Range = None,
    mean: options.Mean = None,
    std: options.Std = None,
    resize: options.Resize = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    force: options.Force = False,
) -> None:
    """Show, for each filter, the places in your own pictures that excite it most, beside its kernels.

    A picture that cannot be read is named, and the others go on; the exit code is then 3.

    Examples:
    inspector exemplars lars.onnx photos/ -l conv_2 -o conv_2-exemplars.png

    inspector exemplars lars.onnx photos/ -l conv_2 --filters 0-7 --visualize

    inspector exemplars lars.onnx photos/ -l logits --json
    """
    from converters.files import check_output
    from inspector.exemplars import exemplars as run
    from inspector.exemplars.result import check_suffix
    from inspector.model import load
    from inspector.onnxfile.source import counted
    from inspector.predictions import Failure
    from inspector.safe_names import file_names

    path = out or Path(f"{file_names([layer])[0]}-exemplars.png")
    check_suffix(path)
    check_output(path, force=force)
    fields = options.preprocess_fields(channels, range, mean, std, resize)
    opened = load(model)
    _, sources = options.pictures(images)
    say = output.errors_once()
    ascent = 2 * max(steps, 0) if visualized else 0
    with output.progress(len(sources) + ascent, quiet) as advance:

        def step(result: Answer | Failure) -> None:
            advance()
            if isinstance(result, Failure):
                say(result.error)
            else:
                for warning in result.warnings:
                    output.warning(warning)

        found = run(
            opened,
            sources,
            layer,
            select=select,
            count=count,
            visualize=visualized,
            steps=steps,
            seed=seed,
            preprocess=fields or None,
            step=step,
            climbed=advance,
        )
    found.save(path, force=force, columns=columns, side=side)
    for warning in found.warnings:
        output.warning(warning)
    for note in found.notes:
        output.note(note, quiet=quiet)
    if as_json:
        output.json({**found.to_dict(), "path": str(path)})
    output.note(f"wrote {path}", quiet=quiet)
    if found.failures:
        output.note(f"{len(found.failures)} of {counted(len(sources), 'picture')} failed", quiet=quiet)
        raise typer.Exit(SOME_FAILED)
