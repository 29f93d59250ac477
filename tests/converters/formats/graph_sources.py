"""Networks of the zoo as SavedModels of TensorFlow 1, FOLDER/KIND: `python graph_sources.py ZOO FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

# Kind → the network of the zoo. A convolution of one channel a group is the first half of a separable one.
KINDS = {
    "float-cnn": "notebook",
    "batch-norm": "batch_normalization",
    "residual": "residual",
    "separable": "grouped",
    "recurrent": "recurrent_stack",
    "two-inputs": "two_inputs",
    "two-outputs": "two_outputs",
}


def main(zoo: Path, folder: Path) -> None:
    import tensorflow.compat.v1 as tf

    tf.disable_v2_behavior()
    for kind, name in KINDS.items():
        stored = np.load(zoo / name / f"{name}.npz")
        with tf.Graph().as_default() as graph, tf.Session() as session:
            tf.train.import_meta_graph(_plain(tf, zoo / name / f"{name}.meta")).restore(
                session, str(zoo / name / name)
            )
            inputs, outputs = (
                {entry.partition("/")[0]: graph.get_tensor_by_name(entry) for entry in stored[side].tolist()}
                for side in ("inputs", "outputs")
            )
            tf.saved_model.simple_save(session, str(folder / kind), inputs, outputs)


def _plain(tf: Any, path: Path) -> Any:
    """A meta graph without the collections of tflearn, which name operations that it does not hold."""
    meta = tf.MetaGraphDef.FromString(path.read_bytes())
    for name in set(meta.collection_def) - {"variables"}:
        del meta.collection_def[name]
    return meta


if __name__ == "__main__":
    main(*(Path(argument).resolve() for argument in sys.argv[1:]))
