"""Batch normalization while a network is traced, in the child process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from converters.keras.loading import Network
from converters.keras.recording import patched

# TensorFlow's operation takes a smaller one for this.
_LEAST_EPSILON = 1.001e-5


@contextmanager
def in_one_operation(network: Network) -> Iterator[None]:
    """Let Keras 3 normalize pictures in one operation, as Keras 2 does: ONNX has the same one.

    It writes out the arithmetic otherwise, in which the statistics lose their names.
    """
    import tensorflow as tf

    if network.keras.__name__ != "keras":
        yield
        return
    functions = network.inner("backend").nn
    plain = functions.batch_normalization

    def batch_normalization(
        x: Any,
        mean: Any,
        variance: Any,
        axis: int,
        offset: Any = None,
        scale: Any = None,
        epsilon: float = 1e-3,
    ) -> Any:
        pictures = x.shape.rank == 4 and axis in (-1, 3) and x.dtype == tf.float32
        if not pictures or epsilon <= _LEAST_EPSILON or x.shape[-1] is None:
            return plain(x, mean, variance, axis, offset=offset, scale=scale, epsilon=epsilon)
        scale = tf.constant(1.0, shape=[x.shape[-1]]) if scale is None else scale
        offset = tf.constant(0.0, shape=[x.shape[-1]]) if offset is None else offset
        made, _, _ = tf.compat.v1.nn.fused_batch_norm(
            x, scale, offset, mean, variance, epsilon=epsilon, is_training=False
        )
        return made

    with patched(functions, "batch_normalization", batch_normalization):
        yield
