"""The errors that a user can meet; every one is an `InspectorError` with a message and a hint."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from converters.errors import (
    FileError,
    InspectorError,
    MissingExtraError,
    NotEqualError,
    OutputExistsError,
    SourceError,
    UnsupportedError,
)

__all__ = [
    "FileError",
    "GradientError",
    "ImageError",
    "InspectorError",
    "MissingExtraError",
    "ModelError",
    "NotEqualError",
    "OptionError",
    "OutputExistsError",
    "RunError",
    "SourceError",
    "TensorError",
    "UnknownLayerError",
    "UnsupportedError",
]


class ModelError(InspectorError):
    """The ONNX structure is broken: no graph, a cycle, an undefined input."""


class TensorError(InspectorError):
    """A tensor's bytes or description cannot be right, or its external data may not be read."""


class RunError(InspectorError):
    """onnxruntime cannot open or run the model on what it was given."""


class GradientError(InspectorError):
    """A network, or one of its operators, has no gradient that can be computed."""


class ImageError(InspectorError):
    """A picture cannot be decoded or made into the model's input."""


class OptionError(InspectorError):
    """An option's value makes no sense for this model or layer."""


class UnknownLayerError(InspectorError):
    """No layer or value has this name; the message holds the nearest ones."""

    def __init__(self, name: str, known: Iterable[str], where: str) -> None:
        known = list(known)
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.4) or known[:3]
        super().__init__(
            f"{where} has no layer {name!r}; nearest: {', '.join(near)}"
            if near
            else f"{where} has no layers",
            f"inspector layers {where}" if near else "",
        )
