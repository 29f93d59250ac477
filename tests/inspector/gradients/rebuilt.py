"""Networks of the usual layers rebuilt in PyTorch, node by node, in float64.

A network with millions of rectified numbers has some that are zero but for rounding, and float32 and float64
then take different sides. So the sides are given: the values that a float32 run had before each kink.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper

Array = NDArray[Any]
KINKS = ("Relu", "MaxPool")


def kinks(model: ModelProto) -> list[str]:
    """The values that decide which side of each kink a network is on."""
    return list(dict.fromkeys(node.input[0] for node in model.graph.node if node.op_type in KINKS))


def rebuilt(model: ModelProto, sides: Mapping[str, Array] | None = None) -> Callable[[Any], Any]:
    """The network as a function of its picture: a tensor of float64, or without sides of float32.

    Args:
        model: The network; its first output is what the function gives.
        sides: For each value of `kinks`, what it was in the run whose sides are to be taken; None to take
            those that come up.
    """
    import torch

    weights = {
        tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy())
        for tensor in model.graph.initializer
    }
    if sides is not None:
        weights = {
            name: each.double() if each.is_floating_point() else each for name, each in weights.items()
        }

    def run(picture: Any) -> Any:
        values = {**weights, model.graph.input[0].name: picture}
        for node in model.graph.node:
            given = [values[name] for name in node.input]
            side = torch.from_numpy(sides[node.input[0]]) if sides and node.op_type in KINKS else None
            values[node.output[0]] = _OPERATORS[node.op_type](_attributes(node), given, side)
        return values[model.graph.output[0].name]

    return run


def _attributes(node: NodeProto) -> dict[str, Any]:
    return {each.name: helper.get_attribute_value(each) for each in node.attribute}


def _padding(a: Mapping[str, Any]) -> tuple[int, int, int, int]:
    """Pads as PyTorch wants them: left, right, top, bottom."""
    top, left, bottom, right = a.get("pads", (0, 0, 0, 0))
    return left, right, top, bottom


def _conv(a: Mapping[str, Any], x: list[Any], _: Any) -> Any:
    from torch.nn import functional as F

    left, right, top, bottom = _padding(a)
    even = left == right and top == bottom
    return F.conv2d(
        x[0] if even else F.pad(x[0], (left, right, top, bottom)),
        *x[1:],
        padding=(top, left) if even else 0,
        stride=tuple(a.get("strides", (1, 1))),
        dilation=tuple(a.get("dilations", (1, 1))),
        groups=a.get("group", 1),
    )


def _max_pool(a: Mapping[str, Any], x: list[Any], side: Any) -> Any:
    from torch.nn import functional as F

    window = {"kernel_size": tuple(a["kernel_shape"]), "stride": tuple(a.get("strides", (1, 1)))}
    if side is None:
        return F.max_pool2d(F.pad(x[0], _padding(a), value=-np.inf), **window)
    where = F.max_pool2d(F.pad(side, _padding(a), value=-np.inf), **window, return_indices=True)[1]
    padded = F.pad(x[0], _padding(a), value=-np.inf)
    return padded.flatten(2).gather(2, where.flatten(2)).reshape(where.shape)


def _average_pool(a: Mapping[str, Any], x: list[Any], _: Any) -> Any:
    import torch
    from torch.nn import functional as F

    kernel, strides = tuple(a["kernel_shape"]), tuple(a.get("strides", (1, 1)))
    sums = F.avg_pool2d(F.pad(x[0], _padding(a)), kernel, strides)
    if not any(_padding(a)):
        return sums
    # Padding does not count.
    return sums / F.avg_pool2d(F.pad(torch.ones_like(x[0]), _padding(a)), kernel, strides)


def _reshape(a: Mapping[str, Any], x: list[Any], _: Any) -> Any:
    return x[0].reshape([x[0].shape[at] if size == 0 else size for at, size in enumerate(x[1].tolist())])


def _gemm(a: Mapping[str, Any], x: list[Any], _: Any) -> Any:
    left, right = (each.T if a.get(key) else each for each, key in zip(x, ("transA", "transB"), strict=False))
    return a.get("alpha", 1.0) * left @ right + a.get("beta", 1.0) * x[2]


def _normalization(a: Mapping[str, Any], x: list[Any], _: Any) -> Any:
    scale, shift, mean, variance = (each[:, None, None] for each in x[1:])
    return (x[0] - mean) / (variance + a.get("epsilon", 1e-5)).sqrt() * scale + shift


def _lrn(a: Mapping[str, Any], x: list[Any], _: Any) -> Any:
    from torch.nn import functional as F

    return F.local_response_norm(x[0], a["size"], a["alpha"], a["beta"], a.get("bias", 1.0))


def _concat(a: Mapping[str, Any], x: list[Any], _: Any) -> Any:
    import torch

    return torch.cat(x, a["axis"])


def _unsqueeze(a: Mapping[str, Any], x: list[Any], _: Any) -> Any:
    for axis in sorted(a["axes"]):
        x = [x[0].unsqueeze(axis)]
    return x[0]


_OPERATORS: Mapping[str, Callable[[Mapping[str, Any], list[Any], Any], Any]] = {
    "Add": lambda a, x, _: x[0] + x[1],
    "AveragePool": _average_pool,
    "BatchNormalization": _normalization,
    "Concat": _concat,
    "Conv": _conv,
    "Gemm": _gemm,
    "GlobalAveragePool": lambda a, x, _: x[0].mean((2, 3), keepdim=True),
    "Identity": lambda a, x, _: x[0],
    "LRN": _lrn,
    "MatMul": lambda a, x, _: x[0] @ x[1],
    "MaxPool": _max_pool,
    "Mul": lambda a, x, _: x[0] * x[1],
    "Relu": lambda a, x, side: x[0].relu() if side is None else x[0] * (side > 0),
    "Reshape": _reshape,
    "Sum": lambda a, x, _: sum(x[1:], x[0]),
    "Transpose": lambda a, x, _: x[0].permute(a["perm"]),
    "Unsqueeze": _unsqueeze,
}
