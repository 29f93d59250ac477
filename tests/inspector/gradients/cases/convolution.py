"""Convolutions: strides, dilations, groups, every auto_pad, one to three axes, transposed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gradient_cases import Array, Case, Draw, case, network, normal
from hypothesis import strategies as st
from onnx import helper


@case("Conv")
def conv(draw: Draw) -> Case:
    """Any window over small pictures; wide kernels take the flipped formulation, few channels the other."""
    rank = draw(st.sampled_from([1, 2, 2, 2, 3]))
    group = draw(st.sampled_from([1, 1, 2]))
    inside, outside = group * draw(st.sampled_from([1, 2, 8 // group])), group * draw(st.integers(1, 3))
    taps = [draw(st.integers(1, 3)) for _ in range(rank)]
    attributes = {
        "group": group,
        "strides": [draw(st.integers(1, 3)) for _ in range(rank)],
        "dilations": [draw(st.integers(1, 2)) for _ in range(rank)],
        **draw(padding(taps)),
    }
    if attributes.get("auto_pad", "NOTSET").startswith("SAME"):
        attributes["dilations"] = [1] * rank
    sizes = [draw(st.integers(5, 6 if rank < 3 else 5)) for _ in range(rank)]
    inputs = {
        "x": normal(draw, draw(st.integers(1, 2)), inside, *sizes),
        "w": normal(draw, outside, inside // group, *taps),
        "b": normal(draw, outside),
    }
    names = ["x", "w", "b"] if draw(st.booleans()) else ["x", "w"]
    node = helper.make_node("Conv", names, ["y"], **attributes)
    used = {name: inputs[name] for name in names}
    if draw(st.booleans()):
        return network([node], {"x": inputs["x"]}, constants={k: v for k, v in used.items() if k != "x"})
    return network([node], used)


@st.composite
def padding(draw: Draw, taps: list[int]) -> dict[str, object]:
    """Explicit pads of any size below the kernel's, or an auto_pad."""
    kind = draw(st.sampled_from(["NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"]))
    if kind == "NOTSET":
        return {"pads": [draw(st.integers(0, tap)) for tap in taps * 2]}
    return {"auto_pad": kind}


@case("Conv")
def depthwise(draw: Draw) -> Case:
    """One kernel for each of many channels."""
    channels, stride = draw(st.sampled_from([8, 9, 16])), draw(st.integers(1, 2))
    node = helper.make_node("Conv", ["x", "w"], ["y"], group=channels, strides=[stride] * 2, pads=[1] * 4)
    return network(
        [node],
        {"x": normal(draw, 1, channels, 5, 4)},
        constants={"w": normal(draw, channels, 1, 3, 3)},
        free=True,
    )


@case("ConvTranspose")
def conv_transpose(draw: Draw) -> Case:
    """Any window, with output padding or a declared output shape."""
    rank = draw(st.sampled_from([1, 2, 2]))
    group = draw(st.sampled_from([1, 1, 2]))
    inside, outside = group * draw(st.integers(1, 2)), draw(st.integers(1, 2))
    taps = [draw(st.integers(2, 3)) for _ in range(rank)]
    strides = [draw(st.integers(1, 3)) for _ in range(rank)]
    attributes: dict[str, object] = {"group": group, "strides": strides}
    kind = draw(st.sampled_from(["pads", "pads", "output_shape", "SAME_UPPER", "SAME_LOWER", "VALID"]))
    sizes = [draw(st.integers(3, 4)) for _ in range(rank)]
    if kind == "pads":
        attributes["pads"] = [draw(st.integers(0, 1)) for _ in range(2 * rank)]
        attributes["output_padding"] = [draw(st.integers(0, stride - 1)) for stride in strides]
        attributes["dilations"] = [draw(st.integers(1, 2)) for _ in range(rank)]
    elif kind == "output_shape":
        attributes["output_shape"] = [
            (size - 1) * stride + tap - draw(st.integers(0, 1))
            for size, stride, tap in zip(sizes, strides, taps, strict=True)
        ]
    else:
        attributes["auto_pad"] = kind
    inputs = {
        "x": normal(draw, draw(st.integers(1, 2)), inside, *sizes),
        "w": normal(draw, inside, outside, *taps),
        "b": normal(draw, outside * group),
    }
    node = helper.make_node("ConvTranspose", ["x", "w", "b"], ["y"], **attributes)
    return network([node], inputs, truth=lambda feeds: transposed(feeds, attributes, sizes, taps))


def transposed(
    feeds: Mapping[str, Array], attributes: Mapping[str, Any], sizes: Sequence[int], taps: Sequence[int]
) -> Array:
    """PyTorch's transposed convolution without padding, cut as ONNX's specification says."""
    import torch
    import torch.nn.functional as F

    rank = len(sizes)
    run = (F.conv_transpose1d, F.conv_transpose2d)[rank - 1]
    dilations, strides = attributes.get("dilations", [1] * rank), attributes["strides"]
    x, w, b = (torch.from_numpy(feeds[name]) for name in "xwb")
    whole = run(x, w, stride=strides, dilation=dilations, groups=attributes["group"]).numpy()
    extra = attributes.get("output_padding", [0] * rank)
    whole = np.pad(whole, [(0, 0), (0, 0), *((0, each) for each in extra)])
    auto = attributes.get("auto_pad", "")
    for axis in range(rank):
        length = whole.shape[axis + 2]
        if auto == "VALID":
            continue
        if "pads" in attributes:
            begin, end = attributes["pads"][axis], attributes["pads"][axis + rank]
        else:
            wanted = (
                attributes["output_shape"][axis]
                if "output_shape" in attributes
                else sizes[axis] * strides[axis]
            )
            total = length - wanted
            begin = max(total, 0) // 2 if auto == "SAME_UPPER" else total - total // 2
            end = total - begin
        whole = np.pad(whole, [(0, max(-end, 0)) if at == axis + 2 else (0, 0) for at in range(rank + 2)])
        whole = whole.take(range(begin, length - end), axis + 2)
    return np.asarray(whole + b.numpy().reshape(-1, *[1] * rank))
