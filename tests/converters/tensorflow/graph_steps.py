"""The steps of which random graphs consist: each draws one operation that fits to the tensor that it gets.

No step divides by what may be nearly zero, and none compares what rounding could tip over.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from graph_strategies import Draw, Drawn, Step, Tensor
from hypothesis import strategies as st

PADDINGS = st.sampled_from([b"SAME", b"VALID"])
STEPS: list[Step] = []


def step(function: Step) -> Step:
    """Register a step."""
    STEPS.append(function)
    return function


def picture(function: Step) -> Step:
    """Register a step that needs a batch of pictures."""
    return step(lambda draw, drawn, x: function(draw, drawn, x) if x.rank == 4 else None)


def int32(*numbers: object) -> np.ndarray:
    return np.array(numbers, np.int32)


def windowed(size: int, kernel: int, stride: int, dilation: int, padding: bytes) -> int:
    """How many windows fit along an axis."""
    if padding == b"SAME":
        return -(-size // stride)
    return (size - (kernel - 1) * dilation - 1) // stride + 1


def _window(draw: Draw, x: Tensor) -> tuple[list[int], int, int, bytes, tuple[int, ...]] | None:
    """A kernel, stride, dilation and padding, and the sizes that come out; None when nothing does."""
    kernel, padding = [draw(st.integers(1, 3)), draw(st.integers(1, 3))], draw(PADDINGS)
    stride, dilation = draw(st.sampled_from([(1, 1), (2, 1), (3, 1), (1, 2)]))
    sizes = tuple(windowed(n, k, stride, dilation, padding) for n, k in zip(x.shape[:2], kernel, strict=True))
    return (kernel, stride, dilation, padding, sizes) if min(sizes) > 0 else None


@picture
def convolution(draw: Draw, drawn: Drawn, x: Tensor) -> Tensor | None:
    window = _window(draw, x)
    if window is None:
        return None
    kernel, stride, dilation, padding, sizes = window
    attrs: dict[str, Any] = {
        "strides": [1, stride, stride, 1],
        "dilations": [1, dilation, dilation, 1],
        "padding": padding,
        "data_format": b"NHWC",
    }
    if draw(st.booleans()):
        filters = draw(st.integers(1, 4))
        weight = drawn.weight(draw, *kernel, x.shape[2], filters)
        name = drawn.add("Conv2D", x, weight, **attrs)
        if draw(st.booleans()):
            name = drawn.add("BiasAdd", name, drawn.weight(draw, filters), data_format=b"NHWC")
        return Tensor(name, (*sizes, filters))
    weight = drawn.weight(draw, *kernel, x.shape[2], draw(st.integers(1, 2)))
    name = drawn.add("DepthwiseConv2dNative", x, weight, **attrs)
    return Tensor(name, (*sizes, x.shape[2] * weight.shape[3]))


@picture
def transposed_convolution(draw: Draw, drawn: Drawn, x: Tensor) -> Tensor | None:
    kernel, stride, padding = draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(PADDINGS)
    filters = draw(st.integers(1, 3))
    sizes = [size * stride if padding == b"SAME" else (size - 1) * stride + kernel for size in x.shape[:2]]
    batch = drawn.add("Shape", x, out_type="int32")
    batch = drawn.add(
        "StridedSlice", batch, int32(0), int32(1), int32(1), T="int32", Index="int32", shrink_axis_mask=1
    )
    parts = [np.array(size, np.int32) for size in (*sizes, filters)]
    shape = drawn.add("Pack", batch, *parts, T="int32", N=4, axis=0)
    weight = drawn.weight(draw, kernel, kernel, filters, x.shape[2])
    name = drawn.add(
        "Conv2DBackpropInput",
        shape,
        weight,
        x,
        strides=[1, stride, stride, 1],
        padding=padding,
        data_format=b"NHWC",
    )
    return Tensor(name, (*sizes, filters))


@picture
def pooling(draw: Draw, drawn: Drawn, x: Tensor) -> Tensor | None:
    window = _window(draw, x)
    if window is None or window[2] > 1:
        return None
    kernel, stride, _, padding, sizes = window
    attrs = {"ksize": [1, *kernel, 1], "strides": [1, stride, stride, 1], "padding": padding}
    name = drawn.add(draw(st.sampled_from(["MaxPool", "AvgPool"])), x, **attrs, data_format=b"NHWC")
    return Tensor(name, (*sizes, x.shape[2]))


@picture
def normalization(draw: Draw, drawn: Drawn, x: Tensor) -> Tensor:
    if draw(st.booleans()):
        attrs = {"depth_radius": draw(st.integers(1, 5)), "bias": 1.0, "alpha": 0.3, "beta": 0.75}
        return Tensor(drawn.add("LRN", x, **attrs), x.shape)
    scale, offset, mean = (drawn.weight(draw, x.shape[2]) for _ in range(3))
    variance = np.abs(drawn.weight(draw, x.shape[2])) + np.float32(0.5)
    attrs = {"U": "float32", "is_training": False, "epsilon": 0.001, "data_format": b"NHWC"}
    return Tensor(drawn.add("FusedBatchNormV3", x, scale, offset, mean, variance, **attrs), x.shape)


@picture
def resizing(draw: Draw, drawn: Drawn, x: Tensor) -> Tensor:
    sizes = (draw(st.integers(1, 9)), draw(st.integers(1, 9)))
    corner = draw(st.sampled_from([{}, {"align_corners": True}, {"half_pixel_centers": True}]))
    op = draw(st.sampled_from(["ResizeBilinear", "ResizeNearestNeighbor"]))
    return Tensor(drawn.add(op, x, int32(*sizes), **corner), (*sizes, x.shape[2]))


@picture
def rearrangement(draw: Draw, drawn: Drawn, x: Tensor) -> Tensor | None:
    height, width, channels = x.shape
    if channels % 4 == 0 and draw(st.booleans()):
        name = drawn.add("DepthToSpace", x, block_size=2, data_format=b"NHWC")
        return Tensor(name, (height * 2, width * 2, channels // 4))
    if height % 2 or width % 2:
        return None
    name = drawn.add("SpaceToDepth", x, block_size=2, data_format=b"NHWC")
    return Tensor(name, (height // 2, width // 2, channels * 4))


@step
def activation(draw: Draw, drawn: Drawn, x: Tensor) -> Tensor:
    simple = "Relu Relu6 Elu Selu Sigmoid Tanh Softplus Softsign Abs Neg Sin Cos Square Identity"
    op = draw(st.sampled_from([*simple.split(), "LeakyRelu", "Softmax"]))
    attrs = {"alpha": 0.1} if op == "LeakyRelu" else {}
    if op == "Softmax" and x.rank != 2:
        # It takes matrices of any rank in TensorFlow 2.
        return Tensor(drawn.add(op, x), x.shape)
    return Tensor(drawn.add(op, x, **attrs), x.shape)


@step
def arithmetic(draw: Draw, drawn: Drawn, x: Tensor) -> Tensor:
    op = draw(st.sampled_from(["AddV2", "Sub", "Mul", "Maximum", "Minimum", "SquaredDifference"]))
    others = [t for t in drawn.tensors if t.shape == x.shape]
    kind = draw(st.sampled_from(["scalar", "last", "full", "tensor"]))
    if kind == "tensor":
        other: Any = draw(st.sampled_from(others))
    else:
        shape = {"scalar": (), "last": x.shape[-1:], "full": x.shape}[kind]
        other = np.asarray(drawn.weight(draw, *shape))
    pair = (x, other) if draw(st.booleans()) else (other, x)
    return Tensor(drawn.add(op, *pair), x.shape)


@step
def concatenation(draw: Draw, drawn: Drawn, x: Tensor) -> Tensor:
    axis = draw(st.integers(0, len(x.shape) - 1))
    fitting = [
        t
        for t in drawn.tensors
        if t.rank == x.rank
        and all(a == b for n, (a, b) in enumerate(zip(t.shape, x.shape, strict=True)) if n != axis)
    ]
    other = draw(st.sampled_from(fitting))
    place = axis + 1 - (x.rank if draw(st.booleans()) else 0)
    name = drawn.add("ConcatV2", x, other, np.array(place, np.int32), N=2, Tidx="int32")
    return Tensor(name, (*x.shape[:axis], x.shape[axis] + other.shape[axis], *x.shape[axis + 1 :]))


@step
def padding(draw: Draw, drawn: Drawn, x: Tensor) -> Tensor:
    widths = [(0, 0), *((draw(st.integers(0, 2)), draw(st.integers(0, 2))) for _ in x.shape)]
    mirrored = min(x.shape) > 2 and draw(st.booleans())
    shape = tuple(size + a + b for size, (a, b) in zip(x.shape, widths[1:], strict=True))
    array = np.array(widths, np.int32)
    if mirrored:
        return Tensor(drawn.add("MirrorPad", x, array, Tpaddings="int32", mode=b"REFLECT"), shape)
    return Tensor(drawn.add("Pad", x, array, Tpaddings="int32"), shape)


@step
def reduction(draw: Draw, drawn: Drawn, x: Tensor) -> Tensor | None:
    axes = sorted(draw(st.sets(st.integers(1, x.rank - 1), min_size=1)))
    keep = draw(st.booleans())
    if len(axes) == x.rank - 1 and not keep:
        return None
    op = draw(st.sampled_from(["Mean", "Max", "Min", "Sum"]))
    told = [axis - (x.rank if draw(st.booleans()) else 0) for axis in axes]
    name = drawn.add(op, x, int32(*told), Tidx="int32", keep_dims=keep)
    if keep:
        return Tensor(name, tuple(1 if n + 1 in axes else size for n, size in enumerate(x.shape)))
    return Tensor(name, tuple(size for n, size in enumerate(x.shape) if n + 1 not in axes))


@step
def transposition(draw: Draw, drawn: Drawn, x: Tensor) -> Tensor:
    order = draw(st.permutations(range(1, x.rank)))
    name = drawn.add("Transpose", x, int32(0, *order), Tperm="int32")
    return Tensor(name, tuple(x.shape[axis - 1] for axis in order))


@step
def flattening(draw: Draw, drawn: Drawn, x: Tensor) -> Tensor:
    count = int(np.prod(x.shape))
    width = draw(st.sampled_from([n for n in range(1, count + 1) if count % n == 0]))
    shape = draw(st.sampled_from([(count,), (width, count // width)]))
    return Tensor(drawn.add("Reshape", x, int32(-1, *shape), Tshape="int32"), shape)


@step
def slicing(draw: Draw, drawn: Drawn, x: Tensor) -> Tensor:
    begin, end, strides, shape = [0], [0], [1], []
    masks = {"begin_mask": 1, "end_mask": 1, "shrink_axis_mask": 0}
    for axis, size in enumerate(x.shape):
        first = draw(st.integers(0, size - 1))
        last, stride = draw(st.integers(first + 1, size)), draw(st.integers(1, 2))
        if len(x.shape) > 1 and axis == len(x.shape) - 1 and draw(st.booleans()) and shape:
            masks["shrink_axis_mask"] |= 1 << axis + 1
            stride = 1
        else:
            shape.append(-(-(last - first) // stride))
        begin.append(first - (size if draw(st.booleans()) else 0))
        end.append(last)
        strides.append(stride)
    arrays = [int32(*numbers) for numbers in (begin, end, strides)]
    return Tensor(drawn.add("StridedSlice", x, *arrays, Index="int32", **masks), tuple(shape))


@step
def one_more_axis(draw: Draw, drawn: Drawn, x: Tensor) -> Tensor | None:
    if x.rank > 4:
        return None
    axis = draw(st.integers(1, x.rank))
    name = drawn.add("ExpandDims", x, np.array(axis, np.int32), Tdim="int32")
    return Tensor(name, (*x.shape[: axis - 1], 1, *x.shape[axis - 1 :]))


@step
def one_axis_less(draw: Draw, drawn: Drawn, x: Tensor) -> Tensor | None:
    thin = [n for n, size in enumerate(x.shape) if size == 1]
    if not thin or len(x.shape) < 2:
        return None
    axis = draw(st.sampled_from(thin))
    return Tensor(drawn.add("Squeeze", x, squeeze_dims=[axis + 1]), (*x.shape[:axis], *x.shape[axis + 1 :]))


@step
def splitting(draw: Draw, drawn: Drawn, x: Tensor) -> Tensor | None:
    axis = draw(st.integers(0, len(x.shape) - 1))
    if x.shape[axis] % 2:
        return None
    made = drawn.add("Split", np.array(axis + 1, np.int32), x, num_split=2)
    shape = (*x.shape[:axis], x.shape[axis] // 2, *x.shape[axis + 1 :])
    return Tensor(drawn.add("Sub", f"{made}:1", made), shape)


@step
def repetition(draw: Draw, drawn: Drawn, x: Tensor) -> Tensor:
    times = [draw(st.integers(1, 2)) for _ in x.shape]
    name = drawn.add("Tile", x, int32(1, *times), Tmultiples="int32")
    return Tensor(name, tuple(size * n for size, n in zip(x.shape, times, strict=True)))


@step
def reversal(draw: Draw, drawn: Drawn, x: Tensor) -> Tensor:
    axes = sorted(draw(st.sets(st.integers(1, x.rank - 1), min_size=1)))
    return Tensor(drawn.add("ReverseV2", x, int32(*axes), Tidx="int32"), x.shape)


@step
def picking(draw: Draw, drawn: Drawn, x: Tensor) -> Tensor:
    axis = draw(st.integers(0, len(x.shape) - 1))
    places = draw(st.lists(st.integers(0, x.shape[axis] - 1), min_size=1, max_size=4))
    types = {"Tparams": "float32", "Tindices": "int32", "Taxis": "int32"}
    name = drawn.add("GatherV2", x, int32(*places), np.array(axis + 1, np.int32), **types)
    return Tensor(name, (*x.shape[:axis], len(places), *x.shape[axis + 1 :]))


@step
def product(draw: Draw, drawn: Drawn, x: Tensor) -> Tensor | None:
    width = draw(st.integers(1, 4))
    if x.rank == 2:
        name = drawn.add("MatMul", x, drawn.weight(draw, x.shape[0], width))
        if draw(st.booleans()):
            name = drawn.add("BiasAdd", name, drawn.weight(draw, width), data_format=b"NHWC")
        return Tensor(name, (width,))
    if x.rank == 3:
        weight = drawn.weight(draw, x.shape[1], width)
        return Tensor(drawn.add("BatchMatMulV2", x, weight), (x.shape[0], width))
    return None
