"""Storing in a model what it needs to be used: class names, and the way from pixels to its input."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from inspector import labels as label_metadata
from inspector import preprocess as preprocess_metadata
from inspector.errors import ModelError, OptionError
from inspector.labels import Labels
from inspector.layout import picture_input
from inspector.onnxfile.metadata import with_metadata
from inspector.preprocess import Fields, Preprocess, declared_in, default_for
from inspector.scores import find_scores

if TYPE_CHECKING:
    from inspector.model import Model
    from inspector.predictor import GivenLabels


def annotate(
    model: Model,
    *,
    labels: GivenLabels | None = None,
    preprocess: Preprocess | Fields | None = None,
    out: str | os.PathLike[str] | None = None,
    force: bool = False,
) -> Path:
    """Store class labels and the way from pixels to the input in a model's metadata.

    The weights are copied as they are, never parsed. What is not given stays as the model declares it.

    Args:
        model: The model.
        labels: Class names, or a file of them.
        preprocess: The whole way; or only some fields, which are set over those that the model declares or,
            if it declares none, over the default.
        out: The file to write; None to change the model's own file. That file is then another one: load it
            again.
        force: Whether another existing file may be replaced.

    Returns:
        The file written.

    Raises:
        OptionError: There is nothing to store, or it does not fit the model.
        ImageError: The model's input does not take pictures.
        OutputExistsError: `out` exists and `force` is not set.
        FileError: The labels cannot be read, or the file cannot be written.

    Example:
        >>> import inspector
        >>> annotate(inspector.load("absent.onnx"), labels=["cat", "dog"])
        Traceback (most recent call last):
        converters.errors.FileError: absent.onnx: no such file; expected an ONNX model
    """
    changes: dict[str, str | None] = {}
    if labels is not None:
        changes[label_metadata.KEY] = _fitting(model, Labels.of(labels)).to_json()
    if preprocess:
        changes[preprocess_metadata.KEY] = _merged(model, preprocess).to_json()
    if not changes:
        raise OptionError(
            f"{model.path}: there is nothing to store; expected labels or a way from pixels to the input",
            f"inspector annotate {model.path} --labels FILE --channels rgb --range 0..1",
        )
    if out is None:
        return with_metadata(model.file, changes, model.path, force=True)
    return with_metadata(model.file, changes, Path(out), force=force)


def _fitting(model: Model, labels: Labels) -> Labels:
    """The labels, if the model has as many classes, or does not say how many."""
    try:
        classes = find_scores(model.file).classes
    except OptionError:
        # Not a classifier: the labels may name what it detects.
        return labels
    if classes is not None:
        labels.check(classes, str(model.path))
    return labels


def _merged(model: Model, given: Preprocess | Fields) -> Preprocess:
    value, where = picture_input(model.file), str(model.path)
    if isinstance(given, Preprocess):
        merged = given
    else:
        try:
            base = declared_in(model.file.metadata, where)
        except ModelError:
            # A broken declaration is what this command is there to mend.
            base = None
        merged = (base or default_for(value, given.get("channels"), where=where)).changed(given)
    merged.check(value, where=where)
    return merged
