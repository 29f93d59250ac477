"""A network of each kind in Flax, and what shapes its inputs have: `jax_kinds:float_cnn`."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx


class FloatCnn(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.first = nnx.Conv(3, 8, (3, 3), rngs=rngs)
        self.second = nnx.Conv(8, 12, (3, 3), strides=2, padding="VALID", rngs=rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs)
        self.head = nnx.Linear(48, 5, rngs=rngs)

    def __call__(self, image: jax.Array) -> jax.Array:
        hidden = nnx.max_pool(nnx.relu(self.first(image)), window_shape=(2, 2), strides=(2, 2))
        hidden = self.drop(nnx.relu(self.second(hidden)))
        return nnx.softmax(self.head(hidden.reshape(hidden.shape[0], -1)))


class BatchNorm(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.conv = nnx.Conv(3, 6, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(6, rngs=rngs)
        # Averages as training leaves them.
        self.norm.mean[...] = jax.random.normal(jax.random.key(1), (6,))
        self.norm.var[...] = jax.random.uniform(jax.random.key(2), (6,), minval=0.5, maxval=2.0)

    def __call__(self, image: jax.Array) -> jax.Array:
        return nnx.relu(self.norm(self.conv(image))).mean(axis=(1, 2))


class Residual(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.first = nnx.Conv(4, 4, (3, 3), rngs=rngs)
        self.second = nnx.Conv(4, 4, (3, 3), rngs=rngs)

    def __call__(self, image: jax.Array) -> jax.Array:
        return nnx.relu(image + self.second(nnx.relu(self.first(image))))


class Separable(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.depthwise = nnx.Conv(6, 12, (3, 3), feature_group_count=6, rngs=rngs)
        self.pointwise = nnx.Conv(12, 5, (1, 1), rngs=rngs)

    def __call__(self, image: jax.Array) -> jax.Array:
        return nnx.gelu(self.pointwise(self.depthwise(image)))


class Recurrent(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.memory = nnx.RNN(nnx.LSTMCell(5, 8, rngs=rngs))
        self.head = nnx.Linear(8, 3, rngs=rngs)

    def __call__(self, series: jax.Array) -> jax.Array:
        # A state of the module's own would be drawn from random keys, which ONNX does not have.
        state = jnp.zeros((series.shape[0], 8))
        return self.head(self.memory(series, initial_carry=(state, state))[:, -1])


class TwoInputs(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.conv = nnx.Conv(3, 4, (3, 3), rngs=rngs)
        self.mix = nnx.Linear(8, 3, rngs=rngs)

    def __call__(self, left: jax.Array, right: jax.Array) -> jax.Array:
        return self.mix(jnp.concatenate([self.conv(left).max(axis=(1, 2)), right], axis=1))


class TwoOutputs(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.conv = nnx.Conv(2, 3, (3, 3), rngs=rngs)
        self.head = nnx.Linear(3, 2, rngs=rngs)

    def __call__(self, image: jax.Array) -> tuple[jax.Array, jax.Array]:
        features = nnx.sigmoid(self.conv(image))
        return features, self.head(features.mean(axis=(1, 2)))


def _made(network: type[nnx.Module]) -> Any:
    return network(nnx.Rngs(0))


def float_cnn() -> Any:
    return _made(FloatCnn)


def batch_norm() -> Any:
    return _made(BatchNorm)


def residual() -> Any:
    return _made(Residual)


def separable() -> Any:
    return _made(Separable)


def recurrent() -> Any:
    return _made(Recurrent)


def two_inputs() -> Any:
    return _made(TwoInputs)


def two_outputs() -> Any:
    return _made(TwoOutputs)
