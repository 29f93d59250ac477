"""Write frozen graphs that do more than compute, for tests: `python tests/zoo/hostile.py FOLDER`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def main(folder: Path) -> None:
    """Write every graph into the folder."""
    import tensorflow.compat.v1 as tf

    tf.disable_eager_execution()
    for build in (writes_a_file, prints_into_a_file, calls_python, fills_the_memory, has_a_middle):
        _write(tf, folder, build)


def _write(tf: Any, folder: Path, build: Callable[[Any, Path], None]) -> None:
    with tf.Graph().as_default() as graph:
        build(tf, folder)
        (folder / f"{build.__name__}.pb").write_bytes(graph.as_graph_def().SerializeToString())


def _product(tf: Any, before: list[Any]) -> None:
    x = tf.placeholder(tf.float32, [None, 4], name="x")
    with tf.control_dependencies(before):
        tf.nn.softmax(tf.matmul(x, tf.constant(np.ones((4, 2), np.float32))), name="y")


def writes_a_file(tf: Any, folder: Path) -> None:
    """It writes whenever the output is computed, beside the way from input to output."""
    _product(tf, [tf.io.write_file(str(folder / "written"), "x", name="write")])


def prints_into_a_file(tf: Any, folder: Path) -> None:
    """The same with an operation that is meant for a terminal."""
    _product(tf, [tf.print("x", output_stream=f"file://{folder / 'printed'}", name="print")])


def calls_python(tf: Any, folder: Path) -> None:
    """The output comes out of Python."""
    x = tf.placeholder(tf.float32, [None, 4], name="x")
    tf.identity(tf.py_func(lambda array: array, [x], tf.float32, name="python"), name="y")


def fills_the_memory(tf: Any, folder: Path) -> None:
    """Two small numbers in the file, 40 GB when it runs."""
    x = tf.placeholder(tf.float32, [None, 1], name="x")
    tf.reduce_sum(tf.fill([100_000, 100_000], 1.0, name="huge") * x[0, 0], name="y")


def has_a_middle(tf: Any, folder: Path) -> None:
    """A harmless one, whose tensor in the middle notes no shape."""
    x = tf.placeholder(tf.float32, [None, 4], name="x")
    weights = np.arange(8, dtype=np.float32).reshape(4, 2)
    hidden = tf.nn.relu(tf.matmul(x, tf.constant(weights)), name="hidden")
    tf.nn.softmax(hidden * 2.0, name="y")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
