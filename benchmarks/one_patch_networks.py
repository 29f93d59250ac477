"""Networks built by hand that provably read one patch of the picture and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

Floats = NDArray[np.float32]

SIDE, PATCH = 24, 8
PLACES = ((2, 2), (3, 13), (13, 4), (12, 12))
_CHANNELS = 6
_RING = 6
_DARK, _LIGHT = (0.05, 0.3), (0.7, 1.0)


@dataclass(frozen=True, eq=False)
class OnePatchNetwork:
    """A network and what it reads.

    Attributes:
        name: Its architecture and place.
        path: Its file: float32 (N, 1, 24, 24) to the probabilities of two classes.
        mask: bool (24, 24): every pixel that can change its output lies here.
        pictures: float32 (N, 1, 24, 24) in 0..1.
    """

    name: str
    path: Path
    mask: NDArray[np.bool_]
    pictures: Floats


def build(folder: Path, pictures: int) -> Iterator[OnePatchNetwork]:
    """Write a network of each architecture for each place of the patch.

    Args:
        folder: Where the files go; it exists.
        pictures: How many to draw for each network: textures, with a patch that is light or dark.
    """
    for kind, layers in (("linear", _linear), ("conv", _convolution), ("pool", _pooled)):
        for number, (top, left) in enumerate(PLACES):
            random = np.random.default_rng((number, len(kind)))
            mask = np.zeros((SIDE, SIDE), bool)
            mask[top : top + PATCH, left : left + PATCH] = True
            nodes, weights = layers(mask, random)
            path = folder / f"{kind}-{number}.onnx"
            _write(path, nodes, weights)
            yield OnePatchNetwork(path.stem, path, mask, _draw(mask, pictures, random))


def _linear(
    mask: NDArray[np.bool_], random: np.random.Generator
) -> tuple[list[NodeProto], dict[str, Floats]]:
    """Each class's logit is a weighted sum of the patch's pixels."""
    weights = np.where(mask.ravel(), random.uniform(0.5, 1, SIDE * SIDE), 0)
    dense, bias = _two_classes(weights, weights.sum() / 2)
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("Gemm", ["flat", "dense.weight", "dense.bias"], ["logits"]),
    ]
    return nodes, {"dense.weight": dense, "dense.bias": bias}


def _convolution(
    mask: NDArray[np.bool_], random: np.random.Generator
) -> tuple[list[NodeProto], dict[str, Floats]]:
    """A convolution, a ReLU, and weights on those positions alone whose whole window is in the patch."""
    read = _eroded(mask)
    kernels, dense, bias = _weights(read, random)
    nodes = [
        helper.make_node("Conv", ["x", "conv.weight"], ["maps"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["maps"], ["last"]),
        helper.make_node("Flatten", ["last"], ["flat"]),
        helper.make_node("Gemm", ["flat", "dense.weight", "dense.bias"], ["logits"]),
    ]
    return nodes, {"conv.weight": kernels, "dense.weight": dense, "dense.bias": bias}


def _pooled(
    mask: NDArray[np.bool_], random: np.random.Generator
) -> tuple[list[NodeProto], dict[str, Floats]]:
    """The same with pooling in between: a position is read when all four that it is pooled from may be."""
    half = SIDE // 2
    read = _eroded(mask).reshape(half, 2, half, 2).all(axis=(1, 3))
    kernels, dense, bias = _weights(read, random)
    nodes = [
        helper.make_node("Conv", ["x", "conv.weight"], ["maps"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["maps"], ["last"]),
        helper.make_node("MaxPool", ["last"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "dense.weight", "dense.bias"], ["logits"]),
    ]
    return nodes, {"conv.weight": kernels, "dense.weight": dense, "dense.bias": bias}


def _weights(read: NDArray[np.bool_], random: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Kernels that look for light, and a dense layer that reads their maps where it may."""
    kernels = random.uniform(0, 0.3, (_CHANNELS, 1, 3, 3)).astype(np.float32)
    weights = np.where(read, random.uniform(0.5, 1, (_CHANNELS, *read.shape)), 0)
    middle = (weights.sum(axis=(1, 2)) * kernels.sum(axis=(1, 2, 3))).sum() / 2
    return (kernels, *_two_classes(weights.ravel(), middle))


def _two_classes(weights: NDArray[np.float64], middle: float) -> tuple[Floats, Floats]:
    """Logits of "dark" and "light" in the patch, about -4 to 4, and 0 for a patch of middle grey."""
    scale = 4 / middle
    dense = np.stack([-scale * weights, scale * weights], axis=1)
    return dense.astype(np.float32), np.array([scale * middle, -scale * middle], np.float32)


def _eroded(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Positions whose window of 3×3 lies in the mask."""
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(mask, 1), (3, 3))
    return np.asarray(windows.all(axis=(2, 3)))


def _write(path: Path, nodes: list[NodeProto], weights: dict[str, Floats]) -> None:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, SIDE, SIDE])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2])
    last = helper.make_node("Softmax", ["logits"], ["y"], axis=1)
    stored = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph([*nodes, last], path.stem, [x], [y], stored)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path)


def _draw(mask: NDArray[np.bool_], count: int, random: np.random.Generator) -> Floats:
    """Grainy pictures with three light or dark squares anywhere, and one in the patch.

    What is around the patch is the other way round, so that a blur of the picture is decided otherwise.
    """
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(mask, _RING), (2 * _RING + 1,) * 2)
    ring = windows.any(axis=(2, 3)) & ~mask
    pictures = random.uniform(0.35, 0.65, (count, 1, SIDE, SIDE))
    for number, picture in enumerate(pictures[:, 0]):
        for top, left in random.integers(0, SIDE - PATCH, (3, 2)):
            picture[top : top + PATCH, left : left + PATCH] += random.choice([-0.3, 0.3])
        inside, around = (_LIGHT, _DARK) if number % 2 else (_DARK, _LIGHT)
        picture[ring] = random.uniform(*around, ring.sum())
        picture[mask] = random.uniform(*inside, mask.sum())
    return pictures.clip(0, 1).astype(np.float32)
