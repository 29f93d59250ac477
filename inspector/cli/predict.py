"""`inspector predict`: what a model says about pictures."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from inspector.cli import options, output
from inspector.safe_names import printable

if TYPE_CHECKING:
    from inspector.images import ImageSource
    from inspector.predictions import Failure, Prediction
    from inspector.predictor import Predictor

Result: TypeAlias = "Prediction | Failure"
Writer: TypeAlias = "Callable[[Result], None]"
SOME_FAILED = 3
_NAME_WIDTH, _LONGEST_NAME = 60, 1000
Form = Literal["table", "jsonl", "csv"]


def predict(
    model: options.ModelPath,
    images: Annotated[
        list[str],
        typer.Argument(
            help="Pictures, folders or globs; - reads one picture from stdin.", show_default=False
        ),
    ],
    top: Annotated[int, typer.Option("--top", "-k", help="How many classes to show.", min=1)] = 5,
    form: Annotated[
        Form | None,
        typer.Option("--format", help="A table for reading, or one for programs.", show_default="table"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format jsonl.")] = False,
    scores: Annotated[
        str | None, typer.Option(help="The model's output that holds the scores.", show_default="found")
    ] = None,
    labels: options.Labels = None,
    channels: options.Channels = None,
    range: options.Range = None,
    mean: options.Mean = None,
    std: options.Std = None,
    resize: options.Resize = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Pictures in one run.", show_default="chosen")
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(help="How many threads to use, at most one a core.", show_default="one a core"),
    ] = None,
    time_limit: Annotated[float, typer.Option(help="Seconds that one run may take.", min=0)] = 60,
    fast_decode: Annotated[
        bool,
        typer.Option("--fast-decode", help="Decode JPEGs at reduced scale: faster, slightly other pixels."),
    ] = False,
    quiet: options.Quiet = False,
) -> None:
    """Predict the classes of pictures.

    A picture that cannot be read is named and counted, and the others go on; the exit code is then 3.

    Examples:
    inspector predict lars.onnx face.png

    inspector predict lars.onnx photos/ --json > predictions.jsonl

    inspector predict net.onnx "photos/*.jpg" --channels bgr --range 0..255 --labels labels.txt
    """
    from inspector.model import load
    from inspector.predictor import Predictor

    if as_json and form not in (None, "jsonl"):
        raise typer.BadParameter(f"--json and --format {form} ask for two forms", param_hint="--json")
    if math.isnan(time_limit):
        raise typer.BadParameter("nan is no number of seconds", param_hint="--time-limit")
    predictor = Predictor(
        load(model),
        top,
        options.preprocess_fields(channels, range, mean, std, resize),
        labels,
        scores,
        batch_size,
        threads,
        time_limit or None,
        fast_decode,
    )
    names, sources = options.pictures(images)
    for sentence in (predictor.assumed, *predictor.warnings):
        if sentence:
            output.warning(sentence)
    failed = _show(predictor, names, sources, "jsonl" if as_json else form or "table", quiet)
    if failed:
        from inspector.onnxfile.source import counted

        output.note(f"{failed} of {counted(len(sources), 'picture')} failed", quiet=quiet)
        raise typer.Exit(SOME_FAILED)


def _show(predictor: Predictor, names: list[str], sources: list[ImageSource], form: Form, quiet: bool) -> int:
    """Write each result as it comes; the number of pictures that failed."""
    from inspector.predictions import Failure

    failed, say = 0, output.errors_once()
    write = _WRITERS[form](names)
    # Rows on a terminal are progress enough.
    with output.progress(len(sources), quiet or sys.stdout.isatty()) as step:
        for name, result in zip(names, predictor.stream(sources), strict=True):
            result = replace(result, source=name)
            step()
            write(result)
            if isinstance(result, Failure):
                failed += 1
                say(result.error)
            else:
                for warning in result.warnings:
                    output.warning(warning)
    return failed


def _table(names: list[str]) -> Writer:
    from inspector.predictions import Failure

    width = min(max((len(name) for name in names), default=0), _NAME_WIDTH)

    def write(result: Result) -> None:
        if isinstance(result, Failure):
            return
        pairs = zip(result.labels, result.probabilities, strict=True)
        classes = "   ".join(f"{printable(label)} {100 * share:.1f} %" for label, share in pairs)
        output.data(f"{printable(result.source, _LONGEST_NAME):<{width}}   {classes}")

    return write


def _jsonl(names: list[str]) -> Writer:
    return lambda result: output.json(result.to_dict(), indent=None)


def _csv(names: list[str]) -> Writer:
    from inspector.predictions import CSV_HEADER, csv_text

    output.data(csv_text([CSV_HEADER]).rstrip("\n"))
    return lambda result: output.data(csv_text(result.to_rows()).rstrip("\n"))


# What writes one result after the other in each form; it gets the names of all pictures first.
_WRITERS: Mapping[Form, Callable[[list[str]], Writer]] = {"table": _table, "jsonl": _jsonl, "csv": _csv}
