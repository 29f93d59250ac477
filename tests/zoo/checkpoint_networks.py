"""Networks for the ways in which variables are kept and saved."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from plain_parts import dense, normal, save, tensorflow, variable
from registry import BATCH, Built, Saved, plain_network, tflearn_network
from tflearn_parts import classifier


@tflearn_network
def v1_checkpoint(tflearn: ModuleType, rng: np.random.Generator) -> Any:
    import tensorflow.compat.v1 as tf

    net = tflearn.input_data(shape=[None, 8, 8, 1], name="input")
    net = tflearn.conv_2d(net, 4, 3, activation="relu", name="conv_1")
    net = tflearn.dropout(net, 0.8, name="dropout_1")
    net = classifier(tflearn, net, name="scores")
    return Built(net, saver={"write_version": tf.train.SaverDef.V1})


@tflearn_network
def adam_slots(tflearn: ModuleType, rng: np.random.Generator) -> Any:
    net = tflearn.input_data(shape=[None, 8, 8, 1], name="input")
    net = tflearn.conv_2d(net, 4, 3, activation="relu", name="conv_1")
    net = tflearn.dropout(net, 0.8, name="dropout_1")
    net = tflearn.fully_connected(net, 3, activation="softmax", name="scores")
    return tflearn.regression(net, optimizer="adam", learning_rate=0.001)


def _resource_network() -> tuple[Any, Any]:
    tf = tensorflow()
    x = tf.placeholder(tf.float32, [None, 8, 8, 2], name="x")
    with tf.variable_scope("model", use_resource=True):
        kernel = variable("kernel", (3, 3, 2, 4))
        bias = variable("bias", (4,))
        weights = variable("weights", (64, 3))
    net = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, kernel, 1, "SAME"), bias), name="conv_1")
    net = tf.reshape(tf.nn.max_pool2d(net, 2, 2, "VALID"), [-1, 64])
    return x, tf.nn.softmax(tf.matmul(net, weights), name="probabilities")


@plain_network
def resource_variables(folder: Path, rng: np.random.Generator) -> Saved:
    x, output = _resource_network()
    return save(folder, "resource_variables", {x: normal(rng, 8, 8, 2)}, [output])


@plain_network
def embedding_lookup(folder: Path, rng: np.random.Generator) -> Saved:
    tf = tensorflow()
    x = tf.placeholder(tf.int32, [None, 4], name="x")
    table = variable("table", (9, 40), use_resource=True)
    net = tf.reshape(tf.nn.embedding_lookup(table, x), [-1, 160])
    output = dense(net, 3, "out", use_resource=True)
    return save(folder, "embedding_lookup", {x: rng.integers(0, 9, (BATCH, 4), np.int32)}, [output])


@plain_network
def partitioned_variables(folder: Path, rng: np.random.Generator) -> Saved:
    tf = tensorflow()
    x = tf.placeholder(tf.float32, [None, 30], name="x")
    by_row = tf.fixed_size_partitioner(3)
    by_column = tf.fixed_size_partitioner(2, axis=1)
    first = variable("model/first", (30, 50), partitioner=by_row, use_resource=False)
    second = variable("model/second", (50, 8), partitioner=by_column, use_resource=True)
    net = tf.nn.relu(tf.matmul(x, tf.convert_to_tensor(first)))
    output = tf.matmul(net, tf.convert_to_tensor(second), name="scores")
    return save(folder, "partitioned_variables", {x: normal(rng, 30)}, [output], sharded=True)


@plain_network
def sharded_checkpoint(folder: Path, rng: np.random.Generator) -> Saved:
    tf = tensorflow()
    x = tf.placeholder(tf.float32, [None, 6], name="x")
    with tf.device("/cpu:0"):
        first = variable("model/first", (6, 5), use_resource=False)
    with tf.device("/cpu:1"):
        second = variable("model/second", (5, 3), use_resource=False)
    output = tf.matmul(tf.tanh(tf.matmul(x, first)), second, name="scores")
    return save(folder, "sharded_checkpoint", {x: normal(rng, 6)}, [output], devices=2, sharded=True)


@plain_network
def renamed_variables(folder: Path, rng: np.random.Generator) -> Saved:
    """Saved under other names than their own, as moving averages are."""
    tf = tensorflow()
    x = tf.placeholder(tf.float32, [None, 12], name="x")
    output = dense(x, 3, "hidden")
    names = {f"{v.op.name}/ExponentialMovingAverage": v for v in tf.global_variables()}
    return save(folder, "renamed_variables", {x: normal(rng, 12)}, [output], step=10, var_list=names)


@plain_network
def frozen_graph(folder: Path, rng: np.random.Generator) -> Saved:
    tf = tensorflow()
    x, output = _resource_network()
    picture = normal(rng, 8, 8, 2)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        answer = session.run(output, {x: picture})
        graph = tf.graph_util.convert_variables_to_constants(session, session.graph_def, [output.op.name])
    (folder / "frozen_graph.pb").write_bytes(graph.SerializeToString())
    return Saved("frozen_graph.pb", {x.name: picture}, {output.name: answer})
