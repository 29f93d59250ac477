"""Arrays checked against the inputs of a model before they are run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from inspector.errors import RunError
from inspector.layout import show
from inspector.onnxfile.encodings import DataType
from inspector.onnxfile.source import quoted

if TYPE_CHECKING:
    from inspector.onnxfile.graph import Value

# Types that the model may declare but numpy lacks, so that no array can be given for them.
_NUMPY_LACKS = frozenset(
    kind for kind in DataType if kind.bits != kind.numpy.itemsize * 8 and kind != DataType.STRING
)


_FEEDS = "Give one array for each input: session.run({name: array, ...})."


def checked_feeds(
    path: Path, inputs: Sequence[Value], feeds: Mapping[str, NDArray[np.generic]]
) -> dict[str, NDArray[np.generic]]:
    """Check names and shapes, and convert to the dtypes that the inputs take.

    Args:
        path: The model, for messages.
        inputs: What it takes.
        feeds: What it is given.

    Returns:
        One array for each input, contiguous.

    Raises:
        RunError: An input lacks its array, an array has no input, or a shape or dtype does not fit.
    """
    known = [value.name for value in inputs]
    strange = next((name for name in feeds if name not in known), None)
    if strange is not None:
        raise RunError(f"{path}: has no input {quoted(strange)}; expected {_names(known)}", _FEEDS)
    missing = [name for name in known if name not in feeds]
    if missing:
        raise RunError(
            f"{path}: the input {quoted(missing[0])} is not given; expected {_names(known)}", _FEEDS
        )
    return {value.name: _checked(path, value, np.asarray(feeds[value.name])) for value in inputs}


def _checked(path: Path, value: Value, array: NDArray[np.generic]) -> NDArray[np.generic]:
    if value.shape is not None:
        fits = len(value.shape) == array.ndim and all(
            not isinstance(declared, int) or declared == given
            for declared, given in zip(value.shape, array.shape, strict=True)
        )
        if not fits:
            raise RunError(
                f"{path}: the input {quoted(value.name)} takes the shape {show(value.shape)}; "
                f"given {show(array.shape)}",
                "Give an array of that shape; an axis with a name or ? may have any size.",
            )
    if value.dtype is None or value.dtype == DataType.STRING:
        return array
    if value.dtype in _NUMPY_LACKS:
        raise RunError(
            f"{path}: the input {quoted(value.name)} takes {value.dtype.name}, which numpy does not have",
            "Export the model with inputs of float32 or float16.",
        )
    wanted = value.dtype.numpy
    if not np.can_cast(array.dtype, wanted, "same_kind"):
        raise RunError(
            f"{path}: the input {quoted(value.name)} takes {wanted}; given {array.dtype}",
            f"Convert it: array.astype({str(wanted)!r})",
        )
    # Not ascontiguousarray, which gives a number without axes one.
    return np.asarray(array, wanted, order="C")


def _names(names: Sequence[str]) -> str:
    return ", ".join(quoted(name) for name in names) or "none"
