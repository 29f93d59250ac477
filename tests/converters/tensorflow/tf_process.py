"""What tests let TensorFlow do in a process of its own, since it keeps state for the life of one."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np


def execute(graph: bytes, feeds: Mapping[str, np.ndarray], outputs: Sequence[str]) -> list[np.ndarray]:
    """Run a serialized GraphDef."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow.compat.v1 as tf

    with tf.Graph().as_default(), tf.Session() as session:
        tf.import_graph_def(tf.GraphDef.FromString(graph), name="")
        return session.run(list(outputs), dict(feeds))
