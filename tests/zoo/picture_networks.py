"""Networks of tflearn for pictures and volumes: convolution, pooling, normalization, dropout."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
from registry import tflearn_network
from tflearn_parts import classifier


@tflearn_network
def notebook(tflearn: ModuleType, rng: np.random.Generator) -> Any:
    net = tflearn.input_data(shape=[None, 25, 25, 1], name="input")
    net = tflearn.conv_2d(net, 6, 10, activation="relu", name="conv_1")
    net = tflearn.max_pool_2d(net, 2, name="max_pool_1")
    net = tflearn.conv_2d(net, 8, 10, activation="relu", name="conv_2")
    net = tflearn.max_pool_2d(net, 2, name="max_pool_2")
    net = tflearn.fully_connected(net, 16, activation="relu", name="fully_connected_1")
    net = tflearn.dropout(net, 0.8, name="dropout_1")
    net = tflearn.fully_connected(net, 2, activation="softmax", name="fully_connected_2")
    return tflearn.regression(
        net, optimizer="sgd", learning_rate=0.01, loss="categorical_crossentropy", name="targets"
    )


@tflearn_network
def default_names(tflearn: ModuleType, rng: np.random.Generator) -> Any:
    net = tflearn.input_data(shape=[None, 12, 12, 3])
    net = tflearn.conv_2d(net, 4, 3, activation="relu")
    net = tflearn.max_pool_2d(net, 2)
    net = tflearn.conv_2d(net, 6, 3, strides=2, activation="tanh")
    net = tflearn.fully_connected(net, 8, activation="sigmoid")
    net = tflearn.dropout(net, 0.5)
    return classifier(tflearn, net)


@tflearn_network
def batch_normalization(tflearn: ModuleType, rng: np.random.Generator) -> Any:
    net = tflearn.input_data(shape=[None, 12, 12, 3], name="input")
    net = tflearn.conv_2d(net, 6, 3, name="conv_1")
    net = tflearn.batch_normalization(net, decay=0.5, name="norm_1")
    net = tflearn.activation(net, "relu", name="relu_1")
    net = tflearn.avg_pool_2d(net, 2, name="pool_1")
    net = tflearn.conv_2d(net, 8, 3, bias=False, activation="elu", name="conv_2")
    net = tflearn.batch_normalization(net, decay=0.5, name="norm_2")
    net = tflearn.global_avg_pool(net, name="global_pool")
    return classifier(tflearn, net, name="scores")


@tflearn_network
def local_response(tflearn: ModuleType, rng: np.random.Generator) -> Any:
    net = tflearn.input_data(shape=[None, 12, 12, 3], name="input")
    net = tflearn.conv_2d(net, 8, 3, activation="relu", name="conv_1")
    net = tflearn.local_response_normalization(net, depth_radius=2, alpha=0.3, beta=0.6, name="lrn_1")
    net = tflearn.max_pool_2d(net, 3, strides=2, name="pool_1")
    net = tflearn.conv_2d(net, 8, 3, padding="valid", activation="leaky_relu", name="conv_2")
    net = tflearn.local_response_normalization(net, name="lrn_2")
    return classifier(tflearn, net, name="scores")


@tflearn_network
def dropouts(tflearn: ModuleType, rng: np.random.Generator) -> Any:
    net = tflearn.input_data(shape=[None, 10, 10, 2], name="input")
    net = tflearn.dropout(net, 0.9, name="dropout_0")
    net = tflearn.conv_2d(net, 6, 3, activation="relu", name="conv_1")
    net = tflearn.dropout(net, 0.7, name="dropout_1")
    net = tflearn.fully_connected(net, 12, activation="tanh", name="dense_1")
    net = tflearn.dropout(net, 0.5, name="dropout_2")
    net = tflearn.fully_connected(net, 8, activation="prelu", name="dense_2")
    net = tflearn.dropout(net, 0.6, name="dropout_3")
    return classifier(tflearn, net, name="scores")


@tflearn_network
def residual(tflearn: ModuleType, rng: np.random.Generator) -> Any:
    net = tflearn.input_data(shape=[None, 12, 12, 3], name="input")
    net = tflearn.conv_2d(net, 4, 3, regularizer="L2", weight_decay=0.0001)
    # The default initializer, variance_scaling, is gone from TensorFlow 2.
    net = tflearn.residual_block(net, 1, 4, weights_init="uniform_scaling")
    net = tflearn.residual_block(net, 2, 8, downsample=True, weights_init="uniform_scaling")
    net = tflearn.batch_normalization(net)
    net = tflearn.activation(net, "relu")
    net = tflearn.global_avg_pool(net)
    return classifier(tflearn, net)


@tflearn_network
def grouped(tflearn: ModuleType, rng: np.random.Generator) -> Any:
    from tflearn.layers.conv import grouped_conv_2d

    net = tflearn.input_data(shape=[None, 10, 10, 4], name="input")
    net = grouped_conv_2d(net, 2, 3, weights_init="uniform_scaling", activation="relu", name="depthwise")
    net = tflearn.resnext_block(net, 1, 16, 32, weights_init="uniform_scaling", name="resnext")
    net = tflearn.global_avg_pool(net, name="global_pool")
    return classifier(tflearn, net, name="scores")


@tflearn_network
def conv_3d(tflearn: ModuleType, rng: np.random.Generator) -> Any:
    net = tflearn.input_data(shape=[None, 6, 6, 6, 2], name="input")
    net = tflearn.conv_3d(net, 4, 3, activation="relu", name="conv_1")
    net = tflearn.max_pool_3d(net, 2, name="pool_1")
    return classifier(tflearn, net, name="scores")


@tflearn_network
def conv_transpose(tflearn: ModuleType, rng: np.random.Generator) -> Any:
    net = tflearn.input_data(shape=[None, 8, 8, 3], name="input")
    net = tflearn.conv_2d(net, 6, 3, strides=2, activation="relu", name="encode")
    net = tflearn.conv_2d_transpose(net, 5, 3, [8, 8], strides=2, activation="relu", name="decode")
    net = tflearn.conv_2d(net, 1, 1, activation="sigmoid", name="picture")
    return tflearn.regression(net, optimizer="sgd", learning_rate=0.01, loss="mean_square", metric=None)


@tflearn_network
def decoder(tflearn: ModuleType, rng: np.random.Generator) -> Any:
    net = tflearn.input_data(shape=[None, 5])
    net = tflearn.fully_connected(net, 2 * 2 * 3, activation="sigmoid")
    net = tflearn.reshape(net, [-1, 2, 2, 3])
    net = tflearn.conv_2d_transpose(net, 4, 3, [4, 4], strides=2, activation="leaky_relu")
    net = tflearn.prelu(tflearn.highway_conv_2d(net, 4, 3, activation="elu"))
    return classifier(tflearn, net, classes=2)
