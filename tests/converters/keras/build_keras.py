"""Build the Keras networks of the tests: `python build_keras.py FOLDER PACKAGE`, with `keras` or `tf_keras`.

Each network is saved in FOLDER as both kinds of file, SLUG.keras and SLUG.h5, with SLUG.npz beside them:
x0, x1, … what it was fed, y0, y1, … what `predict` answered, and inputs, outputs: their names.
"""

from __future__ import annotations

import importlib
import os
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

BATCH = 3
Network = Callable[[Any], Any]
NETWORKS: dict[str, Network] = {}


def network(build: Network) -> Network:
    """Register a network: a function of the package that returns a model."""
    NETWORKS[build.__name__.replace("_", "-")] = build
    return build


@network
def float_cnn(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((12, 10, 3), name="picture"),
            layers.Rescaling(1 / 255, name="rescaling"),
            layers.RandomFlip("horizontal", name="flipped"),
            layers.RandomRotation(0.2, name="rotated"),
            layers.Conv2D(6, 3, activation="relu", name="conv_1"),
            layers.MaxPooling2D(name="pool"),
            layers.Dropout(0.5, name="dropout"),
            layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False, name="conv_2"),
            layers.LeakyReLU(name="leaky"),
            layers.Flatten(name="flatten"),
            layers.Dense(5, activation="softmax", name="scores"),
        ],
        name="net",
    )


@network
def batch_norm(keras: Any) -> Any:
    layers = keras.layers
    x = given = layers.Input((8, 8, 3), name="picture")
    for number, settings in enumerate(({}, {"scale": False}, {"center": False})):
        x = layers.Conv2D(4, 3, padding="same", name=f"conv_{number}")(x)
        x = layers.BatchNormalization(name=f"bn_{number}", **settings)(x)
        x = layers.Activation("swish" if number else "relu", name=f"act_{number}")(x)
    x = layers.GaussianNoise(0.5, name="noise")(x)
    x = layers.Flatten(name="flat")(x)
    x = layers.BatchNormalization(name="bn_flat")(x)
    return keras.Model(given, layers.Dense(3, name="scores")(x))


