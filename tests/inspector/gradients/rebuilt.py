"""Networks of the usual layers rebuilt in PyTorch, node by node."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from graphs import constants, inputs
from onnx import ModelProto, NodeProto, helper

Operator = Callable[[Mapping[str, Any], list[Any]], Any]


def rebuilt(model: ModelProto, *, double: bool = False) -> Callable[[Any], Any]:
    """The network as a function of its picture, which gives its first output.

    Args:
        model: A network of one input.
        double: Whether it computes in float64, as it takes it.
    """
    run = every_value(model, double=double)
    (info,), result = inputs(model), model.graph.output[0].name
    return lambda picture: run({info.name: picture})[result]


def every_value(model: ModelProto, *, double: bool = False) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """The network as a function of its inputs, which gives every value by name.

    Raises:
        NotImplementedError: It has an operator that is not among these.
    """
    import torch

    for node in model.graph.node:
        if node.op_type not in (*_OPERATORS, "Constant") or node.domain:
            raise NotImplementedError(f"there is no operator {node.op_type}")
    opset = next((each.version for each in model.opset_import if not each.domain), 1)
    stored = {
        name: torch.from_numpy(
            array.astype(np.float64 if double and array.dtype.kind == "f" else array.dtype)
        )
        for name, array in constants(model).items()
    }

    def run(feeds: Mapping[str, Any]) -> dict[str, Any]:
        values = {**stored, **feeds}
        for node in model.graph.node:
            if node.op_type != "Constant":
                given = [values[name] if name else None for name in node.input]
                values[node.output[0]] = _OPERATORS[node.op_type](_attributes(node, opset), given)
        return values

    return run


def _attributes(node: NodeProto, opset: int) -> dict[str, Any]:
    return {"opset": opset, **{each.name: helper.get_attribute_value(each) for each in node.attribute}}


def _padding(a: Mapping[str, Any], sizes: Sequence[int], kernel: Sequence[int]) -> tuple[int, int, int, int]:
    """Pads as PyTorch wants them: left, right, top, bottom."""
    pads = a.get("pads", (0, 0, 0, 0))
    if a.get("auto_pad", b"").startswith(b"SAME"):
        totals = [
            max((math.ceil(size / stride) - 1) * stride + (taps - 1) * dilation + 1 - size, 0)
            for size, taps, stride, dilation in zip(
                sizes, kernel, a.get("strides", (1, 1)), a.get("dilations", (1, 1)), strict=True
            )
        ]
        fewer, more = [each // 2 for each in totals], [each - each // 2 for each in totals]
        pads = (*fewer, *more) if a["auto_pad"] == b"SAME_UPPER" else (*more, *fewer)
    top, left, bottom, right = pads
    return left, right, top, bottom


def _conv(a: Mapping[str, Any], x: list[Any]) -> Any:
    from torch.nn import functional as F

    left, right, top, bottom = _padding(a, x[0].shape[2:], x[1].shape[2:])
    even = left == right and top == bottom
    return F.conv2d(
        x[0] if even else F.pad(x[0], (left, right, top, bottom)),
        *x[1:],
        padding=(top, left) if even else 0,
        stride=tuple(a.get("strides", (1, 1))),
        dilation=tuple(a.get("dilations", (1, 1))),
        groups=a.get("group", 1),
    )


def _max_pool(a: Mapping[str, Any], x: list[Any]) -> Any:
    from torch.nn import functional as F

    return F.max_pool2d(
        F.pad(x[0], _padding(a, x[0].shape[2:], a["kernel_shape"]), value=-math.inf),
        kernel_size=tuple(a["kernel_shape"]),
        stride=tuple(a.get("strides", (1, 1))),
        dilation=tuple(a.get("dilations", (1, 1))),
        ceil_mode=bool(a.get("ceil_mode", 0)),
    )


def _average_pool(a: Mapping[str, Any], x: list[Any]) -> Any:
    import torch
    from torch.nn import functional as F

    kernel, strides = tuple(a["kernel_shape"]), tuple(a.get("strides", (1, 1)))
    padding = _padding(a, x[0].shape[2:], kernel)
    sums = F.avg_pool2d(F.pad(x[0], padding), kernel, strides)
    if not any(padding) or a.get("count_include_pad", 0):
        return sums
    # Padding does not count.
    return sums / F.avg_pool2d(F.pad(torch.ones_like(x[0]), padding), kernel, strides)


def _reshape(a: Mapping[str, Any], x: list[Any]) -> Any:
    return x[0].reshape([x[0].shape[at] if size == 0 else size for at, size in enumerate(x[1].tolist())])


def _gemm(a: Mapping[str, Any], x: list[Any]) -> Any:
    left, right = (each.T if a.get(key) else each for each, key in zip(x, ("transA", "transB"), strict=False))
    product = a.get("alpha", 1.0) * left @ right
    return product + a.get("beta", 1.0) * x[2] if len(x) > 2 else product


def _normalization(a: Mapping[str, Any], x: list[Any]) -> Any:
    scale, shift, mean, variance = (each[:, None, None] for each in x[1:])
    return (x[0] - mean) / (variance + a.get("epsilon", 1e-5)).sqrt() * scale + shift


def _lrn(a: Mapping[str, Any], x: list[Any]) -> Any:
    from torch.nn import functional as F

    return F.local_response_norm(x[0], a["size"], a["alpha"], a["beta"], a.get("bias", 1.0))


def _concat(a: Mapping[str, Any], x: list[Any]) -> Any:
    import torch

    return torch.cat(x, a["axis"])


def _axes(a: Mapping[str, Any], x: list[Any], rank: int) -> list[int]:
    """The axes that an operator names: in an attribute, or in an input since version 13."""
    axes = x[1].tolist() if len(x) > 1 else a["axes"]
    return sorted(axis % rank for axis in axes)


def _unsqueeze(a: Mapping[str, Any], x: list[Any]) -> Any:
    result = x[0]
    for axis in _axes(a, x, x[0].ndim + len(x[1] if len(x) > 1 else a["axes"])):
        result = result.unsqueeze(axis)
    return result


def _shape(a: Mapping[str, Any], x: list[Any]) -> Any:
    import torch

    return torch.tensor(x[0].shape)


def _gather(a: Mapping[str, Any], x: list[Any]) -> Any:
    axis = a.get("axis", 0) % x[0].ndim
    picked = x[0].index_select(axis, x[1].flatten() % x[0].shape[axis])
    return picked.reshape((*x[0].shape[:axis], *x[1].shape, *x[0].shape[axis + 1 :]))


def _slice(a: Mapping[str, Any], x: list[Any]) -> Any:
    """Bounds are attributes, or inputs since version 10."""
    import torch

    names = ("starts", "ends", "axes", "steps")
    given = [each if each is None else each.tolist() for each in x[1:]]
    told = {**a, **{name: each for name, each in zip(names, given, strict=False) if each is not None}}
    result, count = x[0], len(told["starts"])
    axes, steps = told.get("axes", range(count)), told.get("steps", [1] * count)
    for axis, *bounds in zip(axes, told["starts"], told["ends"], steps, strict=True):
        places = range(x[0].shape[axis])[slice(*bounds)]
        result = result.index_select(axis, torch.tensor(places, dtype=torch.int64))
    return result


def _softmax(a: Mapping[str, Any], x: list[Any]) -> Any:
    """Before version 13 all axes from one on made one distribution."""
    if a["opset"] >= 13:
        return x[0].softmax(a.get("axis", -1))
    return x[0].flatten(a.get("axis", 1)).softmax(-1).reshape(x[0].shape)


_OPERATORS: Mapping[str, Operator] = {
    "Add": lambda a, x: x[0] + x[1],
    "AveragePool": _average_pool,
    "BatchNormalization": _normalization,
    "Clip": lambda a, x: x[0].clamp(*(x[1:] or (a.get("min"), a.get("max")))),
    "Concat": _concat,
    "Conv": _conv,
    "Div": lambda a, x: x[0] / x[1],
    "Exp": lambda a, x: x[0].exp(),
    "Flatten": lambda a, x: x[0].flatten(a.get("axis", 1)),
    "Gather": _gather,
    "Gemm": _gemm,
    "GlobalAveragePool": lambda a, x: x[0].mean((2, 3), keepdim=True),
    "Identity": lambda a, x: x[0],
    "LRN": _lrn,
    "LeakyRelu": lambda a, x: x[0].where(x[0] > 0, x[0] * a.get("alpha", 0.01)),
    "MatMul": lambda a, x: x[0] @ x[1],
    "MaxPool": _max_pool,
    "Mul": lambda a, x: x[0] * x[1],
    "Relu": lambda a, x: x[0].relu(),
    "Reshape": _reshape,
    "Shape": _shape,
    "Sigmoid": lambda a, x: x[0].sigmoid(),
    "Slice": _slice,
    "Softmax": _softmax,
    "Sub": lambda a, x: x[0] - x[1],
    "Sum": lambda a, x: sum(x[1:], x[0]),
    "Tanh": lambda a, x: x[0].tanh(),
    "Transpose": lambda a, x: x[0].permute(a["perm"]),
    "Unsqueeze": _unsqueeze,
}
