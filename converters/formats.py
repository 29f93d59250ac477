"""The formats that `convert` reads: a registry that the package fills by itself.

A format is a `Format` record at the top level of a module or package directly below `converters`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from converters.certificate import FileRecord
from converters.choices import Engine
from converters.content import describe_content
from converters.errors import SourceError
from converters.files import check_file
from converters.trials import TensorSpec

if TYPE_CHECKING:
    from converters.assemble import Assembled

Feeds = Mapping[str, NDArray[Any]]

Reference = Callable[[Feeds, Sequence[str]], dict[str, NDArray[Any]]]


@dataclass(frozen=True)
class Request:
    """What the user asked of a conversion beside the source.

    Attributes:
        inputs: Tensor names that override the choice of inputs; empty to choose.
        outputs: The same for outputs.
        opset: The ONNX opset to write.
        bake_preprocessing: Whether preprocessing that the source stores becomes part of the graph.
        verify: Whether the draft's reference will be asked for.
        engine: What writes the ONNX nodes, where there is a choice: "native" is our own emitters, "auto" is
            the native engine where it covers the source and tf2onnx elsewhere.
        fold: Whether batch normalization goes into the weights of the convolution before it.
    """

    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    opset: int = 17
    bake_preprocessing: bool = False
    verify: bool = True
    engine: Engine = "auto"
    fold: bool = False


@dataclass(frozen=True)
class Draft:
    """A converted model that nothing has proved yet.

    Attributes:
        model: Nodes and weights, each node with the name of its layer.
        inputs: The model's inputs, dtypes and shapes as the source declares them.
        outputs: The model's outputs.
        layers: Layer name → the tensor that the source calls its value, in the order of the graph.
        values: Source tensor → the name that the same value has in the ONNX graph, where it is another.
        files: Every file that was read.
        kind: What the source is, more exactly than its format's name.
        engine: What wrote the ONNX nodes.
        versions: Package → version.
        decisions: One sentence for each choice.
        warnings: What the user should know.
        reference: The source itself: feeds and tensor names → their values.
        reference_name: What the reference is.
    """

    model: Assembled
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    layers: Mapping[str, str]
    values: Mapping[str, str]
    files: tuple[FileRecord, ...]
    kind: str
    engine: str
    versions: Mapping[str, str]
    decisions: tuple[str, ...]
    warnings: tuple[str, ...]
    reference: Reference
    reference_name: str


@dataclass(frozen=True)
class Format:
    """A kind of source.

    Attributes:
        name: What it is called, without an article.
        recognise: Whether a path holds this format; by content, quickly, and without raising.
        draft: Converts a source. Whatever runs for it (a framework in a child process) lives as long as the
            context.
    """

    name: str
    recognise: Callable[[Path], bool]
    draft: Callable[[Path, Request], AbstractContextManager[Draft]]


@cache
def all_formats() -> tuple[Format, ...]:
    """Every format of the package, by name."""
    import converters

    found: dict[str, Format] = {}
    for info in pkgutil.iter_modules(converters.__path__, "converters."):
        for value in vars(importlib.import_module(info.name)).values():
            if isinstance(value, Format):
                found[value.name] = value
    return tuple(found[name] for name in sorted(found))


def recognise(path: Path) -> Format:
    """The format of a source.

    Raises:
        FileError: It is empty, unreadable, a pipe or device, an HTML page, or a Git LFS pointer.
        SourceError: No format knows it; the message says what it looks like.
    """
    if path.exists() and not path.is_dir():
        # Before anything opens it: a pipe would make the first reader wait for ever.
        check_file(path, "a trained network")
    for known in all_formats():
        if known.recognise(path):
            return known
    names = ", ".join(known.name for known in all_formats())
    if not path.exists():
        raise SourceError(f"{path}: no such file, and no checkpoint of that name", "Check the path.")
    raise SourceError(f"{path}: {describe_content(path)}; convert reads: {names}", "inspector convert --help")
