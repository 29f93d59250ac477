"""Networks of one op that chooses elements."""

from __future__ import annotations

from typing import Any

import numpy as np
from gradient_cases import Array, Case, Draw, apart, case, network, normal
from hypothesis import strategies as st
from onnx import NodeProto, helper

OPSETS = st.integers(13, 22)
END = int(np.iinfo(np.int64).max)


def squared(*nodes: NodeProto) -> list[NodeProto]:
    """The nodes and the square of the last one's output: a gradient that differs from element to element."""
    return [*nodes, helper.make_node("Mul", [nodes[-1].output[0]] * 2, ["y"])]


def whole(*numbers: Any) -> Array:
    return np.array(numbers, np.int64)


SLICES: list[dict[str, list[int]]] = [
    {"starts": [1], "ends": [3]},
    {"starts": [0, 1], "ends": [END, -1], "axes": [0, 2]},
    {"starts": [-1], "ends": [-END], "axes": [1], "steps": [-1]},
    {"starts": [4], "ends": [-END], "axes": [-1], "steps": [-2]},
    {"starts": [0, 0], "ends": [END, END], "axes": [1, 2], "steps": [2, 3]},
    {"starts": [1, -3], "ends": [3, -1], "axes": [1, 2]},
    {"starts": [-100], "ends": [100], "axes": [1], "steps": [2]},
]


@case("Slice")
def slice_(draw: Draw) -> Case:
    constants = {name: whole(*numbers) for name, numbers in draw(st.sampled_from(SLICES)).items()}
    names = [name if name in constants else "" for name in ("starts", "ends", "axes", "steps")]
    nodes = squared(helper.make_node("Slice", ["x", *names], ["z"]))
    return network(nodes, {"x": normal(draw, 4, 3, 5)}, constants=constants, opset=draw(OPSETS))


@case("Slice")
def slices_of_a_free_batch(draw: Draw) -> Case:
    chosen = draw(
        st.sampled_from(
            [
                {"starts": [0, 1], "ends": [END, 3], "axes": [0, 1]},
                {"starts": [1], "ends": [END], "axes": [0]},
                {"starts": [0], "ends": [1], "axes": [0]},
                {"starts": [-1, 0], "ends": [-END, END], "axes": [0, 1], "steps": [-1, 2]},
                {"starts": [0], "ends": [END], "axes": [0], "steps": [2]},
            ]
        )
    )
    constants = {name: whole(*numbers) for name, numbers in chosen.items()}
    nodes = squared(helper.make_node("Slice", ["x", *constants], ["z"]))
    # Squeezed away, because the seed's batch is the value's own.
    nodes.append(helper.make_node("ReduceSum", ["y", "batch"], ["total"], keepdims=0))
    constants["batch"] = whole(0)
    return network(nodes, {"x": normal(draw, 3, 4)}, constants=constants, free=True)


@case("Slice")
def slice_at_places_that_go_with_the_batch(draw: Draw) -> Case:
    begin, end, step = draw(st.sampled_from([(-1, 0, 1), (0, -1, 1), (9, -9, -1), (0, 9, 2), (-2, 0, 1)]))
    nodes = squared(
        helper.make_node("Shape", ["x"], ["sizes"], end=1),
        helper.make_node("Add", ["sizes", "begin"], ["starts"]),
        helper.make_node("Add", ["sizes", "end"], ["ends"]),
        helper.make_node("Slice", ["x", "starts", "ends", "axes", "steps"], ["z"]),
    )
    # From the second sample on, or up to the one before the last: counted from the batch size.
    constants = {"begin": whole(begin), "end": whole(end), "axes": whole(0), "steps": whole(step)}
    nodes.append(helper.make_node("ReduceSum", ["y", "axes"], ["total"], keepdims=0))
    return network(nodes, {"x": normal(draw, 3, 4)}, constants=constants, free=True)


