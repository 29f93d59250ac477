"""Files of weights: the kernels of a network that cannot be run as it is, read without its framework."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NoReturn

from inspector.errors import UnsupportedError
from inspector.model import Model

if TYPE_CHECKING:
    from converters.weights import StoredLayer, Variable, Weights
    from inspector.filters import Kernels
    from inspector.layers import Layer, Layers
    from inspector.onnxfile import OnnxFile

_COLOURS = 3


class WeightsOnly(Model):
    """An opened file that holds weights, and no network that could be run.

    It has a model's layers and filters. Every other verb raises `UnsupportedError`, which says what helps.

    Attributes:
        weights: What the file holds.
    """

    weights: Weights

    def __init__(self, weights: Weights) -> None:
        object.__setattr__(self, "weights", weights)

    @property
    def path(self) -> Path:
        """The file, as it was given."""
        return self.weights.path

    @property
    def file(self) -> OnnxFile:
        """There is none.

        Raises:
            UnsupportedError: Always.
        """
        self._refuse()

    @property
    def notes(self) -> tuple[str, ...]:
        """What was guessed of the layers, a sentence each."""
        return self.weights.notes

    def notes_on(self, layer: str) -> tuple[str, ...]:
        """Those of the notes that concern one layer."""
        return self.weights.notes_on(layer)

    @cached_property
    def layers(self) -> Layers:
        """Its layers: their parameters, and the shapes of their kernels."""
        from inspector.layers import Layers

        return Layers(str(self.path), tuple(map(_layer, self.weights.layers)), weights_only=True)

    def kernels(self, layer: Layer) -> Kernels:
        """Read all kernels of one layer; nothing else of the file is touched.

        Raises:
            OptionError: The layer is of a kind without kernels.
            TensorError: The weights are no numbers, or not of one to three dimensions.
            SourceError: The file is damaged.
        """
        from inspector.filters import kernels
        from inspector.onnxfile.source import quoted

        stored = self._stored[layer.name]
        if stored.kernel is None:
            raise kernels.without_kernels(self, layer)
        array = stored.kernels()
        kernels.check_kernels(array, stored.kernel.name, f"{self.path}: layer {quoted(layer.name)}")
        return kernels.Kernels(
            str(self.path),
            layer.name,
            layer.kind,
            stored.kernel.name,
            kernels.as_floats(array),
            _groups(stored),
            self._colours(layer),
        )

    @cached_property
    def _stored(self) -> dict[str, StoredLayer]:
        return {layer.name: layer for layer in self.weights.layers}

    def _colours(self, layer: Layer) -> Literal["rgb"] | None:
        """The order of the channels if the layer is what reads the picture.

        That is the first convolution, or the only one that takes three channels.
        """
        coloured = [each for each in self.layers.conv if _reads_colours(each)]
        first = self.layers.conv[0]
        return "rgb" if layer in coloured and (layer is first or len(coloured) == 1) else None

    def _refuse(self) -> NoReturn:
        """Say what helps to get a model of it."""
        if self.weights.needs:
            raise UnsupportedError(
                f"{self.path}: holds weights only, and no network that could be run; expected an ONNX model",
                f"{self.weights.needs} What can be seen as it is: inspector layers {self.path}",
            )
        raise UnsupportedError(
            f"{self.path}: cannot be run as it is ({self.weights.kind}); expected an ONNX model",
            f"inspector convert {self.path} -o {self.path.stem or 'MODEL'}.onnx",
        )

    def __repr__(self) -> str:
        return f"WeightsOnly({str(self.path)!r}, {len(self.weights.layers)} layers)"


def open_weights(path: Path) -> WeightsOnly | None:
    """Open a file that is no ONNX model for its weights; None when no format can read them.

    Raises:
        SourceError: It is damaged.
        UnsupportedError: It holds what is not read, with the reason; or it is no file, but a name in code.
        MissingExtraError: A reader that its format needs is not installed.
    """
    from converters.code import CODE
    from converters.formats import weights_of
    from converters.input_shapes import EXAMPLE

    if CODE.recognise(path):
        out = f"{path.name.rpartition(':')[2]}.onnx"
        raise UnsupportedError(
            f"{path}: is a network in code, which has to be converted first; expected an ONNX model",
            f"inspector convert {path} {EXAMPLE} -o {out}\nThen: inspector layers {out}",
        )
    weights = weights_of(path)
    return None if weights is None else WeightsOnly(weights)


def _layer(stored: StoredLayer) -> Layer:
    """A layer of the file as the commands know layers."""
    from inspector.layers import Layer
    from inspector.layers.operators import convolution

    kernel = None if stored.kernel is None else _kernel_shape(stored, stored.kernel)
    kind = {"Gemm": "Dense"}.get(stored.kind, stored.kind)
    if kernel is not None and stored.kind in ("Conv", "ConvTranspose"):
        transposed = stored.kind == "ConvTranspose"
        kind = convolution(len(kernel) - 2, transposed=transposed, depthwise=_is_depthwise(stored, kernel))
    return Layer(
        name=stored.name,
        kind=kind,
        op_type=stored.kind,
        nodes=(),
        output="",
        parameters=stored.parameters,
        weight=None if stored.kernel is None else stored.kernel.name,
        _shapes=None,
        kernel=kernel,
    )


def _kernel_shape(stored: StoredLayer, variable: Variable) -> tuple[int, ...]:
    """The shape of the kernels as they are handed out, without reading them."""
    sizes = dict(zip(stored.order, variable.shape, strict=True))
    space = tuple(sizes[axis] for axis in "DHW" if axis in sizes)
    if "M" in sizes:
        return (sizes["I"] * sizes["M"], 1, *space)
    if stored.groups > 1 and stored.order.startswith("IO"):
        return (sizes["O"] * stored.groups, sizes["I"] // stored.groups, *space)
    return (sizes["O"], sizes["I"], *space)


def _is_depthwise(stored: StoredLayer, kernel: tuple[int, ...]) -> bool:
    return kernel[1] == 1 and _groups(stored) > 1


def _groups(stored: StoredLayer) -> int:
    """In how many groups the channels are; of a depthwise kernel, as many as input channels."""
    if "M" not in stored.order or stored.kernel is None:
        return stored.groups
    return stored.kernel.shape[stored.order.index("I")]


def _reads_colours(layer: Layer) -> bool:
    return layer.kernel is not None and len(layer.kernel) == 4 and layer.kernel[1] == _COLOURS
