"""`predict` over 500 JPEGs against its two parts alone: decoding on all cores, inference on all cores."""

from __future__ import annotations

import os
import statistics
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import notebook_network
import numpy as np
import onnxruntime
from measure import Row, timed
from PIL import Image

from converters.conversion import convert
from converters.formats import Request
from inspector.model import load

PICTURES, SIZE = 500, (704, 497)
BATCHES = (8, 16, 32, 64)


def rows(workspace: Path) -> list[Row]:
    """Measure the three in turn, three times; the pictures and the model are kept in `workspace`."""
    network = notebook_network.build(workspace / "notebook")
    path, folder = workspace / "notebook.onnx", workspace / "pictures"
    if not path.exists():
        convert(network.prefix, path, request=Request(verify=False))
    if not folder.exists():
        _draw(folder)
    files = sorted(folder.iterdir())
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    best = min(BATCHES, key=lambda batch: _infer_all(session, batch))
    model = load(path)
    rounds = []
    for _ in range(4):
        decoding = timed(lambda: _decode_all(files))
        inferring = _infer_all(session, best)
        whole = timed(lambda: model.predict(folder))
        rounds.append((whole / (decoding + inferring), decoding, inferring, whole))
    figure, decoding, inferring, whole = (
        statistics.median(column) for column in zip(*rounds[1:], strict=True)
    )
    detail = f"{whole:.2f} s against {decoding:.2f} s decoding + {inferring:.2f} s inference (batch {best})"
    return [Row(f"predict over {PICTURES} JPEGs / its parts alone", figure, "x", "≤ 1.15", detail)]


def _draw(folder: Path) -> None:
    """Photo-like pictures of a third of a megapixel: smooth shapes and some grain."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(PICTURES):
        coarse = Image.fromarray(random.integers(0, 255, (12, 16, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize(SIZE, Image.Resampling.BICUBIC), dtype=np.float32)
        grain = random.normal(0, 6, smooth.shape)
        Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8)).save(
            folder / f"{number:03}.jpg", quality=88
        )


def _decode_all(files: list[Path]) -> None:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(_decode, files))


def _decode(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("L").resize((91, 91), Image.Resampling.BILINEAR))


def _infer_all(session: onnxruntime.InferenceSession, batch: int) -> float:
    pictures = np.random.default_rng(0).random((PICTURES, 91, 91, 1), dtype=np.float32)
    name = session.get_inputs()[0].name
    return timed(
        lambda: [session.run(None, {name: pictures[at : at + batch]}) for at in range(0, PICTURES, batch)]
    )