@case("Pad")
def pad(draw: Draw) -> Case:
    pads = draw(st.sampled_from([(0, 1, 2, 0), (1, 1, 1, 1), (-1, 0, 0, -2), (2, -1, -1, 1), (0, 0, 0, 0)]))
    inputs = {"x": normal(draw, 3, 4), "fill": np.array(draw(st.floats(-1, 1)), np.float32)}
    nodes = squared(helper.make_node("Pad", ["x", "pads", "fill"], ["z"]))
    return network(nodes, inputs, constants={"pads": whole(*pads)}, opset=draw(OPSETS), truth=_padded(pads))


@case("Pad")
def pad_of_some_axes(draw: Draw) -> Case:
    axes, pads = draw(
        st.sampled_from([((1,), (1, 2)), ((-1, 0), (1, 0, 2, 1)), ((2,), (0, 3)), ((0,), (1, 1))])
    )
    nodes = squared(helper.make_node("Pad", ["x", "pads", "", "axes"], ["z"]))
    constants = {"pads": whole(*pads), "axes": whole(*axes)}
    return network(nodes, {"x": normal(draw, 2, 3, 2)}, constants=constants, opset=draw(st.integers(18, 22)))


def _padded(pads: tuple[int, ...]) -> Any:
    def compute(feeds: dict[str, Array]) -> Array:
        around = list(zip(pads[:2], pads[2:], strict=True))
        wide = np.pad(feeds["x"], [(max(a, 0), max(b, 0)) for a, b in around], constant_values=feeds["fill"])
        cut = [slice(max(-a, 0), size - max(-b, 0)) for (a, b), size in zip(around, wide.shape, strict=True)]
        return wide[tuple(cut)] ** 2

    return compute


@case("Pad")
def pad_with_copies(draw: Draw) -> Case:
    mode = draw(st.sampled_from(["reflect", "edge", "wrap"]))
    pads = draw(st.sampled_from([(0, 1, 2, 0), (0, 0, 1, 2), (1, 3, 1, 3), (2, 0, 0, 3)]))
    nodes = squared(helper.make_node("Pad", ["x", "pads"], ["z"], mode=mode))
    around = [(0, 0), *zip(pads[:2], pads[2:], strict=True)]
    opset = 19 if mode == "wrap" else draw(OPSETS)
    return network(
        nodes,
        {"x": normal(draw, 2, 3, 4)},
        constants={"pads": whole(0, *pads[:2], 0, *pads[2:])},
        opset=opset,
        free=draw(st.booleans()),
        truth=lambda feeds: np.pad(feeds["x"], around, mode=mode) ** 2,
    )


@case("Gather")
def gather(draw: Draw) -> Case:
    axis = draw(st.integers(-3, 2))
    indices = draw(
        st.sampled_from([1, -1, [0], [1, 0], [0, 0, 1], [[0, 1], [-1, 1]], [1, 1, 1, 1, 1, 0], []])
    )
    nodes = squared(helper.make_node("Gather", ["x", "indices"], ["z"], axis=axis))
    constants = {"indices": np.array(indices, draw(st.sampled_from([np.int32, np.int64])))}
    return network(nodes, {"x": normal(draw, 2, 3, 2)}, constants=constants, opset=draw(OPSETS))


@case("Gather")
def gather_of_a_free_batch(draw: Draw) -> Case:
    indices = np.array(draw(st.sampled_from([0, [2], [2, 1, 0], [[0, 0], [2, 1]]])), np.int64)
    nodes = squared(helper.make_node("Gather", ["x", "indices"], ["z"], axis=1))
    return network(nodes, {"x": normal(draw, 2, 3, 2)}, constants={"indices": indices}, free=True)


@case("Gather")
def gather_of_computed_places(draw: Draw) -> Case:
    axis = draw(st.integers(0, 2))
    indices = draw(st.sampled_from([[0], [1, 0], [0, 0, -1], [[0, 1], [-1, 1]]]))
    nodes = squared(
        helper.make_node("Add", ["i", "zero"], ["indices"]),
        helper.make_node("Gather", ["x", "indices"], ["z"], axis=axis),
    )
    inputs = {"x": normal(draw, 2, 3, 2), "i": np.array(indices, np.int64)}
    return network(nodes, inputs, constants={"zero": whole(0)}, opset=draw(st.sampled_from([13, 15, 16, 18])))


