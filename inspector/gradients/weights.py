"""The constants that a graph stores, and what is known of them before anything runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from inspector.gradients.kinds import BATCHES, MOST_NUMBERS, Kind, Known

if TYPE_CHECKING:
    from onnx import GraphProto, SparseTensorProto, TensorProto


def keep_weights(
    weights: dict[str, TensorProto], known: Known, graph: GraphProto, names: Mapping[str, str]
) -> None:
    """Add the constants of a graph to those that are kept, the sparse ones written out.

    Args:
        weights: Those that are kept, by name.
        known: What is known of values.
        graph: The graph.
        names: The names by which they are kept, where these are others than the graph's.
    """
    import onnx
    from onnx import helper, numpy_helper

    found = {each.name: each for each in graph.initializer}
    found |= {each.values.name: _dense(each) for each in graph.sparse_initializer}
    for given, stored in found.items():
        tensor, name = stored, names.get(given, given)
        if name != given:
            tensor = onnx.TensorProto()
            tensor.CopyFrom(stored)
            tensor.name = name
        weights[name] = tensor
        if tensor.data_type in (0, onnx.TensorProto.STRING):
            continue
        sizes = tuple(tensor.dims)
        dtype = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type))
        known.kinds[name] = Kind(dtype, (sizes,) * len(BATCHES))
        if math.prod(sizes) <= MOST_NUMBERS and tensor.data_location != onnx.TensorProto.EXTERNAL:
            known.numbers[name] = (numpy_helper.to_array(tensor),) * len(BATCHES)


def _dense(sparse: SparseTensorProto) -> TensorProto:
    """A sparse constant with its zeros written out."""
    from onnx import numpy_helper

    values, places = numpy_helper.to_array(sparse.values), numpy_helper.to_array(sparse.indices)
    whole = np.zeros(tuple(sparse.dims), values.dtype)
    if places.ndim == 1:
        whole.reshape(-1)[places] = values
    else:
        whole[tuple(places.T)] = values
    return numpy_helper.from_array(whole, sparse.values.name)
