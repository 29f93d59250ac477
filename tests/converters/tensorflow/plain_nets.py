"""Builds small TensorFlow 1 networks as people wrote them, with what they compute at inference; a program.

    python plain_nets.py FOLDER

Each network NAME leaves FOLDER/NAME/net.* (the checkpoint) and FOLDER/NAME/expected.npz: x0, x1, … and y0.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow.compat.v1 as tf

tf.disable_v2_behavior()

FLAT = (5, 12)
PICTURES = (5, 8, 8, 3)


@dataclass(frozen=True)
class Net:
    """What a network is fed, what it gives, and how it is saved."""

    inputs: list[Any]
    output: Any
    off: dict[Any, object] = field(default_factory=dict)
    saver: dict[str, Any] = field(default_factory=dict)


def weights(name: str, shape: list[int], **options: Any) -> Any:
    return tf.get_variable(name, shape, initializer=tf.truncated_normal_initializer(stddev=0.3), **options)


def dense(x: Any, width: int, scope: str, **options: Any) -> Any:
    with tf.variable_scope(scope):
        w = weights("w", [x.shape.as_list()[-1], width], **options)
        return tf.matmul(x, w) + weights("b", [width], **options)


def train(logits: Any, labels: Any) -> None:
    """A loss, an optimizer, metrics and summaries, as in any tutorial."""
    with tf.name_scope("loss"):
        loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits_v2(logits=logits, labels=labels))
        tf.summary.scalar("cross_entropy", loss)
    tf.train.AdamOptimizer(1e-3).minimize(loss)
    with tf.name_scope("accuracy"):
        right = tf.equal(tf.argmax(logits, 1), tf.argmax(labels, 1))
        tf.summary.scalar("accuracy", tf.reduce_mean(tf.cast(right, tf.float32)))
    tf.summary.merge_all()


def keep_prob() -> Net:
    x = tf.placeholder(tf.float32, [None, 8, 8, 3], name="x")
    y = tf.placeholder(tf.float32, [None, 4], name="y")
    keep = tf.placeholder(tf.float32, name="keep_prob")
    net = tf.nn.relu(tf.nn.conv2d(x, weights("conv/w", [3, 3, 3, 6]), [1, 1, 1, 1], "SAME"))
    net = tf.nn.dropout(dense(tf.reshape(net, [-1, 8 * 8 * 6]), 10, "fc"), rate=1 - keep)
    logits = dense(net, 4, "out")
    train(logits, y)
    return Net([x], logits, {keep: 1.0})


def old_dropout() -> Net:
    """What `tf.nn.dropout` built before TensorFlow 1.13, with a number for the probability."""
    x = tf.placeholder(tf.float32, [None, 12], name="x")
    net = tf.nn.tanh(dense(x, 300, "hidden"))
    with tf.name_scope("dropout"):
        keep = tf.constant(0.5, name="keep_prob")
        floor = tf.floor(keep + tf.random_uniform(tf.shape(net)))
        dropped = tf.multiply(tf.div(net, keep), floor)
    return Net([x], tf.nn.sigmoid(dense(dropped, 4, "out"), name="prediction"), {dropped: net})


def phase() -> Net:
    x = tf.placeholder(tf.float32, [None, 12], name="x")
    training = tf.placeholder(tf.bool, [], name="is_training")
    net = dense(x, 6, "hidden")
    mean, variance = weights("moving_mean", [6]), tf.abs(weights("moving_variance", [6]))
    batch_mean, batch_variance = tf.nn.moments(net, [0])
    mean, variance = tf.cond(training, lambda: (batch_mean, batch_variance), lambda: (mean, variance))
    net = tf.nn.relu(tf.nn.batch_normalization(net, mean, variance, None, None, 1e-3))
    net = tf.cond(training, lambda: tf.nn.dropout(net, rate=0.5), lambda: tf.identity(net))
    probabilities = tf.nn.softmax(dense(net, 3, "out"))
    labels = tf.placeholder(tf.int32, [None], name="labels")
    tf.train.GradientDescentOptimizer(0.1).minimize(
        -tf.reduce_mean(tf.log(tf.reduce_sum(probabilities * tf.one_hot(labels, 3), 1)))
    )
    return Net([x], probabilities, {training: False})


def defaults() -> Net:
    x = tf.placeholder_with_default(np.zeros((1, 12), np.float32), [None, 12], name="x")
    training = tf.placeholder_with_default(True, [], name="training")
    rate = tf.placeholder_with_default(0.4, [], name="rate")
    net = tf.cond(training, lambda: dense(x, 6, "hidden") * 2.0, lambda: dense(x, 6, "other"))
    return Net([x], tf.nn.elu(net * rate, name="out"), {training: False})


def resources() -> Net:
    x = tf.placeholder(tf.int32, [None, 4], name="x")
    table = weights("table", [9, 40], use_resource=True)
    net = tf.reshape(tf.nn.embedding_lookup(table, x), [-1, 160])
    return Net([x], dense(net, 3, "out", use_resource=True))


def partitioned() -> Net:
    x = tf.placeholder(tf.float32, [None, 12], name="x")
    with tf.variable_scope("hidden", partitioner=tf.fixed_size_partitioner(3)):
        net = tf.nn.relu(tf.matmul(x, tf.convert_to_tensor(weights("w", [12, 50]))))
    with tf.variable_scope("out", partitioner=tf.fixed_size_partitioner(2, axis=1)):
        net = tf.matmul(net, tf.convert_to_tensor(weights("w", [50, 8], use_resource=True)))
    return Net([x], net, saver={"sharded": True})


def renamed() -> Net:
    """A saver with names of its own, as those of moving averages are."""
    x = tf.placeholder(tf.float32, [None, 12], name="x")
    net = dense(x, 3, "hidden")
    names = {f"{v.op.name}/ExponentialMovingAverage": v for v in tf.global_variables()}
    return Net([x], net, saver={"var_list": names})


def loop() -> Net:
    x = tf.placeholder(tf.float32, [None, 12], name="x")
    w = weights("w", [12, 12])
    _, net = tf.while_loop(
        lambda i, a: tf.less(i, 3), lambda i, a: (i + 1, tf.tanh(tf.matmul(a, w)) + 0.5), [tf.constant(0), x]
    )
    return Net([x], tf.identity(net, name="out"))


def branch_on_data() -> Net:
    x = tf.placeholder(tf.float32, [None, 12], name="x")
    net = dense(x, 6, "hidden")
    net = tf.cond(tf.reduce_sum(x) > 0, lambda: tf.nn.relu(net) + tf.constant(3.0), lambda: -net)
    return Net([x], tf.multiply(net, 2.0, name="out"))


NETS: dict[str, Callable[[], Net]] = {
    make.__name__: make
    for make in (
        keep_prob,
        old_dropout,
        phase,
        defaults,
        resources,
        partitioned,
        renamed,
        loop,
        branch_on_data,
    )
}


def save(name: str, folder: Path) -> None:
    """Build one network, save it as it is, and note what it computes at inference."""
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(3)
        net = NETS[name]()
        rng = np.random.default_rng(5)
        shapes = [[5, *tensor.shape.as_list()[1:]] for tensor in net.inputs]
        xs = [
            rng.integers(0, 9, shape) if tensor.dtype == tf.int32 else rng.normal(0.5, 1.0, shape)
            for tensor, shape in zip(net.inputs, shapes, strict=True)
        ]
        session.run(tf.global_variables_initializer())
        folder.mkdir(parents=True)
        tf.train.Saver(**net.saver).save(session, str(folder / "net"), global_step=10)
        off = dict(net.off)
        for taken, source in [(k, v) for k, v in off.items() if isinstance(v, tf.Tensor)]:
            off[taken] = session.run(source, dict(zip(net.inputs, xs, strict=True)))
        y = session.run(net.output, {**dict(zip(net.inputs, xs, strict=True)), **off})
        names = {f"x{place}": x for place, x in enumerate(xs)}
        np.savez(folder / "expected.npz", y0=y, output=np.array(net.output.name), **names)


if __name__ == "__main__":
    for chosen in sys.argv[2:] or NETS:
        save(chosen, Path(sys.argv[1]).resolve() / chosen)
