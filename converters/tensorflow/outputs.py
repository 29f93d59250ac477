"""The outputs of operations by name: within a function a tensor is called `split:output:1`, not `split:1`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_NORM = ("y", "batch_mean", "batch_variance", "reserve_space_1", "reserve_space_2")
_CELL = ("i", "cs", "f", "o", "ci", "co", "h")
_TOP = ("values", "indices")
_BRANCH = ("output_false", "output_true")
_SPARSE = ("output_indices", "output_values", "output_shape")
_RANGED = ("output", "output_min", "output_max")

# Operations with more than one named output, each a single tensor. All others have one, or one list.
_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "BatchSelfAdjointEigV2": ("e", "v"),
        "BlockLSTM": _CELL,
        "BlockLSTMV2": _CELL,
        "BroadcastGradientArgs": ("r0", "r1"),
        "CombinedNonMaxSuppression": ("nmsed_boxes", "nmsed_scores", "nmsed_classes", "valid_detections"),
        "Eig": ("e", "v"),
        "FusedBatchNorm": _NORM,
        "FusedBatchNormV2": _NORM,
        "FusedBatchNormV3": (*_NORM, "reserve_space_3"),
        "GRUBlockCell": ("r", "u", "c", "h"),
        "LSTMBlockCell": _CELL,
        "ListDiff": ("out", "idx"),
        "LogMatrixDeterminant": ("sign", "log_abs_determinant"),
        "Lu": ("lu", "p"),
        "MaxPoolWithArgmax": ("output", "argmax"),
        "Merge": ("output", "value_index"),
        "NonMaxSuppressionV4": ("selected_indices", "valid_outputs"),
        "NonMaxSuppressionV5": ("selected_indices", "selected_scores", "valid_outputs"),
        "Qr": ("q", "r"),
        "QuantizeV2": _RANGED,
        "SelfAdjointEigV2": ("e", "v"),
        "SoftmaxCrossEntropyWithLogits": ("loss", "backprop"),
        "SparseFillEmptyRows": (
            "output_indices",
            "output_values",
            "empty_row_indicator",
            "reverse_index_map",
        ),
        "SparseReshape": ("output_indices", "output_shape"),
        "SparseSlice": _SPARSE,
        "SparseSoftmaxCrossEntropyWithLogits": ("loss", "backprop"),
        "StatelessRandomGetKeyCounter": ("key", "counter"),
        "StatelessRandomGetKeyCounterAlg": ("key", "counter", "alg"),
        "StringSplitV2": ("indices", "values", "shape"),
        "Svd": ("s", "u", "v"),
        "Switch": _BRANCH,
        "TensorArrayV3": ("handle", "flow"),
        "TensorListPopBack": ("output_handle", "tensor"),
        "TopK": _TOP,
        "TopKV2": _TOP,
        "Unique": ("y", "idx"),
        "UniqueV2": ("y", "idx"),
        "UniqueWithCounts": ("y", "idx", "count"),
        "UniqueWithCountsV2": ("y", "idx", "count"),
    }
)


def several_outputs() -> Mapping[str, tuple[str, ...]]:
    """Return the operations with more than one named output, and the names."""
    return _NAMES


def output_number(op: str, name: str, place: int) -> int | None:
    """Return which output of a node a tensor is that a function calls `NODE:NAME:PLACE`.

    Args:
        op: The node's operation.
        name: The output's name in the operation's definition.
        place: Which tensor of it, where it is a list.

    Returns:
        Its number among all outputs; None when the operation has no such output.

    Example:
        >>> output_number("TopKV2", "indices", 0), output_number("Split", "output", 3)
        (1, 3)
    """
    names = _NAMES.get(op)
    if names is None:
        return place
    return names.index(name) + place if name in names else None
