"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inspector import choices
from inspector.errors import InspectorError

if TYPE_CHECKING:
    from inspector.images import ImageSource
    from inspector.preprocess import Fields


def complete_layer(context: typer.Context, incomplete: str) -> list[str]:
    """Layer names of the model on the command line, for the shell."""
    from inspector.model import load

    try:
        names = [layer.name for layer in load(context.params["model"]).layers]
    except (InspectorError, KeyError, TypeError):
        return []
    return [name for name in names if name.startswith(incomplete)]


def complete_colormap(incomplete: str) -> list[str]:
    """Names of colour maps, for the shell."""
    from inspector.colormaps import NAMES

    return [name for name in NAMES if name.startswith(incomplete)]


ModelPath = Annotated[Path, typer.Argument(help="An ONNX file.", show_default=False, readable=False)]
WeightsPath = Annotated[
    Path,
    typer.Argument(
        help="An ONNX file, or another framework's with its weights.", show_default=False, readable=False
    ),
]
LayerName = Annotated[
    str | None,
    typer.Option("--layer", "-l", help="A layer's name.", autocompletion=complete_layer, show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON to stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but results, warnings and errors.")]
Force = Annotated[bool, typer.Option("--force", help="Replace an existing output.")]

_PIXELS = "From pixels to the tensor"
Labels = Annotated[
    Path | None,
    typer.Option(help="Class names: one a line, JSON, or CSV.", show_default=False, rich_help_panel=_PIXELS),
]
Channels = Annotated[
    choices.Channels | None,
    typer.Option(help="Order of the colour channels.", show_default=False, rich_help_panel=_PIXELS),
]
Range = Annotated[
    choices.Range | None,
    typer.Option(help="What black and white become.", show_default=False, rich_help_panel=_PIXELS),
]
Mean = Annotated[
    str | None,
    typer.Option(
        help="Subtracted after --range: one number, or one a channel: 0.485,0.456,0.406.",
        show_default=False,
        rich_help_panel=_PIXELS,
    ),
]
Std = Annotated[
    str | None,
    typer.Option(
        help="Divided by after --mean: one number, or one a channel.",
        show_default=False,
        rich_help_panel=_PIXELS,
    ),
]
Resize = Annotated[
    choices.Resize | None,
    typer.Option(help="How a picture gets the input's size.", show_default=False, rich_help_panel=_PIXELS),
]


def preprocess_fields(
    channels: choices.Channels | None,
    range: choices.Range | None,
    mean: str | None,
    std: str | None,
    resize: choices.Resize | None,
) -> Fields:
    """The fields of the way from pixels to the input that were given.

    Raises:
        typer.BadParameter: A number is none.
    """
    fields: Fields = {}
    if channels is not None:
        fields["channels"] = channels
    if range is not None:
        fields["range"] = range
    if mean is not None:
        fields["mean"] = _numbers(mean, "--mean")
    if std is not None:
        fields["std"] = _numbers(std, "--std")
    if resize is not None:
        fields["resize"] = resize
    return fields


def _numbers(text: str, option: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a comma-separated list of numbers", param_hint=option
        ) from None


def picture(path: Path) -> ImageSource:
    """The picture that an argument names; - stands for stdin."""
    import sys

    from inspector.images import MAX_FILE_BYTES

    # One byte more than is accepted tells a picture that is too large.
    return sys.stdin.buffer.read(MAX_FILE_BYTES + 1) if str(path) == "-" else path


def pictures(images: list[str]) -> tuple[list[str], list[ImageSource]]:
    """The pictures that the arguments stand for, and their names."""
    import sys

    from inspector.images import MAX_FILE_BYTES
    from inspector.picture_list import list_pictures

    # One byte more than is accepted tells a picture that is too large.
    given: list[ImageSource] = [
        sys.stdin.buffer.read(MAX_FILE_BYTES + 1) if image == "-" else image for image in images
    ]
    # One argument alone may be wrong as a whole; among several, each is judged by itself.
    items = list(list_pictures(given[0] if len(given) == 1 else given).items)
    return ["-" if isinstance(source, bytes) else name for name, source in items], [s for _, s in items]
