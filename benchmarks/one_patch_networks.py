"""Networks built by hand that provably read one patch of the picture and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
    for kind, layers in _ARCHITECTURES.items():
        for number, (top, left) in enumerate(PLACES):
            random = np.random.default_rng((number, len(kind)))
            mask = np.zeros((SIDE, SIDE), bool)
            mask[top : top + PATCH, left : left + PATCH] = True
            nodes, weights = layers(mask, random)
            path = folder / f"{kind}-{number}.onnx"
            _write(path, nodes, weights)
            yield OnePatchNetwork(path.stem, path, mask, _draw(mask, pictures, random))


def reads_the_patch_alone(network: OnePatchNetwork, outputs: Callable[[Floats], Floats]) -> bool:
    """Whether noise everywhere outside the patch leaves the outputs as they are, to the last bit.

    Args:
        network: The network.
        outputs: Runs it.
    """
    noise = np.random.default_rng(0).random(network.pictures.shape).astype(np.float32)
    other = np.where(network.mask, network.pictures, noise)
    return np.array_equal(outputs(network.pictures), outputs(other))


def _linear(
    mask: NDArray[np.bool_], random: np.random.Generator
) -> tuple[list[NodeProto], dict[str, Floats]]:
    """Each class's logit is a weighted sum of the patch's pixels."""
    weights = np.where(mask.ravel(), random.uniform(0.5, 1, SIDE * SIDE), 0)
    scale = 4 / (0.35 * weights.sum())
    dense = np.stack([-scale * weights, scale * weights], axis=1)
    bias = scale * weights.sum() / 2 * np.array([1, -1])
    return _dense("x"), {"dense.weight": dense.astype(np.float32), "dense.bias": bias.astype(np.float32)}


def _convolution(
    mask: NDArray[np.bool_], random: np.random.Generator
) -> tuple[list[NodeProto], dict[str, Floats]]:
    """A convolution, a ReLU, and weights on those positions alone whose whole window is in the patch."""
    weights = _detectors(random)
    weights |= _two_classes(_signed(_eroded(mask), random), 0.35 * _strength(weights))
    return [*_first(), *_dense("last")], weights


def _pooled(
    mask: NDArray[np.bool_], random: np.random.Generator
) -> tuple[list[NodeProto], dict[str, Floats]]:
    """The same with pooling in between: a position is read when all four that it is pooled from may be."""
    weights = _detectors(random)
    weights |= _two_classes(_signed(_halved(_eroded(mask)), random), 0.35 * _strength(weights))
    return [*_first(), _pool("last"), *_dense("pooled")], weights


def _residual(
    mask: NDArray[np.bool_], random: np.random.Generator
) -> tuple[list[NodeProto], dict[str, Floats]]:
    """A second convolution around which the first one's maps go too, and pooling: windows of windows."""
    weights = _detectors(random)
    weights["mix.weight"] = random.normal(0, 0.05, (_CHANNELS, _CHANNELS, 3, 3)).astype(np.float32)
    weights["mix.bias"] = random.normal(0, 0.05, _CHANNELS).astype(np.float32)
    nodes = [
        *_first(),
        helper.make_node("Conv", ["last", "mix.weight", "mix.bias"], ["mixed"], pads=[1] * 4, name="mix"),
        helper.make_node("Add", ["mixed", "last"], ["added"]),
        helper.make_node("Relu", ["added"], ["kept"]),
        _pool("kept"),
        *_dense("pooled"),
    ]
    read = _halved(_eroded(_eroded(mask)))
    return nodes, weights | _two_classes(_signed(read, random), 0.35 * _strength(weights))


def _detectors(random: np.random.Generator) -> dict[str, Floats]:
    """A convolution: half of its units are open where it is lighter than grey, the others where darker."""
    kernels = random.uniform(0, 0.3, (_CHANNELS, 1, 3, 3))
    kernels[_CHANNELS // 2 :] *= -1
    bias = -0.5 * kernels.sum(axis=(1, 2, 3))
    return {"conv.weight": kernels.astype(np.float32), "conv.bias": bias.astype(np.float32)}


def _strength(weights: dict[str, Floats]) -> float:
    """What one open detector gives on average for each grey level that a patch differs from the middle."""
    return float(np.abs(weights["conv.weight"]).sum(axis=(1, 2, 3)).mean())


def _signed(read: NDArray[np.bool_], random: np.random.Generator) -> NDArray[np.float64]:
    """Weights of the detectors' maps: those of light speak for the second class, those of dark against it."""
    side = np.where(np.arange(_CHANNELS) < _CHANNELS // 2, 1, -1)[:, None, None]
    return np.asarray(np.where(read, side * random.uniform(0.5, 1, (_CHANNELS, *read.shape)), 0))


def _two_classes(weights: NDArray[np.float64], level: float) -> dict[str, Floats]:
    """Logits of "dark" and "light", about -4 to 4 where all open detectors that are read give `level`."""
    flat = weights.ravel()
    scale = 4 / (np.abs(flat).sum() / 2 * level)
    dense = np.stack([-scale * flat, scale * flat], axis=1)
    return {"dense.weight": dense.astype(np.float32), "dense.bias": np.zeros(2, np.float32)}


def _first() -> list[NodeProto]:
    return [
        helper.make_node("Conv", ["x", "conv.weight", "conv.bias"], ["maps"], pads=[1] * 4, name="conv"),
        helper.make_node("Relu", ["maps"], ["last"]),
    ]


def _pool(value: str) -> NodeProto:
    return helper.make_node("MaxPool", [value], ["pooled"], kernel_shape=[2, 2], strides=[2, 2])


def _dense(value: str) -> list[NodeProto]:
    return [
        helper.make_node("Flatten", [value], ["flat"]),
        helper.make_node("Gemm", ["flat", "dense.weight", "dense.bias"], ["logits"]),
    ]


def _halved(read: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Positions after pooling all four of whose sources may be read."""
    half = SIDE // 2
    return np.asarray(read.reshape(half, 2, half, 2).all(axis=(1, 3)))


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


_ARCHITECTURES = {"linear": _linear, "conv": _convolution, "pool": _pooled, "residual": _residual}
