"""Operations with inputs and attributes, on which the evaluator is compared with TensorFlow."""

from __future__ import annotations

import itertools

import numpy as np
from tf_operations import Case


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng((seed, *shape)).normal(0, 1, shape).astype(np.float32)


def positive(*shape: int, seed: int = 0) -> np.ndarray:
    return np.abs(normal(*shape, seed=seed)) + np.float32(0.1)


def ints(*values: object) -> np.ndarray:
    return np.array(values, np.int32)


def scalar(value: object, dtype: str = "int32") -> np.ndarray:
    return np.array(value, dtype)


SPECIAL = np.array([-np.inf, -100, -1.5, -0.5, -0.0, 0.5, 1.5, 2.5, 100, np.inf, np.nan], np.float32)
MIXED = np.array([[-7, 5, 3, 0], [8, -8, 2, -1]], np.int32)
DIVISORS = np.array([[2, -3, -2, 5], [3, 3, -5, -2]], np.int32)


def elementwise() -> list[Case]:
    """Operations on one tensor and on two."""
    anywhere = ("Neg Abs Square Exp Expm1 Sign Floor Ceil Round Rint Sin Cos Tan Sinh Cosh Asinh Atan Erf "
                "Erfc Relu Relu6 LeakyRelu Elu Selu Sigmoid Tanh Softplus Softsign Identity StopGradient "
                "PreventGradient Snapshot IsNan IsInf IsFinite ZerosLike OnesLike")  # fmt: skip
    above = "Sqrt Rsqrt Log Log1p Reciprocal Inv Acosh"
    inside = "Asin Acos Atanh"
    pairs = ("Add AddV2 Sub Mul RealDiv Div Maximum Minimum SquaredDifference Atan2 Less LessEqual Greater "
             "GreaterEqual Equal NotEqual FloorMod FloorDiv Mod DivNoNan MulNoNan")  # fmt: skip
    whole = "Add AddV2 Sub Mul Maximum Minimum FloorDiv FloorMod Mod Div TruncateDiv TruncateMod Less Equal"
    limited = "Relu Relu6 Elu Sigmoid Tanh Exp Floor Abs Neg Sign Identity IsNan IsInf IsFinite Softplus Selu"
    a, b = normal(2, 3, 4), normal(3, 1, seed=1)
    return [
        *(Case(op, [normal(3, 4)]) for op in anywhere.split()),
        *(Case(op, [positive(3, 4) + (op == "Acosh")]) for op in above.split()),
        *(Case(op, [np.tanh(normal(3, 4))]) for op in inside.split()),
        *(Case(op, [SPECIAL]) for op in limited.split()),
        *(Case(op, [np.float32([-1, 0, 4, np.inf])]) for op in ("Sqrt", "Log", "Rsqrt", "Reciprocal")),
        *(Case(op, [a, b]) for op in pairs.split()),
        *(Case(op, [MIXED, DIVISORS]) for op in whole.split()),
        *(Case(op, [SPECIAL, np.float32(0)]) for op in ("Div", "DivNoNan", "MulNoNan", "FloorDiv")),
        Case("Pow", [positive(3, 4), normal(4)]),
        Case("Xdivy", [np.float32([0, 1, 2]), np.float32([0, 0, 4])]),
        Case("Xlogy", [np.float32([0, 1, 2]), np.float32([0, 0, 4])]),
        Case("Xlog1py", [np.float32([0, 1, 2]), np.float32([-1, 0, 4])]),
        Case("ApproximateEqual", [np.float32([0, 1, 2]), np.float32([0, 1.2, 4])], {"tolerance": 0.5}),
        Case("LeakyRelu", [normal(3, 4)], {"alpha": 0.05}),
        Case("ClipByValue", [normal(3, 4), np.float32(-0.5), np.float32(0.75)]),
        Case("AddN", [[normal(3), normal(3, seed=1), normal(3, seed=2)]]),
        Case("AccumulateNV2", [[normal(3), normal(3, seed=1)]], {"shape": [3]}),
        Case("CheckNumerics", [normal(3)], {"message": "x"}),
        Case("DebugGradientIdentity", [normal(3)]),
        Case("IdentityN", [[normal(3), normal(2)]]),
        Case("PlaceholderWithDefault", [normal(3)], {"shape": [3]}),
        Case("EnsureShape", [normal(3)], {"shape": [3]}),
        Case("LogicalAnd", [np.array([True, True, False]), np.array([True, False, False])]),
        Case("LogicalOr", [np.array([True, True, False]), np.array([True, False, False])]),
        Case("LogicalNot", [np.array([True, False])]),
        *(Case(op, [normal(2, 3, 5)]) for op in ("L2Loss",)),
        *(Case(op, [normal(6, 5) * 9]) for op in ("Softmax", "LogSoftmax")),
        Case("Cast", [np.float32([-2.7, -0.5, 0.5, 3.99])], {"DstT": np.int32}),
        Case("Cast", [np.float32([0.1, 2049, 7e4])], {"DstT": np.float16}),
        Case("Cast", [np.float32([0, 0.5, -1])], {"DstT": np.bool_}),
        Case("Cast", [MIXED], {"DstT": np.float32}),
        Case("Cast", [np.array([True, False])], {"DstT": np.float32}),
    ]


