"""A grey picture times weights: what a network of one product predicts, worked out beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import helper
from PIL import Image

from inspector.model import Model
from inspector.predict import Prediction
from inspector.preprocess import Preprocess

Net = Callable[..., Model]
RNG = np.random.default_rng(11)
SIDE = 4
WEIGHTS = RNG.standard_normal((SIDE * SIDE, 3)).astype(np.float32)
SOFTMAX = [helper.make_node("Softmax", ["z"], ["y"])]
DECLARED = {"inspector.preprocess": Preprocess("gray", "0..1").to_json()}


def pictures(count: int) -> list[np.ndarray[Any, np.dtype[np.uint8]]]:
    return [RNG.integers(0, 256, (SIDE, SIDE), dtype=np.uint8) for _ in range(count)]


def softmax(scores: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    exp = np.exp(scores - scores.max(-1, keepdims=True))
    return np.asarray(exp / exp.sum(-1, keepdims=True))


def expected(picture: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return softmax(picture.reshape(-1).astype(np.float64) / 255 @ WEIGHTS.astype(np.float64))


def write_folder(folder: Path, images: Sequence[np.ndarray[Any, Any]]) -> Path:
    folder.mkdir(exist_ok=True)
    for index, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{index}.png")
    return folder


def all_scores(prediction: Prediction) -> np.ndarray[Any, Any]:
    """Probabilities in the order of the classes."""
    return np.asarray(prediction.probabilities)[np.argsort(prediction.indices)]
