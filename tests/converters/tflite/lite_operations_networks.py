"""One small network for each operator, in the variants that its options allow.

A name begins with the operator that the file must hold: `CONV_2D:same` becomes `CONV_2D.same.tflite`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from lite_registry import NETWORKS, Lite, in_order

Make = Callable[[Any, np.random.Generator], Callable[..., Any]]


@dataclass(frozen=True)
class Case:
    """A function of TensorFlow's, and what it is fed.

    Attributes:
        make: TensorFlow and a source of numbers → the function.
        shapes: Of its inputs, with None for a batch of any size.
        dtype: Of its inputs.
        low, high: Between which its inputs are drawn.
        whole: Whether it becomes a network of whole numbers.
    """

    make: Make
    shapes: Sequence[Sequence[int | None]] = ((1, 6, 7, 4),)
    dtype: str = "float32"
    low: float = -2.0
    high: float = 2.0
    whole: bool = False


CASES: dict[str, Case] = {}


def _weights(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.normal(0, 0.5, shape).astype(np.float32)


def _conv(strides: int = 1, padding: str = "SAME", dilations: int = 1, channels: int = 4) -> Make:
    def make(tf: Any, rng: np.random.Generator) -> Callable[..., Any]:
        kernel, bias = _weights(rng, 3, 2, channels, 6), _weights(rng, 6)
        return lambda x: tf.nn.conv2d(x, kernel, strides, padding, dilations=dilations) + bias

    return make


def _depthwise(strides: int, padding: str, multiplier: int = 1) -> Make:
    def make(tf: Any, rng: np.random.Generator) -> Callable[..., Any]:
        kernel = _weights(rng, 3, 3, 4, multiplier)
        return lambda x: tf.nn.depthwise_conv2d(x, kernel, (1, strides, strides, 1), padding)

    return make


def _transposed(strides: int, padding: str, size: tuple[int, int]) -> Make:
    def make(tf: Any, rng: np.random.Generator) -> Callable[..., Any]:
        kernel, bias = _weights(rng, 3, 3, 5, 4), _weights(rng, 5)
        return lambda x: tf.nn.bias_add(
            tf.nn.conv2d_transpose(x, kernel, (1, *size, 5), strides, padding), bias
        )

    return make


def _activated(name: str) -> Make:
    def make(tf: Any, rng: np.random.Generator) -> Callable[..., Any]:
        kernel, bias = _weights(rng, 3, 3, 4, 4), _weights(rng, 4)
        between = {"relu_n1_to_1": lambda x: tf.minimum(tf.maximum(x, -1.0), 1.0), "tanh": tf.tanh}
        function = between.get(name) or getattr(tf.nn, name)
        return lambda x: function(tf.nn.bias_add(tf.nn.conv2d(x, kernel, 1, "VALID"), bias))

    return make


def _plain(function: Callable[..., Any]) -> Make:
    """A function that gets TensorFlow first, then the inputs."""
    return lambda tf, rng: lambda *inputs: function(tf, *inputs)


def _constant(function: Callable[..., Any], *shape: int) -> Make:
    """A function that gets TensorFlow, a constant of this shape, then the inputs."""

    def make(tf: Any, rng: np.random.Generator) -> Callable[..., Any]:
        held = _weights(rng, *shape)
        return lambda *inputs: function(tf, held, *inputs)

    return make


def _between_convolutions(function: Callable[..., Any]) -> Make:
    """A function on data that a convolution made, before another one, so that channels lie first."""

    def make(tf: Any, rng: np.random.Generator) -> Callable[..., Any]:
        first = _weights(rng, 3, 3, 4, 8)
        return lambda x: function(tf, tf.nn.conv2d(x, first, 1, "SAME"))

    return make


def _case(name: str, make: Make, **options: Any) -> None:
    CASES[name] = Case(make, **options)


_case("CONV_2D:same", _conv())
_case("CONV_2D:valid", _conv(2, "VALID"))
_case("CONV_2D:same-strided", _conv(2), shapes=((None, 8, 7, 4),))
_case("CONV_2D:dilated", _conv(1, "SAME", 2))
_case("CONV_2D:grouped", _conv(channels=2))
for _name in ("relu", "relu6", "relu_n1_to_1"):
    _case(f"CONV_2D:{_name}", _activated(_name))
_case("CONV_2D:quantised", _conv(2), whole=True)
_case("CONV_2D:quantised-relu6", _activated("relu6"), whole=True)
_case("DEPTHWISE_CONV_2D:same", _depthwise(1, "SAME"))
_case("DEPTHWISE_CONV_2D:valid", _depthwise(2, "VALID", 3))
_case("DEPTHWISE_CONV_2D:quantised", _depthwise(2, "SAME"), whole=True)
_case("TRANSPOSE_CONV:same", _transposed(2, "SAME", (12, 13)))
_case("TRANSPOSE_CONV:valid", _transposed(2, "VALID", (14, 15)))
_case("TRANSPOSE_CONV:stride-1", _transposed(1, "SAME", (6, 7)))
_case("TRANSPOSE_CONV:quantised", _transposed(2, "SAME", (12, 14)), whole=True)
_case(
    "PAD:before-convolution",
    lambda tf, rng: (
        lambda kernel: lambda x: tf.nn.conv2d(tf.pad(x, ((0, 0), (2, 1), (0, 3), (0, 0))), kernel, 2, "VALID")
    )(_weights(rng, 3, 3, 4, 5)),
)
_case("PAD:quantised", _plain(lambda tf, x: tf.pad(x, ((0, 0), (2, 1), (0, 3), (0, 0)))), whole=True)
_case("PAD:any-axis", _plain(lambda tf, x: tf.pad(x, ((1, 0), (2, 1), (0, 3), (1, 2)))))
_case("PADV2:", _plain(lambda tf, x: tf.pad(x, ((0, 0), (2, 1), (0, 3), (1, 0)), constant_values=-3.0)))
_case(
    "PADV2:quantised",
    _plain(lambda tf, x: tf.pad(x, ((0, 0), (2, 1), (0, 3), (1, 0)), constant_values=-1.0)),
    whole=True,
)
_case("MIRROR_PAD:reflect", _plain(lambda tf, x: tf.pad(x, ((0, 0), (2, 1), (0, 3), (0, 0)), "REFLECT")))
_case("MIRROR_PAD:symmetric", _plain(lambda tf, x: tf.pad(x, ((0, 0), (2, 1), (0, 3), (0, 0)), "SYMMETRIC")))

for _name, _function in {
    "AVERAGE_POOL_2D:same": lambda tf, x: tf.nn.avg_pool2d(x, 3, 2, "SAME"),
    "AVERAGE_POOL_2D:valid": lambda tf, x: tf.nn.avg_pool2d(x, (2, 3), 1, "VALID"),
    "MAX_POOL_2D:same": lambda tf, x: tf.nn.max_pool2d(x, 3, 2, "SAME"),
    "MAX_POOL_2D:relu": lambda tf, x: tf.nn.relu(tf.nn.max_pool2d(x, 2, 2, "VALID")),
}.items():
    _case(_name, _plain(_function))
    _case(f"{_name}-quantised", _plain(_function), whole=True)

_case("FULLY_CONNECTED:", _constant(lambda tf, w, x: tf.matmul(x, w), 5, 7), shapes=((None, 5),))
_case(
    "FULLY_CONNECTED:relu",
    _constant(lambda tf, w, x: tf.nn.relu(tf.matmul(x, w) + w[0]), 5, 7),
    shapes=((3, 5),),
)
_case("FULLY_CONNECTED:deep", _constant(lambda tf, w, x: tf.tensordot(x, w, 1), 4, 7), shapes=((1, 6, 7, 4),))
_case(
    "FULLY_CONNECTED:quantised",
    _constant(lambda tf, w, x: tf.matmul(x, w) + w[0], 5, 7),
    shapes=((1, 5),),
    whole=True,
)
_case(
    "FULLY_CONNECTED:of-a-convolution",
    _between_convolutions(
        lambda tf, x: tf.matmul(
            tf.reshape(x, (1, -1)), np.linspace(-1, 1, 6 * 7 * 8 * 3, dtype=np.float32).reshape(-1, 3)
        )
    ),
)
_case("BATCH_MATMUL:", _plain(lambda tf, a, b: tf.matmul(a, b)), shapes=((2, 3, 4), (2, 4, 5)))
_case(
    "BATCH_MATMUL:flipped",
    _plain(lambda tf, a, b: tf.matmul(a, b, transpose_b=True)),
    shapes=((2, 3, 4), (2, 5, 4)),
)

for _name, _function in {
    "ADD:": lambda tf, a, b: a + b,
    "ADD:relu": lambda tf, a, b: tf.nn.relu(a + b),
    "SUB:": lambda tf, a, b: a - b,
    "MUL:": lambda tf, a, b: a * b,
    "MUL:relu6": lambda tf, a, b: tf.nn.relu6(a * b),
    "MAXIMUM:": lambda tf, a, b: tf.maximum(a, b),
    "MINIMUM:": lambda tf, a, b: tf.minimum(a, b),
}.items():
    _case(_name, _plain(_function), shapes=((1, 6, 7, 4), (1, 6, 7, 4)))
    _case(f"{_name}quantised", _plain(_function), shapes=((1, 6, 7, 4), (1, 6, 7, 4)), whole=True)
_case("ADD:broadcast", _plain(lambda tf, a, b: a + b), shapes=((1, 6, 7, 4), (7, 1)))
_case(
    "ADD:of-whole-numbers",
    _plain(lambda tf, a, b: a + b),
    shapes=((3, 4), (3, 4)),
    dtype="int32",
    low=-9,
    high=9,
)
_case(
    "ADD:channels", _between_convolutions(lambda tf, x: x + np.arange(7 * 8, dtype=np.float32).reshape(7, 8))
)
_case(
    "MUL:channels-quantised",
    _between_convolutions(lambda tf, x: tf.tanh(x) * np.linspace(0.2, 2, 8, dtype=np.float32)),
    whole=True,
)
_case("DIV:", _plain(lambda tf, a, b: a / (tf.abs(b) + 1.0)), shapes=((3, 4), (3, 4)))
_case("POW:", _plain(lambda tf, a, b: tf.pow(a, b)), shapes=((3, 4), (3, 4)), low=0.5)
_case(
    "SQUARED_DIFFERENCE:", _plain(lambda tf, a, b: tf.math.squared_difference(a, b)), shapes=((3, 4), (3, 4))
)
_case("FLOOR_DIV:", _plain(lambda tf, a, b: a // b), shapes=((3, 4), (3, 4)), dtype="int32", low=1, high=9)
_case("FLOOR_MOD:", _plain(lambda tf, a, b: a % b), shapes=((3, 4), (3, 4)), dtype="int32", low=1, high=9)
_case("ADD_N:", _plain(lambda tf, a, b, c: tf.add_n([a, b, c])), shapes=((3, 4),) * 3)
for _op in ("GREATER", "LESS", "GREATER_EQUAL", "LESS_EQUAL", "EQUAL", "NOT_EQUAL"):
    _case(
        f"{_op}:",
        _plain(lambda tf, a, b, op=_op: getattr(tf, op.lower())(tf.round(a), tf.round(b))),
        shapes=((3, 4), (3, 4)),
    )
_case(
    "LOGICAL_AND:",
    _plain(lambda tf, a, b: tf.logical_and(a > 0, tf.logical_not(b > 0))),
    shapes=((3, 4), (3, 4)),
)
_case("LOGICAL_OR:", _plain(lambda tf, a, b: tf.logical_or(a > 0, b > 0)), shapes=((3, 4), (3, 4)))
_case("SELECT_V2:", _plain(lambda tf, a, b: tf.where(a > 0, b, tf.zeros_like(b))), shapes=((3, 4), (3, 4)))

for _op, _function in {
    "SQRT": lambda tf, x: tf.sqrt(x),
    "RSQRT": lambda tf, x: tf.math.rsqrt(x),
    "LOG": lambda tf, x: tf.math.log(x),
}.items():
    _case(f"{_op}:", _plain(_function), low=0.1)
for _op, _function in {
    "EXP": lambda tf, x: tf.exp(x),
    "NEG": lambda tf, x: -x,
    "ABS": lambda tf, x: tf.abs(x),
    "SIN": lambda tf, x: tf.sin(x),
    "COS": lambda tf, x: tf.cos(x),
    "FLOOR": lambda tf, x: tf.floor(x),
    "CEIL": lambda tf, x: tf.math.ceil(x),
    "ROUND": lambda tf, x: tf.round(x),
    "SQUARE": lambda tf, x: tf.square(x),
    "SIGN": lambda tf, x: tf.sign(x),
    "L2_NORMALIZATION": lambda tf, x: tf.nn.l2_normalize(x, -1),
    "RELU": lambda tf, x: tf.nn.relu(x),
    "RELU6": lambda tf, x: tf.nn.relu6(x),
    "ELU": lambda tf, x: tf.nn.elu(x),
    "RELU_N1_TO_1": lambda tf, x: tf.minimum(tf.maximum(x, -1.0), 1.0),
    "LEAKY_RELU": lambda tf, x: tf.nn.leaky_relu(x, 0.3),
    "TANH": lambda tf, x: tf.tanh(x),
    "LOGISTIC": lambda tf, x: tf.sigmoid(x),
    "SOFTMAX": lambda tf, x: tf.nn.softmax(x),
    "LOG_SOFTMAX": lambda tf, x: tf.nn.log_softmax(x),
    "HARD_SWISH": lambda tf, x: x * tf.nn.relu6(x + 3.0) * (1 / 6.0),
    "GELU": lambda tf, x: tf.nn.gelu(x, approximate=False),
    "LOCAL_RESPONSE_NORMALIZATION": lambda tf, x: tf.nn.local_response_normalization(x, 1, 1.5, 0.4, 0.6),
}.items():
    _case(f"{_op}:", _plain(_function))
_case("GELU:approximate", _plain(lambda tf, x: tf.nn.gelu(x, approximate=True)))
for _op, _function in {
    "LEAKY_RELU": lambda tf, x: tf.nn.leaky_relu(x, 0.3),
    "TANH": lambda tf, x: tf.tanh(x),
    "LOGISTIC": lambda tf, x: tf.sigmoid(x),
    "SOFTMAX": lambda tf, x: tf.nn.softmax(tf.reshape(x, (1, -1))),
    "HARD_SWISH": lambda tf, x: x * tf.nn.relu6(x + 3.0) * (1 / 6.0),
    "ABS": lambda tf, x: tf.abs(x),
    "L2_NORMALIZATION": lambda tf, x: tf.nn.l2_normalize(x, -1),
    "ELU": lambda tf, x: tf.nn.elu(x),
    "LOG_SOFTMAX": lambda tf, x: tf.nn.log_softmax(tf.reshape(x, (1, -1))),
    "MEAN": lambda tf, x: tf.reduce_mean(x, (1, 2)),
    "SUM": lambda tf, x: tf.reduce_sum(x, 3),
    "REDUCE_MAX": lambda tf, x: tf.reduce_max(x, (1, 2)),
    "RESHAPE": lambda tf, x: tf.reshape(x, (1, -1)),
    "TRANSPOSE": lambda tf, x: tf.transpose(x, (0, 2, 3, 1)),
    "SLICE": lambda tf, x: tf.slice(x, (0, 1, 2, 0), (1, 3, -1, 2)),
    "STRIDED_SLICE": lambda tf, x: x[:, ::2, 1:-1],
    "SPLIT": lambda tf, x: tf.split(x, 2, 3),
    "GATHER": lambda tf, x: tf.gather(x, [3, 0, 1], axis=3),
    "PACK": lambda tf, x: tf.stack([x, x + 1.0]),
    "CONCATENATION": lambda tf, x: tf.concat([x, tf.tanh(x)], 3),
    "MIRROR_PAD": lambda tf, x: tf.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), "REFLECT"),
    "RESIZE_BILINEAR": lambda tf, x: tf.compat.v1.image.resize_bilinear(x, (9, 14), half_pixel_centers=True),
    "RESIZE_NEAREST_NEIGHBOR": lambda tf, x: tf.compat.v1.image.resize_nearest_neighbor(x, (9, 14)),
    "DEPTH_TO_SPACE": lambda tf, x: tf.nn.depth_to_space(x, 2),
    "ARG_MAX": lambda tf, x: tf.argmax(x, 3),
    "SPACE_TO_DEPTH": lambda tf, x: tf.nn.space_to_depth(x[:, :, :6], 2),
    "TILE": lambda tf, x: tf.tile(x, (1, 2, 1, 1)),
}.items():
    _case(f"{_op}:quantised", _plain(_function), whole=True)
_case("SOFTMAX:beta", _plain(lambda tf, x: tf.nn.softmax(x * 2.0)))

for _name, _function in {
    "RESHAPE:": lambda tf, x: tf.reshape(x, (7, -1, 2)),
    "TRANSPOSE:": lambda tf, x: tf.transpose(x, (3, 0, 2, 1)),
    "CONCATENATION:": lambda tf, x: tf.concat([x, x[:, 1:4] * 2.0], 1),
    "CONCATENATION:last": lambda tf, x: tf.concat([x, np.ones((1, 6, 7, 2), np.float32)], -1),
    "SPLIT:": lambda tf, x: tf.split(x, 2, 3),
    "SPLIT_V:": lambda tf, x: tf.split(x, [1, 4, 2], 2),
    "SLICE:": lambda tf, x: tf.slice(x, (0, 1, 2, 0), (1, 3, -1, 2)),
    "STRIDED_SLICE:": lambda tf, x: x[:, ::-2, 1:-1, tf.newaxis, 2],
    "PACK:": lambda tf, x: tf.stack([x, -x], 2),
    "UNPACK:": lambda tf, x: tf.unstack(x, axis=3)[1:],
    "GATHER:": lambda tf, x: tf.gather(x, [[3, 0], [1, 1]], axis=2),
    "GATHER_ND:": lambda tf, x: tf.gather_nd(x, [[0, 1, 2], [0, 5, 6]]),
    "TILE:": lambda tf, x: tf.tile(x, (1, 2, 1, 3)),
    "BROADCAST_TO:": lambda tf, x: tf.broadcast_to(x, (2, 6, 7, 4)),
    "REVERSE_V2:": lambda tf, x: tf.reverse(x, (1,)),
    "CAST:": lambda tf, x: tf.cast(x * 3.0, tf.int32),
    "MEAN:": lambda tf, x: tf.reduce_mean(x, (1, 2)),
    "MEAN:kept": lambda tf, x: tf.reduce_mean(x, (1, 3), keepdims=True),
    "SUM:": lambda tf, x: tf.reduce_sum(x, 3),
    "REDUCE_MAX:": lambda tf, x: tf.reduce_max(x, (1, 2)),
    "REDUCE_MIN:": lambda tf, x: tf.reduce_min(x, 1),
    "REDUCE_PROD:": lambda tf, x: tf.reduce_prod(x, (1,)),
    "REDUCE_ANY:": lambda tf, x: tf.reduce_any(x > 1.5, 1),
    "ARG_MAX:": lambda tf, x: tf.argmax(x, 2),
    "ARG_MIN:": lambda tf, x: tf.argmin(x, 3, output_type=tf.int32),
    "TOPK_V2:": lambda tf, x: tf.math.top_k(x, 2),
    "CUMSUM:": lambda tf, x: tf.cumsum(x, 1, exclusive=True),
    "ONE_HOT:": lambda tf, x: tf.one_hot(tf.cast(x, tf.int32), 3),
    "DEPTH_TO_SPACE:": lambda tf, x: tf.nn.depth_to_space(x, 2),
    "SPACE_TO_DEPTH:": lambda tf, x: tf.nn.space_to_depth(x[:, :, :6], 2),
    "SPACE_TO_BATCH_ND:": lambda tf, x: tf.space_to_batch(x, (2, 2), ((0, 0), (1, 0))),
    "BATCH_TO_SPACE_ND:": lambda tf, x: tf.batch_to_space(tf.tile(x, (4, 1, 1, 1)), (2, 2), ((0, 1), (2, 0))),
}.items():
    _case(_name, _plain(_function))


def _atrous(padding: tuple[tuple[int, int], ...], crops: tuple[tuple[int, int], ...], block: int) -> Make:
    """A dilated convolution as TensorFlow writes it where sizes are not known."""

    def make(tf: Any, rng: np.random.Generator) -> Callable[..., Any]:
        kernel, bias = _weights(rng, 3, 3, 4, 5), _weights(rng, 5)

        def function(x: Any) -> Any:
            phases = tf.space_to_batch(x, (block, block), padding)
            made = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(phases, kernel, 1, "VALID"), bias))
            return tf.batch_to_space(made, (block, block), crops)

        return function

    return make


_case(
    "BATCH_TO_SPACE_ND:dilated-2", _atrous(((2, 2), (2, 3)), ((0, 0), (0, 1)), 2), shapes=((None, 6, 7, 4),)
)
_case(
    "BATCH_TO_SPACE_ND:dilated-3", _atrous(((3, 3), (3, 5)), ((0, 0), (1, 2)), 3), shapes=((None, 6, 7, 4),)
)
for _corners, _options in {
    "": {},
    "half-pixel": {"half_pixel_centers": True},
    "aligned": {"align_corners": True},
}.items():
    for _op, _function in (
        ("RESIZE_BILINEAR", "resize_bilinear"),
        ("RESIZE_NEAREST_NEIGHBOR", "resize_nearest_neighbor"),
    ):
        for _size in ((9, 14), (4, 5)):
            _case(
                f"{_op}:{_corners}-{_size[0]}",
                _plain(
                    lambda tf, x, f=_function, s=_size, o=_options: getattr(tf.compat.v1.image, f)(x, s, **o)
                ),
            )
for _name, _function in {
    "SHAPE:": lambda tf, x: tf.shape(x),
    "FILL:": lambda tf, x: tf.fill(tf.shape(x)[:1], 3.0),
    "RANGE:": lambda tf, x: tf.range(tf.shape(x)[0]),
    "RESHAPE:any-batch": lambda tf, x: tf.reshape(x, (tf.shape(x)[0], -1)),
}.items():
    _case(_name, _plain(_function), shapes=((None, 6, 4),))


def _lite(case: Case, rng: np.random.Generator) -> Lite:
    import tensorflow as tf

    function = case.make(tf, rng)
    dtype = tf.as_dtype(case.dtype)
    specs = [tf.TensorSpec(shape, dtype, name=f"x{place}") for place, shape in enumerate(case.shapes)]
    concrete = tf.function(function).get_concrete_function(*specs)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], tf.Module())

    def drawn(batch: int) -> list[np.ndarray]:
        shapes = [[batch if size is None else size for size in shape] for shape in case.shapes]
        return [rng.uniform(case.low, case.high, shape).astype(case.dtype) for shape in shapes]

    if not case.whole:
        return _fed(bytes(converter.convert()), drawn(3))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: (drawn(1) for _ in range(30))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.int8
    feeds = [rng.integers(-128, 128, shape).astype(np.int8) for shape in case.shapes]
    return _fed(bytes(converter.convert()), feeds)


def _fed(content: bytes, feeds: Sequence[np.ndarray]) -> Lite:
    return Lite(content, in_order(content, {f"x{place}": array for place, array in enumerate(feeds)}))


for _name, _declared in CASES.items():
    NETWORKS[_name.replace(":", ".").rstrip(".")] = partial(_lite, _declared)
