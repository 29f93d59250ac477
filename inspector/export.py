"""The gradient of a model as a file, for others to deploy."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from converters.files import check_not_input, check_output, replacing
from inspector.errors import FileError, ModelError, OptionError, UnsupportedError

if TYPE_CHECKING:
    from onnx import ModelProto

    from inspector.model import Model

# What one protobuf message can hold.
_LARGEST = 2**31 - 1


def export(
    model: Model,
    out: str | os.PathLike[str],
    *,
    gradient: str,
    wrt: str | Sequence[str] | None = None,
    outputs: Sequence[str] = (),
    input_shape: Sequence[int | None] | Mapping[str, Sequence[int | None]] | None = None,
    force: bool = False,
) -> Path:
    """Write a model with its gradient to one ONNX file, which any onnxruntime runs.

    The file takes what the model takes and a seed, of the shape of the value that the gradient is of: what
    counts in it. It holds the labels and the way from pixels to the input that the model declares.

    Args:
        model: The model.
        out: The file to write.
        gradient: What to differentiate: a value, a layer, one channel of either ("conv_2:5"), or "logits".
        wrt: With respect to what; None for the first input of floats.
        outputs: Values or layers that the file is to give too.
        input_shape: Sizes of input axes that the model leaves free; see `inspector.gradients.backward`.
        force: Whether an existing file may be replaced.

    Returns:
        The file written.

    Raises:
        GradientError: There is no such gradient; see `inspector.gradients.backward`.
        UnknownLayerError: There is no such value or layer.
        OutputExistsError: `out` exists and `force` is not set.
        FileError: It cannot be written, or is the model itself.
        UnsupportedError: It would be larger than an ONNX file without external data can be.

    Example:
        >>> import inspector
        >>> export(inspector.load("absent.onnx"), "gradient.onnx", gradient="logits")
        Traceback (most recent call last):
        converters.errors.FileError: absent.onnx: no such file; expected an ONNX model
    """
    from inspector.gradients import backward

    check_output(out, force=force)
    check_not_input(out, [model.path])
    graph = backward(model, of=gradient, wrt=wrt, input_shape=input_shape, outputs=outputs)
    return save(graph, out, str(model.path), force=force)


def save(graph: ModelProto, out: str | os.PathLike[str], where: str, *, force: bool = False) -> Path:
    """Check a graph with onnx.checker, and write it.

    Args:
        graph: The graph, with all its weights.
        out: The file to write; half of it is never left.
        where: The model that it was made of, for messages.
        force: Whether an existing file may be replaced.

    Returns:
        `out`.

    Raises:
        ModelError: The checker refuses it.
        OutputExistsError: `out` exists and `force` is not set.
        FileError: It cannot be written.
        UnsupportedError: It is too large for one file.
    """
    from onnx import checker, shape_inference

    size = graph.ByteSize()
    if size > _LARGEST:
        raise UnsupportedError(
            f"{where}: the graph would take {size:,} bytes; expected at most {_LARGEST:,}, all that an ONNX "
            "file can hold",
            "Compute such a gradient from Python: inspector.gradients.Gradient(model, of=...)",
        )
    try:
        checker.check_model(graph, full_check=True)
    except (checker.ValidationError, shape_inference.InferenceError) as error:
        raise ModelError(
            f"{where}: onnx.checker refuses the graph made of it: {' '.join(str(error).split())[:300]}",
            f"inspector layers {where}",
        ) from error
    path = Path(out)
    with replacing(path, force=force) as temporary:
        try:
            temporary.write_bytes(graph.SerializeToString())
        except OSError as error:
            raise FileError(
                f"{path}: cannot be written: {error.strerror or error}",
                "Check the room on its disk, and that you may write there.",
            ) from error
    return path


def shapes(given: Sequence[str]) -> dict[str, tuple[int | None, ...]] | tuple[int | None, ...] | None:
    """Read shapes as they are written on a command line.

    Args:
        given: "1,3,224,224" for the first input, or "NAME=1,3,224,224" for each; a letter or ? in the place
            of a size leaves it free.

    Returns:
        A shape, or a shape for each name; None for none.

    Raises:
        OptionError: One is no shape, or one without a name is not alone.

    Example:
        >>> shapes(["N,3,224,224"]), shapes(["image=1,8", "mask=1,4"])
        ((None, 3, 224, 224), {'image': (1, 8), 'mask': (1, 4)})
    """
    named = {name: _shape(text) for name, equals, text in (each.rpartition("=") for each in given)}
    if not given:
        return None
    if "" not in named:
        return named
    if len(given) > 1:
        raise OptionError(
            "a shape without a name is for the first input and stands alone; "
            f"given {len(given)} shapes: {', '.join(given)}",
            "Name the input of each: --input-shape image=1,3,224,224",
        )
    return named[""]


def _shape(text: str) -> tuple[int | None, ...]:
    sizes = [each.strip() for each in text.split(",")]
    if not all((each.isdecimal() and int(each)) or each == "?" or each.isidentifier() for each in sizes):
        raise OptionError(
            f"{text!r} is no shape; expected sizes of one or more, separated by commas",
            "--input-shape 1,3,224,224",
        )
    return tuple(int(each) if each.isdecimal() else None for each in sizes)
