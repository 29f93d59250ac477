"""Build SavedModels for tests: `python saved_model_builder.py FOLDER`.

FOLDER/kinds/NAME is a SavedModel of each kind of network, as Keras 3 exports it; FOLDER/others/NAME those of
other makers. Beside each, NAME.npz holds what TensorFlow itself answers: x_KEY and y_KEY per input and output
of the signature.

TensorFlow keeps state for the life of a process, so tests run this in one of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

BATCH = 3
KINDS: dict[str, Callable[[], Any]] = {}
OTHERS: dict[str, Callable[[Path], None]] = {}


def kind(build: Callable[[], Any]) -> Callable[[], Any]:
    """Register a function that makes a network of Keras 3."""
    KINDS[build.__name__.replace("_", "-")] = build
    return build


def other(build: Callable[[Path], None]) -> Callable[[Path], None]:
    """Register a function that saves a SavedModel into a folder."""
    OTHERS[build.__name__.replace("_", "-")] = build
    return build


@kind
def float_cnn() -> Any:
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input((12, 12, 3), name="picture"),
            layers.Conv2D(6, 3, activation="relu", padding="same"),
            layers.MaxPooling2D(),
            layers.Conv2D(4, 3, strides=2, activation="relu", padding="same"),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(5, activation="softmax"),
        ]
    )


@kind
def batch_norm() -> Any:
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(6.0),
            layers.GlobalAveragePooling2D(),
        ]
    )


@kind
def residual() -> Any:
    import keras
    from keras import layers

    x = keras.Input((8, 8, 4))
    y = layers.Conv2D(4, 3, padding="same", activation="relu", name="first")(x)
    y = layers.Conv2D(4, 3, padding="same", name="second")(y)
    return keras.Model(x, layers.Dense(2, name="top")(layers.Flatten()(layers.Add(name="sum")([x, y]))))


@kind
def separable() -> Any:
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input((9, 9, 4)),
            layers.SeparableConv2D(6, 3, padding="same", activation="relu"),
            layers.DepthwiseConv2D(3, strides=2, depth_multiplier=2),
            layers.Conv2DTranspose(3, 3, strides=2, padding="same"),
            layers.UpSampling2D(2, interpolation="bilinear"),
        ]
    )


@kind
def recurrent() -> Any:
    import keras
    from keras import layers

    return keras.Sequential(
        [keras.Input((7, 3)), layers.Bidirectional(layers.LSTM(4, return_sequences=True)), layers.GRU(3)]
    )


@kind
def two_inputs() -> Any:
    import keras
    from keras import layers

    left, right = keras.Input((6, 6, 2), name="left"), keras.Input((4,), name="right")
    joined = layers.Concatenate()([layers.Flatten()(layers.Conv2D(2, 3)(left)), layers.Dense(3)(right)])
    return keras.Model([left, right], layers.Dense(2, name="top")(joined))


@kind
def two_outputs() -> Any:
    import keras
    from keras import layers

    x = keras.Input((6, 6, 2))
    y = layers.Conv2D(3, 3, activation="relu")(x)
    kind_of = layers.Dense(4, activation="softmax", name="kind")(layers.Flatten()(y))
    return keras.Model(x, {"kind": kind_of, "size": layers.Dense(1, name="size")(layers.Flatten()(y))})


@other
def saved_without_export(folder: Path) -> None:
    """Keras 3 by plain `tf.saved_model.save`: the restored variables are not those that are used."""
    import tensorflow as tf

    tf.saved_model.save(_stirred(float_cnn()), folder)


@other
def keras_2(folder: Path) -> None:
    import tf_keras
    from tf_keras import layers

    inner = tf_keras.Sequential([layers.Input((6, 6, 4)), layers.Conv2D(3, 3), layers.ReLU()], name="inner")
    x = layers.Input((8, 8, 2), name="picture")
    y = inner(layers.BatchNormalization(name="norm")(layers.Conv2D(4, 3, name="first")(x)))
    model = tf_keras.Model(x, layers.Dense(3, name="top")(layers.Flatten(name="flat")(y)))
    model.compile("adam", "mse")
    model.fit(np.zeros((4, 8, 8, 2), "f4"), np.zeros((4, 3), "f4"), verbose=0)
    _stirred(model).save(str(folder), save_format="tf")


@other
def keras_2_recurrent(folder: Path) -> None:
    import tf_keras
    from tf_keras import layers

    model = tf_keras.Sequential([layers.Input((5, 3)), layers.LSTM(4, name="memory"), layers.Dense(2)])
    _stirred(model).save(str(folder), save_format="tf")


@other
def module(folder: Path) -> None:
    """Functions that call functions, two signatures, an input that nothing reads."""
    import tensorflow as tf

    rng = np.random.default_rng(5)

    class Net(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.kernel = tf.Variable(rng.normal(size=(3, 3, 2, 4)).astype("f4"), name="kernel")

        @tf.function
        def inner(self, x: Any) -> tuple[Any, Any]:
            found = tf.math.top_k(tf.reduce_mean(tf.nn.conv2d(x, self.kernel, 1, "SAME"), [1, 2]), 2)
            return found.values, found.indices

        @tf.function(autograph=False)
        def ask(self, x: Any, spare: Any) -> dict[str, Any]:
            values, places = self.inner(x)
            return {"values": values, "places": places}

        @tf.function(autograph=False)
        def second(self, x: Any) -> dict[str, Any]:
            return {"x": tf.nn.relu(tf.nn.conv2d(x, self.kernel, 2, "VALID"))}

    net = Net()
    spec = tf.TensorSpec([None, 6, 6, 2], name="x")
    signatures = {
        "serving_default": net.ask.get_concrete_function(spec, tf.TensorSpec([None], name="spare")),
        "second": net.second.get_concrete_function(spec),
    }
    tf.saved_model.save(net, folder, signatures=signatures)


@other
def loop(folder: Path) -> None:
    """A loop, and in it a conditional, that read a variable in place."""
    import tensorflow as tf

    class Net(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = tf.Variable(np.random.default_rng(1).normal(0, 0.5, (4, 4)).astype("f4"))

        @tf.function
        def __call__(self, x: Any) -> Any:
            for _ in tf.range(tf.shape(x)[1] - 1):
                x = tf.tanh(x @ self.weight)
            return x

    net = Net()
    call = net.__call__.get_concrete_function(tf.TensorSpec([None, 4], name="x"))
    tf.saved_model.save(net, folder, signatures=call)


@other
def text(folder: Path) -> None:
    """A vocabulary in a file before the network."""
    import tensorflow as tf

    words = folder.parent / "words.txt"
    words.write_text("a\nb\nc\n", encoding="utf-8")

    class Net(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            start = tf.lookup.TextFileInitializer(
                str(words), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, -1
            )
            self.table = tf.lookup.StaticHashTable(start, 0)
            self.rows = tf.Variable(np.eye(3, dtype="f4"), name="rows")

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="word")])
        def __call__(self, word: Any) -> Any:
            return tf.nn.relu(tf.gather(self.rows, self.table.lookup(tf.strings.lower(word))))

    net = Net()
    tf.saved_model.save(net, folder, signatures=net.__call__.get_concrete_function())


@other
def python(folder: Path) -> None:
    import tensorflow as tf

    class Net(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 2], name="x")])
        def __call__(self, x: Any) -> Any:
            return tf.ensure_shape(tf.numpy_function(np.sin, [x], tf.float32), [None, 2])

    net = Net()
    tf.saved_model.save(net, folder, signatures=net.__call__.get_concrete_function())


@other
def tf1(folder: Path) -> None:
    """A graph of TensorFlow 1: a switch of training, two signatures, none of them the default."""
    import tensorflow.compat.v1 as v1

    with v1.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder("float32", [None, 8, 8, 3], name="x")
        keep = v1.placeholder_with_default(1.0, [], name="keep_prob")
        kernel = v1.get_variable(
            "conv_1/kernel", [3, 3, 3, 4], initializer=v1.random_normal_initializer(seed=1)
        )
        v1.get_variable("conv_1/kernel/Adam", [3, 3, 3, 4])
        with v1.name_scope("conv_1"):
            y = v1.nn.relu(v1.nn.conv2d(x, kernel, 1, "SAME"))
        y = v1.nn.dropout(v1.reduce_mean(y, [1, 2], name="mean/Mean"), rate=1 - keep)
        scores = v1.nn.softmax(y, name="scores/Softmax")
        session.run(v1.global_variables_initializer())
        named = {
            name: v1.saved_model.predict_signature_def({"image": x}, {"image": output})
            for name, output in (("classify", scores), ("embed", y))
        }
        builder = v1.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(session, ["serve"], signature_def_map=named)
        builder.save()


def _stirred(model: Any) -> Any:
    """Other weights than those that a network begins with: moving averages of 0 and 1 hide mistakes."""
    rng = np.random.default_rng(7)
    values = [value + rng.normal(0, 0.3, value.shape).astype(value.dtype) for value in model.get_weights()]
    shifted = [
        np.abs(v) + 0.1 if "variance" in w.name else v for v, w in zip(values, model.weights, strict=True)
    ]
    model.set_weights(shifted)
    return model


def _answer(folder: Path, signature: str) -> None:
    """Store what TensorFlow's own loading answers."""
    import tensorflow as tf

    function = tf.saved_model.load(str(folder)).signatures[signature]
    rng = np.random.default_rng(3)
    stored = {}
    feeds = {}
    for key, spec in function.structured_input_signature[1].items():
        shape = [size if size is not None else BATCH for size in spec.shape]
        feeds[key] = rng.normal(size=shape).astype(spec.dtype.as_numpy_dtype)
        stored[f"x_{key}"] = feeds[key]
    for key, value in function(**{key: tf.constant(value) for key, value in feeds.items()}).items():
        stored[f"y_{key}"] = value.numpy()
    np.savez(folder.with_name(f"{folder.name}.npz"), allow_pickle=False, **stored)


def main(folder: Path) -> None:
    import keras

    for group in ("kinds", "others"):
        (folder / group).mkdir(parents=True, exist_ok=True)
    for name, build in KINDS.items():
        keras.utils.set_random_seed(1)
        keras.backend.clear_session()
        _stirred(build()).export(str(folder / "kinds" / name), verbose=False)
        _answer(folder / "kinds" / name, "serving_default")
    for name, save in OTHERS.items():
        keras.backend.clear_session()
        save(folder / "others" / name)
        if name not in ("text", "python"):
            _answer(folder / "others" / name, "classify" if name == "tf1" else "serving_default")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
