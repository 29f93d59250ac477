# ruff: noqa: E402 - tflearn can be imported only after two names that it needs are put back
"""Trains small tflearn networks and saves each right after `fit()`, with what `predict` gives; a program.

    python tflearn_nets.py FOLDER

Each network NAME leaves FOLDER/NAME/net.* (the checkpoint) and FOLDER/NAME/expected.npz: x0, x1, … and y0.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import PIL.Image
import tensorflow.compat.v1 as tf
from tensorflow.python.util import nest

# tflearn 0.5 needs what later TensorFlow and Pillow renamed.
nest.is_sequence = nest.is_nested
PIL.Image.ANTIALIAS = PIL.Image.LANCZOS

import tflearn
from tflearn.layers.conv import (
    conv_1d,
    conv_2d,
    conv_2d_transpose,
    global_avg_pool,
    grouped_conv_2d,
    max_pool_2d,
)
from tflearn.layers.core import dropout, flatten, fully_connected, input_data, reshape
from tflearn.layers.embedding_ops import embedding
from tflearn.layers.estimator import regression
from tflearn.layers.merge_ops import merge, merge_outputs
from tflearn.layers.normalization import batch_normalization, local_response_normalization

SAMPLES = 24


def notebook(side: int = 21):
    net = input_data(shape=[None, side, side, 1], name="input")
    net = conv_2d(net, 4, 10, activation="relu", name="conv_1")
    net = max_pool_2d(net, 2, name="max_pool_1")
    net = conv_2d(net, 6, 10, activation="relu", name="conv_2")
    net = max_pool_2d(net, 2, name="max_pool_2")
    net = fully_connected(net, 16, activation="relu", name="fully_connected_1")
    net = dropout(net, 0.8, name="dropout_1")
    net = fully_connected(net, 2, activation="softmax", name="fully_connected_2")
    return classifier(net, "targets")


def batch_norm():
    net = input_data(shape=[None, 8, 8, 3])
    net = batch_normalization(conv_2d(net, 8, 3))
    net = tflearn.activations.relu(net)
    net = batch_normalization(conv_2d(net, 8, 3, strides=2, activation="tanh"), name="norm_2")
    return classifier(fully_connected(net, 3, activation="softmax"))


def lrn_and_dropouts():
    net = input_data(shape=[None, 10, 10, 3], name="input")
    net = dropout(net, 0.9)
    net = local_response_normalization(conv_2d(net, 8, 3, activation="relu"))
    net = dropout(max_pool_2d(net, 2), 0.5)
    net = dropout(fully_connected(net, 12, activation="elu"), 0.5, name="last")
    return classifier(fully_connected(net, 3, activation="softmax"))


def residual_and_grouped():
    net = input_data(shape=[None, 8, 8, 3])
    net = conv_2d(net, 8, 3, weights_init="truncated_normal")
    net = tflearn.residual_block(net, 1, 8, weights_init="truncated_normal")
    net = grouped_conv_2d(net, 2, 3, activation="relu")
    net = tflearn.resnext_block(net, 1, 16, 4, weights_init="truncated_normal")
    return classifier(fully_connected(global_avg_pool(net), 3, activation="softmax"))


def featurewise():
    prepared = tflearn.DataPreprocessing()
    prepared.add_featurewise_zero_center()
    prepared.add_featurewise_stdnorm()
    net = input_data(shape=[None, 6, 6, 2], data_preprocessing=prepared, name="input")
    return classifier(fully_connected(conv_2d(net, 4, 3, activation="relu"), 3, activation="softmax"))


def whitened():
    prepared = tflearn.DataPreprocessing()
    prepared.add_zca_whitening()
    net = input_data(shape=[None, 4, 4, 2], data_preprocessing=prepared, name="input")
    return classifier(fully_connected(conv_2d(net, 4, 3, activation="relu"), 3, activation="softmax"))


def two_inputs():
    left = input_data(shape=[None, 6, 6, 1], name="left")
    right = input_data(shape=[None, 5], name="right")
    net = merge([fully_connected(left, 8, activation="tanh"), fully_connected(right, 4)], "concat")
    return classifier(fully_connected(net, 2, activation="softmax"))


def two_outputs():
    net = fully_connected(input_data(shape=[None, 6]), 8, activation="relu", name="shared")
    first = fully_connected(net, 2, activation="softmax", name="first")
    second = fully_connected(net, 3, activation="softmax", name="second")
    heads = [
        regression(first, optimizer="sgd", loss="categorical_crossentropy", name="t1", op_name="A"),
        regression(second, optimizer="sgd", loss="categorical_crossentropy", name="t2", op_name="B"),
    ]
    return merge_outputs(heads)


def lstm():
    net = tflearn.lstm(input_data(shape=[None, 4, 3]), 5, dropout=0.8, return_seq=True)
    net = tflearn.gru(net, 4)
    return classifier(fully_connected(net, 2, activation="softmax"))


def text():
    net = embedding(input_data(shape=[None, 7]), input_dim=11, output_dim=6)
    net = conv_1d(net, 5, 3, activation="relu", regularizer="L2")
    return classifier(fully_connected(dropout(flatten(net), 0.5), 2, activation="softmax"))


def decoder():
    net = reshape(
        fully_connected(input_data(shape=[None, 5]), 2 * 2 * 3, activation="sigmoid"), [-1, 2, 2, 3]
    )
    net = conv_2d_transpose(net, 4, 3, [4, 4], strides=2, activation="leaky_relu")
    net = tflearn.prelu(tflearn.highway_conv_2d(net, 4, 3, activation="elu"))
    return classifier(fully_connected(net, 2, activation="softmax"))


def classifier(net, name: str = "TargetsData"):
    return regression(net, optimizer="sgd", learning_rate=0.01, loss="categorical_crossentropy", name=name)


def fed(arrays: list[np.ndarray]) -> list[np.ndarray] | np.ndarray:
    """Copies, since tflearn prepares what it is given in place; one array stands for itself."""
    copies = [array.copy() for array in arrays]
    return copies if len(copies) > 1 else copies[0]


NETS: dict[str, Callable[[], object]] = {
    make.__name__: make
    for make in (
        notebook,
        batch_norm,
        lrn_and_dropouts,
        residual_and_grouped,
        featurewise,
        whitened,
        two_inputs,
        two_outputs,
        lstm,
        text,
        decoder,
    )
}


def save(name: str, folder: Path) -> None:
    """Train one network for an epoch, save it as people do, and only then ask it for predictions."""
    with tf.Graph().as_default():
        tf.set_random_seed(1)
        rng = np.random.default_rng(7)
        model = tflearn.DNN(NETS[name](), tensorboard_verbose=0, tensorboard_dir=str(folder / "log"))
        shapes = [[SAMPLES, *tensor.shape.as_list()[1:]] for tensor in tf.get_collection("inputs")]
        xs = [rng.normal(1.5, 2.0, shape).astype(np.float32) for shape in shapes]
        if name == "text":
            xs = [rng.integers(0, 11, shape).astype(np.float32) for shape in shapes]
        widths = [tensor.shape.as_list()[1] for tensor in tf.get_collection("targets")]
        ys = [np.eye(width, dtype=np.float32)[rng.integers(0, width, SAMPLES)] for width in widths]
        model.fit(fed(xs), fed(ys), n_epoch=1, batch_size=8, run_id=name, show_metric=False)
        folder.mkdir(parents=True, exist_ok=True)
        model.save(str(folder / "net"))
        if name == "notebook":
            # A second save in the old format, by the saver that TensorFlow 0.x had.
            v1 = folder.with_name("version_1") / "net"
            v1.parent.mkdir()
            tf.train.Saver(write_version=tf.train.SaverDef.V1).save(
                model.session, str(v1), write_meta_graph=False
            )
            # tflearn's own objects cannot be exported: its graph is the one that `DNN.save` wrote.
            v1.with_name("net.meta").write_bytes((folder / "net.meta").read_bytes())
        expected = {f"x{place}": x for place, x in enumerate(xs)}
        expected["y0"] = np.asarray(model.predict(fed(xs)))
        np.savez(folder / "expected.npz", **expected)
        if name == "notebook":
            np.savez(folder.with_name("version_1") / "expected.npz", **expected)
        model.session.close()


if __name__ == "__main__":
    os.chdir(sys.argv[1])  # tflearn drops a file of its own where it runs
    for chosen in sys.argv[2:] or NETS:
        save(chosen, Path(sys.argv[1]).resolve() / chosen)
