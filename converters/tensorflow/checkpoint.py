"""The variables of a TensorFlow checkpoint, without TensorFlow.

Reference: tensorflow/core/util/tensor_bundle/tensor_bundle.h (V2) and
tensorflow/core/util/tensor_slice_writer.h (V1).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from converters.errors import SourceError
from converters.tensorflow.dtypes import Array, DType
from converters.tensorflow.table import is_table

AGAIN = "Copy the checkpoint again: all of its files, from one save."


@dataclass(frozen=True)
class Variable:
    """One variable as the checkpoint declares it."""

    name: str
    dtype: DType
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Checkpoint:
    """The variables of a checkpoint by name; a value is read, and verified, when it is asked for.

    Attributes:
        prefix: The name that its files share.
        version: 1, one file that holds all; 2, an index beside data files.
        files: Every file that belongs to it.
        variables: What it holds, partitioned variables as one.

    Example:
        >>> checkpoint = Checkpoint(Path("lars.tflearn"), 2, (), {}, {})
        >>> "conv_1/W" in checkpoint.variables
        False
    """

    prefix: Path
    version: Literal[1, 2]
    files: tuple[Path, ...]
    variables: Mapping[str, Variable]
    _readers: Mapping[str, Callable[[], Array]] = field(repr=False)

    def read(self, name: str) -> Array:
        """Return the value of a variable, read-only: a view into the mapped file where that holds it whole.

        Raises:
            SourceError: There is no such variable, or its bytes are missing or damaged.
        """
        if name not in self._readers:
            raise SourceError(
                f"{self.prefix}: the checkpoint has no variable {name!r}, which the graph needs",
                "Graph and checkpoint must come from the same save: take both from one folder.",
            )
        return self._readers[name]()


def open_checkpoint(prefix: Path) -> Checkpoint:
    """Open the checkpoint whose files begin with `prefix`.

    Raises:
        FileError: Its index cannot be read.
        SourceError: There is none, or its index is damaged.
    """
    from converters.tensorflow import bundle, slices

    index = prefix.with_name(prefix.name + ".index")
    if index.exists():
        return bundle.open_bundle(prefix, index)
    files = v1_files(prefix)
    if files:
        return slices.open_slices(prefix, files)
    raise SourceError(
        f"{prefix}: is no checkpoint: there is neither {index.name} nor a V1 checkpoint of that name",
        "A V2 checkpoint is NAME.index with NAME.data-00000-of-00001; keep them in one folder.",
    )


def v1_files(prefix: Path) -> tuple[Path, ...]:
    """Return the files of the V1 checkpoint `prefix`, in order; none when it is not one."""
    if is_table(prefix):
        return (prefix,)
    pattern = re.compile(re.escape(prefix.name) + r"-\d{5}-of-\d{5}")
    if not prefix.parent.is_dir():
        return ()
    return tuple(sorted(p for p in prefix.parent.iterdir() if pattern.fullmatch(p.name) and is_table(p)))
