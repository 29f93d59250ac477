"""Networks of one op that moves elements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from gradient_cases import Array, Case, Declared, Draw, case, network, normal
from hypothesis import strategies as st
from onnx import NodeProto, helper

OPSETS = st.integers(13, 22)


def squared(node: NodeProto) -> list[NodeProto]:
    """The node and the square of its output: a gradient that differs from element to element."""
    return [node, helper.make_node("Mul", [node.output[0], node.output[0]], ["y"])]


def whole(*numbers: int) -> Array:
    return np.array(numbers, np.int64)


@case("Reshape")
def reshape(draw: Draw) -> Case:
    shape, wanted = draw(
        st.sampled_from(
            [((2, 3, 4), (2, 12)), ((2, 3, 4), (0, -1)), ((2, 3, 4), (-1, 4)), ((6,), (2, 3)), ((1,), ())]
        )
    )
    node = helper.make_node("Reshape", ["x", "shape"], ["z"])
    constants = {"shape": np.array(wanted, np.int64)}
    free = len(shape) == 3 and draw(st.booleans())
    return network(
        squared(node), {"x": normal(draw, *shape)}, constants=constants, opset=draw(OPSETS), free=free
    )


@case("Flatten")
def flatten(draw: Draw) -> Case:
    axis = draw(st.integers(-3, 3))
    node = helper.make_node("Flatten", ["x"], ["z"], axis=axis)
    return network(squared(node), {"x": normal(draw, 2, 3, 2)}, opset=draw(OPSETS), free=draw(st.booleans()))


@case("Squeeze")
def squeeze(draw: Draw) -> Case:
    axes = draw(st.sampled_from([None, (0,), (2,), (0, -1), (-2,)]))
    constants = {} if axes is None else {"axes": whole(*axes)}
    node = helper.make_node("Squeeze", ["x", *constants], ["z"])
    return network(squared(node), {"x": normal(draw, 1, 3, 1, 1)}, constants=constants, opset=draw(OPSETS))


@case("Unsqueeze")
def unsqueeze(draw: Draw) -> Case:
    axes = draw(st.sampled_from([(0,), (2,), (0, -1), (-2,), (1, 2, 3)]))
    node = helper.make_node("Unsqueeze", ["x", "axes"], ["z"])
    x = normal(draw, 3, 2)
    return network(squared(node), {"x": x}, constants={"axes": whole(*axes)}, opset=draw(OPSETS))


@case("Transpose")
def transpose(draw: Draw) -> Case:
    perm = draw(st.sampled_from([None, (1, 2, 0), (2, 0, 1), (0, 2, 1), (1, 0, 2)]))
    node = helper.make_node("Transpose", ["x"], ["z"], **({} if perm is None else {"perm": perm}))
    return network(squared(node), {"x": normal(draw, 2, 3, 4)}, opset=draw(OPSETS), free=draw(st.booleans()))


@case("Concat")
def concat(draw: Draw) -> Case:
    axis = draw(st.integers(-3, 2))
    sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))
    shapes = [[size if at == axis % 3 else 2 for at in range(3)] for size in sizes]
    inputs = {f"x{at}": normal(draw, *shape) for at, shape in enumerate(shapes)}
    node = helper.make_node("Concat", list(inputs), ["z"], axis=axis)
    return network(squared(node), inputs, opset=draw(OPSETS))


@case("Concat")
def concat_of_batches(draw: Draw) -> Case:
    inputs = {"a": normal(draw, 2, 3), "b": normal(draw, 2, 3)}
    names = draw(st.sampled_from([["a", "b"], ["a", "b", "a"], ["a", "a"], ["b"]]))
    given = {name: inputs[name] for name in sorted(set(names))}
    return network(squared(helper.make_node("Concat", names, ["z"], axis=0)), given, free=True)


@case("Split")
def split(draw: Draw) -> Case:
    axis = draw(st.integers(-2, 1))
    sizes = draw(st.sampled_from([None, (2, 4), (1, 2, 3), (4, 2)]))
    count = 2 if sizes is None else len(sizes)
    shape = [6 if at == axis % 2 else 3 for at in range(2)]
    opset = draw(OPSETS)
    attributes: dict[str, Any] = {"num_outputs": count} if sizes is None and opset >= 18 else {}
    parts = [f"part_{at}" for at in range(count)]
    constants = {} if sizes is None else {"split": whole(*sizes)}
    node = helper.make_node("Split", ["x", *constants], parts, axis=axis, **attributes)
    # One part is not used, so that no gradient comes back from it.
    last = helper.make_node("Mul", parts[1:2] * 2, ["y"])
    return network([node, last], {"x": normal(draw, *shape)}, constants=constants, opset=opset)


@case("Split")
def every_part_used(draw: Draw) -> Case:
    node = helper.make_node("Split", ["x", "split"], ["a", "b", "c"], axis=1)
    sizes = draw(st.sampled_from([(2, 2, 2), (1, 1, 4)]))
    nodes = [
        node,
        helper.make_node("Mul", ["b", "b"], ["square"]),
        helper.make_node("Exp", ["a"], ["exponential"]),
        helper.make_node("Concat", ["c", "square", "exponential"], ["y"], axis=1),
    ]
    return network(
        nodes, {"x": normal(draw, 2, 6)}, constants={"split": whole(*sizes)}, free=draw(st.booleans())
    )


@case("Expand")
def expand(draw: Draw) -> Case:
    x, wanted = draw(
        st.sampled_from(
            [
                ((3, 1), (3, 4)),
                ((3,), (2, 3)),
                ((2, 1, 3), (1, 4, 1)),
                ((1,), (2, 2)),
                ((2, 3), (1, 1)),
                ((1, 2), (5, 1, 1)),
            ]
        )
    )
    node = helper.make_node("Expand", ["x", "shape"], ["z"])
    return network(
        squared(node), {"x": normal(draw, *x)}, constants={"shape": whole(*wanted)}, opset=draw(OPSETS)
    )


@case("Expand")
def token_for_each_sample(draw: Draw) -> Case:
    """A learned row that is repeated for every sample, as exporters write it."""
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Slice", ["shape", "zero", "one"], ["batch"]),
        helper.make_node("Concat", ["batch", "rest"], ["wanted"], axis=0),
        helper.make_node("Expand", ["token", "wanted"], ["tokens"]),
        helper.make_node("Concat", ["tokens", "x"], ["z"], axis=1),
        helper.make_node("Mul", ["z", "z"], ["y"]),
    ]
    constants = {"zero": whole(0), "one": whole(1), "rest": whole(1, 4), "token": normal(draw, 1, 1, 4)}
    return network(nodes, {"x": normal(draw, 2, 3, 4)}, constants=constants, free=True)


@case("Tile")
def tile(draw: Draw) -> Case:
    repeats = draw(st.sampled_from([(1, 1), (2, 1), (1, 3), (2, 3), (3, 2)]))
    node = helper.make_node("Tile", ["x", "repeats"], ["z"])
    constants = {"repeats": whole(*repeats)}
    free = draw(st.booleans())
    return network(
        squared(node), {"x": normal(draw, 2, 3)}, constants=constants, opset=draw(OPSETS), free=free
    )


@case("Tile")
def tile_as_often_as_there_are_samples(draw: Draw) -> Case:
    """A row that is repeated for every sample, as exporters write it."""
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["row"], axes=[0]),
        helper.make_node("Shape", ["x"], ["batch"], end=1),
        helper.make_node("Concat", ["batch", "rest"], ["repeats"], axis=0),
        helper.make_node("Tile", ["row", "repeats"], ["z"]),
        helper.make_node("Mul", ["z", "z"], ["y"]),
    ]
    rest = whole(1, draw(st.integers(1, 3)))
    x = normal(draw, draw(st.integers(1, 3)), 3, draw(st.integers(1, 3)))
    return network(nodes, {"x": x}, constants={"rest": rest}, opset=draw(st.integers(15, 17)), free=True)


def blocks(op_type: str, opset: int, modes: list[str]) -> Declared:
    """Cases of a rearrangement between channels and places."""

    @case(op_type)
    def drawn(draw: Draw) -> Case:
        block, mode = draw(st.integers(1, 3)), draw(st.sampled_from(modes))
        small, large = draw(st.integers(1, 2)), draw(st.integers(1, 2))
        wide = op_type == "DepthToSpace"
        shape = (2, small * block**2, large, 2) if wide else (2, small, large * block, 2 * block)
        node = helper.make_node(
            op_type, ["x"], ["z"], blocksize=block, **({"mode": mode} if len(modes) > 1 else {})
        )
        return network(squared(node), {"x": normal(draw, *shape)}, opset=opset, free=draw(st.booleans()))

    return drawn


rearranged = [blocks("DepthToSpace", 13, ["DCR", "CRD"]), blocks("SpaceToDepth", 13, ["DCR"])]


@case("Trilu")
def trilu(draw: Draw) -> Case:
    upper, k = draw(st.integers(0, 1)), draw(st.sampled_from([None, -1, 0, 1, 2]))
    constants = {} if k is None else {"k": np.array(k, np.int64)}
    node = helper.make_node("Trilu", ["x", *constants], ["z"], upper=upper)
    x = normal(draw, *draw(st.sampled_from([(3, 3), (2, 3, 4), (4, 2)])))
    return network(squared(node), {"x": x}, constants=constants, opset=draw(st.integers(14, 22)))


@case("ReverseSequence")
def reverse_sequence(draw: Draw) -> Case:
    time = draw(st.integers(0, 1))
    node = helper.make_node("ReverseSequence", ["x", "lengths"], ["z"], time_axis=time, batch_axis=1 - time)
    lengths = whole(*draw(st.lists(st.integers(1, 4), min_size=4, max_size=4)))
    return network(squared(node), {"x": normal(draw, 4, 4, 2)}, constants={"lengths": lengths})


@case("Col2Im")
def col2im(draw: Draw) -> Case:
    """As PyTorch's Fold is exported: blocks that overlap, with padding, and with gaps."""
    kernel, stride, dilation, pad = (draw(st.integers(1, most)) for most in (3, 2, 2, 2))
    pad -= 1
    height, width = draw(st.integers(5, 7)), draw(st.integers(5, 7))
    counts = [(size + 2 * pad - dilation * (kernel - 1) - 1) // stride + 1 for size in (height, width)]
    node = helper.make_node(
        *("Col2Im", ["x", "image", "block"], ["y"]),
        strides=[stride] * 2,
        dilations=[dilation] * 2,
        pads=[pad] * 4,
    )
    constants = {"image": np.array([height, width]), "block": np.array([kernel] * 2)}

    def truth(feeds: Mapping[str, Array]) -> Array:
        folded = torch.nn.functional.fold(
            torch.tensor(feeds["x"]), (height, width), kernel, dilation, pad, stride
        )
        return np.asarray(folded.numpy())

    x = normal(draw, 2, 2 * kernel**2, counts[0] * counts[1])
    return network([node], {"x": x}, constants=constants, truth=truth)
