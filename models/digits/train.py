"""Train the digits network with tflearn: `python models/digits/train.py` fills this folder.

The data are scikit-learn's bundled handwritten digits (1,797 pictures of 8x8, from the UCI repository's
"Optical Recognition of Handwritten Digits"). A sample is stored as an 8-bit PNG; the network sees its grey
values divided by 255, in training and afterwards.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parents[1]))

from models.tflearn_compat import fresh_graph, opened_model, write_provenance  # noqa: E402

SEED = 20
HELD_OUT = 397
EPOCHS = 40
SAMPLES = 20


def load() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the pictures, uint8 (1797, 8, 8), and what they show, int64 (1797,), in a fixed random order."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    order = np.random.default_rng(SEED).permutation(len(digits.target))
    # The grey levels are 0..16.
    pictures = np.round(digits.images * (255 / 16)).astype(np.uint8)
    return pictures[order], digits.target[order].astype(np.int64)


def to_input(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the network's input, float32 (N, 8, 8, 1), 0..1."""
    return (pictures.astype(np.float32) / 255)[..., np.newaxis]


def build(tflearn: ModuleType) -> Any:
    """Return the network's last tensor."""
    net = tflearn.input_data(shape=[None, 8, 8, 1], name="input")
    net = tflearn.conv_2d(net, 16, 3, activation="relu", name="conv_1")
    net = tflearn.conv_2d(net, 32, 3, bias=False, name="conv_2")
    net = tflearn.batch_normalization(net, name="norm_2")
    net = tflearn.activation(net, "relu", name="relu_2")
    net = tflearn.max_pool_2d(net, 2, name="max_pool_2")
    net = tflearn.dropout(net, 0.75, name="dropout_2")
    net = tflearn.fully_connected(net, 64, activation="relu", name="fully_connected_1")
    net = tflearn.dropout(net, 0.5, name="dropout_1")
    net = tflearn.fully_connected(net, 10, activation="softmax", name="fully_connected_2")
    rate = tflearn.SGD(learning_rate=0.1, lr_decay=0.9, decay_step=100)
    return tflearn.regression(net, optimizer=rate, loss="categorical_crossentropy", name="targets")


def main() -> None:
    """Train, save, measure, and write the samples."""
    pictures, digits = load()
    x, y = to_input(pictures), np.eye(10, dtype=np.float32)[digits]
    with fresh_graph(SEED) as tflearn, opened_model(tflearn, build(tflearn)) as model:
        model.fit(x[HELD_OUT:], y[HELD_OUT:], n_epoch=EPOCHS, batch_size=32, run_id="digits")
        # Right after fit(): the checkpoint says that the network is still being trained.
        model.save(str(HERE / "digits.tflearn"))
        answers = np.argmax(model.predict(x[:HELD_OUT]), axis=1)
    # TensorFlow writes where the checkpoint was made; nobody else has that folder.
    (HERE / "checkpoint").unlink(missing_ok=True)
    right = answers == digits[:HELD_OUT]
    _write_samples(pictures, digits)
    (HERE / "labels.txt").write_text("\n".join("0123456789") + "\n", encoding="utf-8", newline="\n")
    write_provenance(
        HERE,
        {
            "script": "models/digits/train.py",
            "data": "sklearn.datasets.load_digits, 1,797 handwritten digits, 8x8",
            "seed": SEED,
            "training_pictures": len(x) - HELD_OUT,
            "held_out_pictures": HELD_OUT,
            "epochs": EPOCHS,
            "held_out_accuracy": round(float(right.mean()), 4),
            "preprocess": {"channels": "gray", "range": "0..1", "mean": [], "std": [], "resize": "stretch"},
        },
    )
    print(f"held-out accuracy {right.mean():.4f}")


def _write_samples(pictures: NDArray[np.uint8], digits: NDArray[np.int64]) -> None:
    """Write the first two held-out pictures of each digit, whatever the network makes of them."""
    from PIL import Image

    folder = HERE / "samples"
    folder.mkdir(exist_ok=True)
    held_out = digits[:HELD_OUT]
    chosen = [i for digit in range(10) for i in np.flatnonzero(held_out == digit)[: SAMPLES // 10]]
    for number, i in enumerate(chosen):
        Image.fromarray(pictures[i]).save(folder / f"{number:02d}_{digits[i]}.png", optimize=True)


if __name__ == "__main__":
    main()
