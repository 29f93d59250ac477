"""What a checkpoint of either format holds: variables by name, read when asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from converters.errors import SourceError
from converters.tensorflow.dtypes import Array, DType

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
