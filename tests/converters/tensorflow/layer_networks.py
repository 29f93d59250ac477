"""Each layer of tflearn in a small network of its own, in all the ways that matter to a conversion.

A network is a function with the decorator `layer`: it asks for inputs and gives outputs, one for each way.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol


class Site(Protocol):
    """Where a network is built."""

    tflearn: ModuleType

    def input(self, *shape: int, below: int = 0) -> Any:
        """An input with a free batch; whole numbers under `below` when that is given."""

    def gives(self, way: str, tensor: Any) -> None:
        """Note an output, and in which way it was made."""


@dataclass(frozen=True)
class Layer:
    """A network.

    Attributes:
        name: The layer's name in tflearn.
        ways: What is varied, for the table.
        build: Builds it.
    """

    name: str
    ways: str
    build: Callable[[Site], None]


LAYERS: dict[str, Layer] = {}

# Layers that others call tflearn's, but that version 0.5.0 does not have.
ABSENT = {
    "swish": "not in tflearn 0.5.0; `x * sigmoid(x)` is covered as a `custom_layer`",
    "mish": "not in tflearn 0.5.0; `x * tanh(softplus(x))` is covered as a `custom_layer`",
}

_WINDOWS = "sizes 8 and 7, strides 1 to 3, SAME and VALID"


def layer(ways: str) -> Callable[[Callable[[Site], None]], Callable[[Site], None]]:
    """Register a network under its function's name."""

    def register(build: Callable[[Site], None]) -> Callable[[Site], None]:
        LAYERS[build.__name__] = Layer(build.__name__, ways, build)
        return build

    return register


def windows() -> Iterator[tuple[int, dict[str, Any], str]]:
    """Sizes with strides and padding, and what to call them."""
    for size, stride, padding in itertools.product((8, 7), (1, 2, 3), ("same", "valid")):
        yield size, {"strides": stride, "padding": padding}, f"size {size}, stride {stride}, {padding}"


def _sliding(name: str, axes: int, *arguments: Any, **options: Any) -> None:
    """Register a layer with a window that slides along some axes."""

    def build(to: Site) -> None:
        made = getattr(to.tflearn, name, None) or getattr(to.tflearn.layers.conv, name)
        for size, window, way in windows():
            x = to.input(size, *(size + 1 for _ in range(axes - 1)), 4 if axes < 3 else 2)
            to.gives(way, made(x, *arguments, **window, **options))

    LAYERS[name] = Layer(name, _WINDOWS, build)


_sliding("conv_1d", 1, 4, 3, activation="relu")
_sliding("conv_2d", 2, 4, 3, activation="relu")
_sliding("conv_3d", 3, 3, 3, activation="relu")
_sliding("grouped_conv_2d", 2, 2, 3, activation="relu", bias=True)
_sliding("highway_conv_1d", 1, 4, 3, activation="elu")
_sliding("highway_conv_2d", 2, 4, 3, activation="elu")
_sliding("max_pool_1d", 1, 3)
_sliding("max_pool_2d", 2, 3)
_sliding("max_pool_3d", 3, 3)
_sliding("avg_pool_1d", 1, 3)
_sliding("avg_pool_2d", 2, 3)
_sliding("avg_pool_3d", 3, 3)


@layer("kernels 2, 3 and 10, not square, without bias")
def conv_2d_kernels(to: Site) -> None:
    x = to.input(8, 11, 3)
    for kernel in (2, [3, 2], 10):
        to.gives(f"kernel {kernel}", to.tflearn.conv_2d(x, 4, kernel, bias=False))


@layer("rates 1 to 3, sizes 8 and 7, SAME and VALID")
def atrous_conv_2d(to: Site) -> None:
    for size, rate, padding in itertools.product((8, 7), (1, 2, 3), ("same", "valid")):
        made = to.tflearn.layers.conv.atrous_conv_2d(to.input(size, size + 1, 3), 4, 3, rate, padding)
        to.gives(f"size {size}, rate {rate}, {padding}", made)


