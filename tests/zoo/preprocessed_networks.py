"""Networks of tflearn whose data are prepared with stored statistics, outside the graph."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
from registry import TRAINING_SAMPLES, Built, tflearn_network
from tflearn_parts import classifier


@tflearn_network
def featurewise(tflearn: ModuleType, rng: np.random.Generator) -> Any:
    prepare = tflearn.DataPreprocessing()
    prepare.add_featurewise_zero_center()
    prepare.add_featurewise_stdnorm()
    net = tflearn.input_data(shape=[None, 8, 8, 3], data_preprocessing=prepare, name="input")
    net = tflearn.conv_2d(net, 4, 3, activation="relu", name="conv_1")
    net = classifier(tflearn, net, name="scores")
    return Built(net, data={0: rng.uniform(0, 255, (TRAINING_SAMPLES, 8, 8, 3)).astype(np.float32)})


@tflearn_network
def featurewise_per_channel(tflearn: ModuleType, rng: np.random.Generator) -> Any:
    prepare = tflearn.DataPreprocessing()
    prepare.add_featurewise_zero_center(mean=[100.0, 120.0, 90.0])
    prepare.add_featurewise_stdnorm(std=[60.0, 50.0, 70.0])
    net = tflearn.input_data(shape=[None, 8, 8, 3], data_preprocessing=prepare, name="input")
    net = tflearn.conv_2d(net, 4, 3, activation="relu", name="conv_1")
    net = classifier(tflearn, net, name="scores")
    return Built(net, data={0: rng.uniform(0, 255, (TRAINING_SAMPLES, 8, 8, 3)).astype(np.float32)})


@tflearn_network
def whitened(tflearn: ModuleType, rng: np.random.Generator) -> Any:
    prepare = tflearn.DataPreprocessing()
    prepare.add_zca_whitening()
    net = tflearn.input_data(shape=[None, 4, 4, 2], data_preprocessing=prepare, name="input")
    net = tflearn.conv_2d(net, 4, 3, activation="relu", name="conv_1")
    net = classifier(tflearn, net, name="scores")
    return Built(net, data={0: rng.normal(1.5, 2.0, (TRAINING_SAMPLES, 4, 4, 2)).astype(np.float32)})
