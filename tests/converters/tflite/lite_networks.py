"""Networks of each kind, made by TensorFlow's own TensorFlow Lite converter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from lite_registry import Lite, in_order, network


def _stirred(model: Any, rng: np.random.Generator) -> Any:
    """A network with weights that are not its first ones, statistics of normalization among them."""
    model.set_weights(
        [
            np.abs(rng.normal(1, 0.2, w.shape)).astype(w.dtype)
            if w.ndim == 1
            else rng.normal(0, 1.2 / np.sqrt(max(1, np.prod(w.shape[:-1]))), w.shape).astype(w.dtype)
            for w in model.get_weights()
        ]
    )
    return model


def _pictures(rng: np.random.Generator, count: int = 1, size: int = 12, channels: int = 3) -> np.ndarray:
    return rng.uniform(-1, 1, (count, size, size, channels)).astype(np.float32)


def _converted(model: Any, settings: Callable[[Any], None] = lambda converter: None) -> bytes:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    settings(converter)
    return bytes(converter.convert())


def _cnn(rng: np.random.Generator, batch: int | None = None) -> Any:
    from keras import Input, Model, layers

    x = picture = Input((12, 12, 3), batch_size=batch, name="picture")
    x = layers.Conv2D(8, 3, activation="relu", name="conv_1")(x)
    x = layers.MaxPooling2D(name="pool_1")(x)
    x = layers.Conv2D(12, 3, padding="same", strides=2, activation="relu6", name="conv_2")(x)
    x = layers.Flatten(name="flat")(x)
    x = layers.Dense(16, activation="relu", name="dense_1")(x)
    x = layers.Dense(5, activation="softmax", name="scores")(x)
    return _stirred(Model(picture, x), rng)


@network
def float_cnn(rng: np.random.Generator) -> Lite:
    return Lite(_converted(_cnn(rng)), (_pictures(rng, 3),))


@network
def fixed_batch(rng: np.random.Generator) -> Lite:
    return Lite(_converted(_cnn(rng, batch=1)), (_pictures(rng),))


@network
def batch_norm(rng: np.random.Generator) -> Lite:
    from keras import Input, Model, layers

    x = picture = Input((12, 12, 3), name="picture")
    x = layers.Conv2D(6, 3, use_bias=False, name="conv_1")(x)
    x = layers.BatchNormalization(name="norm_1")(x)
    x = layers.Activation("relu", name="relu_1")(x)
    x = layers.AveragePooling2D(2, name="pool_1")(x)
    x = layers.BatchNormalization(name="norm_2")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return Lite(_converted(_stirred(Model(picture, x), rng)), (_pictures(rng, 2),))


@network
def residual(rng: np.random.Generator) -> Lite:
    from keras import Input, Model, layers

    picture = Input((12, 12, 3), name="picture")
    x = layers.Conv2D(6, 3, padding="same", activation="relu", name="conv_1")(picture)
    y = layers.Conv2D(6, 3, padding="same", activation="relu", name="conv_2")(x)
    y = layers.Conv2D(6, 3, padding="same", name="conv_3")(y)
    x = layers.ReLU(name="joined_relu")(layers.Add(name="joined")([x, y]))
    x = layers.UpSampling2D(interpolation="bilinear", name="larger")(x)
    x = layers.Conv2DTranspose(4, 3, strides=2, padding="same", name="up")(x)
    x = layers.Concatenate(name="both")([x, layers.UpSampling2D(4, name="nearest")(picture)])
    x = layers.GlobalMaxPooling2D(name="most")(x)
    return Lite(_converted(_stirred(Model(picture, x), rng)), (_pictures(rng, 2),))


@network
def separable(rng: np.random.Generator) -> Lite:
    from keras import Input, Model, layers

    x = picture = Input((12, 12, 3), name="picture")
    x = layers.SeparableConv2D(8, 3, padding="same", activation="relu", name="separable_1")(x)
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, name="depthwise_1")(x)
    x = layers.PReLU(shared_axes=[1, 2], name="prelu_1")(x)
    x = layers.DepthwiseConv2D(3, strides=2, padding="same", activation="hard_swish", name="depthwise_2")(x)
    x = layers.Conv2D(5, 3, dilation_rate=2, padding="same", name="dilated")(x)
    x = layers.LeakyReLU(0.1, name="leaky")(x)
    x = layers.Flatten(name="flat")(x)
    x = layers.Dense(4, activation="sigmoid", name="scores")(x)
    return Lite(_converted(_stirred(Model(picture, x), rng)), (_pictures(rng, 2),))


def _recurrent(rng: np.random.Generator, steps: int, scale: float) -> Lite:
    import tensorflow as tf
    import tf_keras
    from tf_keras import layers

    x = sequence = layers.Input((steps, 4), name="steps")
    x = layers.LSTM(6, return_sequences=True, name="lstm_1")(x)
    x = layers.LSTM(5, name="lstm_2")(x)
    x = layers.Dense(3, name="scores")(x)
    model = _stirred(tf_keras.Model(sequence, x), rng)
    model.set_weights([w * scale for w in model.get_weights()])
    function = tf.function(lambda steps: model(steps)).get_concrete_function(
        tf.TensorSpec((1, steps, 4), tf.float32, name="steps")
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], model)
    return Lite(bytes(converter.convert()), (rng.normal(0, scale, (1, steps, 4)).astype(np.float32),))


@network
def recurrent(rng: np.random.Generator) -> Lite:
    return _recurrent(rng, 7, 1.0)


@network
def recurrent_long(rng: np.random.Generator) -> Lite:
    # Gates that stand open let the state grow to the bound that the converter sets.
    return _recurrent(rng, 40, 4.0)


@network
def looped(rng: np.random.Generator) -> Lite:
    import tensorflow as tf

    def halved(x):
        return tf.while_loop(lambda x: tf.reduce_max(x) > 1.0, lambda x: (x * 0.5,), (x,))

    function = tf.function(halved).get_concrete_function(tf.TensorSpec((1, 4), tf.float32, name="x"))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], tf.Module())
    return Lite(bytes(converter.convert()), (rng.normal(0, 9, (1, 4)).astype(np.float32),))


@network
def two_inputs(rng: np.random.Generator) -> Lite:
    from keras import Input, Model, layers

    picture, numbers = Input((12, 12, 3), name="picture"), Input((6,), name="numbers")
    x = layers.Conv2D(4, 3, activation="relu", name="conv_1")(picture)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    y = layers.Dense(4, activation="tanh", name="dense_1")(numbers)
    x = layers.Dense(3, name="scores")(layers.Concatenate(name="both")([x, y]))
    model = _stirred(Model([picture, numbers], x), rng)
    content = _converted(model)
    given = {"picture": _pictures(rng, 2), "numbers": rng.normal(0, 1, (2, 6)).astype(np.float32)}
    return Lite(content, in_order(content, given))


@network
def two_outputs(rng: np.random.Generator) -> Lite:
    from keras import Input, Model, layers

    picture = Input((12, 12, 3), name="picture")
    x = layers.Conv2D(4, 3, activation="elu", name="conv_1")(picture)
    mask = layers.Conv2D(2, 1, activation="sigmoid", name="mask")(x)
    kind = layers.Dense(3, activation="softmax", name="kind")(layers.GlobalAveragePooling2D(name="mean")(x))
    return Lite(_converted(_stirred(Model(picture, [mask, kind]), rng)), (_pictures(rng, 2),))


def _whole_numbers(rng: np.random.Generator, io: str | None) -> Callable[[Any], None]:
    """Settings of a full-integer conversion, whose ranges come from pictures."""
    import tensorflow as tf

    def settings(converter: Any) -> None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([_pictures(rng)] for _ in range(40))
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        if io is not None:
            converter.inference_input_type = converter.inference_output_type = tf.as_dtype(io)

    return settings


def _quantisable(rng: np.random.Generator) -> Any:
    from keras import Input, Model, layers

    picture = Input((12, 12, 3), name="picture")
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="conv_1")(picture)
    y = layers.DepthwiseConv2D(3, padding="same", activation="relu6", name="depthwise_1")(x)
    y = layers.Conv2D(8, 1, name="conv_2")(y)
    x = layers.Add(name="joined")([x, y])
    x = layers.Concatenate(name="both")([layers.MaxPooling2D(name="most")(x), layers.AveragePooling2D(2)(y)])
    x = layers.Conv2D(6, 3, strides=2, activation="hard_swish", name="conv_3")(x)
    x = layers.UpSampling2D(interpolation="bilinear", name="larger")(x)
    x = layers.Conv2DTranspose(4, 3, strides=2, name="up")(x)
    x = layers.LeakyReLU(0.2, name="leaky")(x)
    x = layers.Flatten(name="flat")(x)
    x = layers.Dense(10, activation="tanh", name="dense_1")(x)
    x = layers.Dense(4, activation="softmax", name="scores")(x)
    return _stirred(Model(picture, x), rng)


@network
def quantised(rng: np.random.Generator) -> Lite:
    content = _converted(_quantisable(rng), _whole_numbers(rng, "int8"))
    return Lite(content, (rng.integers(-128, 128, (1, 12, 12, 3)).astype(np.int8),))


@network
def quantised_uint8(rng: np.random.Generator) -> Lite:
    content = _converted(_cnn(rng, batch=1), _whole_numbers(rng, "uint8"))
    return Lite(content, (rng.integers(0, 256, (1, 12, 12, 3)).astype(np.uint8),))


@network
def quantised_inside(rng: np.random.Generator) -> Lite:
    content = _converted(_cnn(rng), _whole_numbers(rng, None))
    return Lite(content, (_pictures(rng),))


def _small_weights(float16: bool) -> Callable[[Any], None]:
    def settings(converter: Any) -> None:
        import tensorflow as tf

        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if float16:
            converter.target_spec.supported_types = [tf.float16]

    return settings


@network
def dynamic_range(rng: np.random.Generator) -> Lite:
    from keras import Input, Model, layers

    # Only weights of 1024 numbers and more are made small.
    x = picture = Input((12, 12, 3), name="picture")
    x = layers.Conv2D(40, 3, activation="relu", name="conv_1")(x)
    x = layers.Conv2D(12, 3, activation="relu", name="conv_2")(x)
    x = layers.Dense(7, name="scores")(layers.Flatten(name="flat")(x))
    return Lite(_converted(_stirred(Model(picture, x), rng), _small_weights(False)), (_pictures(rng, 2),))


@network
def float16(rng: np.random.Generator) -> Lite:
    return Lite(_converted(_cnn(rng), _small_weights(True)), (_pictures(rng, 2),))
