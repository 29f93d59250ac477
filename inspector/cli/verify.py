"""`inspector verify`: whether a model still gives what its source gives."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inspector.cli import options, output

if TYPE_CHECKING:
    from converters.certificate import Certificate
    from converters.difference import Difference

DIFFERENT, SOME_FAILED = 1, 3


def verify(
    source: Annotated[Path, typer.Argument(help="What was converted.", show_default=False, readable=False)],
    model: options.ModelPath,
    images: Annotated[
        list[str] | None,
        typer.Option(
            help="Pictures, folders or globs to compare on; repeatable.", show_default="random inputs"
        ),
    ] = None,
    trials: Annotated[
        int, typer.Option("--trials", "--seeds", help="How many kinds of random inputs.", min=1)
    ] = 4,
    inputs: Annotated[
        str | None, typer.Option(help="Input tensors, comma-separated.", show_default="as converted")
    ] = None,
    outputs: Annotated[
        str | None, typer.Option(help="Output tensors, comma-separated.", show_default="as converted")
    ] = None,
    signature: Annotated[
        str | None, typer.Option(help="The signature of a SavedModel.", show_default="as converted")
    ] = None,
    input_shape: Annotated[
        list[str] | None,
        typer.Option(
            help="The shape of an input that the source does not declare: 1,3,224,224; repeatable.",
            show_default="as converted",
        ),
    ] = None,
    trust: Annotated[bool, typer.Option("--trust", help="Let code that the source holds run.")] = False,
    channels: options.Channels = None,
    range: options.Range = None,
    mean: options.Mean = None,
    std: options.Std = None,
    resize: options.Resize = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Compare a model with the source that it was converted from: outputs and layers.

    The source's own framework runs it, where it is installed. The exit code is 1 when the two differ.

    Examples:
    inspector verify lars.tflearn lars.onnx

    inspector verify net.h5 net.onnx --images photos/

    inspector verify frozen.pb from_elsewhere.onnx --outputs logits:0 --json
    """
    from inspector.cli.convert import names
    from inspector.verification import verify as run

    with output.stages(quiet) as stage:
        done = run(
            source,
            model,
            images=images,
            preprocess=options.preprocess_fields(channels, range, mean, std, resize),
            trials=trials,
            inputs=None if inputs is None else names(inputs),
            outputs=None if outputs is None else names(outputs),
            signature=signature,
            input_shapes=input_shape,
            trust=trust,
            progress=stage,
        )
    for sentence in (done.assumed, *done.certificate.warnings):
        if sentence:
            output.warning(sentence)
    say = output.errors_once()
    for failure in done.failures:
        say(failure.error)
    if as_json:
        output.json(done.to_dict())
    elif not quiet:
        _show(done.certificate)
    _leave(source, model, done.certificate, bool(done.failures))


def _show(certificate: Certificate) -> None:
    """The comparison as a short table."""
    from converters.certificate_text import amount, rows, verdict_line

    def row(item: Difference) -> list[str]:
        agreed = "" if item.top1 is None else str(item.top1)
        return [item.name, *amount(item), f"{item.allowed:.1e}", agreed, _mark(item)]

    shown = [row(item) for item in rows(certificate)]
    headings = ("layer or output", "largest difference", "of", "allowed", "top class", "")
    output.table(headings, shown, numbers=headings[1:5])
    if certificate.unseen:
        output.data(f"without a value of their own in the model: {', '.join(certificate.unseen)}")
    output.data(verdict_line(certificate).removesuffix("; largest differences:"))


def _mark(item: Difference) -> str:
    return "" if item.equal else "← differs"


def _leave(source: Path, model: Path, certificate: Certificate, failed: bool) -> None:
    """Exit as the verdict and the pictures say."""
    differing = certificate.first_difference
    if differing is not None:
        apart = f"by {differing.max_abs:.3g}, allowed {differing.allowed:.3g}"
        if not isfinite(differing.max_abs):
            apart = "another shape, or numbers that are not finite"
        output.error(
            f"{model}: differs from {certificate.source}, first at {differing.name}: {apart}",
            f"inspector convert {source} makes a model anew.",
        )
        raise typer.Exit(DIFFERENT)
    if failed:
        raise typer.Exit(SOME_FAILED)
