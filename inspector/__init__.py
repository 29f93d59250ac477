"""See what a trained network has learned, with nothing but ONNX Runtime installed.

Example:
    >>> import inspector
    >>> model = inspector.load("lars.onnx")  # doctest: +SKIP
    >>> model.filters("conv_1").save("conv_1.png")  # doctest: +SKIP
    >>> model.predict("photos/")  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from converters.certificate import Certificate
    from converters.conversion import Conversion
    from inspector.activations import Activations
    from inspector.conversion import convert
    from inspector.errors import InspectorError
    from inspector.filters import Filters
    from inspector.labels import Labels
    from inspector.layers import Layer, Layers
    from inspector.model import Model, load
    from inspector.predict import Failure, Prediction, Predictions
    from inspector.preprocess import Preprocess

# Where each public name lives; it is imported when somebody asks for it.
_HOMES = {
    "Activations": "inspector.activations",
    "Certificate": "converters.certificate",
    "Conversion": "converters.conversion",
    "Failure": "inspector.predict",
    "Filters": "inspector.filters",
    "InspectorError": "inspector.errors",
    "Labels": "inspector.labels",
    "Layer": "inspector.layers",
    "Layers": "inspector.layers",
    "Model": "inspector.model",
    "Prediction": "inspector.predict",
    "Predictions": "inspector.predict",
    "Preprocess": "inspector.preprocess",
    "convert": "inspector.conversion",
    "load": "inspector.model",
}

__all__ = [
    "Activations",
    "Certificate",
    "Conversion",
    "Failure",
    "Filters",
    "InspectorError",
    "Labels",
    "Layer",
    "Layers",
    "Model",
    "Prediction",
    "Predictions",
    "Preprocess",
    "convert",
    "load",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
