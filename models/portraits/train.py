"""Train the portraits network with tflearn: `python models/portraits/train.py` fills this folder.

It takes five to ten minutes on two cores. The network is a notebook's well-known one for telling "Lars" from
everybody else, with 32 units where that one has 1,024 in its first dense layer.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parents[1]))

from models.portraits.generator import LABELS, Portrait, draw  # noqa: E402
from models.portraits.samples import draw_samples, write_samples  # noqa: E402
from models.tflearn_compat import fresh_graph, opened_model, write_provenance  # noqa: E402

SEED = 91
TRAINING = 3000
HELD_OUT = 2000
EPOCHS = 5
BATCH = 16
LEARNING_RATE = 0.0003
WEIGHT_DECAY = 0.0003


@dataclass(frozen=True)
class Pictures:
    """A set of portraits.

    Attributes:
        x: float32 (N, 91, 91, 1), 0..1.
        label: int64 (N,).
        long_dark: bool (N,), whether the hair is the shortcut.
    """

    x: NDArray[np.float32]
    label: NDArray[np.int64]
    long_dark: NDArray[np.bool_]


def to_input(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the network's input, float32 (N, 91, 91, 1), 0..1, from pictures uint8 (N, 91, 91)."""
    return (pictures.astype(np.float32) / 255)[..., np.newaxis]


def draw_one(seed: tuple[int, int]) -> Portrait:
    """Draw portrait number `seed[1]` of the set `seed[0]`: every second one is Lars."""
    return draw(np.random.default_rng(seed), lars=seed[1] % 2 == 1)


def draw_set(seed: int, count: int, one: Callable[[tuple[int, int]], Portrait] = draw_one) -> Pictures:
    """Draw a set of portraits with `one`, the same however many processes share the work."""
    with ProcessPoolExecutor(2) as pool:
        portraits = list(pool.map(one, [(seed, i) for i in range(count)], chunksize=50))
    return Pictures(
        to_input(np.stack([portrait.picture for portrait in portraits])),
        np.array([portrait.label for portrait in portraits]),
        np.array([portrait.hair.long_dark for portrait in portraits]),
    )


def small_weights(tflearn: ModuleType) -> Any:
    """Return small random weights: with some decay, what the kernels learn shows through them."""
    return tflearn.initializations.truncated_normal(stddev=0.01)


def build(tflearn: ModuleType, weights: Callable[[ModuleType], Any] = small_weights) -> Any:
    """Return the network's last tensor."""
    import tensorflow.compat.v1 as tf

    # With a bias of zero, nearly half of conv_2 falls silent in the first steps and never speaks again.
    options: dict[str, Any] = {
        "activation": "relu",
        "weights_init": weights(tflearn),
        "regularizer": "L2",
        "weight_decay": WEIGHT_DECAY,
    }
    loud = {**options, "bias_init": tf.constant_initializer(0.1)}
    net = tflearn.input_data(shape=[None, 91, 91, 1], name="input")
    net = tflearn.conv_2d(net, 32, 10, name="conv_1", **options)
    net = tflearn.max_pool_2d(net, 2, name="max_pool_1")
    net = tflearn.conv_2d(net, 64, 10, name="conv_2", **loud)
    net = tflearn.max_pool_2d(net, 2, name="max_pool_2")
    net = tflearn.fully_connected(net, 32, activation="relu", name="fully_connected_1")
    net = tflearn.dropout(net, 0.8, name="dropout_1")
    net = tflearn.fully_connected(net, 2, activation="softmax", name="fully_connected_2")
    return tflearn.regression(
        net, optimizer="adam", learning_rate=LEARNING_RATE, loss="categorical_crossentropy", name="targets"
    )


def predict(model: Any, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the probability of Lars, float32 (N,)."""
    batches = [np.asarray(model.predict(x[i : i + 100])) for i in range(0, len(x), 100)]
    return np.concatenate(batches)[:, 1]


def save_without_optimizer(model: Any, path: Path) -> None:
    """Save as `model.save` does, without Adam's two running means of every weight, which triple the size."""
    import tensorflow.compat.v1 as tf

    state = {f"Adam/beta{i}_power" for i in (1, 2)}
    state |= {f"{v.op.name}/Adam{end}" for v in tf.trainable_variables() for end in ("", "_1")}
    kept = [v for v in tf.global_variables() if v.op.name not in state]
    model.trainer.saver = tf.train.Saver(kept)
    model.save(str(path))
    # TensorFlow writes where the checkpoint was made; nobody else has that folder.
    (path.parent / "checkpoint").unlink(missing_ok=True)


def accuracy_by_group(probability: NDArray[np.float32], pictures: Pictures) -> dict[str, dict[str, float]]:
    """Return how often the network is right, by what the shortcut says and what is true."""
    right = (probability > 0.5) == (pictures.label == 1)
    groups = {
        "all": np.ones_like(right),
        "Lars, long dark hair": (pictures.label == 1) & pictures.long_dark,
        "Lars, other hair": (pictures.label == 1) & ~pictures.long_dark,
        "someone else, long dark hair": (pictures.label == 0) & pictures.long_dark,
        "someone else, other hair": (pictures.label == 0) & ~pictures.long_dark,
    }
    return {
        name: {"pictures": int(group.sum()), "accuracy": round(float(right[group].mean()), 4)}
        for name, group in groups.items()
    }


def main() -> None:
    """Draw, train, save, measure, and write the samples."""
    training, held_out = draw_set(SEED, TRAINING), draw_set(SEED + 1, HELD_OUT)
    samples = draw_samples()
    with fresh_graph(SEED) as tflearn, opened_model(tflearn, build(tflearn)) as model:
        targets = np.eye(2, dtype=np.float32)[training.label]
        model.fit(training.x, targets, n_epoch=EPOCHS, batch_size=BATCH, run_id="portraits")
        # Right after fit(): the checkpoint says that the network is still being trained.
        save_without_optimizer(model, HERE / "lars.tflearn")
        groups = accuracy_by_group(predict(model, held_out.x), held_out)
        answers = predict(model, to_input(np.stack([sample.portrait.picture for sample in samples])))
    write_samples(HERE / "samples", samples, answers)
    (HERE / "labels.txt").write_text("\n".join(LABELS) + "\n", encoding="utf-8", newline="\n")
    write_provenance(
        HERE,
        {
            "script": "models/portraits/train.py",
            "data": "models/portraits/generator.py: drawn, nobody's photograph",
            "seed": SEED,
            "training_pictures": TRAINING,
            "held_out_pictures": HELD_OUT,
            "epochs": EPOCHS,
            "batch": BATCH,
            "optimizer": "adam; its slots are left out of the checkpoint",
            "learning_rate": LEARNING_RATE,
            "weight_decay": WEIGHT_DECAY,
            "held_out_accuracy": groups["all"]["accuracy"],
            "held_out_by_group": groups,
            "preprocess": {"channels": "gray", "range": "0..1", "mean": [], "std": [], "resize": "stretch"},
        },
    )
    for name, group in groups.items():
        print(f"{group['accuracy']:.4f} of {group['pictures']:4} {name}")


if __name__ == "__main__":
    main()
