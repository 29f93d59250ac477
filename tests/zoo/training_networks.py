"""Networks made without tflearn whose graphs still hold their training: switches, dropout, optimizers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from plain_parts import dense, normal, save, tensorflow, variable
from registry import Saved, plain_network


@plain_network
def reference_variables(folder: Path, rng: np.random.Generator) -> Saved:
    tf = tensorflow()
    x = tf.placeholder(tf.float32, [None, 8, 8, 1], name="x")
    is_training = tf.placeholder(tf.bool, [], name="is_training")
    keep_prob = tf.placeholder(tf.float32, [], name="keep_prob")
    with tf.variable_scope("model", use_resource=False):
        kernel = variable("kernel", (3, 3, 1, 4))
        weights = variable("weights", (256, 3))
        offset = variable("offset", (4,))
    net = tf.nn.conv2d(x, kernel, 1, "SAME", name="conv_1")
    mean, variance = tf.constant([0.1, 0.0, -0.1, 0.2]), tf.constant([1.0, 0.5, 2.0, 1.5])
    net = tf.cond(
        is_training,
        lambda: tf.nn.batch_normalization(net, *tf.nn.moments(net, [0, 1, 2]), offset, None, 1e-3),
        lambda: tf.nn.batch_normalization(net, mean, variance, offset, None, 1e-3),
    )
    flat = tf.reshape(tf.nn.relu(net), [-1, 256])
    flat = tf.nn.dropout(flat, keep_prob=keep_prob)
    output = tf.nn.softmax(tf.matmul(flat, weights), name="probabilities")
    inference = {is_training: False, keep_prob: 1.0}
    return save(folder, "reference_variables", {x: normal(rng, 8, 8, 1)}, [output], inference=inference)


def _train(logits: Any, labels: Any) -> None:
    """A loss, an optimizer, metrics and summaries, as in any tutorial."""
    tf = tensorflow()
    with tf.name_scope("loss"):
        loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits_v2(logits=logits, labels=labels))
        tf.summary.scalar("cross_entropy", loss)
    tf.train.AdamOptimizer(1e-3).minimize(loss)
    with tf.name_scope("accuracy"):
        right = tf.equal(tf.argmax(logits, 1), tf.argmax(labels, 1))
        tf.summary.scalar("accuracy", tf.reduce_mean(tf.cast(right, tf.float32)))
    tf.summary.merge_all()


@plain_network
def keep_prob(folder: Path, rng: np.random.Generator) -> Saved:
    tf = tensorflow()
    x = tf.placeholder(tf.float32, [None, 8, 8, 3], name="x")
    labels = tf.placeholder(tf.float32, [None, 4], name="y")
    keep = tf.placeholder(tf.float32, name="keep_prob")
    net = tf.nn.relu(tf.nn.conv2d(x, variable("conv/w", (3, 3, 3, 6)), 1, "SAME"))
    net = tf.nn.dropout(dense(tf.reshape(net, [-1, 8 * 8 * 6]), 10, "fc"), rate=1 - keep)
    logits = dense(net, 4, "out")
    _train(logits, labels)
    return save(folder, "keep_prob", {x: normal(rng, 8, 8, 3)}, [logits], inference={keep: 1.0}, step=10)


@plain_network
def old_dropout(folder: Path, rng: np.random.Generator) -> Saved:
    """What `tf.nn.dropout` built before TensorFlow 1.13, with a number for the probability."""
    tf = tensorflow()
    x = tf.placeholder(tf.float32, [None, 12], name="x")
    net = tf.nn.tanh(dense(x, 300, "hidden"))
    with tf.name_scope("dropout"):
        keep = tf.constant(0.5, name="keep_prob")
        floor = tf.floor(keep + tf.random_uniform(tf.shape(net)))
        dropped = tf.multiply(tf.div(net, keep), floor)
    output = tf.nn.sigmoid(dense(dropped, 4, "out"), name="prediction")
    return save(folder, "old_dropout", {x: normal(rng, 12)}, [output], inference={dropped: net})


@plain_network
def phase(folder: Path, rng: np.random.Generator) -> Saved:
    """Batch normalization and dropout that ask a placeholder whether the network trains."""
    tf = tensorflow()
    x = tf.placeholder(tf.float32, [None, 12], name="x")
    training = tf.placeholder(tf.bool, [], name="is_training")
    net = dense(x, 6, "hidden")
    stored = variable("moving_mean", (6,)), tf.abs(variable("moving_variance", (6,)))
    batch = tf.nn.moments(net, [0])
    mean, variance = tf.cond(training, lambda: tuple(batch), lambda: stored)
    net = tf.nn.relu(tf.nn.batch_normalization(net, mean, variance, None, None, 1e-3))
    net = tf.cond(training, lambda: tf.nn.dropout(net, rate=0.5), lambda: tf.identity(net))
    output = tf.nn.softmax(dense(net, 3, "out"))
    labels = tf.placeholder(tf.int32, [None], name="labels")
    chosen = tf.reduce_sum(output * tf.one_hot(labels, 3), 1)
    tf.train.GradientDescentOptimizer(0.1).minimize(-tf.reduce_mean(tf.log(chosen)))
    return save(folder, "phase", {x: normal(rng, 12)}, [output], inference={training: False})


@plain_network
def defaults(folder: Path, rng: np.random.Generator) -> Saved:
    """Placeholders with defaults: the input, a switch that is on unless it is fed, and a factor."""
    tf = tensorflow()
    x = tf.placeholder_with_default(np.zeros((1, 12), np.float32), [None, 12], name="x")
    training = tf.placeholder_with_default(True, [], name="training")
    rate = tf.placeholder_with_default(0.4, [], name="rate")
    net = tf.cond(training, lambda: dense(x, 6, "hidden") * 2.0, lambda: dense(x, 6, "other"))
    output = tf.nn.elu(net * rate, name="out")
    return save(folder, "defaults", {x: normal(rng, 12)}, [output], inference={training: False})
