"""Networks of tflearn with several inputs or outputs."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
from registry import Built, tflearn_network
from tflearn_parts import classifier


@tflearn_network
def two_inputs(tflearn: ModuleType, rng: np.random.Generator) -> Any:
    picture = tflearn.input_data(shape=[None, 8, 8, 1], name="picture")
    numbers = tflearn.input_data(shape=[None, 6], name="numbers")
    left = tflearn.conv_2d(picture, 4, 3, activation="relu", name="conv_1")
    left = tflearn.fully_connected(left, 5, activation="relu", name="dense_left")
    right = tflearn.fully_connected(numbers, 5, activation="relu", name="dense_right")
    net = tflearn.merge([left, right], mode="concat", axis=1, name="merged")
    return classifier(tflearn, net, name="scores")


@tflearn_network
def two_outputs(tflearn: ModuleType, rng: np.random.Generator) -> Any:
    net = tflearn.input_data(shape=[None, 8, 8, 1], name="input")
    net = tflearn.conv_2d(net, 4, 3, activation="relu", name="conv_1")
    net = tflearn.fully_connected(net, 8, activation="relu", name="dense_1")
    kind = tflearn.fully_connected(net, 3, activation="softmax", name="kind")
    kind = tflearn.regression(kind, optimizer="sgd", learning_rate=0.01, name="kind_targets")
    size = tflearn.fully_connected(net, 1, activation="linear", name="size")
    size = tflearn.regression(
        size, optimizer="sgd", learning_rate=0.01, loss="mean_square", metric="R2", name="size_targets"
    )
    return Built(kind, outputs=(kind, size))


@tflearn_network
def merged_outputs(tflearn: ModuleType, rng: np.random.Generator) -> Any:
    from tflearn.layers.merge_ops import merge_outputs

    net = tflearn.fully_connected(tflearn.input_data(shape=[None, 6]), 8, activation="relu", name="shared")
    heads = []
    for name, classes in (("first", 2), ("second", 3)):
        head = tflearn.fully_connected(net, classes, activation="softmax", name=name)
        targets = f"{name}_targets"
        heads.append(tflearn.regression(head, optimizer="sgd", name=targets, op_name=f"train_{name}"))
    return merge_outputs(heads)
