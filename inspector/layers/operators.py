"""What is known of operators: which inputs are learned, and the word a person has for each."""

from __future__ import annotations

from collections.abc import Container, Mapping

from inspector.layers.stored import Constant, Stored
from inspector.onnxfile import Node

# Operators with kernels → which input holds them.
KERNEL_INPUT = {
    "Conv": 1,
    "ConvTranspose": 1,
    "ConvInteger": 1,
    "DeformConv": 1,
    "FusedConv": 1,
    "NhwcFusedConv": 1,
    "ConvTransposeWithDynamicPads": 1,
    "QLinearConv": 3,
}
TRANSPOSED = frozenset(("ConvTranspose", "ConvTransposeWithDynamicPads"))
# Matrix products → which inputs are the two matrices.
PRODUCT_INPUTS = {
    "Gemm": (0, 1),
    "MatMul": (0, 1),
    "FusedGemm": (0, 1),
    "FusedMatMul": (0, 1),
    "MatMulInteger": (0, 1),
    "MatMulIntegerToFloat": (0, 1),
    "QLinearMatMul": (0, 3),
    "QGemm": (0, 3),
}
RECURRENT = frozenset(("LSTM", "GRU", "RNN"))
# What these give at a place is made of what they are given there.
ELEMENTWISE = frozenset(
    (
        *("Relu", "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "ThresholdedRelu", "Sigmoid", "HardSigmoid"),
        *("HardSwish", "Tanh", "Softplus", "Softsign", "Gelu", "Mish", "Swish", "Clip", "Erf", "Abs", "Neg"),
        *("Exp", "Log", "Sqrt", "Reciprocal", "Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Sum", "Mean"),
        "Where",
    )
)
_NORMALISATIONS = frozenset(
    (
        "BatchNormalization",
        "InstanceNormalization",
        "LayerNormalization",
        "GroupNormalization",
        "RMSNormalization",
        "SimplifiedLayerNormalization",
    )
)

# Which inputs hold what was learned, first the one that names the layer. Quantised weights are integers, so
# these count whatever their type is; the running mean and variance of a batch normalisation are among them.
_LEARNED = {
    **{op: (at, at + 1) for op, at in KERNEL_INPUT.items()},
    "DeformConv": (1, 3),
    "QLinearConv": (3, 8),
    **{op: (second, first) for op, (first, second) in PRODUCT_INPUTS.items()},
    "Gemm": (1, 0, 2),
    "FusedGemm": (1, 0, 2),
    "QGemm": (3, 0, 6),
    **dict.fromkeys(_NORMALISATIONS, (1, 2)),
    "BatchNormalization": (1, 2, 3, 4),
    "PRelu": (1,),
    "LSTM": (1, 2, 3, 7),
    "GRU": (1, 2, 3),
    "RNN": (1, 2, 3),
    "Gather": (0,),
}
# Their constants say how, not what: sizes, limits, rates.
_UNLEARNED = frozenset(
    ("Clip", "Dropout", "NonMaxSuppression", "OneHot", "Pad", "Pow", "Range", "Resize", "Slice", "Upsample")
)
_DIMENSIONS = {1: "1D", 3: "3D"}


def learned(node: Node, stored: Mapping[str, Stored]) -> tuple[Constant, ...]:
    """Return the constants behind a node that were learned, first the one that the layer is named by."""
    if node.op_type in _LEARNED:
        names = [node.inputs[at] for at in _LEARNED[node.op_type] if at < len(node.inputs)]
        every = [root for name in names if name in stored for root in stored[name].roots]
        return tuple(dict.fromkeys(every))
    if node.op_type in _UNLEARNED:
        return ()
    roots = [root for name in node.inputs if name in stored for root in stored[name].roots]
    # A single number is a factor or an epsilon that somebody wrote into the network.
    return tuple(dict.fromkeys(root for root in roots if root.floating and root.size > 1))


def kernel(node: Node) -> str | None:
    """Return the name of the value that holds a convolution's kernels, None for other operators."""
    at = KERNEL_INPUT.get(node.op_type, len(node.inputs))
    return (node.inputs[at] or None) if at < len(node.inputs) else None


def kind(node: Node, stored: Mapping[str, Stored]) -> str:
    """Return the word for what a node does."""
    if node.op_type in PRODUCT_INPUTS:
        weighted = any(
            node.inputs[at] in stored for at in PRODUCT_INPUTS[node.op_type] if at < len(node.inputs)
        )
        return "Dense" if weighted else node.op_type
    if node.op_type not in KERNEL_INPUT:
        return node.op_type
    weight = stored.get(kernel(node) or "")
    shape = weight.shape if weight is not None else None
    sizes = node.attributes.get("kernel_shape")
    axes = len(sizes) if isinstance(sizes, tuple) else len(shape) - 2 if shape else 2
    return convolution(axes, transposed=node.op_type in TRANSPOSED, depthwise=_is_depthwise(node, shape))


def convolution(axes: int, *, transposed: bool, depthwise: bool) -> str:
    """Return the word for a convolution over so many axes."""
    base = "ConvTranspose" if transposed else "Conv"
    return ("Depthwise" if depthwise else "") + base + _DIMENSIONS.get(axes, "")


def _is_depthwise(node: Node, shape: tuple[int, ...] | None) -> bool:
    """Whether each input channel has kernels of its own: as many groups as channels, and more than one."""
    group = node.attributes.get("group", 1)
    if not isinstance(group, int) or group < 2 or shape is None or len(shape) < 3:
        return False
    # (out, in / group, ...), but (in, out / group, ...) when transposed.
    return shape[0] == group if node.op_type in TRANSPOSED else shape[1] == 1


def rank(node: Node) -> int:
    """Return how much a node tells about the layer that it belongs to: the lowest names it."""
    order: tuple[Container[str], ...] = (KERNEL_INPUT, PRODUCT_INPUTS, RECURRENT, _NORMALISATIONS)
    for index, group in enumerate(order):
        if node.op_type in group:
            return index
    return len(order) + ("Pool" not in node.op_type)