def _transposed(name: str, axes: int) -> None:
    """Register a transposed convolution, to every size that a convolution would bring to the input's."""

    def build(to: Site) -> None:
        made = getattr(to.tflearn.layers.conv, name)
        for size, window, way in windows():
            stride = window["strides"]
            small = -(-size // stride) if window["padding"] == "same" else (size - 3) // stride + 1
            strides = stride if axes == 2 else [1, *[stride] * axes, 1]
            x = to.input(*[small] * axes, 2)
            to.gives(way, made(x, 3, 3, [size] * axes, strides=strides, padding=window["padding"]))

    LAYERS[name] = Layer(name, _WINDOWS.replace("sizes", "output sizes"), build)


_transposed("conv_2d_transpose", 2)
_transposed("conv_3d_transpose", 3)


@layer("factors 2 and 3, sizes 4 and 5")
def upsample_2d(to: Site) -> None:
    for size, factor in itertools.product((4, 5), (2, 3)):
        to.gives(f"size {size}, factor {factor}", to.tflearn.upsample_2d(to.input(size, 6, 3), factor))


@layer("strides 1 to 3, output size given and computed")
def upscore_layer(to: Site) -> None:
    for size, stride in itertools.product((4, 5), (1, 2, 3)):
        x = to.input(size, size, 3)
        made = to.tflearn.layers.conv.upscore_layer
        to.gives(f"size {size}, stride {stride}", made(x, 3, strides=stride))
        shape = [size * stride, size * stride]
        to.gives(f"size {size}, stride {stride}, given", made(x, 3, shape=shape, strides=stride))


@layer("strides 1 and 2, output size given")
def upscore_layer3d(to: Site) -> None:
    made = to.tflearn.layers.conv.upscore_layer3d
    for stride in (1, 2):
        to.gives(f"stride {stride}", made(to.input(3, 3, 3, 2), 2, shape=[3 * stride] * 3, strides=stride))


@layer("sizes 8 and 7")
def global_max_pool(to: Site) -> None:
    for size in (8, 7):
        to.gives(f"size {size}", to.tflearn.layers.conv.global_max_pool(to.input(size, 6, 3)))


@layer("sizes 8 and 7, after a convolution too")
def global_avg_pool(to: Site) -> None:
    for size in (8, 7):
        x = to.input(size, 6, 3)
        to.gives(f"size {size}", to.tflearn.global_avg_pool(x))
        to.gives(f"size {size}, convolved", to.tflearn.global_avg_pool(to.tflearn.conv_2d(x, 4, 3)))


def _block(name: str, *arguments: int) -> None:
    """Register a block of several convolutions."""

    def build(to: Site) -> None:
        made = getattr(to.tflearn, name)
        for size, down in itertools.product((8, 7), (False, True)):
            x = to.input(size, size, 4)
            # The default initializer, variance_scaling, is gone from TensorFlow 2.
            tensor = made(x, *arguments, downsample=down, weights_init="uniform_scaling")
            to.gives(f"size {size}, downsample {down}", tensor)

    LAYERS[name] = Layer(name, "sizes 8 and 7, with and without downsampling", build)


_block("residual_block", 2, 4)
_block("residual_bottleneck", 2, 4, 8)
_block("resnext_block", 1, 16, 32)
_block("densenet_block", 2, 3)


def _recurrent(name: str) -> None:
    """Register a recurrent layer."""

    def build(to: Site) -> None:
        for steps, sequence in itertools.product((4, 5), (False, True)):
            x = to.input(steps, 3)
            tensor = getattr(to.tflearn, name)(x, 6, return_seq=sequence, dropout=0.8)
            if isinstance(tensor, list):
                for step, part in enumerate(tensor):
                    to.gives(f"{steps} steps, all, {step}", part)
            else:
                to.gives(f"{steps} steps, all {sequence}", tensor)

    LAYERS[name] = Layer(name, "4 and 5 steps, the last value and all, unrolled", build)


_recurrent("simple_rnn")
_recurrent("lstm")
_recurrent("gru")


@layer("cells of each kind, unrolled")
def bidirectional_rnn(to: Site) -> None:
    for kind in ("BasicLSTMCell", "GRUCell", "BasicRNNCell"):
        cell = getattr(to.tflearn, kind)
        to.gives(kind, to.tflearn.bidirectional_rnn(to.input(4, 3), cell(5), cell(5), name=f"both_{kind}"))


@layer("matrices, pictures and volumes as inputs, with and without bias")
def fully_connected(to: Site) -> None:
    for shape in ((6,), (5, 4, 3), (3, 3, 3, 2)):
        x = to.input(*shape)
        to.gives(f"input {shape}", to.tflearn.fully_connected(x, 5, activation="relu"))
        to.gives(f"input {shape}, no bias", to.tflearn.fully_connected(x, 5, bias=False))
    net = to.tflearn.fully_connected(to.tflearn.conv_2d(to.input(5, 4, 3), 3, 2), 4)
    to.gives("convolved", net)


@layer("matrices and pictures, left out at inference")
def dropout(to: Site) -> None:
    for shape in ((6,), (5, 4, 3)):
        x = to.input(*shape)
        to.gives(f"input {shape}", to.tflearn.dropout(to.tflearn.activation(x, "relu"), 0.5))


@layer("with and without dropout in its gate")
def highway(to: Site) -> None:
    for rate in (None, 0.8):
        to.gives(f"dropout {rate}", to.tflearn.highway(to.input(6), 6, "elu", transform_dropout=rate))


@layer("one number for each sample")
def single_unit(to: Site) -> None:
    to.gives("vector", to.tflearn.single_unit(to.input(1), activation="tanh"))


@layer("from and to pictures, after a convolution too")
def reshape(to: Site) -> None:
    x = to.input(4, 6, 3)
    for shape in ([-1, 8, 9], [-1, 72], [-1, 2, 2, 6, 3]):
        to.gives(f"to {shape}", to.tflearn.reshape(x, shape))
        to.gives(f"convolved, to {shape}", to.tflearn.reshape(to.tflearn.conv_2d(x, 3, 3), shape))


@layer("pictures and volumes, after a convolution too")
def flatten(to: Site) -> None:
    for shape in ((4, 5, 3), (3, 2, 3, 2)):
        to.gives(f"input {shape}", to.tflearn.flatten(to.input(*shape)))
    to.gives("convolved", to.tflearn.flatten(to.tflearn.conv_2d(to.input(4, 5, 3), 3, 3)))


@layer("classes as whole numbers")
def one_hot_encoding(to: Site) -> None:
    x = to.input(below=4)
    to.gives("plain", to.tflearn.one_hot_encoding(x, 4))
    to.gives("values", to.tflearn.one_hot_encoding(x, 4, on_value=0.9, off_value=-0.1))


@layer("dense layers and convolutions for each step")
def time_distributed(to: Site) -> None:
    dense = to.tflearn.fully_connected
    to.gives("dense", to.tflearn.time_distributed(to.input(4, 6), dense, [5], scope="dense"))
    made = to.tflearn.time_distributed(to.input(3, 6, 5, 2), to.tflearn.conv_2d, [4, 3], scope="conv")
    to.gives("convolution", made)


@layer("arithmetic, swish and mish")
def custom_layer(to: Site) -> None:
    functions: dict[str, Callable[[Any], Any]] = {
        "arithmetic": lambda x: x * 2.0 - 1.0 / (1.0 + x * x),
        "swish": lambda x: x * to.tflearn.sigmoid(x),
        "mish": lambda x: x * to.tflearn.tanh(to.tflearn.softplus(x)),
    }
    for name, function in functions.items():
        to.gives(name, to.tflearn.custom_layer(to.input(4, 5, 3), function))


@layer("on matrices, pictures, and after a convolution")
def batch_normalization(to: Site) -> None:
    normalize = to.tflearn.batch_normalization
    to.gives("matrix", normalize(to.tflearn.fully_connected(to.input(6), 5)))
    to.gives("picture", normalize(to.input(6, 5, 3)))
    to.gives("convolved", to.tflearn.relu(normalize(to.tflearn.conv_2d(to.input(6, 5, 3), 4, 3))))


@layer("the defaults and others, on 6 and 5 channels")
def local_response_normalization(to: Site) -> None:
    for channels in (6, 5):
        x = to.input(5, 4, channels)
        made = to.tflearn.local_response_normalization
        to.gives(f"{channels} channels", made(x))
        to.gives(f"{channels} channels, radius 2", made(x, depth_radius=2, bias=2.0, alpha=0.3, beta=0.75))


@layer("along each axis of matrices and pictures")
def l2_normalize(to: Site) -> None:
    to.gives("matrix", to.tflearn.layers.normalization.l2_normalize(to.input(6), 1))
    for axis in (1, 3):
        net = to.tflearn.conv_2d(to.input(6, 5, 3), 4, 3)
        to.gives(f"picture, axis {axis}", to.tflearn.layers.normalization.l2_normalize(net, axis))


@layer("rows by whole numbers")
def embedding(to: Site) -> None:
    to.gives("words", to.tflearn.embedding(to.input(6, below=20), input_dim=20, output_dim=15))


@layer("every mode")
def merge(to: Site) -> None:
    x = to.input(6, 5, 4)
    a, b = to.tflearn.conv_2d(x, 4, 3), to.tflearn.conv_2d(x, 4, 2)
    for mode in ("concat", "elemwise_sum", "elemwise_mul", "sum", "mean", "prod", "max", "min"):
        for axis in (1, 3):
            to.gives(f"{mode}, axis {axis}", to.tflearn.merge([a, b], mode, axis=axis))
    for mode in ("and", "or"):
        to.gives(mode, to.tflearn.merge([a > 0, b > 0], mode, axis=3))


@layer("outputs of different widths")
def merge_outputs(to: Site) -> None:
    x = to.input(6)
    heads = [to.tflearn.fully_connected(x, width, activation="softmax") for width in (2, 3)]
    to.gives("two", to.tflearn.layers.merge_ops.merge_outputs(heads))


def _activation(name: str) -> None:
    """Register an activation."""

    def build(to: Site) -> None:
        function = getattr(to.tflearn.activations, name)
        to.gives("matrix", function(to.input(6)))
        to.gives("picture", function(to.input(5, 4, 3)))
        to.gives("convolved", function(to.tflearn.conv_2d(to.input(5, 4, 3), 4, 3)))

    LAYERS[name] = Layer(name, "matrices, pictures, and after a convolution", build)


_ACTIVATIONS = ("tanh", "sigmoid", "softmax", "softplus", "softsign", "relu", "relu6", "leaky_relu", "prelu",
                "elu", "crelu", "selu", "hard_sigmoid", "gelu", "linear")  # fmt: skip
for _name in _ACTIVATIONS:
    _activation(_name)