@network
def residual(keras: Any) -> Any:
    layers = keras.layers
    inner = layers.Input((None, None, 4))
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="conv")(inner)
    x = layers.Add(name="sum")([x, inner])
    block = keras.Model(inner, x, name="block")
    given = layers.Input((9, 9, 4), name="picture")
    x = block(given)
    x = layers.MaxPooling2D(name="pool")(x)
    # The same block again: a layer that is called twice.
    x = block(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(given, layers.Dense(3, activation="softmax", name="scores")(x))


@network
def separable(keras: Any) -> Any:
    layers = keras.layers
    x = given = layers.Input((10, 10, 3), name="picture")
    x = layers.SeparableConv2D(6, 3, depth_multiplier=2, padding="same", name="separable")(x)
    x = layers.DepthwiseConv2D(3, strides=2, depth_multiplier=2, padding="same", name="depthwise")(x)
    x = layers.ReLU(6.0, name="relu6")(x)
    x = layers.Conv2DTranspose(5, 3, strides=2, padding="same", name="transposed")(x)
    x = layers.ZeroPadding2D(1, name="padded")(x)
    x = layers.Conv2D(6, 3, dilation_rate=2, groups=1, name="dilated")(x)
    x = layers.UpSampling2D(2, interpolation="bilinear", name="larger")(x)
    x = layers.AveragePooling2D(2, name="pool")(x)
    x = layers.GlobalMaxPooling2D(name="most")(x)
    return keras.Model(given, layers.Dense(4, activation="sigmoid", name="scores")(x))


@network
def recurrent(keras: Any) -> Any:
    layers = keras.layers
    x = given = layers.Input((7, 5), name="series")
    x = layers.Bidirectional(layers.LSTM(4, return_sequences=True, name="lstm"), name="both")(x)
    x = layers.GRU(5, return_sequences=True, go_backwards=True, name="gru")(x)
    x = layers.GRU(5, return_sequences=True, reset_after=False, name="gru_before")(x)
    x, state = layers.SimpleRNN(3, return_sequences=True, return_state=True, name="simple")(x)
    x = layers.LSTM(4, recurrent_activation="hard_sigmoid", unit_forget_bias=True, name="hard")(x)
    x = layers.Concatenate(name="joined")([x, state])
    return keras.Model(given, layers.Dense(3, activation="softmax", name="scores")(x))


@network
def recurrent_free_steps(keras: Any) -> Any:
    layers = keras.layers
    x = given = layers.Input((None,), dtype="int32", name="words")
    x = layers.Embedding(20, 6, name="embedding")(x)
    x, h, c = layers.LSTM(4, return_sequences=True, return_state=True, name="encoder")(x)
    x = layers.LSTM(4, name="decoder")(x, initial_state=[h, c])
    return keras.Model(given, layers.Dense(3, name="scores")(x))


@network
def recurrent_masked(keras: Any) -> Any:
    layers = keras.layers
    x = given = layers.Input((6,), dtype="int32", name="words")
    x = layers.Embedding(20, 6, mask_zero=True, name="embedding")(x)
    x = layers.LSTM(4, return_sequences=True, name="lstm")(x)
    x = layers.GRU(4, activation="gelu", name="gru")(x)
    return keras.Model(given, layers.Dense(3, name="scores")(x))


@network
def two_inputs(keras: Any) -> Any:
    layers = keras.layers
    picture = layers.Input((8, 8, 1), name="picture")
    numbers = layers.Input((6,), name="numbers")
    left = layers.Flatten(name="flat")(layers.Conv2D(4, 3, name="conv")(picture))
    right = layers.Dense(5, activation="elu", name="dense_right")(numbers)
    x = layers.Concatenate(name="joined")([layers.Dense(5, name="dense_left")(left), right])
    return keras.Model([picture, numbers], layers.Dense(2, activation="softmax", name="scores")(x))


@network
def two_outputs(keras: Any) -> Any:
    layers = keras.layers
    given = layers.Input((8, 8, 1), name="picture")
    x = layers.Conv2D(4, 3, activation="relu", name="conv")(given)
    x = layers.LayerNormalization(name="normal")(x)
    x = layers.Flatten(name="flat")(x)
    kind = layers.Dense(3, activation="softmax", name="kind")(x)
    size = layers.Dense(1, name="size")(x)
    return keras.Model(given, [kind, size])


@network
def one_dimension(keras: Any) -> Any:
    layers = keras.layers
    x = given = layers.Input((16, 3), name="signal")
    x = layers.Conv1D(4, 3, padding="causal", name="conv_1d")(x)
    x = layers.PReLU(name="prelu")(x)
    x = layers.MaxPooling1D(2, name="pool")(x)
    x = layers.MultiHeadAttention(2, 3, name="attention")(x, x)
    x = layers.TimeDistributed(layers.Dense(4, name="each"), name="every")(x)
    x = layers.Permute((2, 1), name="turned")(x)
    x = layers.Reshape((4, 2, 4), name="reshaped")(x)
    return keras.Model(given, layers.GlobalAveragePooling2D(name="scores")(x))


def main(folder: Path, package: str) -> None:
    """Build every network."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    keras = importlib.import_module(package)
    folder.mkdir(parents=True, exist_ok=True)
    for slug, build in NETWORKS.items():
        seed = zlib.crc32(slug.encode())
        keras.backend.clear_session()
        keras.utils.set_random_seed(seed % 2**31)
        random = np.random.default_rng(seed)
        model = build(keras)
        # A fresh batch normalization does nothing, and fresh biases are zero.
        model.set_weights([_stirred(random, array) for array in model.get_weights()])
        feeds = [_feed(random, tensor) for tensor in model.inputs]
        answers = model.predict(feeds if len(feeds) > 1 else feeds[0], verbose=0)
        answers = answers if isinstance(answers, list) else [answers]
        for suffix in (".keras", ".h5"):
            model.save(folder / f"{slug}{suffix}")
        model.save_weights(folder / f"{slug}.weights.h5")
        np.savez(
            folder / f"{slug}.npz",
            inputs=[tensor.name.partition(":")[0] for tensor in model.inputs],
            outputs=getattr(model, "output_names", None) or [model.layers[-1].name],
            **{f"x{place}": feed for place, feed in enumerate(feeds)},
            **{f"y{place}": answer for place, answer in enumerate(answers)},
        )


def _stirred(random: np.random.Generator, array: Any) -> Any:
    if array.dtype.kind != "f":
        return array
    # A variance has to stay positive.
    return array + random.uniform(0, 0.3, array.shape).astype(array.dtype)


def _feed(random: np.random.Generator, tensor: Any) -> Any:
    shape = [BATCH, *(7 if size is None else size for size in tensor.shape[1:])]
    kind = getattr(tensor.dtype, "name", tensor.dtype)
    if str(kind).startswith("int"):
        return random.integers(0, 20, shape).astype(kind)
    return random.normal(0, 1, shape).astype(kind)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
