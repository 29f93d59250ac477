"""Comparing a model with its source again, on random inputs or on real pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inspector.errors import InspectorError, OptionError

if TYPE_CHECKING:
    from converters.certificate import Certificate
    from converters.trials import Pictures, TensorSpec
    from inspector.onnxfile import OnnxFile, Value
    from inspector.picture_list import Images, Named
    from inspector.predictions import Failure
    from inspector.preprocess import Fields, Preprocess

# Pictures in one run: the layers of all of them are held at once.
_BATCH = 8


@dataclass(frozen=True, eq=False)
class Verification:
    """What a repeated comparison found.

    Attributes:
        path: The ONNX file.
        certificate: What was read and compared, now: every output and layer, in the same form as the
            certificate of the conversion.
        failures: Pictures that could not be read.
        assumed: What was assumed of the way from pixels to the input, when the model declares none.
    """

    path: Path
    certificate: Certificate
    failures: tuple[Failure, ...] = ()
    assumed: str | None = None

    @property
    def equal(self) -> bool:
        """Whether the model gives what the source gives."""
        return self.certificate.verdict == "equal"

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it: path, certificate, failures, assumed."""
        return {
            "path": str(self.path),
            "certificate": self.certificate.to_dict(),
            "failures": [failure.to_dict() for failure in self.failures],
            "assumed": self.assumed,
        }

    def _repr_markdown_(self) -> str:
        return self.certificate.to_markdown()


def verify(
    source: str | Path,
    model: str | Path,
    *,
    images: Images | None = None,
    preprocess: Preprocess | Fields | None = None,
    trials: int = 4,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    signature: str | None = None,
    input_shapes: Sequence[str] | None = None,
    trust: bool = False,
    progress: Callable[[str], None] = lambda stage: None,
) -> Verification:
    """Compare a model with the source that it was converted from: outputs, and every layer that both have.

    Args:
        source: What was converted: a file, a checkpoint's prefix, a folder.
        model: The ONNX file, from `convert` or from another tool.
        images: Real pictures to compare on, as for `Model.predict`; None for random inputs.
        preprocess: The way from pixels to the input, or those fields that are to differ from what the model
            declares.
        trials: How many kinds of random inputs, each with a seed of its own.
        inputs: Tensor names, where the choice of inputs should be another than the model's certificate says.
        outputs: The same for outputs.
        signature: The same for a SavedModel's signature.
        input_shapes: The same for what stands for inputs that the source does not declare.
        trust: Whether code that the source holds may run; a certificate is never asked for that.
        progress: Called with a few words as each stage begins.

    Returns:
        What was found; `equal` is the verdict.

    Raises:
        SourceError: The model is not of this source, or one of them cannot be read.
        InspectorError: The model cannot be run, or takes no pictures, or a framework is missing.

    Example:
        >>> verify("absent.tflearn", "absent.onnx")
        Traceback (most recent call last):
        converters.errors.FileError: absent.onnx: no such file; expected an ONNX model
    """
    from converters.verification import Changes
    from converters.verification import verify as run
    from inspector.onnxfile import open_onnx

    if trials < 1:
        raise OptionError(f"trials is {trials}; expected 1 or more", "Leave it out to have four.")
    opened = open_onnx(model)
    check_runs(opened)
    pictures = None if images is None else _Reader(opened, images, preprocess)
    done = run(
        source,
        model,
        changes=Changes(
            None if inputs is None else tuple(inputs),
            None if outputs is None else tuple(outputs),
            signature,
            None if input_shapes is None else tuple(input_shapes),
            trust,
        ),
        trials=trials,
        pictures=None if pictures is None else pictures.batches,
        progress=progress,
    )
    if pictures is None:
        return Verification(done.path, done.certificate)
    return Verification(done.path, done.certificate, tuple(pictures.failures), pictures.assumed)


def check_runs(file: OnnxFile) -> None:
    """Refuse a model, which may be a stranger's, that must not be run.

    Raises:
        InspectorError: It reads other files than its own, or takes memory without measure.
    """
    from inspector.growth import check_loops
    from inspector.onnxfile.runnable import check_external
    from inspector.preflight import check_memory, check_windows

    for check in (check_external, check_windows, check_loops, check_memory):
        check(file)


class _Reader:
    """Pictures as batches of a model's input; those that fail are kept by themselves."""

    def __init__(self, model: OnnxFile, images: Images, preprocess: Preprocess | Fields | None) -> None:
        from inspector.layout import picture_input

        self._model = model
        self._images = images
        self._input = picture_input(model)
        self._way, self.assumed = _way(model, self._input, preprocess)
        self.failures: list[Failure] = []

    def batches(self, inputs: Sequence[TensorSpec]) -> Iterator[Pictures]:
        """The pictures, several at a time, for a source with these inputs.

        Raises:
            OptionError: The source has several inputs.
            InspectorError: The one picture given cannot be read.
        """
        from converters.trials import Pictures
        from inspector.layout import layout_of
        from inspector.picture_list import list_pictures

        if len(inputs) != 1:
            raise OptionError(
                f"{self._model.path}: the source takes {len(inputs)} inputs; expected one, for pictures",
                "Leave --images out, to compare on random inputs.",
            )
        layout = layout_of(self._input, self._way.channels, where=str(self._model.path))
        size = layout.batch or (_BATCH if "N" in layout.axes else 1)
        listed = list_pictures(self._images)
        ready = (each for item in listed.items if (each := self._tensor(item)) is not None)
        read = False
        for _, group in groupby(ready, lambda each: each[1].shape):
            while part := list(islice(group, size)):
                read = True
                arrays = [array for _, array in part]
                # A model of a fixed batch gets the last picture again until the batch is full.
                arrays += [arrays[-1]] * ((layout.batch or len(part)) - len(part))
                together = np.concatenate(arrays) if "N" in layout.axes else arrays[0]
                yield Pictures(tuple(name for name, _ in part), {inputs[0].name: together})
        if not read and len(self.failures) == 1:
            raise self.failures[0].error

    def _tensor(self, item: Named) -> tuple[str, NDArray[np.generic]] | None:
        from inspector.images import decode
        from inspector.predictions import Failure

        name, source = item
        try:
            image = decode(source, name=name).image
            return name, self._way.apply(image, self._input, where=name)
        except InspectorError as error:
            self.failures.append(Failure(name, error))
            return None


def _way(model: OnnxFile, value: Value, given: Preprocess | Fields | None) -> tuple[Preprocess, str | None]:
    """The way from pixels to an input, and what is assumed of it where nobody says it."""
    from inspector.assumption import assumption
    from inspector.preprocess import Preprocess, declared_in, default_for

    where = str(model.path)
    if isinstance(given, Preprocess):
        given.check(value, where=where)
        return given, None
    fields = given or {}
    declared = declared_in(model.metadata, where)
    way = (declared or default_for(value, fields.get("channels"), where=where)).changed(fields)
    way.check(value, where=where)
    needed = {"range"} if way.channels == "gray" else {"channels", "range"}
    if declared is not None or needed <= set(fields):
        return way, None
    return way, assumption(way, value, where)
