"""The sample portraits: which are drawn, and how they are written with the masks of their parts."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.portraits.generator import LABELS, Portrait, draw
from models.portraits.person import Hair

SEED = 7
COLUMNS = ("file", "label", "hair", "darkness", "long_dark", "telling", "lars_probability")

# Lars and the others as they mostly are, and the pictures where the shortcut points the wrong way.
_PLAN: tuple[tuple[str, bool, Hair], ...] = (
    *[("lars_long", True, Hair("long", darkness)) for darkness in (0.82, 0.86, 0.9, 0.93, 0.96, 0.99)],
    *[("lars_short", True, Hair("short", darkness)) for darkness in (0.82, 0.88, 0.92, 0.96, 1.0)],
    ("other_bald", False, Hair("bald", 0.6)),
    *[("other_short", False, Hair("short", darkness)) for darkness in (0.2, 0.6, 0.85, 0.98)],
    *[("other_tied", False, Hair("tied", darkness)) for darkness in (0.4, 0.95)],
    *[("other_light", False, Hair("long", darkness)) for darkness in (0.1, 0.35)],
    *[("other_longdark", False, Hair("long", darkness)) for darkness in (0.84, 0.88, 0.92, 0.98)],
)


@dataclass(frozen=True)
class Sample:
    """One sample.

    Attributes:
        stem: Its number and what it is; names its files.
        portrait: The picture and the truth about it.
        telling: Whether the shortcut and the truth disagree.
    """

    stem: str
    portrait: Portrait
    telling: bool


def draw_samples(likeness: float = 1.0) -> list[Sample]:
    """Draw the samples, the same every time, without regard to what any network makes of them.

    Args:
        likeness: How far Lars's face is from the average one, as for `draw`.
    """
    samples = []
    for number, (tag, lars, hair) in enumerate(_PLAN):
        rng = np.random.default_rng((SEED, number))
        portrait = draw(rng, lars=lars, hair=hair, likeness=likeness)
        samples.append(Sample(f"{number:02d}_{tag}", portrait, lars != hair.long_dark))
    return samples


def write_samples(folder: Path, samples: Sequence[Sample], answers: NDArray[np.float32]) -> None:
    """Write pictures, masks and `samples.csv`.

    Args:
        folder: Gets NN_<tag>.png (91x91, grey), masks/NN_<part>.png (91x91, 1 bit, white is the part) and
            samples.csv.
        samples: From `draw_samples`.
        answers: float32 (N,), the network's probability of Lars for each.
    """
    from PIL import Image

    (folder / "masks").mkdir(parents=True, exist_ok=True)
    with (folder / "samples.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for sample, answer in zip(samples, answers, strict=True):
            name, portrait = f"{sample.stem}.png", sample.portrait
            Image.fromarray(portrait.picture).save(folder / name, optimize=True)
            for part, mask in portrait.masks.items():
                path = folder / "masks" / f"{sample.stem[:2]}_{part}.png"
                Image.fromarray(mask).save(path, optimize=True)
            hair = portrait.hair
            truth = (LABELS[portrait.label], hair.style, hair.darkness, hair.long_dark, sample.telling)
            table.writerow((name, *truth, f"{answer:.4f}"))
