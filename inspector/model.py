"""One opened model: its verbs are one-line calls into the rooms of the package."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from inspector.choices import TIME_LIMIT, Order, Reduce, Sort
from inspector.errors import FileError, ModelError
from inspector.onnxfile import Graph, OnnxFile, open_onnx

if TYPE_CHECKING:
    from inspector.activations import Activations
    from inspector.exemplars import Exemplars
    from inspector.explain import Explanations
    from inspector.filters import Filters, Kernels, PictureOptions
    from inspector.filters.folder import SavedFolder
    from inspector.gradients import Gradient, Rules
    from inspector.gradients.input_shapes import InputShape
    from inspector.images import ImageSource
    from inspector.labels import Labels
    from inspector.layers import Layer, Layers
    from inspector.picture_list import Images
    from inspector.predictions import Predictions
    from inspector.predictor import GivenLabels
    from inspector.preprocess import Fields, Preprocess
    from inspector.session import Session
    from inspector.visualize import Visualization


@dataclass(frozen=True, eq=False)
class Model:
    """An opened model: its structure is known, its weights are still where they were.

    Attributes:
        file: What the file holds.
    """

    file: OnnxFile

    @property
    def path(self) -> Path:
        """The file, as it was given."""
        return self.file.path

    @property
    def graph(self) -> Graph:
        """Its graph."""
        return self.file.graph

    @cached_property
    def layers(self) -> Layers:
        """Its layers.

        Raises:
            ModelError: A part of the graph that tells them is broken.
        """
        from inspector.layers import layers_of

        return layers_of(self.file)

    @cached_property
    def labels(self) -> Labels | None:
        """The class labels that the file declares.

        Raises:
            ModelError: They are broken.
        """
        from inspector.labels import Labels

        return Labels.from_metadata(self.file.metadata, str(self.path))

    @cached_property
    def preprocess(self) -> Preprocess | None:
        """The way from pixels to the input that the file declares.

        Raises:
            ModelError: It is broken.
        """
        from inspector.preprocess import declared_in

        return declared_in(self.file.metadata, str(self.path))

    def session(self, *, threads: int | None = None, time_limit: float | None = TIME_LIMIT) -> Session:
        """Open the model for running; asked again for the same, the same session is returned.

        Args:
            threads: How many threads one run uses, at most one for each core; None for as many.
            time_limit: Seconds that one run may take; None for any time.
        """
        from inspector.session import Session

        key = threads, time_limit
        if key not in self._sessions:
            self._sessions[key] = Session(self.file, threads=threads, time_limit=time_limit)
        return self._sessions[key]

    @cached_property
    def _sessions(self) -> dict[tuple[int | None, float | None], Session]:
        # Opening a large model takes longer than running it once.
        return {}

    @property
    def notes(self) -> tuple[str, ...]:
        """What was guessed of the layers, a sentence each; empty where the file says it all."""
        return ()

    def notes_on(self, layer: str) -> tuple[str, ...]:
        """Those of the notes that concern one layer."""
        return ()

    def kernels(self, layer: Layer) -> Kernels:
        """Read all kernels of one layer as they are; see `inspector.filters.read_kernels`."""
        from inspector.filters import read_kernels

        return read_kernels(self, layer)

    def filters(
        self,
        layer: str | Layer,
        *,
        select: str | Sequence[int] | None = None,
        channels: str | Sequence[int] | None = None,
        reduce: Reduce = "none",
        sort: Sort = "none",
    ) -> Filters:
        """Read the kernels of one layer; see `inspector.filters.filters`."""
        from inspector.filters import filters

        return filters(self, layer, select=select, channels=channels, reduce=reduce, sort=sort)

    def all_filters(
        self,
        folder: str | os.PathLike[str],
        *,
        suffix: str = ".png",
        force: bool = False,
        reduce: Reduce = "none",
        sort: Sort = "none",
        **options: Unpack[PictureOptions],
    ) -> SavedFolder:
        """Write the kernels of every layer that has some; see `inspector.filters.folder.all_filters`."""
        from inspector.filters.folder import all_filters

        return all_filters(self, folder, suffix=suffix, force=force, reduce=reduce, sort=sort, **options)

    def activations(
        self,
        image: ImageSource,
        layer: str,
        *,
        select: str | Sequence[int] | None = None,
        sort: Order = "none",
        top: int | None = None,
        preprocess: Preprocess | Fields | None = None,
        time_limit: float | None = TIME_LIMIT,
    ) -> Activations:
        """Compute a layer's feature maps for one picture; see `inspector.activations.activations`."""
        from inspector.activations import activations

        return activations(
            self,
            image,
            layer,
            select=select,
            sort=sort,
            top=top,
            preprocess=preprocess,
            time_limit=time_limit,
        )

    def predict(
        self,
        images: Images,
        *,
        top: int = 5,
        preprocess: Preprocess | Fields | None = None,
        labels: GivenLabels | None = None,
        output: str | None = None,
        batch_size: int | None = None,
        threads: int | None = None,
        time_limit: float | None = TIME_LIMIT,
        fast_decode: bool = False,
    ) -> Predictions:
        """Predict the classes of one picture, several, or a folder; see `inspector.predict.predict`."""
        from inspector.predict import predict

        return predict(
            self,
            images,
            top=top,
            preprocess=preprocess,
            labels=labels,
            output=output,
            batch_size=batch_size,
            threads=threads,
            time_limit=time_limit,
            fast_decode=fast_decode,
        )

    def explain(
        self,
        images: Images,
        methods: Sequence[str] | None = None,
        *,
        target: str | int = "top",
        layer: str = "",
        options: Mapping[str, Mapping[str, Any]] | None = None,
        trust: bool = True,
        seed: int = 0,
        preprocess: Preprocess | Fields | None = None,
        labels: GivenLabels | None = None,
        output: str | None = None,
        time_limit: float | None = TIME_LIMIT,
    ) -> Explanations:
        """Explain decisions by heatmaps; see `inspector.explain.explain`."""
        from inspector.explain import DEFAULT_METHODS, explain

        return explain(
            self,
            images,
            methods or DEFAULT_METHODS,
            target=target,
            layer=layer,
            options=options,
            trust=trust,
            seed=seed,
            preprocess=preprocess,
            labels=labels,
            output=output,
            time_limit=time_limit,
        )

    def gradient(
        self,
        of: str,
        wrt: str | None = None,
        *,
        rules: Rules | None = None,
        input_shape: InputShape | None = None,
        outputs: Sequence[str] = (),
    ) -> Gradient:
        """Make a gradient ready to be computed; see `inspector.gradients.Gradient`."""
        from inspector.gradients import RULES, Gradient

        return Gradient(self, of, wrt, rules=rules or RULES, input_shape=input_shape, outputs=outputs)

    def export(
        self,
        out: str | os.PathLike[str],
        *,
        gradient: str,
        wrt: str | Sequence[str] | None = None,
        outputs: Sequence[str] = (),
        input_shape: InputShape | None = None,
        force: bool = False,
    ) -> Path:
        """Write the model with its gradient to one file; see `inspector.export.export`."""
        from inspector.export import export

        return export(
            self, out, gradient=gradient, wrt=wrt, outputs=outputs, input_shape=input_shape, force=force
        )

    def visualize(
        self,
        layer: str = "",
        *,
        select: str | Sequence[int] | None = None,
        target: str | int | None = None,
        steps: int = 256,
        per_filter: int = 1,
        seed: int = 0,
        transforms: bool = True,
        preprocess: Preprocess | Fields | None = None,
        labels: GivenLabels | None = None,
        time_limit: float | None = TIME_LIMIT,
    ) -> Visualization:
        """Find what filters or classes look for; see `inspector.visualize.visualize`."""
        from inspector.visualize import visualize

        return visualize(
            self,
            layer,
            select=select,
            target=target,
            steps=steps,
            per_filter=per_filter,
            seed=seed,
            transforms=transforms,
            preprocess=preprocess,
            labels=labels,
            time_limit=time_limit,
        )

    def exemplars(
        self,
        images: Images,
        layer: str,
        *,
        select: str | Sequence[int] | None = None,
        count: int = 9,
        visualize: bool = False,
        steps: int = 256,
        seed: int = 0,
        preprocess: Preprocess | Fields | None = None,
        time_limit: float | None = TIME_LIMIT,
    ) -> Exemplars:
        """Find what excites each filter most in pictures; see `inspector.exemplars.exemplars`."""
        from inspector.exemplars import exemplars

        return exemplars(
            self,
            images,
            layer,
            select=select,
            count=count,
            visualize=visualize,
            steps=steps,
            seed=seed,
            preprocess=preprocess,
            time_limit=time_limit,
        )

    def annotate(
        self,
        *,
        labels: GivenLabels | None = None,
        preprocess: Preprocess | Fields | None = None,
        out: str | os.PathLike[str] | None = None,
        force: bool = False,
    ) -> Path:
        """Store labels and the way from pixels to the input in a file; see `inspector.annotate.annotate`."""
        from inspector.annotate import annotate

        return annotate(self, labels=labels, preprocess=preprocess, out=out, force=force)

    def __repr__(self) -> str:
        return f"Model({str(self.path)!r}, {len(self.graph.nodes)} nodes)"

    def _repr_html_(self) -> str:
        import html

        from inspector.safe_names import printable

        return f"<p><b>{html.escape(printable(self.path.name))}</b></p>{self.layers._repr_html_()}"


