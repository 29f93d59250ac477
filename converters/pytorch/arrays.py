"""torch's tensors as numpy arrays and back; runs in the child process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

    from converters.input_shapes import InputShape

_SEED = 0


def to_numpy(tensor: Tensor) -> NDArray[Any]:
    """A copy, which nothing done later in place can change; of a quantised tensor its whole numbers."""
    import torch

    tensor = tensor.detach().cpu()
    if tensor.is_quantized:
        tensor = tensor.int_repr()
    tensor = tensor.contiguous().clone().resolve_conj().resolve_neg()
    if tensor.dtype == torch.bfloat16:
        import ml_dtypes

        return tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    array: NDArray[Any] = tensor.numpy()
    return array


def to_torch(array: NDArray[Any]) -> Tensor:
    """A tensor that shares no memory with the array."""
    import torch

    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view(np.int16).copy()).view(torch.bfloat16)
    return torch.from_numpy(np.array(array, order="C"))


def dtype_of(tensor: Tensor) -> np.dtype[Any]:
    """Numpy's element type of a tensor, which may have no numbers."""
    import torch

    return to_numpy(torch.empty(0, dtype=tensor.dtype)).dtype


def examples(shapes: Mapping[str, InputShape]) -> dict[str, Tensor]:
    """An input for each description: normal numbers, or 0 and 1."""
    random = np.random.default_rng(_SEED)
    return {
        name: to_torch(
            random.standard_normal(shape.example()).astype(shape.dtype)
            if shape.dtype.kind == "f"
            else random.integers(0, 2, shape.example()).astype(shape.dtype)
        )
        for name, shape in shapes.items()
    }
