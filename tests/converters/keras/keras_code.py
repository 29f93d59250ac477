"""Models in somebody's own code, for the tests."""

import keras


def build():
    layers = keras.layers
    given = layers.Input((6, 3), name="series", batch_size=4)
    return keras.Model(given, layers.Dense(2, name="scores")(given))


def with_lambda():
    layers = keras.layers
    given = layers.Input((6,), name="numbers")
    return keras.Model(given, layers.Lambda(lambda x: x * 2 + 1, name="twice")(given))


class Gate(keras.layers.Layer):
    def call(self, x):
        return x * keras.ops.sigmoid(x)


def with_custom_layer():
    given = keras.layers.Input((6,), name="numbers")
    return keras.Model(given, Gate(name="gate")(given))


class Network(keras.Model):
    def __init__(self):
        super().__init__()
        self.first = keras.layers.Dense(3, activation="relu", name="first")
        self.second = keras.layers.Dense(2, name="second")

    def call(self, x):
        return {"scores": self.second(self.first(x)), "hidden": self.first(x)}


class Picky(keras.Model):
    def call(self, x):
        if x.shape[-1] != 6:
            raise ValueError(f"{x.shape[-1]} numbers; expected 6")
        return x


class Counting(keras.layers.Layer):
    def build(self, shape):
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False, name="count")

    def call(self, x):
        self.count.assign(self.count + 1)
        return x * self.count


def counting():
    given = keras.layers.Input((6,), name="numbers")
    return keras.Model(given, Counting(name="counting")(given))


def masked():
    layers = keras.layers
    given = layers.Input((None, 3), name="series")
    return keras.Model(given, layers.LSTM(2, name="lstm")(layers.Masking(name="mask")(given)))


def text():
    given = keras.layers.Input((1,), dtype="string", name="words")
    return keras.Model(given, keras.layers.Flatten()(given))


def odd_names():
    layers = keras.layers
    given = layers.Input((6,), name="my numbers")
    x = layers.Dense(300, name="<dense> ünï")(given)
    return keras.Model(given, [layers.Dense(2, name="=scores")(x), given])


def number():
    return 3


def save(folder):
    """Write what a file cannot be converted with, or only when it is trusted."""
    for name, build_model in (("lambda", with_lambda), ("custom", with_custom_layer)):
        build_model().save(f"{folder}/{name}.keras")
        build_model().save(f"{folder}/{name}.h5")
