"""See what a trained network has learned and why it decides as it does, with nothing but ONNX Runtime.

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
    from inspector.exemplars import Exemplars
    from inspector.explain import Explanations
    from inspector.filters import Filters
    from inspector.gradients import Gradient
    from inspector.labels import Labels
    from inspector.layers import Layer, Layers
    from inspector.model import Model, load
    from inspector.predict import Failure, Prediction, Predictions
    from inspector.preprocess import Preprocess
    from inspector.regions import RegionReport
    from inspector.verification import Verification, verify
    from inspector.visualize import Visualization
    from inspector.weights_only import WeightsOnly

# Where each public name lives; it is imported when somebody asks for it.
_HOMES = {
    "Activations": "inspector.activations",
    "Certificate": "converters.certificate",
    "Conversion": "converters.conversion",
    "Exemplars": "inspector.exemplars",
    "Explanations": "inspector.explain",
    "Failure": "inspector.predict",
    "Filters": "inspector.filters",
    "Gradient": "inspector.gradients",
    "InspectorError": "inspector.errors",
    "Labels": "inspector.labels",
    "Layer": "inspector.layers",
    "Layers": "inspector.layers",
    "Model": "inspector.model",
    "Prediction": "inspector.predict",
    "Predictions": "inspector.predict",
    "Preprocess": "inspector.preprocess",
    "RegionReport": "inspector.regions",
    "Verification": "inspector.verification",
    "Visualization": "inspector.visualize",
    "WeightsOnly": "inspector.weights_only",
    "convert": "inspector.conversion",
    "load": "inspector.model",
    "verify": "inspector.verification",
}

__all__ = [
    "Activations",
    "Certificate",
    "Conversion",
    "Exemplars",
    "Explanations",
    "Failure",
    "Filters",
    "Gradient",
    "InspectorError",
    "Labels",
    "Layer",
    "Layers",
    "Model",
    "Prediction",
    "Predictions",
    "Preprocess",
    "RegionReport",
    "Verification",
    "Visualization",
    "WeightsOnly",
    "convert",
    "load",
    "verify",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
