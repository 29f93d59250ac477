"""What is known of Keras's layer classes: the names and the order of axes of their weights."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from converters.weights import StoredLayer, Variable

# Class → ONNX's operator, and the axes of the kernel.
_CONVOLUTIONS: Mapping[str, tuple[str, str]] = {
    "Conv1D": ("Conv", "WIO"),
    "Conv2D": ("Conv", "HWIO"),
    "Conv3D": ("Conv", "DHWIO"),
    "Conv1DTranspose": ("ConvTranspose", "WOI"),
    "Conv2DTranspose": ("ConvTranspose", "HWOI"),
    "Conv3DTranspose": ("ConvTranspose", "DHWOI"),
    "DepthwiseConv1D": ("Conv", "WIM"),
    "DepthwiseConv2D": ("Conv", "HWIM"),
}
# Class → the axes of the two kernels.
_SEPARABLE: Mapping[str, tuple[str, str]] = {
    "SeparableConv1D": ("WIM", "WIO"),
    "SeparableConv2D": ("HWIM", "HWIO"),
}
_OPERATORS = {"Dense": "Gemm", "SimpleRNN": "RNN"}
_NORMALIZATION = ("gamma", "beta", "moving_mean", "moving_variance")
_NAMES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys((*_CONVOLUTIONS, "Dense", "EinsumDense"), ("kernel", "bias")),
    **dict.fromkeys(_SEPARABLE, ("depthwise_kernel", "pointwise_kernel", "bias")),
    **dict.fromkeys(("LSTM", "GRU", "SimpleRNN"), ("kernel", "recurrent_kernel", "bias")),
    "BatchNormalization": _NORMALIZATION,
    "Embedding": ("embeddings",),
    "LayerNormalization": ("gamma", "beta"),
    "Normalization": ("mean", "variance", "count"),
    "PReLU": ("alpha",),
}


@dataclass(frozen=True)
class Layer:
    """A layer as a configuration describes it.

    Attributes:
        name: Its path: `encoder/conv2d`.
        kind: Its class.
        config: Its configuration; empty where it is not known.
    """

    name: str
    kind: str
    config: Mapping[str, Any]


def snake_case(name: str) -> str:
    """A class's name as Keras writes it into files.

    Example:
        >>> snake_case("BatchNormalization"), snake_case("SeparableConv2D"), snake_case("LSTM")
        ('batch_normalization', 'separable_conv2d', 'lstm')
    """
    words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()


def layer_kind(numbered: str) -> str:
    """The class that a name written by Keras, with or without a number, stands for; the name itself else.

    Example:
        >>> layer_kind("conv2d_12"), layer_kind("encoder")
        ('Conv2D', 'encoder')
    """
    plain = re.sub(r"_\d+$", "", numbered)
    return next((kind for kind in _NAMES if plain == snake_case(kind)), numbered)


def names_of(layer: Layer, count: int) -> tuple[str, ...]:
    """What the variables of a layer are called that a file only numbers.

    Example:
        >>> names_of(Layer("bn", "BatchNormalization", {"scale": False}), 3)
        ('beta', 'moving_mean', 'moving_variance')
        >>> names_of(Layer("odd", "Odd", {}), 2)
        ('0', '1')
    """
    names = _NAMES.get(layer.kind, ())
    left_out = {
        name for name, flag in (("gamma", "scale"), ("beta", "center")) if layer.config.get(flag) is False
    }
    names = tuple(name for name in names if name not in left_out)
    if layer.kind == "BatchNormalization":
        # The statistics are always there; without a configuration, three variables could be either.
        names = names[-count:] if count in (2, len(names)) else ()
    return names[:count] if len(names) >= count else tuple(str(number) for number in range(count))


def stored_layers(layer: Layer, variables: Sequence[Variable]) -> list[StoredLayer]:
    """A layer with its kernel; a separable convolution is two.

    Args:
        layer: What is known of it.
        variables: Its variables, in the file's order; the last part of a name is what Keras calls it.
    """
    held = {variable.name.rpartition("/")[2]: variable for variable in variables}
    if layer.kind in _SEPARABLE and {"depthwise_kernel", "pointwise_kernel"} <= held.keys():
        depthwise, pointwise = (held[f"{part}_kernel"] for part in ("depthwise", "pointwise"))
        rest = tuple(variable for variable in variables if variable is not depthwise)
        first, second = _SEPARABLE[layer.kind]
        return [
            StoredLayer(
                f"{layer.name}/depthwise", "Conv", (depthwise,), depthwise, first, depthwise.shape[-2]
            ),
            StoredLayer(f"{layer.name}/pointwise", "Conv", rest, pointwise, second),
        ]
    kind, order = _CONVOLUTIONS.get(layer.kind, (_OPERATORS.get(layer.kind, layer.kind), ""))
    kernel = held.get("kernel") or held.get("depthwise_kernel") if order else None
    if kernel is None or len(kernel.shape) != len(order):
        return [StoredLayer(layer.name, kind, tuple(variables))]
    groups = kernel.shape[-2] if "M" in order else int(layer.config.get("groups") or 1)
    return [StoredLayer(layer.name, kind, tuple(variables), kernel, order, groups)]
