"""Make the notebook's full network, 139 MB of weights, for the benchmarks: `notebook_network.py FOLDER`.

It is trained for one step on random pictures, since its size matters here and its answers do not.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.append(str(Path(__file__).resolve().parents[1]))

from models.tflearn_compat import fresh_graph, import_tflearn, opened_model

SEED = 4
INPUT = "input/X:0"
OUTPUT = "fully_connected_2/Softmax:0"


@dataclass(frozen=True)
class NotebookNetwork:
    """The files that `build` writes.

    Attributes:
        prefix: The prefix of the checkpoint, saved right after `fit()`.
        frozen: The frozen graph of the same weights in inference mode: `INPUT`, float32
            (N, 91, 91, 1), and `OUTPUT`, float32 (N, 2).
    """

    prefix: Path
    frozen: Path


def build(folder: Path) -> NotebookNetwork:
    """Write the checkpoint and the frozen graph into `folder`, unless they are there.

    Args:
        folder: Is made when it does not exist.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = NotebookNetwork(folder / "notebook.tflearn", folder / "frozen.pb")
    # The frozen graph is written last, and takes its name when it is whole.
    if not files.frozen.exists():
        write_checkpoint(files.prefix)
        _write_frozen(files)
    return files


def network(tflearn: ModuleType) -> Any:
    """Return the last tensor of the network, as the notebook wrote it."""
    net = tflearn.input_data(shape=[None, 91, 91, 1], name="input")
    net = tflearn.conv_2d(net, 32, 10, activation="relu", name="conv_1")
    net = tflearn.max_pool_2d(net, 2, name="max_pool_1")
    net = tflearn.conv_2d(net, 64, 10, activation="relu", name="conv_2")
    net = tflearn.max_pool_2d(net, 2, name="max_pool_2")
    net = tflearn.fully_connected(net, 1024, activation="relu", name="fully_connected_1")
    net = tflearn.dropout(net, 0.8, name="dropout_1")
    net = tflearn.fully_connected(net, 2, activation="softmax", name="fully_connected_2")
    return tflearn.regression(
        net, optimizer="sgd", learning_rate=0.01, loss="categorical_crossentropy", name="targets"
    )


def load(prefix: str | Path) -> Any:
    """Return the `tflearn.DNN` with the checkpoint's weights, made as the notebook made it."""
    tflearn = import_tflearn()
    model = tflearn.DNN(network(tflearn))
    model.load(str(prefix))
    return model


def kernels(model: Any, layer: str) -> NDArray[np.float32]:
    """Return a layer's weights, float32 (height, width, in, out), asked for as the notebook asked."""
    weights, *_ = import_tflearn().get_layer_variables_by_name(layer)
    array: NDArray[np.float32] = model.get_weights(weights)
    return array


def write_checkpoint(prefix: Path) -> None:
    """Train for the one step, and save as tflearn does."""
    rng = np.random.default_rng(SEED)
    x = rng.random((4, 91, 91, 1), dtype=np.float32)
    y = np.eye(2, dtype=np.float32)[[0, 1, 0, 1]]
    with fresh_graph(SEED) as tflearn, opened_model(tflearn, network(tflearn)) as model:
        with contextlib.redirect_stdout(io.StringIO()):
            model.fit(x, y, n_epoch=1, batch_size=4, run_id="notebook")
        model.save(str(prefix))


def _write_frozen(files: NotebookNetwork) -> None:
    """Freeze with TensorFlow's own tools, so that what is timed owes nothing to this project's converter.

    The network is built once more without its dropout: TensorFlow cannot freeze the conditional around it,
    and in inference it passes everything through.
    """
    partial = files.frozen.with_suffix(".partial")
    partial.write_bytes(_inference_graph(files.prefix))
    partial.replace(files.frozen)


def _inference_graph(prefix: Path) -> bytes:
    """Return the serialized frozen GraphDef of the checkpoint's network."""
    import tensorflow.compat.v1 as tf

    output = OUTPUT.removesuffix(":0")
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [None, 91, 91, 1], name="input/X")
        net = x
        for name, shape in (("conv_1", (10, 10, 1, 32)), ("conv_2", (10, 10, 32, 64))):
            net = tf.nn.relu(_affine(tf, net, name, shape), name=f"{name}/Relu")
            net = tf.nn.max_pool2d(net, 2, 2, "SAME", name=f"max_pool_{name[-1]}/MaxPool")
        net = tf.reshape(net, [-1, 23 * 23 * 64], name="fully_connected_1/Reshape")
        net = tf.nn.relu(_affine(tf, net, "fully_connected_1", (23 * 23 * 64, 1024)))
        tf.nn.softmax(_affine(tf, net, "fully_connected_2", (1024, 2)), name=output)
        tf.train.Saver().restore(session, str(prefix))
        frozen = tf.graph_util.convert_variables_to_constants(session, session.graph_def, [output])
        # Nodes of the saver and the like are no part of what the output needs.
        return bytes(tf.graph_util.extract_sub_graph(frozen, [output]).SerializeToString())


def _affine(tf: Any, x: Any, name: str, shape: tuple[int, ...]) -> Any:
    """A layer's product with its weights plus its bias, with the checkpoint's names for both."""
    with tf.variable_scope(name, use_resource=False):
        weights, bias = tf.get_variable("W", shape), tf.get_variable("b", shape[-1:])
    product = tf.nn.conv2d(x, weights, 1, "SAME") if len(shape) == 4 else tf.matmul(x, weights)
    return tf.nn.bias_add(product, bias, name=f"{name}/BiasAdd")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    written = build(parser.parse_args().folder)
    print(written.prefix)
    print(written.frozen)