@case("GatherElements")
def gather_elements(draw: Draw) -> Case:
    axis = draw(st.integers(-2, 1))
    indices = np.random.default_rng(draw(st.integers(0, 99))).integers(-3, 3, (3, 3))
    indices = np.take(indices, range(draw(st.integers(1, 3))), axis)
    return network(
        squared(helper.make_node("GatherElements", ["x", "indices"], ["z"], axis=axis)),
        {"x": normal(draw, 3, 3)},
        constants={"indices": indices},
        opset=draw(st.integers(16, 22)),
        truth=lambda feeds: np.take_along_axis(feeds["x"], indices, axis) ** 2,
    )


@case("GatherND")
def gather_nd(draw: Draw) -> Case:
    batch, indices = draw(
        st.sampled_from(
            [
                (0, [[0, 1], [1, 2]]),
                (0, [[1], [1], [0]]),
                (0, [[[0, 0]], [[0, 0]]]),
                (1, [[1], [-1]]),
                (1, [[[1], [0]], [[2], [2]]]),
                (2, [[[1], [0], [1]], [[0], [0], [1]]]),
            ]
        )
    )
    nodes = squared(helper.make_node("GatherND", ["x", "indices"], ["z"], batch_dims=batch))
    constants = {"indices": np.array(indices, np.int64)}
    return network(nodes, {"x": normal(draw, 2, 3, 2)}, constants=constants, opset=draw(st.integers(16, 22)))


@case("ScatterElements")
def scatter_elements(draw: Draw) -> Case:
    axis, adding = draw(st.integers(-2, 1)), draw(st.booleans())
    order = np.random.default_rng(draw(st.integers(0, 99))).permuted(np.tile(np.arange(3), (3, 1)), axis=1)
    indices = order.T[:2] if axis % 2 == 0 else order[:, :2]
    if adding:
        indices = indices * 0 + 1
    nodes = squared(
        helper.make_node(
            "ScatterElements", ["x", "i", "u"], ["z"], axis=axis, **({"reduction": "add"} if adding else {})
        )
    )
    inputs = {"x": normal(draw, 3, 3), "u": normal(draw, *indices.shape)}
    opset = draw(st.integers(16 if adding else 13, 22))
    return network(nodes, inputs, constants={"i": np.ascontiguousarray(indices)}, opset=opset)


@case("ScatterND")
def scatter_nd(draw: Draw) -> Case:
    adding = draw(st.booleans())
    indices = draw(st.sampled_from([[[0, 1], [1, 2]], [[2], [0]], [[[0, 0]], [[2, 1]]], [[-1]]]))
    if adding:
        indices = [indices[0], indices[0]]
    places = np.array(indices, np.int64)
    shape = (*places.shape[:-1], *(3, 4)[places.shape[-1] :])
    attributes = {"reduction": "add"} if adding else {}
    nodes = squared(helper.make_node("ScatterND", ["x", "i", "u"], ["z"], **attributes))
    inputs = {"x": normal(draw, 3, 4), "u": normal(draw, *shape)}
    return network(nodes, inputs, constants={"i": places}, opset=draw(st.integers(16 if adding else 13, 22)))


@case("TopK")
def top_k(draw: Draw) -> Case:
    axis, largest = draw(st.integers(-2, 1)), draw(st.integers(0, 1))
    nodes = squared(helper.make_node("TopK", ["x", "k"], ["z", "places"], axis=axis, largest=largest))
    constants = {"k": whole(draw(st.integers(1, 3)))}
    return network(nodes, {"x": apart(draw, 3, 4)}, constants=constants, opset=draw(OPSETS))
