"""The variables of a TensorFlow checkpoint, without TensorFlow.

Reference: tensorflow/core/util/tensor_bundle/tensor_bundle.h (V2) and
tensorflow/core/util/tensor_slice_writer.h (V1).
"""

from __future__ import annotations

import re
from pathlib import Path

from converters.errors import SourceError
from converters.tensorflow import bundle, slices
from converters.tensorflow.table import is_table
from converters.tensorflow.variables import Checkpoint


def open_checkpoint(prefix: Path) -> Checkpoint:
    """Open the checkpoint whose files begin with `prefix`.

    Raises:
        FileError: Its index cannot be read.
        SourceError: There is none, or its index is damaged.
    """
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
