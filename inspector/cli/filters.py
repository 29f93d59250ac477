"""`inspector filters`: the kernels of a convolution as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inspector import choices
from inspector.cli import options, output
from inspector.errors import OptionError

if TYPE_CHECKING:
    from inspector.filters import PictureOptions
    from inspector.model import Model

SOME_FAILED = 3
_PICTURE, _WHICH = "The picture", "Which kernels"


def filters(
    model: options.WeightsPath,
    layer: options.LayerName = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="A .png, .svg, .html or .npy file; without -l, a folder.",
            show_default="LAYER.png, or NAME-filters/",
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="What a file is that -o does not name: png, svg, html or npy.",
            show_default="png",
        ),
    ] = None,
    select: Annotated[
        str | None,
        typer.Option("--filters", help="Filters: 0-15,40.", show_default="all", rich_help_panel=_WHICH),
    ] = None,
    channels: Annotated[
        str | None,
        typer.Option(help="Input channels: 0-2.", show_default="all", rich_help_panel=_WHICH),
    ] = None,
    reduce: Annotated[
        choices.Reduce,
        typer.Option(
            help="One tile a filter: the mean, or the first principal component.", rich_help_panel=_WHICH
        ),
    ] = "none",
    sort: Annotated[
        choices.Sort, typer.Option(help="The order of the filters.", rich_help_panel=_WHICH)
    ] = "none",
    scale: Annotated[
        choices.Scale,
        typer.Option(help="What gets the strongest colour; zero is mid-grey.", rich_help_panel=_PICTURE),
    ] = "shared",
    colormap: Annotated[
        str,
        typer.Option(
            help="Colours from negative to positive.",
            autocompletion=options.complete_colormap,
            rich_help_panel=_PICTURE,
        ),
    ] = "gray",
    columns: Annotated[
        int | None, typer.Option(help="Tiles a row.", show_default="square", rich_help_panel=_PICTURE)
    ] = None,
    padding: Annotated[
        int | None, typer.Option(help="Pixels between tiles.", show_default=False, rich_help_panel=_PICTURE)
    ] = None,
    zoom: Annotated[
        int | None, typer.Option(help="Pixels a weight.", show_default=False, rich_help_panel=_PICTURE)
    ] = None,
    captions: Annotated[
        bool, typer.Option("--captions", help="Write filter numbers and the scale.", rich_help_panel=_PICTURE)
    ] = False,
    style: Annotated[
        choices.Style,
        typer.Option(help="notebook: the plain square that many tutorials draw.", rich_help_panel=_PICTURE),
    ] = "default",
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    force: options.Force = False,
) -> None:
    """Show the kernels of a layer, or of all convolutions, as pictures.

    Examples:
    inspector filters lars.onnx -l conv_1 -o conv_1.png

    inspector filters lars.onnx -l conv_2 --reduce pca --captions -o conv_2.html

    inspector filters lars.onnx -o kernels/

    inspector filters checkpoint.pth -l features.0 -o features.0.png
    """
    from inspector.model import load

    picture: PictureOptions = {
        "scale": scale,
        "colormap": colormap,
        "columns": columns,
        "padding": padding,
        "zoom": zoom,
        "captions": captions,
        "style": style,
    }
    opened = load(model)
    _say(opened.notes if layer is None else opened.notes_on(layer), (), quiet)
    _refuse_unclear(layer, out, kind, select, channels)
    suffix = f".{(kind or 'png').removeprefix('.').lower()}"
    if layer is None:
        _all(opened, out, suffix, reduce, sort, picture, as_json, quiet, force)
        return
    found = opened.filters(layer, select=select, channels=channels, reduce=reduce, sort=sort)
    path = found.save(out or _default_file(layer, suffix), force=force, **picture)
    _say(found.notes, found.warnings, quiet)
    if as_json:
        output.json({**found.to_dict(), "path": str(path)})
    output.note(f"wrote {path}", quiet=quiet)


def _all(
    model: Model,
    out: Path | None,
    suffix: str,
    reduce: choices.Reduce,
    sort: choices.Sort,
    picture: PictureOptions,
    as_json: bool,
    quiet: bool,
    force: bool,
) -> None:
    """Every layer with kernels, one file each; one that cannot be shown does not stop the others."""
    from inspector.filters.folder import save_layers

    folder = out or Path(f"{model.path.stem}-filters")
    written, failed = [], 0
    with output.progress(len(model.layers.conv), quiet) as step:
        saved = save_layers(model, folder, suffix=suffix, force=force, reduce=reduce, sort=sort, **picture)
        for each in saved:
            step()
            if each.filters is None or each.path is None:
                failed += 1
                if each.error is not None:
                    output.error(each.error.message, each.error.hint)
                continue
            _say([f"{each.layer}: {note}" for note in each.filters.notes], each.filters.warnings, quiet)
            written.append({**each.filters.to_dict(), "path": str(each.path)})
            output.note(f"wrote {each.path}", quiet=quiet)
    if as_json:
        output.json(written)
    if failed:
        raise typer.Exit(SOME_FAILED if written else 1)


def _refuse_unclear(
    layer: str | None, out: Path | None, kind: str | None, select: str | None, channels: str | None
) -> None:
    """Refuse options that only make sense with a layer, or only without."""
    from inspector.filters import SUFFIXES

    if layer is not None:
        if out is not None and kind is not None and out.suffix.lower().removeprefix(".") != kind.lower():
            raise OptionError(f"{out} and --format {kind} ask for two kinds of file", "Leave out --format.")
        return
    if select is not None or channels is not None:
        raise OptionError(
            "--filters and --channels choose kernels of one layer, and no layer is named", "Add -l LAYER."
        )
    if out is not None and out.suffix.lower() in SUFFIXES and not out.is_dir():
        raise OptionError(
            f"{out} names a file, and no layer is named to put into it", "Add -l LAYER, or name a folder."
        )


def _default_file(layer: str, suffix: str) -> Path:
    from inspector.safe_names import file_names

    return Path(file_names([layer])[0] + suffix)


def _say(notes: Sequence[str], warnings: Sequence[str], quiet: bool) -> None:
    for note in notes:
        output.note(note, quiet=quiet)
    for warning in warnings:
        output.warning(warning)
