"""The kernels of every layer of a model, one file each."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np

from converters.files import check_output
from inspector.choices import Reduce, Sort
from inspector.errors import FileError, InspectorError, ModelError, OptionError, TensorError
from inspector.filters.build import build
from inspector.filters.kernels import Kernels
from inspector.filters.result import SUFFIXES, Filters, PictureOptions
from inspector.onnxfile.source import quoted
from inspector.safe_names import file_names

if TYPE_CHECKING:
    from inspector.model import Model

_ANOTHER = "Name another folder with -o."


@dataclass(frozen=True, eq=False)
class SavedLayer:
    """What became of one layer.

    Attributes:
        layer: Its name.
        path: The file that was written; None when it could not be.
        filters: What the file shows; None likewise.
        error: Why it could not be; None when it was.
    """

    layer: str
    path: Path | None
    filters: Filters | None
    error: InspectorError | None


@dataclass(frozen=True, eq=False)
class SavedFolder(Mapping[str, Path]):
    """The files of a folder by layer name.

    Attributes:
        files: The file of each layer that could be written.
        failures: Why the others could not.
        notes: What is remarkable about the filters of a layer, in sentences, by layer.
        warnings: What the reader of a picture should know, in sentences.
    """

    files: Mapping[str, Path]
    failures: Mapping[str, InspectorError]
    notes: Mapping[str, tuple[str, ...]]
    warnings: tuple[str, ...]

    def __getitem__(self, layer: str) -> Path:
        return self.files[layer]

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)


def save_layers(
    model: Model,
    folder: str | os.PathLike[str],
    *,
    suffix: str = ".png",
    force: bool = False,
    reduce: Reduce = "none",
    sort: Sort = "none",
    **options: Unpack[PictureOptions],
) -> Iterator[SavedLayer]:
    """Write the kernels of each layer that has some; one that cannot be read does not stop the others.

    What can be checked first is checked when the iterator is made, before anything is written.

    Args:
        model: The opened model.
        folder: Where the files go; made if it does not exist, its parent must.
        suffix: What the files are: one of `SUFFIXES`.
        force: Whether existing files may be replaced.
        reduce: As for `filters`.
        sort: As for `filters`.
        options: As for `Filters.picture`.

    Returns:
        An iterator over the layers in the model's order, which reads and writes one at each step.

    Raises:
        ModelError: The model has no layer with kernels.
        OptionError: The suffix is another, or an option's value makes no sense for any layer.
        OutputExistsError: A file exists and `force` is not set.
        FileError: The folder cannot be made or written.
    """
    folder, suffix = Path(folder), suffix.lower()
    if suffix not in SUFFIXES:
        raise OptionError(
            f"cannot write kernels as {suffix!r}; expected {', '.join(SUFFIXES)}", "--format png"
        )
    layers = tuple(model.layers.conv)
    if not layers:
        raise _no_kernels(model)
    # A picture of one weight shows whether the options are good before a folder is made for them.
    sample = Kernels(str(model.path), "", "", "", np.zeros((1, 1, 1, 1), np.float32))
    build(sample, reduce=reduce, sort=sort).picture(**options)
    _make(folder)
    paths = [folder / f"{name}{suffix}" for name in file_names(layer.name for layer in layers)]
    for path in paths:
        check_output(path, force=force)

    def each() -> Iterator[SavedLayer]:
        for layer, path in zip(layers, paths, strict=True):
            try:
                found = build(model.kernels(layer), reduce=reduce, sort=sort)
                found.save(path, force=force, **options)
            except (TensorError, ModelError, OptionError) as error:
                yield SavedLayer(layer.name, None, None, error)
            else:
                yield SavedLayer(layer.name, path, found, None)

    return each()


def all_filters(
    model: Model,
    folder: str | os.PathLike[str],
    *,
    suffix: str = ".png",
    force: bool = False,
    reduce: Reduce = "none",
    sort: Sort = "none",
    **options: Unpack[PictureOptions],
) -> SavedFolder:
    """Write the kernels of every layer that has some into a folder, one file each.

    See `save_layers` for the arguments and the errors. A layer that cannot be read is left out and named in
    `failures`; when none can, the first one's error is raised.
    """
    saved = tuple(save_layers(model, folder, suffix=suffix, force=force, reduce=reduce, sort=sort, **options))
    failures = {each.layer: each.error for each in saved if each.error is not None}
    if len(failures) == len(saved):
        raise next(iter(failures.values()))
    written = [(each.layer, each.path, each.filters) for each in saved if each.path and each.filters]
    return SavedFolder(
        files={layer: path for layer, path, _ in written},
        failures=failures,
        notes={layer: found.notes for layer, _, found in written if found.notes},
        warnings=tuple(warning for _, _, found in written for warning in found.warnings),
    )


def _no_kernels(model: Model) -> ModelError:
    there = [f"{quoted(layer.name)} ({layer.kind})" for layer in model.layers]
    listed = ", ".join(there[:5]) + (", …" if there[5:] else "")
    return ModelError(
        f"{model.path}: has no convolution layer, so there are no kernels to show; "
        + (f"its layers are {listed}" if there else "it has no layers at all"),
        f"inspector layers {model.path}" if there else "",
    )


def _make(folder: Path) -> None:
    """Make the folder unless it is there."""
    try:
        folder.mkdir(exist_ok=True)
    except FileExistsError:
        raise FileError(f"{folder}: is a file; expected a folder to write into", _ANOTHER) from None
    except FileNotFoundError:
        raise FileError(
            f"{folder}: the folder {folder.parent} does not exist", f"mkdir -p {folder}"
        ) from None
    except OSError as error:
        raise FileError(f"{folder}: cannot be made: {error.strerror}", _ANOTHER) from error