def convolutions() -> list[Case]:
    found = []
    for stride, dilation, padding, size in itertools.product((1, 2, 3), (1, 2), ("SAME", "VALID"), (7, 8)):
        if stride == 1 or dilation == 1:
            attrs = {
                "strides": [1, stride, stride, 1], "dilations": [1, dilation, dilation, 1], "padding": padding
            }  # fmt: skip
            found.append(Case("Conv2D", [normal(2, size, 9, 3), normal(3, 2, 3, 4)], attrs))
            found.append(Case("DepthwiseConv2dNative", [normal(2, size, 9, 3), normal(3, 2, 3, 2)], attrs))
    for stride, padding, size in itertools.product((1, 2, 3), ("SAME", "VALID"), (5, 6)):
        attrs = {"strides": [1, stride, stride, stride, 1], "padding": padding}
        found.append(Case("Conv3D", [normal(2, size, 5, 6, 2), normal(3, 2, 3, 2, 3)], attrs))
        count = -(-size // stride) if padding == "SAME" else (size - 3) // stride + 1
        attrs = {"strides": [1, stride, stride, 1], "padding": padding}
        found.append(
            Case(
                "Conv2DBackpropInput",
                [ints(2, size, size, 3), normal(3, 3, 3, 4), normal(2, count, count, 4)],
                attrs,
            )
        )
        attrs = {"strides": [1, stride, stride, stride, 1], "padding": padding}
        found.append(
            Case(
                "Conv3DBackpropInputV2",
                [ints(2, size, size, size, 2), normal(3, 3, 3, 2, 3), normal(2, count, count, count, 3)],
                attrs,
            )
        )
    explicit = {"strides": [1, 2, 1, 1], "padding": "EXPLICIT", "explicit_paddings": [0, 0, 2, 1, 0, 3, 0, 0]}
    found.append(Case("Conv2D", [normal(2, 7, 8, 3), normal(3, 2, 3, 4)], explicit))
    twice = {"strides": [1, 2, 2, 1], "padding": "SAME"}
    found.append(Case("Conv2DBackpropInput", [ints(6, 5), normal(3, 3, 3, 4), normal(2, 3, 3, 4)], twice))
    return found


def pools() -> list[Case]:
    found = []
    for size, stride, padding, length in itertools.product((2, 3), (1, 2, 3), ("SAME", "VALID"), (7, 8)):
        attrs = {"ksize": [1, size, 2, 1], "strides": [1, stride, stride, 1], "padding": padding}
        found += [Case(op, [normal(2, length, 9, 3)], attrs) for op in ("MaxPool", "AvgPool")]
        attrs = {"ksize": [1, size, 2, size, 1], "strides": [1, stride, 1, stride, 1], "padding": padding}
        found += [Case(op, [normal(1, length, 5, 6, 2)], attrs) for op in ("MaxPool3D", "AvgPool3D")]
    v2 = [normal(2, 7, 8, 3), ints(1, 3, 3, 1), ints(1, 2, 2, 1)]
    return [*found, Case("MaxPoolV2", v2, {"padding": "SAME"})]


def normalizations() -> list[Case]:
    picture, channel = normal(2, 4, 5, 6), [normal(6, seed=s) for s in range(3)]
    stored = [picture, channel[0], channel[1], channel[2], positive(6)]
    found = [
        Case(op, stored, {"is_training": False, "epsilon": 0.002}, outputs=1)
        for op in ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")
    ]
    empty = np.zeros(0, np.float32)
    training = [picture, channel[0], channel[1], empty, empty]
    training_first = [normal(1, 6, 5, 1), channel[0], channel[1], empty, empty]
    return [
        *found,
        Case("FusedBatchNormV3", training, {"is_training": True}, outputs=3),
        Case("FusedBatchNormV3", training_first, {"is_training": True, "data_format": "NCHW"}, outputs=1),
        Case("LRN", [normal(2, 3, 4, 9)]),
        Case("LRN", [normal(2, 3, 4, 9)], {"depth_radius": 2, "bias": 2.0, "alpha": 0.3, "beta": 0.75}),
        Case("BiasAdd", [picture, channel[0]]),
        Case("BiasAddV1", [normal(3, 6), channel[0]]),
    ]  # fmt: skip


def images() -> list[Case]:
    found = []
    for (height, width), corner in itertools.product(
        ((10, 13), (3, 4), (5, 7), (1, 1), (15, 14)), ("", "align_corners", "half_pixel_centers")
    ):
        attrs = {corner: True} if corner else {}
        for op in ("ResizeBilinear", "ResizeNearestNeighbor"):
            found.append(Case(op, [normal(2, 5, 7, 3), ints(height, width)], attrs))
    widths = ints([0, 0], [1, 2], [3, 0], [0, 1])
    picture = normal(2, 4, 6, 8)
    return [
        *found,
        Case("Pad", [picture, widths]),
        Case("PadV2", [picture, widths, np.float32(-2)]),
        Case("MirrorPad", [picture, widths], {"mode": "REFLECT"}),
        Case("MirrorPad", [picture, widths], {"mode": "SYMMETRIC"}),
        Case("SpaceToDepth", [picture], {"block_size": 2}),
        Case("DepthToSpace", [picture], {"block_size": 2}),
        Case("SpaceToBatchND", [normal(2, 5, 6, 3), ints(2, 3), ints([1, 0], [1, 2])]),
        Case("SpaceToBatchND", [normal(2, 5, 3), ints(2), ints([1, 0])]),
        Case("BatchToSpaceND", [normal(12, 3, 4, 2), ints(2, 3), ints([1, 0], [1, 2])]),
        Case("BatchToSpaceND", [normal(6, 3, 2), ints(3), ints([1, 2])]),
        Case("SpaceToBatch", [normal(2, 5, 6, 3), ints([1, 0], [0, 0])], {"block_size": 2}),
        Case("BatchToSpace", [normal(8, 3, 4, 2), ints([1, 0], [0, 1])], {"block_size": 2}),
    ]


def products() -> list[Case]:
    found = []
    for left, right in itertools.product((False, True), repeat=2):
        a, b = normal(*((5, 4) if left else (4, 5))), normal(*((3, 5) if right else (5, 3)))
        found.append(Case("MatMul", [a, b], {"transpose_a": left, "transpose_b": right}))
        batch = [np.stack([a, -a]), np.stack([b, b * 2])]
        found += [Case(op, batch, {"adj_x": left, "adj_y": right}) for op in ("BatchMatMul", "BatchMatMulV2")]
    return [
        *found,
        Case("BatchMatMulV2", [normal(3, 2, 4, 5), normal(2, 5, 3)]),
        Case("BatchMatMulV3", [normal(2, 4, 5), normal(2, 5, 3)], {"Tout": np.float32}),
        Case("Einsum", [[normal(2, 3, 4), normal(4, 5)]], {"equation": "bij,jk->bik"}),
        Case("Einsum", [[normal(2, 3, 3, 4)]], {"equation": "...iij->...j"}),
    ]


def reductions() -> list[Case]:
    found = []
    for op, axes, keep in itertools.product(
        ("Sum", "Mean", "Max", "Min", "Prod", "EuclideanNorm"),
        (ints(1), ints(0, -1), scalar(2), ints(), ints(0, 1, 2)),
        (False, True),
    ):
        found.append(Case(op, [normal(2, 3, 4), axes.astype(np.int32)], {"keep_dims": keep}))
    flags = np.array([[True, False], [True, True]])
    found += [Case(op, [flags, ints(1)]) for op in ("All", "Any")]
    found += [Case(op, [MIXED, ints(0)]) for op in ("Sum", "Mean", "Max", "Prod")]
    for exclusive, reverse, op in itertools.product((False, True), (False, True), ("Cumsum", "Cumprod")):
        attrs = {"exclusive": exclusive, "reverse": reverse}
        found.append(Case(op, [normal(2, 3, 4), scalar(-2)], attrs))
    return found


def strided_slices() -> list[Case]:
    value = normal(3, 4, 5, 6)
    told = [
        ((0, 1), (3, 3), (1, 1), {}),
        ((-1, 3), (0, 0), (-1, -2), {}),
        ((1, 1, 0), (2, 3, 9), (1, 1, 2), {"begin_mask": 1, "end_mask": 2}),
        ((2, 0), (3, 4), (1, 1), {"shrink_axis_mask": 1}),
        ((0, -1), (0, 0), (1, 1), {"ellipsis_mask": 1, "shrink_axis_mask": 2}),
        ((0, 0, 1), (0, 0, 3), (1, 1, 1), {"new_axis_mask": 1, "ellipsis_mask": 2}),
        ((0, 0, 0), (0, 2, 0), (1, 1, 1), {"begin_mask": 5, "end_mask": 5, "new_axis_mask": 2}),
        ((9, 0), (-9, 4), (-1, 1), {"begin_mask": 1, "end_mask": 1}),
        ((2, 2), (1, 4), (1, 1), {}),
    ]
    return [Case("StridedSlice", [value, ints(*b), ints(*e), ints(*s)], attrs) for b, e, s, attrs in told]


def shapes() -> list[Case]:
    value = normal(2, 3, 4)
    thin = normal(2, 1, 3, 1)
    return [
        *strided_slices(),
        Case("Reshape", [value, ints(4, -1)]),
        Case("Squeeze", [thin]),
        Case("Squeeze", [thin], {"axis": [-1]}),
        *(Case("ExpandDims", [value, scalar(axis)]) for axis in (0, 2, -1)),
        Case("Transpose", [value, ints(2, 0, 1)]),
        Case("Pack", [[value, value * 2]], {"axis": 1}),
        Case("Pack", [[value, value * 2]], {"axis": -1}),
        Case("Unpack", [value], {"num": 3, "axis": 1}),
        Case("Unpack", [value], {"num": 4, "axis": -1}),
        Case("ConcatV2", [[value, value * 2], scalar(-1)]),
        Case("Concat", [scalar(1), [value, value * 2]]),
        Case("Split", [scalar(-1), value], {"num_split": 2}),
        Case("SplitV", [value, ints(1, -1, 1), scalar(2)], {"num_split": 3}),
        Case("Tile", [value, ints(2, 1, 3)]),
        Case("Slice", [value, ints(1, 0, 2), ints(-1, 2, 1)]),
        Case("Shape", [value]),
        Case("Shape", [value], {"out_type": np.int64}),
        Case("ShapeN", [[value, thin]]),
        Case("Size", [value]),
        Case("Rank", [value]),
        Case("Fill", [ints(2, 3), scalar(1.5, "float32")]),
        Case("Range", [scalar(2), scalar(11), scalar(3)]),
        Case("Range", [scalar(1, "float32"), scalar(0, "float32"), scalar(-0.25, "float32")]),
        Case("LinSpace", [scalar(1, "float32"), scalar(3, "float32"), scalar(5)]),
        Case("BroadcastTo", [normal(3, 1), ints(2, 3, 4)]),
        Case("BroadcastArgs", [ints(3, 1), ints(2, 1, 4)]),
    ]  # fmt: skip


def indexing() -> list[Case]:
    table = normal(4, 5, 6)
    ties = np.float32([[1, 3, 3, 2, 1], [0, 0, 0, 5, 5]])
    return [
        Case("Gather", [table, ints([0, 3], [1, 1])]),
        *(Case("GatherV2", [table, ints([0, 3], [1, 1]), scalar(axis)]) for axis in (0, 1, -1)),
        Case("GatherV2", [table, ints([0, 3], [1, 1], [2, 2], [4, 0]), scalar(1)], {"batch_dims": 1}),
        Case("GatherV2", [table, ints([0, 3], [1, 1], [2, 2], [4, 0]), scalar(2)], {"batch_dims": 1}),
        Case("GatherV2", [table, ints(0, 3, 1, 2), scalar(2)], {"batch_dims": -1, }),
        Case("GatherV2", [table, ints(0, 3, 1, 2), scalar(1)], {"batch_dims": 1}),
        Case("GatherNd", [table, ints([0, 4], [3, 0])]),
        Case("GatherNd", [table, ints([[0, 4, 5]], [[3, 0, 1]])]),
        Case("ScatterNd", [ints([1], [3], [1]), normal(3, 2), ints(5, 2)]),
        *(Case("OneHot", [ints([0, 2], [5, -1]), scalar(4), np.float32(2), np.float32(-1)], {"axis": axis})
          for axis in (-1, 0, 1)),
        *(Case(op, [ties, scalar(axis)]) for op in ("ArgMax", "ArgMin") for axis in (0, -1)),
        Case("ArgMax", [ties, scalar(1)], {"output_type": np.int32}),
        Case("TopKV2", [ties, scalar(4)]),
        Case("Select", [np.array([True, False]), normal(2, 3), normal(2, 3, seed=1)]),
        Case("Select", [normal(2, 3) > 0, normal(2, 3), normal(2, 3, seed=1)]),
        Case("SelectV2", [np.array([True, False, True]), normal(2, 1), np.float32(7)]),
        Case("Where", [normal(3, 4) > 0]),
        Case("ReverseV2", [table, ints(0, -1)]),
        Case("ReverseSequence", [table, ints(0, 3, 5, 1)], {"seq_dim": 1, "batch_dim": 0}),
        Case("ReverseSequence", [table, ints(0, 3, 1, 2, 4, 4)], {"seq_dim": 0, "batch_dim": 2}),
        Case("InvertPermutation", [ints(2, 0, 3, 1)]),
    ]  # fmt: skip


def quantizations() -> list[Case]:
    wide, channel = normal(4, 3) * 4, [np.float32([-1, -3, 0]), np.float32([2, 5, 0])]
    return [
        Case("FakeQuantWithMinMaxArgs", [wide]),
        Case(
            "FakeQuantWithMinMaxArgs", [wide], {"min": -1.0, "max": 3.0, "num_bits": 4, "narrow_range": True}
        ),
        Case("FakeQuantWithMinMaxVars", [wide, np.float32(0.5), np.float32(3)]),
        Case("FakeQuantWithMinMaxVars", [wide, np.float32(-4), np.float32(-1)], {"num_bits": 6}),
        Case("FakeQuantWithMinMaxVarsPerChannel", [wide, *channel]),
    ]


CASES = [
    *elementwise(),
    *convolutions(),
    *pools(),
    *normalizations(),
    *images(),
    *products(),
    *reductions(),
    *shapes(),
    *indexing(),
    *quantizations(),
]
