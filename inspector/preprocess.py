"""The declared way from pixels to the input tensor."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, TypedDict, cast, get_args

import numpy as np
from numpy.typing import NDArray

from inspector.choices import Channels, Range, Resize
from inspector.errors import ImageError, ModelError, OptionError
from inspector.layout import Layout, input_name, layout_of
from inspector.pixels import check_size

if TYPE_CHECKING:
    from PIL import Image

    from inspector.onnxfile.graph import Value

KEY = "inspector.preprocess"

# Divisor and offset: a division, as everybody trains with, where a factor would differ in the last bit.
_SCALES: Mapping[Range, tuple[float, float]] = {"0..1": (255, 0), "0..255": (1, 0), "-1..1": (127.5, -1)}
_PIXEL_FORMATS: Mapping[str, Channels] = {"gray8": "gray", "rgb8": "rgb", "bgr8": "bgr"}
_PIXEL_RANGES: Mapping[str, Range] = {
    "nominalrange_0_255": "0..255",
    "normalized_0_1": "0..1",
    "normalized_1_1": "-1..1",
}


class Fields(TypedDict, total=False):
    """The fields of a `Preprocess` that a caller wants otherwise; those left out stay."""

    channels: Channels
    range: Range
    mean: Sequence[float]
    std: Sequence[float]
    resize: Resize


@dataclass(frozen=True)
class Preprocess:
    """How a picture becomes a tensor: resize, order channels, scale to a range, then `(x - mean) / std`.

    Attributes:
        channels: "rgb", "bgr" or "gray" (luma of ITU-R 601).
        range: What 0 and 255 become.
        mean: Taken off after scaling, in the units of `range` and the order of `channels`: one number for all
            channels or one for each; empty for none.
        std: Divided by, likewise.
        resize: "stretch" to the input's size; "crop" fills it and cuts what hangs over, evenly on both sides;
            "pad" fits into it and leaves black bars, even on both sides.

    Example:
        >>> Preprocess("bgr", "0..255", mean=(104, 117, 123)).to_json()
        '{"channels": "bgr", "range": "0..255", "mean": [104, 117, 123], "std": [], "resize": "stretch"}'
    """

    channels: Channels = "rgb"
    range: Range = "0..1"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    resize: Resize = "stretch"

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            OptionError: A word is unknown, or mean or std has the wrong length or values.
        """
        for field, choices in (("channels", Channels), ("range", Range), ("resize", Resize)):
            if getattr(self, field) not in get_args(choices):
                raise OptionError(
                    f"{field} is {getattr(self, field)!r}; expected one of {', '.join(get_args(choices))}",
                    f"--{field} {get_args(choices)[0]}, for example.",
                )
        counts = (0, 1) if self.channels == "gray" else (0, 1, 3)
        for field in ("mean", "std"):
            numbers = getattr(self, field)
            if len(numbers) not in counts or not all(math.isfinite(number) for number in numbers):
                expected = " or ".join(str(count) for count in counts[1:])
                raise OptionError(
                    f"{field} is {_list(numbers)}; expected {expected} finite numbers for {self.channels}",
                    f"--{field} takes one number for all channels, or one for each.",
                )
        if any(number <= 0 for number in self.std):
            raise OptionError(f"std is {_list(self.std)}; expected numbers above 0", "Leave std out for 1.")

    def to_json(self) -> str:
        """The text that is stored under `inspector.preprocess` in a model's metadata."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str, where: str) -> Preprocess:
        """Read what `to_json` wrote.

        Args:
            text: The JSON text.
            where: The model's path, for messages.

        Raises:
            ModelError: It is no such text.
        """
        hint = f"Set it anew: inspector annotate {where}"
        try:
            stored = json.loads(text)
        except (json.JSONDecodeError, RecursionError):
            raise ModelError(f"{where}: the metadata {KEY!r} is not JSON", hint) from None
        known = cls.__dataclass_fields__
        if not isinstance(stored, dict) or not set(stored) <= set(known):
            raise ModelError(f"{where}: the metadata {KEY!r} is not an object of {', '.join(known)}", hint)
        for field, value in stored.items():
            right = _is_numbers(value) if field in ("mean", "std") else isinstance(value, str)
            if not right:
                expected = "a list of numbers" if field in ("mean", "std") else "a string"
                raise ModelError(f"{where}: {field} in the metadata {KEY!r} is not {expected}", hint)
        try:
            return cls().changed(cast(Fields, stored))
        except OptionError as error:
            raise ModelError(f"{where}: in the metadata {KEY!r}, {error.message}", hint) from error

    def changed(self, fields: Fields) -> Preprocess:
        """This way with some fields otherwise.

        Raises:
            OptionError: A value makes no sense.
        """
        given = dict(fields)
        for field in ("mean", "std"):
            if field in given:
                given[field] = tuple(cast(Sequence[float], given[field]))
        return replace(self, **given)  # type: ignore[arg-type]

    def apply(self, image: Image.Image, value: Value, *, where: str = "") -> NDArray[np.generic]:
        """Make a picture into the model's input.

        Shrinking averages over every pixel covered (a triangle filter); enlarging is bilinear. An axis of the
        input that has no size keeps the picture's: both, or the one that keeps the picture's proportions.

        Args:
            image: Upright, mode "L" or "RGB", as `inspector.images.decode` gives it.
            value: The input, which decides layout, size and dtype.
            where: The picture's name, for messages.

        Returns:
            One picture with all axes of the input, of its dtype (float32 nearly always): (1, H, W, C),
            (1, C, H, W), (1, H, W), (1, H·W), or without the batch axis when the input has none.

        Raises:
            ImageError: The input does not take pictures.
            OptionError: The input has another number of channels, or a dtype that cannot hold the values.

        Example:
            >>> from PIL import Image
            >>> from inspector.onnxfile import DataType, Value
            >>> value = Value("X", DataType.FLOAT, ("N", 91, 91, 3))
            >>> pixels = Preprocess("bgr").apply(Image.new("RGB", (20, 10), "red"), value)
            >>> pixels.shape, pixels[0, 0, 0].tolist()
            ((1, 91, 91, 3), [0.0, 0.0, 1.0])
        """
        layout = layout_of(value, self.channels, where=where)
        dtype = self.check(value, where=where)
        divisor, offset = _SCALES[self.range]
        pixels: NDArray[np.float32] = np.asarray(self.fitted(image, value, where=where), np.float32)
        if self.channels == "gray":
            pixels = pixels[:, :, None]
        elif self.channels == "bgr":
            pixels = pixels[:, :, ::-1]
        pixels = pixels / np.float32(divisor) + np.float32(offset)
        if self.mean:
            pixels = pixels - np.asarray(self.mean, np.float32)
        if self.std:
            pixels = np.divide(pixels, np.asarray(self.std, np.float32))
        if np.issubdtype(dtype, np.integer):
            pixels = np.rint(pixels)
        if layout.axes in ("NCHW", "CHW"):
            pixels = pixels.transpose(2, 0, 1)
        if layout.axes in ("NHW", "NF"):
            pixels = pixels[:, :, 0] if layout.axes == "NHW" else pixels.ravel()
        if layout.axes.startswith("N"):
            pixels = pixels[None]
        return np.ascontiguousarray(pixels, dtype)

    def fitted(self, image: Image.Image, value: Value, *, where: str = "") -> Image.Image:
        """The picture as the model sees it: of the input's size, grey ("L") or in colours ("RGB").

        Args:
            image: Upright, mode "L" or "RGB".
            value: The input.
            where: The picture's name, for messages.

        Raises:
            ImageError: The input does not take pictures, or the result would be too large.
        """
        layout = layout_of(value, self.channels, where=where)
        subject = f"{input_name(value, where)} made of a picture of {image.width:,}x{image.height:,}"
        return _fit(image.convert("L" if self.channels == "gray" else "RGB"), layout, self.resize, subject)

    def sentence(self, value: Value) -> str:
        """What is done, in words: "grey, 0..255, stretched to 91x91"."""
        layout = layout_of(value, self.channels)
        words = ["grey" if self.channels == "gray" else self.channels.upper(), f"values {self.range}"]
        if self.mean:
            words.append(f"less {_list(self.mean)}")
        if self.std:
            words.append(f"divided by {_list(self.std)}")
        if layout.height or layout.width:
            how = {"stretch": "stretched", "crop": "cropped", "pad": "padded"}[self.resize]
            words.append(f"{how} to {layout.width or 'any'}x{layout.height or 'any'}")
        return ", ".join(words)

    def check(self, value: Value, *, where: str = "") -> np.dtype[np.generic]:
        """Check that this way leads to an input.

        Args:
            value: The input.
            where: The model's path, for messages.

        Returns:
            The numpy type of the input, which can hold the values.

        Raises:
            ImageError: The input does not take pictures.
            OptionError: The input has another number of channels, or a dtype that cannot hold the values.
        """
        layout_of(value, self.channels, where=where)
        dtype: np.dtype[np.generic] = np.dtype(np.float32) if value.dtype is None else value.dtype.numpy
        if np.issubdtype(dtype, np.floating):
            return dtype
        if not np.issubdtype(dtype, np.integer):
            raise ImageError(
                f"{input_name(value, where)} takes {dtype}; expected a type for pixels",
                "Run it from Python: inspector.session.Session(model.file).run({...}).",
            )
        divisor, offset = _SCALES[self.range]
        mean, std = np.asarray(self.mean or (0.0,)), np.asarray(self.std or (1.0,))
        low, high = (offset - mean) / std, (255 / divisor + offset - mean) / std
        limits = np.iinfo(dtype.name)
        if low.min() < limits.min - 0.5 or high.max() > limits.max + 0.5 or (high - low).min() < 2.5:
            raise OptionError(
                f"{input_name(value, where)} takes whole numbers {limits.min}..{limits.max}; "
                f"the pixels would be {low.min():g}..{high.max():g}",
                "Use --range 0..255" + (" --mean 128" if limits.min == -128 else "") + " for such an input.",
            )
        return dtype


def default_for(value: Value, channels: Channels | None = None, *, where: str = "") -> Preprocess:
    """What is assumed when a model declares nothing: grey for one channel, RGB for three, values 0..1.

    An integer input takes the pixels as they are, uint8 0..255, or less 128 for int8.

    Args:
        value: The input.
        channels: What is known of the channels, if anything.
        where: The model's path, for messages.

    Raises:
        ImageError: The input does not take pictures.
    """
    layout = layout_of(value, channels, where=where)
    channels = channels or ("gray" if layout.channels == 1 else "rgb")
    dtype = np.dtype(np.float32) if value.dtype is None else value.dtype.numpy
    if np.issubdtype(dtype, np.integer):
        return Preprocess(channels, "0..255", mean=(128.0,) if dtype == np.int8 else ())
    return Preprocess(channels)


def declared_in(metadata: Mapping[str, str], where: str) -> Preprocess | None:
    """What a model's metadata declares, or None.

    `inspector.preprocess` comes first, then ONNX's own `Image.BitmapPixelFormat` and
    `Image.NominalPixelRange`; a pixel format without a range means 0..255.

    Args:
        metadata: The model's `metadata_props`.
        where: The model's path, for messages.

    Raises:
        ModelError: `inspector.preprocess` is broken.

    Reference:
        https://github.com/onnx/onnx/blob/main/docs/MetadataProps.md
    """
    if KEY in metadata:
        return Preprocess.from_json(metadata[KEY], where)
    channels = _PIXEL_FORMATS.get(metadata.get("Image.BitmapPixelFormat", "").lower())
    if channels is None:
        return None
    given = metadata.get("Image.NominalPixelRange", "NominalRange_0_255").lower()
    scale = _PIXEL_RANGES.get(given)
    return None if scale is None else Preprocess(channels, scale)


def _fit(image: Image.Image, layout: Layout, resize: Resize, subject: str) -> Image.Image:
    """The picture at the size that the input takes."""
    from PIL import Image

    width, height = image.size
    wide, high = layout.width, layout.height
    if wide is None and high is None:
        return image
    if wide is None or high is None:
        wide = wide or max(1, round(width * cast(int, high) / height))
        high = high or max(1, round(height * wide / width))
    check_size((wide, high), subject)
    if (wide, high) == image.size:
        return image
    if resize == "stretch":
        return image.resize((wide, high), Image.Resampling.BILINEAR)
    if resize == "crop":
        scale = max(wide / width, high / height)
        across, down = wide / scale, high / scale
        left, top = (width - across) / 2, (height - down) / 2
        box = (left, top, min(left + across, width), min(top + down, height))
        return image.resize((wide, high), Image.Resampling.BILINEAR, box)
    scale = min(wide / width, high / height)
    inner = (max(1, min(wide, round(width * scale))), max(1, min(high, round(height * scale))))
    canvas = Image.new(image.mode, (wide, high))
    place = ((wide - inner[0]) // 2, (high - inner[1]) // 2)
    canvas.paste(image.resize(inner, Image.Resampling.BILINEAR), place)
    return canvas


def _is_numbers(value: object) -> bool:
    return isinstance(value, list) and all(type(number) in (int, float) for number in value)


def _list(numbers: Sequence[float]) -> str:
    return "(" + ", ".join(f"{number:g}" for number in numbers) + ")"
