"""Pooling with overlap, gaps, padding and ceil mode, in one to three dimensions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from gradient_cases import Array, Case, Draw, apart, case, network, normal
from hypothesis import strategies as st
from onnx import NodeProto, helper


def window(draw: Draw, rank: int, *, dilated: bool = True) -> dict[str, object]:
    """Attributes of a pooling whose windows may overlap or leave gaps, and may reach over the end."""
    taps = [draw(st.integers(1, 3)) for _ in range(rank)]
    attributes: dict[str, object] = {
        "kernel_shape": taps,
        "strides": [draw(st.integers(1, 3)) for _ in range(rank)],
    }
    kind = draw(st.sampled_from(["NOTSET", "NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"]))
    if kind == "NOTSET":
        attributes["pads"] = [draw(st.integers(0, tap - 1)) for tap in taps * 2]
        attributes["ceil_mode"] = draw(st.integers(0, 1))
        if dilated:
            attributes["dilations"] = [draw(st.integers(1, 2)) for _ in range(rank)]
    else:
        attributes["auto_pad"] = kind
    return attributes


def picture(draw: Draw) -> tuple[int, Array]:
    """Distinct numbers, so that the maximum of a window is one place."""
    rank = draw(st.sampled_from([1, 2, 2, 2, 3]))
    sizes = [draw(st.integers(5, 7 if rank < 3 else 5)) for _ in range(rank)]
    return rank, apart(draw, draw(st.integers(1, 2)), draw(st.integers(1, 2)), *sizes)


def pooled(
    x: Array, attributes: Mapping[str, Any], result: Callable[[Array, Array], Array], out: Sequence[int]
) -> Array:
    """Apply a function to each window of `x`: its numbers, and how many taps count.

    Args:
        x: A batch of channels.
        attributes: Those of the node.
        result: Takes the numbers of a window that lie in `x`, and how many lie there or in the padding.
        out: How many windows there are along each axis.
    """
    taps = attributes["kernel_shape"]
    rank = len(taps)
    strides, dilations = attributes["strides"], attributes.get("dilations", [1] * rank)
    begins, ends = [0] * rank, [0] * rank
    if "pads" in attributes:
        begins, ends = attributes["pads"][:rank], attributes["pads"][rank:]
    elif attributes["auto_pad"] != "VALID":
        for axis in range(rank):
            reach = (out[axis] - 1) * strides[axis] + dilations[axis] * (taps[axis] - 1) + 1
            total = max(reach - x.shape[axis + 2], 0)
            begins[axis] = total // 2 if attributes["auto_pad"] == "SAME_UPPER" else (total + 1) // 2
            ends[axis] = total - begins[axis]
    made = np.empty((*x.shape[:2], *out))
    for place in np.ndindex(*out):
        numbers, counted = [], 0
        for tap in np.ndindex(*taps):
            at = [
                place[axis] * strides[axis] + tap[axis] * dilations[axis] - begins[axis]
                for axis in range(rank)
            ]
            if all(0 <= at[axis] < x.shape[axis + 2] for axis in range(rank)):
                numbers.append(x[(slice(None), slice(None), *at)])
            counted += all(at[axis] < x.shape[axis + 2] + ends[axis] for axis in range(rank))
        made[(slice(None), slice(None), *place)] = result(np.array(numbers), np.array(counted))
    return made


def windows(x: Array, attributes: Mapping[str, Any]) -> list[int]:
    """How many windows there are along each axis, by the operator's specification."""
    rank = len(attributes["kernel_shape"])
    found = []
    for axis in range(rank):
        size, stride = x.shape[axis + 2], attributes["strides"][axis]
        extent = attributes.get("dilations", [1] * rank)[axis] * (attributes["kernel_shape"][axis] - 1) + 1
        if attributes.get("auto_pad", "").startswith("SAME"):
            found.append(-(-size // stride))
            continue
        begin, end = (
            (attributes["pads"][axis], attributes["pads"][axis + rank]) if "pads" in attributes else (0, 0)
        )
        room = size + begin + end - extent
        count = room // stride + 1
        if attributes.get("ceil_mode") and room % stride and count * stride < size + begin:
            # A window that would begin in the padding behind is none.
            count += 1
        found.append(count)
    return found


def attributes_of(node: NodeProto) -> dict[str, Any]:
    """The attributes of a node, strings as text."""
    found = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in found.items()}


@case("MaxPool")
def max_pool(draw: Draw) -> Case:
    rank, x = picture(draw)
    attributes = window(draw, rank)
    return network(
        [helper.make_node("MaxPool", ["x"], ["y"], **attributes)], {"x": x}, truth=highest(attributes)
    )


@case("MaxPool")
def side_by_side(draw: Draw) -> Case:
    """Windows without overlap, as most networks have them, over sizes that they divide or not."""
    tap = draw(st.sampled_from([2, 2, 3]))
    x = apart(draw, 2, draw(st.integers(1, 3)), draw(st.integers(4, 7)), draw(st.integers(4, 7)))
    auto = draw(st.sampled_from(["SAME_UPPER", "SAME_LOWER", "VALID"]))
    attributes = {"kernel_shape": [tap] * 2, "strides": [tap] * 2, "auto_pad": auto}
    node = helper.make_node("MaxPool", ["x"], ["y"], **attributes)
    return network([node], {"x": x}, free=True, truth=highest(attributes))


def highest(attributes: Mapping[str, Any]) -> Callable[[Mapping[str, Array]], Array]:
    """The maximum of each window."""

    def truth(feeds: Mapping[str, Array]) -> Array:
        x = feeds["x"]
        return pooled(x, attributes, lambda numbers, _: np.asarray(numbers.max(0)), windows(x, attributes))

    return truth


@case("AveragePool")
def average_pool(draw: Draw) -> Case:
    rank, x = picture(draw)
    attributes = window(draw, rank, dilated=False)
    node = helper.make_node(
        "AveragePool", ["x"], ["y"], count_include_pad=draw(st.integers(0, 1)), **attributes
    )
    whole = attributes_of(node)

    def truth(feeds: Mapping[str, Array]) -> Array:
        def mean(numbers: Array, counted: Array) -> Array:
            return np.asarray(numbers.sum(0) / (counted if whole["count_include_pad"] else len(numbers)))

        return pooled(feeds["x"], whole, mean, windows(x, whole))

    return network([node], {"x": x}, opset=19, truth=truth)


@case("LpPool")
def lp_pool(draw: Draw) -> Case:
    rank, x = picture(draw)
    power = draw(st.integers(1, 4))
    attributes = window(draw, rank)
    attributes["ceil_mode"] = 0
    if "auto_pad" in attributes:
        del attributes["ceil_mode"]

    def truth(feeds: Mapping[str, Array]) -> Array:
        def norm(numbers: Array, counted: Array) -> Array:
            return np.asarray((np.abs(numbers) ** power).sum(0) ** (1 / power))

        return pooled(feeds["x"], attributes, norm, windows(x, attributes))

    return network([helper.make_node("LpPool", ["x"], ["y"], p=power, **attributes)], {"x": x}, truth=truth)


@case("GlobalAveragePool")
def global_average_pool(draw: Draw) -> Case:
    return network([helper.make_node("GlobalAveragePool", ["x"], ["y"])], {"x": picture(draw)[1]}, free=True)


@case("GlobalMaxPool")
def global_max_pool(draw: Draw) -> Case:
    def truth(feeds: Mapping[str, Array]) -> Array:
        x = feeds["x"]
        return np.asarray(x.max(tuple(range(2, x.ndim)), keepdims=True))

    node = helper.make_node("GlobalMaxPool", ["x"], ["y"])
    return network([node], {"x": picture(draw)[1]}, free=True, truth=truth)


@case("GlobalLpPool")
def global_lp_pool(draw: Draw) -> Case:
    power = draw(st.integers(1, 4))

    def truth(feeds: Mapping[str, Array]) -> Array:
        x = np.abs(feeds["x"])
        return np.asarray((x**power).sum(tuple(range(2, x.ndim)), keepdims=True) ** (1 / power))

    node = helper.make_node("GlobalLpPool", ["x"], ["y"], p=power)
    return network([node], {"x": picture(draw)[1]}, truth=truth)


@case("MaxUnpool")
def max_unpool(draw: Draw) -> Case:
    x = apart(draw, 2, draw(st.integers(1, 2)), 4, 6)
    nodes = [
        helper.make_node("MaxPool", ["x"], ["top", "places"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Mul", ["top", "w"], ["m"]),
        helper.make_node("MaxUnpool", ["m", "places"], ["y"], kernel_shape=[2, 2], strides=[2, 2]),
    ]
    return network(nodes, {"x": x, "w": normal(draw, 2, 1, 2, 3)})
