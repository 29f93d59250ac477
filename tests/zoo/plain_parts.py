"""What several networks made without tflearn have in common: variables, layers, data, and saving."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from registry import BATCH, Saved


def tensorflow() -> Any:
    """TensorFlow's version 1, imported only when a network is built."""
    import tensorflow.compat.v1 as tf

    return tf


def variable(name: str, shape: Sequence[int], **options: Any) -> Any:
    """A variable of random numbers; `options` go to `tf.get_variable`."""
    tf = tensorflow()
    return tf.get_variable(name, shape, initializer=tf.random_normal_initializer(stddev=0.3), **options)


def dense(x: Any, width: int, scope: str, **options: Any) -> Any:
    """`x` times a weight plus a bias."""
    tf = tensorflow()
    with tf.variable_scope(scope):
        weights = variable("weights", (x.shape.as_list()[-1], width), **options)
        return tf.matmul(x, weights) + variable("bias", (width,), **options)


def normal(rng: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    """A batch of random numbers."""
    return rng.standard_normal((BATCH, *shape)).astype(np.float32)


def save(
    folder: Path,
    name: str,
    inputs: Mapping[Any, NDArray[np.generic]],
    outputs: Sequence[Any],
    *,
    inference: Mapping[Any, Any] | None = None,
    step: int | None = None,
    devices: int = 1,
    **saver: Any,
) -> Saved:
    """Initialize the default graph, save a checkpoint, and return it with the outputs.

    Args:
        folder: Where to save.
        name: The checkpoint's prefix, to which a `step` is appended.
        inputs: What is fed, by placeholder.
        outputs: The tensors to compute.
        inference: What else is fed to compute them as at inference, by tensor: a value, or another tensor
            whose value stands in.
        step: The global step to save with.
        devices: How many processors TensorFlow shall see.
        saver: Arguments of `tf.train.Saver`.
    """
    tf = tensorflow()
    with tf.Session(config=tf.ConfigProto(device_count={"CPU": devices})) as session:
        session.run(tf.global_variables_initializer())
        prefix = tf.train.Saver(**saver).save(session, str(folder / name), global_step=step)
        off = {
            tensor: session.run(value, inputs) if isinstance(value, tf.Tensor) else value
            for tensor, value in (inference or {}).items()
        }
        answers = session.run(list(outputs), {**inputs, **off})
    return Saved(
        Path(prefix).name,
        {tensor.name: value for tensor, value in inputs.items()},
        {tensor.name: answer for tensor, answer in zip(outputs, answers, strict=True)},
    )
