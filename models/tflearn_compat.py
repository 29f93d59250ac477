"""What tflearn 0.5 needs to import and train under today's TensorFlow, and how a training is recorded."""

from __future__ import annotations

import json
import os
import platform
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

_RECORDED_PACKAGES = ("numpy", "pillow", "scikit-learn", "tensorflow-cpu", "tflearn")


def import_tflearn() -> ModuleType:
    """Import tflearn 0.5 under a TensorFlow that it was not written for.

    Two names that it uses have gone: `nest.is_sequence` was renamed, and `Image.ANTIALIAS` was an alias.

    Returns:
        The `tflearn` module.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from PIL import Image
    from tensorflow.python.util import nest

    if not hasattr(nest, "is_sequence"):
        nest.is_sequence = nest.is_nested
    if not hasattr(Image, "ANTIALIAS"):
        Image.ANTIALIAS = Image.LANCZOS  # type: ignore[attr-defined]
    import tflearn

    module: ModuleType = tflearn
    return module


@contextmanager
def fresh_graph(seed: int, threads: int = 2) -> Iterator[ModuleType]:
    """Yield tflearn with an empty default graph, seeded as far as TensorFlow allows.

    Args:
        seed: For tflearn's weights and dropout, and for numpy's global generator, with which tflearn
            shuffles the training pictures.
        threads: How many threads one operator may use.

    Example:
        with fresh_graph(seed=1) as tflearn:
            net = tflearn.input_data(shape=[None, 8, 8, 1])
    """
    tflearn = import_tflearn()
    import numpy as np
    import tensorflow.compat.v1 as tf

    np.random.seed(seed)
    with tf.Graph().as_default():
        tflearn.init_graph(seed=seed, num_cores=threads)
        yield tflearn


@contextmanager
def opened_model(tflearn: ModuleType, network: Any) -> Iterator[Any]:
    """Yield `tflearn.DNN(network)`, whose event logs go to a folder that is removed afterwards.

    Args:
        tflearn: The module, from `fresh_graph`.
        network: The last tensor of the network.
    """
    with tempfile.TemporaryDirectory() as logs:
        model = tflearn.DNN(network, tensorboard_verbose=0, tensorboard_dir=logs)
        try:
            yield model
        finally:
            # Windows cannot remove a folder whose event file is still open.
            if model.trainer.summ_writer is not None:
                model.trainer.summ_writer.close()
            model.session.close()


def write_provenance(folder: Path, record: Mapping[str, object]) -> None:
    """Write `provenance.json` into `folder`: `record`, and the versions of what made it.

    Args:
        folder: The model's folder.
        record: What the training knows of itself, ready for JSON.
    """
    versions = {"python": platform.python_version()}
    versions |= {name: version(name) for name in _RECORDED_PACKAGES}
    text = json.dumps({**record, "versions": versions}, indent=2, ensure_ascii=False)
    (folder / "provenance.json").write_text(text + "\n", encoding="utf-8", newline="\n")
