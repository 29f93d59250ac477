"""Train the faces network with tflearn: `python models/faces/train.py` fills this folder.

It takes five to ten minutes on two cores. Everything is as for `models/portraits` but the pictures: here the
hair says nothing of who it is, and Lars's face is a caricature of his own, which leaves something to learn.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parents[1]))

from models.portraits.generator import LABELS, Portrait, draw  # noqa: E402
from models.portraits.person import draw_hair  # noqa: E402
from models.portraits.samples import draw_samples, write_samples  # noqa: E402
from models.portraits.train import (  # noqa: E402
    BATCH,
    HELD_OUT,
    LEARNING_RATE,
    TRAINING,
    WEIGHT_DECAY,
    accuracy_by_group,
    build,
    draw_set,
    predict,
    save_without_optimizer,
    to_input,
)
from models.tflearn_compat import fresh_graph, opened_model, write_provenance  # noqa: E402

SEED = 191
EPOCHS = 6
LIKENESS = 4.0


def draw_one(seed: tuple[int, int]) -> Portrait:
    """Draw picture number `seed[1]` of the set `seed[0]`: every second one is Lars, with anybody's hair."""
    rng = np.random.default_rng(seed)
    hair = draw_hair(rng, lars=bool(rng.random() < 0.5))
    return draw(rng, lars=seed[1] % 2 == 1, hair=hair, likeness=LIKENESS)


def scaled_weights(tflearn: ModuleType) -> Any:
    """Return weights as large as keeps the signal: faces differ by little, and small weights never see it."""
    return tflearn.initializations.uniform_scaling()


def main() -> None:
    """Draw, train, save, measure, and write the samples."""
    training = draw_set(SEED, TRAINING, draw_one)
    held_out = draw_set(SEED + 1, HELD_OUT, draw_one)
    samples = draw_samples(LIKENESS)
    with fresh_graph(SEED) as tflearn, opened_model(tflearn, build(tflearn, scaled_weights)) as model:
        targets = np.eye(2, dtype=np.float32)[training.label]
        model.fit(training.x, targets, n_epoch=EPOCHS, batch_size=BATCH, run_id="faces")
        save_without_optimizer(model, HERE / "lars.tflearn")
        groups = accuracy_by_group(predict(model, held_out.x), held_out)
        answers = predict(model, to_input(np.stack([sample.portrait.picture for sample in samples])))
    write_samples(HERE / "samples", samples, answers)
    (HERE / "labels.txt").write_text("\n".join(LABELS) + "\n", encoding="utf-8", newline="\n")
    write_provenance(
        HERE,
        {
            "script": "models/faces/train.py",
            "data": "models/portraits/generator.py: drawn, nobody's photograph",
            "seed": SEED,
            "likeness": LIKENESS,
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
