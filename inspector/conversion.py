"""Conversion with what the model should carry: labels and the way from pixels to its input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from converters.choices import Engine
    from converters.conversion import Conversion
    from converters.formats import Source
    from converters.trials import TensorSpec
    from inspector.labels import Labels
    from inspector.onnxfile import Value
    from inspector.predictor import GivenLabels
    from inspector.preprocess import Fields, Preprocess


# Of sources, left out of the name of what is made of them.
_SUFFIXES = (
    *(".meta", ".index", ".pb", ".tflearn", ".ckpt", ".model", ".keras", ".h5", ".hdf5", ".tflite", ".pt2"),
    *(".pt", ".pth", ".torchscript"),
)


def convert(
    source: str | Path,
    out: str | Path | None = None,
    *,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    opset: int = 17,
    verify: bool = True,
    bake_preprocessing: bool = False,
    engine: Engine = "auto",
    fold: bool = False,
    signature: str = "",
    input_shapes: Sequence[str] = (),
    trust: bool = False,
    labels: GivenLabels | None = None,
    preprocess: Preprocess | Fields | None = None,
    force: bool = False,
    progress: Callable[[str], None] = lambda stage: None,
) -> Conversion:
    """Convert a trained network to one ONNX file that carries its proof, labels and preprocessing.

    Args:
        source: A trained network's own file or folder: a checkpoint's prefix or `.meta`, a SavedModel, a
            Keras, TFLite, PyTorch or ONNX file; or `module:callable` in somebody's own code.
        out: The ONNX file; by default the source's name with `.onnx`, in the current folder.
        inputs: Tensor names, where the choice of inputs should be another.
        outputs: Tensor names, where the choice of outputs should be another.
        opset: The ONNX opset to write.
        verify: Whether the model is compared with the source.
        bake_preprocessing: Whether featurewise mean and deviation that the source stores become part of the
            graph.
        engine: What writes the ONNX nodes: "native" needs no framework, "tf2onnx" covers more operations, and
            "auto" takes the native engine where it covers the source.
        fold: Whether batch normalization goes into the weights of the convolution before it; the layers
            become one.
        signature: Which signature of a SavedModel; empty for its serving signature.
        input_shapes: What stands for inputs that the source does not declare, one for each: "1,3,224,224",
            "image=N,3,224,224", "tokens=N,16:int64". A letter is an axis of any size.
        trust: Whether code that the source holds may run.
        labels: A file of class names, or the names.
        preprocess: The way from pixels to the input that the network was trained on; or only some fields of
            it, set over the default.
        force: Whether an existing `out` may be replaced.
        progress: Called with a few words as each stage begins.

    Returns:
        The path and the certificate.

    Raises:
        InspectorError: See `converters.conversion.convert`; or the labels or preprocessing do not fit.

    Example:
        >>> convert("absent.tflearn")
        Traceback (most recent call last):
        converters.errors.SourceError: absent.tflearn: no such file, and no checkpoint of that name
    """
    from converters.conversion import convert as run
    from converters.formats import Request
    from inspector.labels import Labels

    request = Request(
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        opset=opset,
        bake_preprocessing=bake_preprocessing,
        verify=verify,
        engine=engine,
        fold=fold,
        signature=signature,
        input_shapes=tuple(input_shapes),
        trust=trust,
    )
    _check_onnx(Path(source))
    # Labels that cannot be read should be known before the long work.
    names = None if labels is None else Labels.of(labels)
    return run(
        source,
        out if out is not None else default_output(source),
        request=request,
        metadata=lambda opened: _metadata(opened, str(source), names, preprocess),
        force=force,
        progress=progress,
    )


def _check_onnx(source: Path) -> None:
    """Refuse an ONNX file that must not be run: it is run to be compared."""
    from converters.onnx_model.reading import looks_like_onnx

    if not looks_like_onnx(source):
        return
    from inspector.errors import ModelError
    from inspector.onnxfile import open_onnx
    from inspector.verification import check_runs

    try:
        file = open_onnx(source)
    except ModelError:
        # A conversion may repair it, or say better why it cannot.
        return
    check_runs(file)


def _metadata(
    opened: Source, source: str, labels: Labels | None, preprocess: Preprocess | Fields | None
) -> dict[str, str]:
    """What the model stores of labels and preprocessing, once its inputs and outputs are known."""
    from inspector import labels as label_metadata
    from inspector import preprocess as preprocess_metadata

    found: dict[str, str] = {}
    if labels is not None:
        classes = opened.outputs[0].shape[-1] if opened.outputs[0].shape else None
        if classes is not None:
            labels.check(classes, source)
        found[label_metadata.KEY] = labels.to_json()
    if preprocess:
        value = _value(opened.inputs[0])
        way = preprocess
        if not isinstance(way, preprocess_metadata.Preprocess):
            way = preprocess_metadata.default_for(value, way.get("channels"), where=source).changed(way)
        way.check(value, where=source)
        found[preprocess_metadata.KEY] = way.to_json()
    return found


def _value(spec: TensorSpec) -> Value:
    from onnx.helper import np_dtype_to_tensor_dtype

    from inspector.onnxfile import DataType, Value

    return Value(spec.name, DataType(np_dtype_to_tensor_dtype(spec.dtype)), spec.shape)


def default_output(source: str | Path) -> Path:
    """Where a conversion goes that names no output: `lars.tflearn.meta` → `lars.onnx`.

    Example:
        >>> default_output("models/lars.tflearn.meta").name
        'lars.onnx'
        >>> default_output("downloaded/net.onnx").name
        'net.converted.onnx'
    """
    name = Path(source).resolve().name if str(source) in (".", "..") else Path(source).name
    # Somebody's own code is `module:callable`.
    name = name.rpartition(":")[2]
    for suffix in _SUFFIXES:
        name = name.removesuffix(suffix)
    return Path(f"{name.removesuffix('.onnx')}.converted.onnx" if name.endswith(".onnx") else f"{name}.onnx")
