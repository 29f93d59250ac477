"""What `activations` returns: feature maps, and the ways to show them."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from inspector import saving
from inspector.choices import Order, Scale
from inspector.errors import OptionError
from inspector.overlay import enlarged, overlays
from inspector.safe_names import printable
from inspector.tiles import Picture, pictures, tiles

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (".png", ".svg", ".npy")
"""What `Activations.save` can write."""

# About how wide a picture of overlays is, and how small one of them may become, in pixels.
_OVERLAYS, _OVERLAY = 960, 120
_LABEL = 24  # how many signs of a class's name a caption has
_SMALLER = "--filters 0-63, or a smaller --zoom"


class MapOptions(TypedDict, total=False):
    """The choices about a picture of feature maps; see `Activations.picture`."""

    scale: Scale
    colormap: str | None
    columns: int | None
    padding: int | None
    zoom: int | None
    captions: bool
    overlay: bool


@dataclass(frozen=True, eq=False, repr=False)
class Activations:
    """The feature maps of one layer for one picture, in the order in which they are shown.

    Attributes:
        source: The model's file.
        picture_name: The picture.
        layer: What was asked for: a layer's or a value's name.
        value: The value that was read.
        maps: float32 (channels, height, width); 1 by 1 for a dense layer's units.
        indices: The true number of each channel.
        total: How many channels the value has.
        sort: How the maps were ordered.
        seen: uint8 (H, W) or (H, W, 3): the picture as the model sees it.
        labels: The classes' names where the channels are classes that have some; else empty.
        warnings: What the reader should know, in sentences.
    """

    source: str
    picture_name: str
    layer: str
    value: str
    maps: NDArray[np.float32]
    indices: tuple[int, ...]
    total: int
    sort: Order
    seen: NDArray[np.uint8]
    labels: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @cached_property
    def strength(self) -> NDArray[np.float64]:
        """The mean magnitude of each map, float64 (channels,)."""
        mean: NDArray[np.float64] = np.abs(self.maps).mean(axis=(1, 2), dtype=np.float64)
        return mean

    @property
    def silent(self) -> tuple[int, ...]:
        """The numbers of the maps that are zero everywhere."""
        return tuple(index for index, one in zip(self.indices, self.maps, strict=True) if not one.any())

    @property
    def notes(self) -> tuple[str, ...]:
        """What is remarkable, in sentences."""
        if not self.silent:
            return ()
        several = len(self.silent) > 1
        return (
            f"{len(self.silent)} of {len(self.indices)} maps {'are' if several else 'is'} zero everywhere "
            "for this picture",
        )

    @property
    def title(self) -> str:
        """What is shown, on one line."""
        shown = len(self.indices)
        count = f"{shown} of {self.total}" if shown < self.total else f"{shown}"
        size = "x".join(map(str, self.maps.shape[1:]))
        what = f"{count} {'map' if shown == 1 else 'maps'} of {size}"
        return f"{printable(self.layer)} · {what} for {printable(Path(self.picture_name).name)}"

    def picture(
        self,
        *,
        scale: Scale = "shared",
        colormap: str | None = None,
        columns: int | None = None,
        padding: int | None = None,
        zoom: int | None = None,
        captions: bool = False,
        overlay: bool = False,
    ) -> Picture:
        """Draw the maps, one tile each.

        Args:
            scale: What gets the strongest colour: "shared", the largest magnitude of all maps; "robust",
                their 99th percentile; "each", the largest of each map.
            colormap: A name from `inspector.colormaps.NAMES`; by default grey for tiles alone, from black at
                zero where nothing is below zero, and "magma" or "coolwarm" over the picture.
            columns: Tiles per row; by default, a near-square picture.
            padding: Pixels between tiles.
            zoom: Pixels per number; over the picture, per pixel of the input.
            captions: Whether to write the channels' numbers, or the classes' names, a title and the scale.
            overlay: Whether each map lies over the picture: the stronger the number, the more it covers.

        Raises:
            OptionError: An option's value makes no sense.
        """
        names = self._captions() if captions else None
        signed = bool((self.maps < 0).any())
        if not overlay:
            return tiles(
                self.maps,
                scale=scale,
                colormap=colormap or "gray",
                columns=columns,
                padding=padding,
                zoom=zoom,
                captions=names,
                title=self.title,
                signed=signed,
                smaller=_SMALLER,
            )
        if self.maps.shape[1:] == (1, 1):
            raise OptionError(
                f"{self.source}: {self.layer} has one number a unit, which has no place in the picture",
                "Leave out --overlay.",
            )
        chosen = colormap or ("coolwarm" if signed else "magma")
        across = math.ceil(math.sqrt(len(self.maps)))
        shown = enlarged(self.seen, max(_OVERLAY, _OVERLAYS // across))
        laid = overlays(shown, self.maps, scale=scale, colormap=chosen, signed=signed)
        return pictures(
            laid.pixels,
            key=laid.key,
            columns=columns,
            padding=padding,
            zoom=zoom or 1,
            captions=names,
            title=self.title,
            smaller=_SMALLER,
        )

    def image(self, **options: Unpack[MapOptions]) -> Image.Image:
        """Return the picture as a Pillow image; see `picture` for the options."""
        return self.picture(**options).image()

    def save(
        self, path: str | os.PathLike[str], *, force: bool = False, **options: Unpack[MapOptions]
    ) -> Path:
        """Write the picture (.png, .svg) or the maps (.npy), whichever the suffix says.

        Args:
            path: The output; its folder must exist.
            force: Whether an existing file may be replaced.
            options: See `picture`.

        Raises:
            OptionError: The suffix is another, or an option's value makes no sense.
            OutputExistsError: The file exists and `force` is not set.
            FileError: It cannot be written.
        """
        path = Path(path)
        suffix = path.suffix.lower()
        saving.check_suffix(suffix, SUFFIXES, "activations", "activations.png")
        npy = suffix == ".npy"
        contents = saving.npy(self.maps) if npy else saving.drawn(self.picture(**options), suffix)
        return saving.write(path, contents, force=force)

    def to_dict(self) -> dict[str, Any]:
        """Return all but the numbers of the maps, as JSON can hold it."""
        peaks = self.maps.max(axis=(1, 2)).tolist()
        lows = self.maps.min(axis=(1, 2)).tolist()
        labels = self.labels or (None,) * len(self.indices)
        rows = zip(self.indices, labels, self.strength.tolist(), lows, peaks, strict=True)
        keys = ("channel", "label", "strength", "min", "max")
        return {
            "model": self.source,
            "picture": self.picture_name,
            "layer": self.layer,
            "value": self.value,
            "shape": list(self.maps.shape),
            "total_channels": self.total,
            "sort": self.sort,
            "silent": list(self.silent),
            "warnings": list(self.warnings),
            "channels": [dict(zip(keys, row, strict=True)) for row in rows],
        }

    def _captions(self) -> list[str]:
        return [printable(label, _LABEL) for label in self.labels] or [str(index) for index in self.indices]

    def __repr__(self) -> str:
        return f"Activations({self.title})"

    def _repr_png_(self) -> bytes:
        return self.picture(captions=True).png()
