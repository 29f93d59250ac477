"""`inspector convert`: from a trained network's own file to ONNX, with proof."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from converters.choices import Engine
from inspector.cli import options, output
from inspector.errors import NotEqualError, OptionError

if TYPE_CHECKING:
    from converters.certificate import Certificate

_MARKDOWN = (".md", ".markdown")


def convert(
    source: Annotated[
        Path,
        typer.Argument(
            help="A checkpoint's prefix, .meta or folder; a SavedModel; a frozen graph; a Keras, TFLite, "
            "PyTorch or ONNX file; or module:callable in somebody's own code.",
            show_default=False,
            readable=False,
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--output", "-o", help="The ONNX file to write.", show_default="NAME.onnx")
    ] = None,
    inputs: Annotated[
        str | None, typer.Option(help="Input tensors, comma-separated.", show_default="chosen")
    ] = None,
    outputs: Annotated[
        str | None, typer.Option(help="Output tensors, comma-separated.", show_default="chosen")
    ] = None,
    opset: Annotated[int, typer.Option(help="The ONNX opset.", min=13)] = 17,
    no_verify: Annotated[
        bool, typer.Option("--no-verify", help="Leave out the comparison with the source.")
    ] = False,
    bake_preprocessing: Annotated[
        bool, typer.Option("--bake-preprocessing", help="Put the stored mean and deviation into the graph.")
    ] = False,
    engine: Annotated[
        Engine,
        typer.Option(
            help="What writes the ONNX nodes; auto takes tf2onnx only for what native does not cover."
        ),
    ] = "auto",
    fold: Annotated[
        bool, typer.Option("--fold", help="Batch normalization goes into the convolution before it.")
    ] = False,
    signature: Annotated[
        str, typer.Option(help="The signature of a SavedModel.", show_default="serving_default")
    ] = "",
    input_shape: Annotated[
        list[str] | None,
        typer.Option(
            help="The shape of an input that the source does not declare: 1,3,224,224; image=N,3,224,224 "
            "(a letter is any size); tokens=N,16:int64; repeatable.",
            show_default=False,
        ),
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Let code that the source holds run: Lambda layers, pickles.")
    ] = False,
    certificate: Annotated[
        Path | None,
        typer.Option(help="Write the whole certificate into this file, .json or .md.", show_default=False),
    ] = None,
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
    """Convert a trained network to ONNX, and prove that it gives the same answers.

    Examples:
    inspector convert lars.tflearn -o lars.onnx --labels labels.txt --channels gray

    inspector convert checkpoints/ -o net.onnx --certificate net.json

    inspector convert frozen.pb -o net.onnx --outputs logits:0

    inspector convert my_package.networks:Small -o net.onnx --input-shape N,3,224,224
    """
    from inspector.conversion import convert as run
    from inspector.conversion import default_output

    _check_certificate(certificate, out or default_output(source), force)
    try:
        with output.stages(quiet) as stage:
            conversion = run(
                source,
                out,
                inputs=names(inputs),
                outputs=names(outputs),
                opset=opset,
                verify=not no_verify,
                bake_preprocessing=bake_preprocessing,
                engine=engine,
                fold=fold,
                signature=signature,
                input_shapes=input_shape or (),
                trust=trust,
                labels=labels,
                preprocess=options.preprocess_fields(channels, range, mean, std, resize),
                force=force,
                progress=stage,
            )
    except NotEqualError as error:
        if certificate is not None:
            _write(certificate, error.certificate)
        output.note(error.certificate.summary(), quiet=quiet)
        raise
    if certificate is not None:
        _write(certificate, conversion.certificate)
    for warning in conversion.certificate.warnings:
        output.warning(warning)
    if as_json:
        output.json(conversion.to_dict())
    else:
        output.note(conversion.certificate.summary(), quiet=quiet)
    output.note(f"wrote {conversion.path}", quiet=quiet)


def names(text: str | None) -> tuple[str, ...]:
    """The parts of a comma-separated option."""
    return tuple(part.strip() for part in text.split(",") if part.strip()) if text else ()


def _check_certificate(path: Path | None, out: Path, force: bool) -> None:
    from converters.files import check_output

    if path is None:
        return
    if path.resolve() == out.resolve():
        raise OptionError(f"{path}: is the model's own file; expected another name for the certificate")
    check_output(path, force=force)


def _write(path: Path, certificate: Certificate) -> None:
    from converters.files import replacing

    page = path.suffix.lower() in _MARKDOWN
    text = certificate.to_markdown() if page else certificate.to_json(indent=2) + "\n"
    with replacing(path, force=True) as temporary:
        temporary.write_text(text, encoding="utf-8")
