"""The formats that `convert` reads: a registry that the package fills by itself.

A format is a `Format` record at the top level of a module or package directly below `converters`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from converters.certificate import FileRecord
from converters.choices import Engine
from converters.content import CUT_SHORT, FETCH, describe_content
from converters.errors import SourceError
from converters.files import check_file
from converters.trials import TensorSpec
from converters.weights import Weights

if TYPE_CHECKING:
    from converters.assemble import Assembled

Feeds = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Request:
    """What the user asked of a conversion beside the source.

    Attributes:
        inputs: Tensor names that override the choice of inputs; empty to choose.
        outputs: The same for outputs.
        opset: The ONNX opset to write.
        bake_preprocessing: Whether preprocessing that the source stores becomes part of the graph.
        verify: Whether the source's reference will be asked for.
        engine: What writes the ONNX nodes, where there is a choice: "native" is our own emitters, "auto" is
            the native engine where it covers the source and tf2onnx elsewhere.
        fold: Whether batch normalization goes into the weights of the convolution before it.
        signature: Which signature of a SavedModel; empty for its serving signature.
        input_shapes: What stands for inputs that the source does not declare, one for each: "1,3,224,224",
            "image=N,3,224,224", "tokens=N,16:int64". A letter is an axis of any size.
        trust: Whether code that the source holds may run.
    """

    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    opset: int = 17
    bake_preprocessing: bool = False
    verify: bool = True
    engine: Engine = "auto"
    fold: bool = False
    signature: str = ""
    input_shapes: tuple[str, ...] = ()
    trust: bool = False


@dataclass(frozen=True)
class Reference:
    """A source as something that can be run: what its conversion is compared with.

    Attributes:
        run: Feeds (by the names of the source's inputs) and tensor names → the values of those tensors.
            Raises `SourceError` when the source itself refuses such inputs.
        name: What it is, asked for when the comparison is over: a framework may still be starting before.
        versions: Package → version of what runs it, asked for likewise.
    """

    run: Callable[[Feeds, Sequence[str]], dict[str, NDArray[Any]]]
    name: Callable[[], str]
    versions: Callable[[], Mapping[str, str]] = dict


@dataclass(frozen=True)
class Written:
    """A converted model that nothing has proved yet.

    Attributes:
        model: Nodes and weights, each node with the name of its layer.
        engine: What wrote the ONNX nodes.
        values: Tensor of the source → the name that the same value has in the ONNX graph, where it is
            another; inputs and outputs among them.
        versions: Package → version, of what took part.
        decisions: One sentence for each choice.
    """

    model: Assembled
    engine: str
    values: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    decisions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """An opened source: what it declares, and how it is run and converted.

    Attributes:
        kind: What it is, more exactly than its format's name.
        files: Every file that was read.
        inputs: Its inputs, in order, as it declares them.
        outputs: Its outputs.
        layers: Layer name → the tensor that the source calls its value, in the order of the graph.
        decisions: One sentence for each choice.
        warnings: What the user should know.
        reference: The source itself.
        write: Converts it.
        steps: Quantised tensor → the real value of one step of it; empty for a network of floats.
    """

    kind: str
    files: tuple[FileRecord, ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    layers: Mapping[str, str]
    decisions: tuple[str, ...]
    warnings: tuple[str, ...]
    reference: Reference
    write: Callable[[], Written]
    steps: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Format:
    """A kind of source.

    Attributes:
        name: What it is called, without an article.
        recognise: Whether a path holds this format; by content, quickly, and without raising.
        open: Opens a source. Whatever runs for it (a framework in a child process) lives as long as the
            context.
        weights: Hands out the weights alone, without the framework; None where that cannot be done.
    """

    name: str
    recognise: Callable[[Path], bool]
    open: Callable[[Path, Request], AbstractContextManager[Source]]
    weights: Callable[[Path], Weights] | None = None


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


def weights_of(path: Path) -> Weights | None:
    """The weights of a network, read without its framework; None where no format can hand them out.

    Args:
        path: A file, a folder, or a checkpoint's prefix.

    Raises:
        SourceError: It is damaged.
        UnsupportedError: It holds what is not read, with the reason.
        MissingExtraError: A reader that this format needs is not installed.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        return None
    known = next((known for known in all_formats() if known.recognise(path)), None)
    return None if known is None or known.weights is None else known.weights(path)


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
    described = describe_content(path)
    if described.endswith(CUT_SHORT):
        raise SourceError(f"{path}: {described}", FETCH)
    raise SourceError(f"{path}: {described}; convert reads: {names}", "inspector convert --help")
