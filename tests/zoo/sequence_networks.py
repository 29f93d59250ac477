"""Networks of tflearn for sequences: recurrent ones, and convolution along one axis."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
from registry import TRAINING_SAMPLES, Built, tflearn_network
from tflearn_parts import classifier


@tflearn_network
def lstm(tflearn: ModuleType, rng: np.random.Generator) -> Any:
    net = tflearn.input_data(shape=[None, 6], name="input")
    net = tflearn.embedding(net, input_dim=20, output_dim=8, name="embedding")
    net = tflearn.lstm(net, 10, dropout=0.8, name="lstm")
    net = classifier(tflearn, net, name="scores")
    return Built(net, data={0: rng.integers(0, 20, (TRAINING_SAMPLES, 6)).astype(np.float32)})


@tflearn_network
def recurrent_stack(tflearn: ModuleType, rng: np.random.Generator) -> Any:
    net = tflearn.input_data(shape=[None, 5, 4], name="input")
    net = tflearn.lstm(net, 7, dropout=0.8, return_seq=True, name="lstm")
    net = tflearn.gru(net, 8, return_seq=True, name="gru_1")
    net = tflearn.gru(net, 6, name="gru_2")
    return classifier(tflearn, net, name="scores")


@tflearn_network
def conv_1d(tflearn: ModuleType, rng: np.random.Generator) -> Any:
    net = tflearn.input_data(shape=[None, 20, 3], name="input")
    net = tflearn.conv_1d(net, 6, 5, activation="relu", name="conv_1")
    net = tflearn.max_pool_1d(net, 2, name="pool_1")
    net = tflearn.conv_1d(net, 8, 3, padding="valid", activation="relu", name="conv_2")
    net = tflearn.dropout(net, 0.8, name="dropout_1")
    return classifier(tflearn, net, name="scores")


@tflearn_network
def text(tflearn: ModuleType, rng: np.random.Generator) -> Any:
    net = tflearn.embedding(tflearn.input_data(shape=[None, 7]), input_dim=11, output_dim=6)
    net = tflearn.conv_1d(net, 5, 3, activation="relu", regularizer="L2")
    net = tflearn.dropout(tflearn.flatten(net), 0.5)
    net = classifier(tflearn, net, classes=2)
    return Built(net, data={0: rng.integers(0, 11, (TRAINING_SAMPLES, 7)).astype(np.float32)})
