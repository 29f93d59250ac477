"""A finished picture: its pixels, its text, and the files it can become."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from converters.files import replacing
from inspector.errors import OptionError
from inspector.tiles.grid import Grid
from inspector.tiles.text import INK, SIZE, Text, draw

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (".png", ".svg")


@dataclass(frozen=True, eq=False, repr=False)
class Picture:
    """One picture of many tiles.

    Attributes:
        canvas: The picture without its text: uint8 (H, W), indices into `palette` or, without one, grey
            levels; or uint8 (H, W, 3), sRGB.
        palette: uint8 (256, 3), sRGB, or None.
        texts: What is written on it.
        grid: Where the tiles stand; None for an empty picture.
        title: What it shows, for those who cannot see it.
        key: Which values its colours stand for, in words.
    """

    canvas: NDArray[np.uint8]
    palette: NDArray[np.uint8] | None = None
    texts: tuple[Text, ...] = ()
    grid: Grid | None = None
    title: str = ""
    key: str = ""

    @cached_property
    def pixels(self) -> NDArray[np.uint8]:
        """The picture with its text: uint8 (H, W), grey, or (H, W, 3), sRGB."""
        colours = self.canvas if self.palette is None else self.palette[self.canvas]
        return draw(colours, self.texts) if self.texts else colours

    def image(self) -> Image.Image:
        """Return it as a Pillow image, mode L or RGB."""
        from PIL import Image

        return Image.fromarray(self.pixels)

    def png(self, *, text: bool = True) -> bytes:
        """Return it as a PNG file, with or without its text."""
        from PIL import Image

        if self.palette is None or (text and self.texts):
            image = Image.fromarray(self.pixels if text else self.canvas)
        else:
            # One byte per pixel in place of three: the file is smaller and takes half the time.
            image = Image.fromarray(self.canvas)
            image.putpalette(self.palette.tobytes())
        file = io.BytesIO()
        image.save(file, "PNG", compress_level=4)
        return file.getvalue()

    def svg(self) -> str:
        """Return it as an SVG document: the tiles as crisp pixels, the text as text."""
        import base64
        import html

        height, width = self.canvas.shape[:2]
        data = base64.b64encode(self.png(text=False)).decode("ascii")
        ink = "#{:02x}{:02x}{:02x}".format(*INK)
        lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" role="img">',
            f"<title>{html.escape(self.title)}</title>",
            f'<image width="{width}" height="{height}" href="data:image/png;base64,{data}" '
            'style="image-rendering:crisp-edges;image-rendering:pixelated"/>',
            f'<g font-family="system-ui, sans-serif" font-size="{SIZE}" fill="{ink}">',
        ]
        lines += [
            f'<text x="{text.x}" y="{text.y}" text-anchor="{text.anchor}">{html.escape(text.text)}</text>'
            for text in self.texts
        ]
        return "\n".join([*lines, "</g>", "</svg>", ""])

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> Path:
        """Write a PNG or SVG file, whichever the suffix says, and return its path.

        Args:
            path: The output; its folder must exist.
            force: Whether an existing file may be replaced.

        Raises:
            OptionError: The suffix is another.
            OutputExistsError: The file exists and `force` is not set.
            FileError: It cannot be written.
        """
        path = Path(path)
        suffix = path.suffix.lower()
        if suffix not in SUFFIXES:
            raise OptionError(
                f"{path}: cannot write {suffix or 'a file without a suffix'}; expected .png or .svg",
                "Name it kernels.png, for example.",
            )
        with replacing(path, force=force) as temporary:
            temporary.write_bytes(self.png() if suffix == ".png" else self.svg().encode())
        return path

    def __repr__(self) -> str:
        height, width = self.canvas.shape[:2]
        return f"Picture({width} by {height} pixels, {self.grid.count if self.grid else 0} tiles)"

    def _repr_png_(self) -> bytes:
        return self.png()
