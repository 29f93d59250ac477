"""Small TensorFlow 1 networks made without tflearn, one function each, which save themselves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from registry import BATCH, Saved, plain_network


def _tensorflow() -> Any:
    import tensorflow.compat.v1 as tf

    return tf


def _variable(tf: Any, name: str, shape: tuple[int, ...], **options: Any) -> Any:
    return tf.get_variable(name, shape, initializer=tf.random_normal_initializer(stddev=0.3), **options)


def _picture(rng: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    return rng.standard_normal((BATCH, *shape)).astype(np.float32)


def _save(
    session: Any, folder: Path, name: str, feeds: Mapping[Any, Any], fetches: list[Any], **saver: Any
) -> Saved:
    """Save a checkpoint under `name`, and return it with the answer to the feeds that are arrays."""
    tf = _tensorflow()
    tf.train.Saver(**saver).save(session, str(folder / name))
    answers = session.run(fetches, feeds)
    arrays = {tensor.name: value for tensor, value in feeds.items() if isinstance(value, np.ndarray)}
    return Saved(name, arrays, {fetch.name: answer for fetch, answer in zip(fetches, answers, strict=True)})


def _resource_network(tf: Any) -> tuple[Any, Any]:
    x = tf.placeholder(tf.float32, [None, 8, 8, 2], name="x")
    with tf.variable_scope("model", use_resource=True):
        kernel = _variable(tf, "kernel", (3, 3, 2, 4))
        bias = _variable(tf, "bias", (4,))
        weights = _variable(tf, "weights", (64, 3))
    net = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, kernel, 1, "SAME"), bias), name="conv_1")
    net = tf.reshape(tf.nn.max_pool2d(net, 2, 2, "VALID"), [-1, 64])
    return x, tf.nn.softmax(tf.matmul(net, weights), name="probabilities")


@plain_network
def resource_variables(folder: Path, rng: np.random.Generator) -> Saved:
    tf = _tensorflow()
    x, output = _resource_network(tf)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return _save(session, folder, "resource_variables", {x: _picture(rng, 8, 8, 2)}, [output])


@plain_network
def reference_variables(folder: Path, rng: np.random.Generator) -> Saved:
    tf = _tensorflow()
    x = tf.placeholder(tf.float32, [None, 8, 8, 1], name="x")
    is_training = tf.placeholder(tf.bool, [], name="is_training")
    keep_prob = tf.placeholder(tf.float32, [], name="keep_prob")
    with tf.variable_scope("model", use_resource=False):
        kernel = _variable(tf, "kernel", (3, 3, 1, 4))
        weights = _variable(tf, "weights", (256, 3))
        offset = _variable(tf, "offset", (4,))
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
    feeds = {x: _picture(rng, 8, 8, 1), is_training: False, keep_prob: 1.0}
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return _save(session, folder, "reference_variables", feeds, [output])


@plain_network
def partitioned_variables(folder: Path, rng: np.random.Generator) -> Saved:
    tf = _tensorflow()
    x = tf.placeholder(tf.float32, [None, 30], name="x")
    by_row = tf.fixed_size_partitioner(3)
    by_column = tf.fixed_size_partitioner(2, axis=1)
    with tf.variable_scope("model", use_resource=False):
        first = _variable(tf, "first", (30, 10), partitioner=by_row)
        second = _variable(tf, "second", (10, 4), partitioner=by_column)
    net = tf.nn.relu(tf.matmul(x, tf.convert_to_tensor(first)))
    output = tf.matmul(net, tf.convert_to_tensor(second), name="scores")
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return _save(session, folder, "partitioned_variables", {x: _picture(rng, 30)}, [output])


@plain_network
def sharded_checkpoint(folder: Path, rng: np.random.Generator) -> Saved:
    tf = _tensorflow()
    x = tf.placeholder(tf.float32, [None, 6], name="x")
    with tf.variable_scope("model", use_resource=False):
        with tf.device("/cpu:0"):
            first = _variable(tf, "first", (6, 5))
        with tf.device("/cpu:1"):
            second = _variable(tf, "second", (5, 3))
    output = tf.matmul(tf.tanh(tf.matmul(x, first)), second, name="scores")
    with tf.Session(config=tf.ConfigProto(device_count={"CPU": 2})) as session:
        session.run(tf.global_variables_initializer())
        return _save(session, folder, "sharded_checkpoint", {x: _picture(rng, 6)}, [output], sharded=True)


@plain_network
def frozen_graph(folder: Path, rng: np.random.Generator) -> Saved:
    tf = _tensorflow()
    x, output = _resource_network(tf)
    picture = _picture(rng, 8, 8, 2)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        answer = session.run(output, {x: picture})
        graph = tf.graph_util.convert_variables_to_constants(session, session.graph_def, [output.op.name])
    (folder / "frozen_graph.pb").write_bytes(graph.SerializeToString())
    return Saved("frozen_graph.pb", {x.name: picture}, {output.name: answer})