def load(path: str | os.PathLike[str]) -> Model:
    """Open an ONNX model: its structure is read, its weights are left where they are.

    What another framework saved is opened too where its weights can be read without that framework: a
    `inspector.weights_only.WeightsOnly`, with the same layers and filters, and nothing that could be run.

    Args:
        path: The file; for TensorFlow also a folder, or a checkpoint's prefix.

    Raises:
        FileError: It is missing or unreadable.
        ModelError: It is of no format that is read, its structure is broken, or it is too new.
        TensorError: A tensor's description cannot be right.
        SourceError: It is of another framework, and damaged.
        UnsupportedError: It is of another framework, and holds what is not read; or it is no file, but code.
        MissingExtraError: It is of another framework, and its reader is not installed.

    Example:
        >>> import pathlib, tempfile
        >>> from onnx import TensorProto, helper, save
        >>> value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 4]) for name in "xy"]
        >>> graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "net", value[:1], value[1:])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "net.onnx")
        ...     save(helper.make_model(graph), path)
        ...     model = load(path)
        ...     [(layer.name, layer.kind, layer.shape) for layer in model.layers]
        ...     model.file.close()
        [('y', 'Relu', ('N', 4))]
    """
    try:
        return Model(open_onnx(path))
    except (FileError, ModelError):
        from inspector.weights_only import open_weights

        stored = open_weights(Path(path))
        if stored is None:
            raise
        return stored
