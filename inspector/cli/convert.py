"""`inspector convert`: from a trained network's own file to ONNX, with proof."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from converters.choices import Engine
from inspector.cli import options, output
from inspector.errors import NotEqualError, OptionError


def convert(
    source: Annotated[
        Path,
        typer.Argument(
            help="A tflearn or TensorFlow 1 checkpoint (prefix, .meta or folder), or a frozen graph (.pb).",
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
    certificate: Annotated[
        Path | None,
        typer.Option(help="Write the whole certificate as JSON into this file.", show_default=False),
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
    """
    from inspector.conversion import convert as run
    from inspector.conversion import default_output

    _check_certificate(certificate, out or default_output(source), force)
    try:
        with output.stages(quiet) as stage:
            conversion = run(
                source,
                out,
                inputs=_names(inputs),
                outputs=_names(outputs),
                opset=opset,
                verify=not no_verify,
                bake_preprocessing=bake_preprocessing,
                engine=engine,
                fold=fold,
                labels=labels,
                preprocess=options.preprocess_fields(channels, range, mean, std, resize),
                force=force,
                progress=stage,
            )
    except NotEqualError as error:
        if certificate is not None:
            _write(certificate, error.certificate.to_json(indent=2))
        output.note(error.certificate.summary(), quiet=quiet)
        raise
    if certificate is not None:
        _write(certificate, conversion.certificate.to_json(indent=2))
    for warning in conversion.certificate.warnings:
        output.warning(warning)
    if as_json:
        output.json(conversion.to_dict())
    else:
        output.note(conversion.certificate.summary(), quiet=quiet)
    output.note(f"wrote {conversion.path}", quiet=quiet)


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip()) if text else ()


def _check_certificate(path: Path | None, out: Path, force: bool) -> None:
    from converters.files import check_output

    if path is None:
        return
    if path.resolve() == out.resolve():
        raise OptionError(f"{path}: is the model's own file; expected another name for the certificate")
    check_output(path, force=force)


def _write(path: Path, text: str) -> None:
    from converters.files import replacing

    with replacing(path, force=True) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
