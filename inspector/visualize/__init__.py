"""What a filter or a class looks for: pictures that excite it most, found by climbing its gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from inspector.choices import TIME_LIMIT
from inspector.errors import OptionError
from inspector.filters.selection import select as selected
from inspector.onnxfile.source import quoted
from inspector.visualize.result import SUFFIXES, Visualization

if TYPE_CHECKING:
    from inspector.model import Model
    from inspector.predictor import GivenLabels, Predictor
    from inspector.preprocess import Fields, Preprocess
    from inspector.visualize.ascent import Ascent
    from inspector.visualize.pixels import Floats
    from inspector.visualize.unit import Units

__all__ = ["SUFFIXES", "Visualization", "visualize"]

RANDOM_PICTURES = 128
"""How many random pictures an activation is compared with."""

_MOST_PER_FILTER = 100


def visualize(
    model: Model,
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
    step: Callable[[], None] | None = None,
) -> Visualization:
    """Find the pictures that filters of a layer, or classes, look for, by activation maximisation.

    A filter is asked at one position of its map: the one whose receptive field the picture is where that is
    smaller than the model's input and the network up to there permits it, otherwise the one in the middle.
    Pixels stay between black and white, whatever the model makes of them.

    Args:
        model: The opened model.
        layer: A layer's or a value's name, or "logits"; also with a channel, "conv_2:5".
        select: Which filters: "0-15,40", or numbers; by default, all.
        target: A class, by name or number, in place of a layer.
        steps: How many steps of the ascent.
        per_filter: How many pictures for each filter, kept from being alike.
        seed: Of what is drawn by chance. A filter's picture does not depend on which others are asked for.
        transforms: Whether each step sees the picture a little shifted, turned and enlarged, so that what is
            found does not hang on single pixels.
        preprocess: The way from pixels to the input, or some fields of it, where it is not what the model
            declares.
        labels: Class names, or a file of them; by default those that the model declares.
        time_limit: Seconds that one run may take; None for any time.
        step: Called after each step; at most twice as often as there are steps, for where no picture does
            better than chance, another ascent begins with what chance found.

    Raises:
        UnknownLayerError: There is no such layer or value.
        OptionError: An option makes no sense for the model.
        GradientError: An operator on the way has no derivative.
        ImageError: The model takes no pictures.
        RunError: The model cannot be run.

    Reference:
        Erhan, Bengio, Courville, Vincent: Visualizing higher-layer features of a deep network, 2009; Olah,
        Mordvintsev, Schubert: Feature visualization, Distill 2017.

    Example:
        >>> import numpy, onnx, pathlib, tempfile
        >>> from onnx import TensorProto, helper, numpy_helper
        >>> image = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, 9, 9])
        >>> result = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
        >>> kernel = numpy.array([[[[-1, 1], [-1, 1]]]], "float32")
        >>> weight = numpy_helper.from_array(kernel, "edge.weight")
        >>> node = helper.make_node("Conv", ["x", "edge.weight"], ["y"])
        >>> graph = helper.make_graph([node], "net", [image], [result], [weight])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "net.onnx")
        ...     onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), path)
        ...     from inspector.model import load
        ...     model = load(path)
        ...     found = visualize(model, "edge", transforms=False)
        ...     model.file.close()
        >>> (found.pictures[0, 0] > 127).astype(int).tolist()
        [[0, 1], [0, 1]]
    """
    from inspector.class_number import class_number
    from inspector.layer_names import LOGITS
    from inspector.visualize.unit import class_names, prepared, units_of

    _check(steps, per_filter)
    if (target is None) == (not layer):
        raise OptionError(
            f"{model.path}: expected either a layer or a class to look for", "-l LAYER or --class NAME"
        )
    ready = prepared(model, layer or LOGITS, preprocess, labels, time_limit)
    units = units_of(ready, layer or LOGITS)
    if target is not None:
        select = (class_number(ready, target, "--class 0"),)
    elif units.channel is not None:
        select = (units.channel,)
    ascent = _ascent(ready, units, transforms)
    head = ascent.head
    chosen = selected(select, head.units, "filter", f"{model.path}: {quoted(units.asked)}")
    found = _found(ascent, chosen, per_filter, steps, seed, step or (lambda: None))
    drawn = found.pictures
    channels_last = drawn[:, 0] if drawn.shape[1] == 1 else drawn.transpose(0, 2, 3, 1)
    return Visualization(
        source=str(model.path),
        layer=units.asked,
        value=units.value,
        before=units.before,
        indices=chosen,
        labels=class_names(ready, units, chosen),
        total=head.units,
        pictures=channels_last.reshape(len(chosen), per_filter, *channels_last.shape[1:]),
        activations=found.activations.reshape(len(chosen), per_filter),
        random=found.random,
        place=head.place,
        patch=head.patch,
        steps=steps,
        seed=seed,
        warnings=(ready.assumed,) if ready.assumed else (),
    )


def _check(steps: int, per_filter: int) -> None:
    for name, number, most in (("steps", steps, 100_000), ("per-filter", per_filter, _MOST_PER_FILTER)):
        if not 1 <= number <= most:
            raise OptionError(f"{name} is {number}; expected 1 to {most}", f"--{name} 1, for example.")


def _ascent(ready: Predictor, units: Units, transforms: bool) -> Ascent:
    """The model made ready for climbing."""
    from inspector.gradients import Gradient
    from inspector.visualize.ascent import Ascent
    from inspector.visualize.head import head_of
    from inspector.visualize.pixels import pixels_of

    pixels = pixels_of(ready)
    head = head_of(ready, units, pixels)
    gradient = Gradient(head.proto, head.value, head.input, time_limit=ready.time_limit)
    return Ascent(head, pixels, gradient, transforms)


@dataclass(frozen=True, eq=False)
class _Found:
    """Pictures, uint8 (M, channels, H, W), what each reaches, and what chance does for each unit."""

    pictures: NDArray[np.uint8]
    activations: Floats
    random: Floats


def _found(
    ascent: Ascent,
    chosen: tuple[int, ...],
    per_filter: int,
    steps: int,
    seed: int,
    step: Callable[[], None],
) -> _Found:
    """Climb; where no picture does better than chance, climb once more from what chance found."""
    pictures = _whole_levels(ascent.climb(chosen, per_filter, steps, seed, step))
    reached = _reached(ascent, pictures, np.repeat(chosen, per_filter))
    by_chance = _random_pictures(ascent, seed)
    chances = ascent.activations(by_chance)[:, list(chosen)]
    best = chances.max(axis=0)
    beaten = np.flatnonzero(reached.reshape(-1, per_filter).max(axis=1) <= best)
    if len(beaten):
        units = [chosen[at] for at in beaten]
        start = by_chance[chances[:, beaten].argmax(axis=0)]
        again = _whole_levels(ascent.climb(units, 1, steps, seed, step, start))
        values = _reached(ascent, again, np.asarray(units))
        first = beaten * per_filter
        better = values > reached[first]
        pictures[first[better]], reached[first[better]] = again[better], values[better]
    return _Found(pictures, reached, best)


def _whole_levels(pictures: Floats) -> NDArray[np.uint8]:
    return np.rint(pictures * 255).astype(np.uint8)


def _reached(ascent: Ascent, drawn: NDArray[np.uint8], units: NDArray[np.int64]) -> Floats:
    """The activation of each picture's own unit, by the picture as it is shown: in whole grey levels."""
    return ascent.activations((drawn / 255).astype(np.float32))[np.arange(len(drawn)), units]


def _random_pictures(ascent: Ascent, seed: int) -> Floats:
    """Pictures of every kind that chance draws: flat ones, static, and forms of all sizes."""
    from inspector.visualize.spectrum import Spectrum

    random, part = np.random.default_rng([seed, 1]), RANDOM_PICTURES // 4
    channels, (height, width) = ascent.pixels.channels, ascent.head.size
    shape = (part, channels, height, width)
    flat = np.broadcast_to(random.random((part, channels, 1, 1)), shape)
    spectrum = Spectrum(channels, height, width)
    waves = spectrum.start([(seed, 2, number) for number in range(2 * part)])
    # From faint to black and white.
    strength = np.geomspace(30, 1000, 2 * part).reshape(-1, 1, 1, 1).astype(np.float32)
    forms = spectrum.pictures(waves * strength)
    return np.concatenate([flat, random.random(shape), forms]).astype(np.float32)
