"""What the numbers in a TensorFlow Lite file stand for.

Reference: tensorflow/compiler/mlir/lite/schema/schema.fbs
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_OPERATORS = """
ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE
EMBEDDING_LOOKUP FLOOR FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D
LOCAL_RESPONSE_NORMALIZATION LOGISTIC LSH_PROJECTION LSTM MAX_POOL_2D MUL RELU RELU_N1_TO_1 RELU6
RESHAPE RESIZE_BILINEAR RNN SOFTMAX SPACE_TO_DEPTH SVDF TANH CONCAT_EMBEDDINGS SKIP_GRAM CALL CUSTOM
EMBEDDING_LOOKUP_SPARSE PAD UNIDIRECTIONAL_SEQUENCE_RNN GATHER BATCH_TO_SPACE_ND SPACE_TO_BATCH_ND
TRANSPOSE MEAN SUB DIV SQUEEZE UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE BIDIRECTIONAL_SEQUENCE_RNN
EXP TOPK_V2 SPLIT LOG_SOFTMAX DELEGATE BIDIRECTIONAL_SEQUENCE_LSTM CAST PRELU MAXIMUM ARG_MAX
MINIMUM LESS NEG PADV2 GREATER GREATER_EQUAL LESS_EQUAL SELECT SLICE SIN TRANSPOSE_CONV
SPARSE_TO_DENSE TILE EXPAND_DIMS EQUAL NOT_EQUAL LOG SUM SQRT RSQRT SHAPE POW ARG_MIN FAKE_QUANT
REDUCE_PROD REDUCE_MAX PACK LOGICAL_OR ONE_HOT LOGICAL_AND LOGICAL_NOT UNPACK REDUCE_MIN FLOOR_DIV
REDUCE_ANY SQUARE ZEROS_LIKE FILL FLOOR_MOD RANGE RESIZE_NEAREST_NEIGHBOR LEAKY_RELU
SQUARED_DIFFERENCE MIRROR_PAD ABS SPLIT_V UNIQUE CEIL REVERSE_V2 ADD_N GATHER_ND COS WHERE RANK ELU
REVERSE_SEQUENCE MATRIX_DIAG QUANTIZE MATRIX_SET_DIAG ROUND HARD_SWISH IF WHILE
NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5 SCATTER_ND SELECT_V2 DENSIFY SEGMENT_SUM BATCH_MATMUL
PLACEHOLDER_FOR_GREATER_OP_CODES CUMSUM CALL_ONCE BROADCAST_TO RFFT2D CONV_3D IMAG REAL COMPLEX_ABS
HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE REDUCE_ALL CONV_3D_TRANSPOSE VAR_HANDLE
READ_VARIABLE ASSIGN_VARIABLE BROADCAST_ARGS RANDOM_STANDARD_NORMAL BUCKETIZE RANDOM_UNIFORM
MULTINOMIAL GELU DYNAMIC_UPDATE_SLICE RELU_0_TO_1 UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_MAX
UNSORTED_SEGMENT_SUM ATAN2 UNSORTED_SEGMENT_MIN SIGN BITCAST BITWISE_XOR RIGHT_SHIFT
STABLEHLO_LOGISTIC STABLEHLO_ADD STABLEHLO_DIVIDE STABLEHLO_MULTIPLY STABLEHLO_MAXIMUM
STABLEHLO_RESHAPE STABLEHLO_CLAMP STABLEHLO_CONCATENATE STABLEHLO_BROADCAST_IN_DIM
STABLEHLO_CONVOLUTION STABLEHLO_SLICE STABLEHLO_CUSTOM_CALL STABLEHLO_REDUCE STABLEHLO_ABS
STABLEHLO_AND STABLEHLO_COSINE STABLEHLO_EXPONENTIAL STABLEHLO_FLOOR STABLEHLO_LOG STABLEHLO_MINIMUM
STABLEHLO_NEGATE STABLEHLO_OR STABLEHLO_POWER STABLEHLO_REMAINDER STABLEHLO_RSQRT STABLEHLO_SELECT
STABLEHLO_SUBTRACT STABLEHLO_TANH STABLEHLO_SCATTER STABLEHLO_COMPARE STABLEHLO_CONVERT
STABLEHLO_DYNAMIC_SLICE STABLEHLO_DYNAMIC_UPDATE_SLICE STABLEHLO_PAD STABLEHLO_IOTA
STABLEHLO_DOT_GENERAL STABLEHLO_REDUCE_WINDOW STABLEHLO_SORT STABLEHLO_WHILE STABLEHLO_GATHER
STABLEHLO_TRANSPOSE DILATE STABLEHLO_RNG_BIT_GENERATOR REDUCE_WINDOW STABLEHLO_COMPOSITE
STABLEHLO_SHIFT_LEFT STABLEHLO_CBRT STABLEHLO_CASE
"""
# The number of an operator is its place.
OPERATORS: tuple[str, ...] = tuple(_OPERATORS.split())
PLACEHOLDER = OPERATORS.index("PLACEHOLDER_FOR_GREATER_OP_CODES")

# The numbers of element types; the names are numpy's where numpy has the type.
TYPES: tuple[str, ...] = (
    *("float32", "float16", "int32", "uint8", "int64", "STRING", "bool", "int16", "complex64", "int8"),
    *("float64", "complex128", "uint64", "RESOURCE", "VARIANT", "uint32", "uint16", "INT4", "BFLOAT16"),
    *("INT2", "UINT4", "FLOAT8_E4M3FN", "FLOAT8_E5M2"),
)
ACTIVATIONS: tuple[str, ...] = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT")
PADDINGS: tuple[str, ...] = ("SAME", "VALID")
MIRROR_MODES: tuple[str, ...] = ("REFLECT", "SYMMETRIC")


class Model:
    """Fields of the table Model, which is the root."""

    OPERATOR_CODES, SUBGRAPHS, BUFFERS, SIGNATURES = 1, 2, 4, 7


class OperatorCode:
    """Fields of the table OperatorCode."""

    OLD_CODE, CUSTOM, CODE = 0, 1, 3


class Subgraph:
    """Fields of the table SubGraph."""

    TENSORS, INPUTS, OUTPUTS, OPERATORS = 0, 1, 2, 3


class Tensor:
    """Fields of the table Tensor."""

    SHAPE, TYPE, BUFFER, NAME, QUANTIZATION, IS_VARIABLE, SPARSITY, SIGNATURE = 0, 1, 2, 3, 4, 5, 6, 7


class Quantization:
    """Fields of the table QuantizationParameters."""

    SCALE, ZERO_POINT, AXIS = 2, 3, 6


class Operator:
    """Fields of the table Operator."""

    CODE, INPUTS, OUTPUTS, OPTIONS = 0, 1, 2, 4


class Buffer:
    """Fields of the table Buffer."""

    DATA, OFFSET, SIZE = 0, 1, 2


class Signature:
    """Fields of the table SignatureDef."""

    KEY, SUBGRAPH = 2, 4


# The options of operators, fields in the order of their numbers. Letters are those of `struct`, i* is a list.
_WINDOW = "stride_w:i stride_h:i"
_POOL = f"padding:b {_WINDOW} filter_w:i filter_h:i activation:b"
_ACTIVATION = "activation:b"
_REDUCER = "keep_dims:?"
_MASKS = ("begin", "end", "ellipsis", "new_axis", "shrink_axis")
_OPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "CONV_2D": f"padding:b {_WINDOW} activation:b dilation_w:i=1 dilation_h:i=1",
        "DEPTHWISE_CONV_2D": f"padding:b {_WINDOW} multiplier:i activation:b dilation_w:i=1 dilation_h:i=1",
        "TRANSPOSE_CONV": f"padding:b {_WINDOW} activation:b",
        "FULLY_CONNECTED": "activation:b weights_format:b keep_num_dims:?",
        **dict.fromkeys(("AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D"), _POOL),
        **dict.fromkeys(("ADD", "SUB", "MUL", "DIV", "L2_NORMALIZATION"), _ACTIVATION),
        "CONCATENATION": "axis:i activation:b",
        "SOFTMAX": "beta:f",
        "RESHAPE": "new_shape:i*",
        "SQUEEZE": "squeeze_dims:i*",
        **dict.fromkeys(("SPLIT", "SPLIT_V"), "num_splits:i"),
        "STRIDED_SLICE": " ".join(f"{name}_mask:i" for name in _MASKS) + " offset:?",
        "MIRROR_PAD": "mode:b",
        **dict.fromkeys(("PACK", "UNPACK"), "count:i axis:i"),
        "GATHER": "axis:i batch_dims:i",
        **dict.fromkeys(
            ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", "REDUCE_ANY", "REDUCE_ALL"), _REDUCER
        ),
        "RESIZE_BILINEAR": "_:i _:i align_corners:? half_pixel_centers:?",
        "RESIZE_NEAREST_NEIGHBOR": "align_corners:? half_pixel_centers:?",
        **dict.fromkeys(("SPACE_TO_DEPTH", "DEPTH_TO_SPACE"), "block_size:i"),
        "BATCH_MATMUL": "adj_x:? adj_y:?",
        "LOCAL_RESPONSE_NORMALIZATION": "radius:i bias:f alpha:f beta:f",
        "LEAKY_RELU": "alpha:f",
        "GELU": "approximate:?",
        "ONE_HOT": "axis:i",
        "CUMSUM": "exclusive:? reverse:?",
        "UNIDIRECTIONAL_SEQUENCE_LSTM": "activation:b cell_clip:f proj_clip:f time_major:?",
        "UNIDIRECTIONAL_SEQUENCE_RNN": "time_major:? activation:b",
    }
)


def option_fields(operator: str) -> Mapping[str, tuple[int, str, int]]:
    """The options of an operator: name → number of the field, its type, and what stands for an absent one.

    Example:
        >>> option_fields("GATHER")["batch_dims"]
        (1, 'i', 0)
    """
    found: dict[str, tuple[int, str, int]] = {}
    for number, entry in enumerate(_OPTIONS.get(operator, "").split()):
        name, _, kind = entry.partition(":")
        kind, _, default = kind.partition("=")
        found[name] = number, kind, int(default or 0)
    return found
