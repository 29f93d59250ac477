"""Networks made without tflearn that decide, or repeat, by what they are fed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from plain_parts import dense, normal, save, tensorflow, variable
from registry import BATCH, Saved, plain_network


@plain_network
def while_loop(folder: Path, rng: np.random.Generator) -> Saved:
    tf = tensorflow()
    x = tf.placeholder(tf.float32, [None, 12], name="x")
    weights = variable("weights", (12, 12))
    _, net = tf.while_loop(
        lambda i, a: tf.less(i, 3),
        lambda i, a: (i + 1, tf.tanh(tf.matmul(a, weights)) + 0.5),
        [tf.constant(0), x],
    )
    output = tf.identity(net, name="out")
    return save(folder, "while_loop", {x: normal(rng, 12)}, [output])


@plain_network
def branch_on_data(folder: Path, rng: np.random.Generator) -> Saved:
    tf = tensorflow()
    x = tf.placeholder(tf.float32, [None, 12], name="x")
    net = dense(x, 6, "hidden")
    net = tf.cond(tf.reduce_sum(x) > 0, lambda: tf.nn.relu(net) + tf.constant(3.0), lambda: -net)
    output = tf.multiply(net, 2.0, name="out")
    pictures = rng.normal(0.5, 1.0, (BATCH, 12)).astype(np.float32)
    return save(folder, "branch_on_data", {x: pictures}, [output])
