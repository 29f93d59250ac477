"""Predicting the classes of one picture, many, or a folder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from inspector.choices import TIME_LIMIT
from inspector.picture_list import Images
from inspector.predictions import Failure, Prediction, Predictions
from inspector.predictor import GivenLabels, Predictor
from inspector.preprocess import Fields, Preprocess

if TYPE_CHECKING:
    from inspector.model import Model

__all__ = ["Failure", "Prediction", "Predictions", "Predictor", "predict", "stream"]


def predict(
    model: Model,
    images: Images,
    *,
    top: int = 5,
    preprocess: Preprocess | Fields | None = None,
    labels: GivenLabels | None = None,
    output: str | None = None,
    batch_size: int | None = None,
    threads: int | None = None,
    time_limit: float | None = TIME_LIMIT,
    fast_decode: bool = False,
) -> Predictions:
    """Predict the classes of one picture, several, or a folder.

    Args:
        model: The model.
        images: A path, folder, glob, a file's bytes, a Pillow image, an array (H, W), (H, W, C) or
            (N, H, W, C), or an iterable of these.
        top: How many classes to give for each picture.
        preprocess: The way from pixels to the input, or those fields of it that are to differ from what the
            model declares: `{"channels": "bgr", "range": "0..255"}`.
        labels: Class names or a file of them; None for those that the model declares.
        output: The value that holds the class scores; None to find it.
        batch_size: Pictures in one run; None to choose.
        threads: How many threads to use in all, at most one for each core; None for as many.
        time_limit: Seconds that one run may take; None for any time.
        fast_decode: Whether JPEGs are decoded at a reduced scale: about twice as fast, slightly other pixels.

    Returns:
        A prediction for each picture that could be read, and the failures. A single picture that cannot be
        read raises instead.

    Raises:
        FileError: The one file given is missing, unreadable or empty.
        ImageError: The one picture given cannot be decoded, a folder holds none, or the model takes none.
        OptionError: An option makes no sense for the model.
        RunError: onnxruntime cannot run the model.

    Example:
        >>> import inspector
        >>> inspector.load("absent.onnx").predict("cat.jpg")
        Traceback (most recent call last):
        converters.errors.FileError: absent.onnx: no such file; expected an ONNX model
    """
    predictor = Predictor(
        model, top, preprocess, labels, output, batch_size, threads, time_limit, fast_decode
    )
    return predictor.predict(images)


def stream(
    model: Model,
    images: Images,
    *,
    top: int = 5,
    preprocess: Preprocess | Fields | None = None,
    labels: GivenLabels | None = None,
    output: str | None = None,
    batch_size: int | None = None,
    threads: int | None = None,
    time_limit: float | None = TIME_LIMIT,
    fast_decode: bool = False,
) -> Iterator[Prediction | Failure]:
    """Predict pictures one after the other, in the order given, while the next ones are being decoded.

    Args:
        model: The model.
        images: As for `predict`; an iterator is read only as far as it is needed.
        top: As for `predict`, like all that follow.
        preprocess: Likewise.
        labels: Likewise.
        output: Likewise.
        batch_size: Likewise.
        threads: Likewise.
        time_limit: Likewise.
        fast_decode: Likewise.

    Returns:
        An iterator over one result for each picture; a bad one never stops the others.

    Raises:
        FileError: The one file given does not exist.
        ImageError: A folder holds no picture, or the model takes none.
        OptionError: An option makes no sense for the model.
        RunError: onnxruntime cannot run the model.
    """
    predictor = Predictor(
        model, top, preprocess, labels, output, batch_size, threads, time_limit, fast_decode
    )
    return predictor.stream(images)
