"""Pictures, decoded as a person sees them: upright, opaque, 8 bits per channel, grey or RGB."""

from __future__ import annotations

import glob
import io
import os
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from converters.errors import FileError
from converters.files import check_file
from inspector.errors import ImageError
from inspector.onnxfile.source import READABLE
from inspector.pixels import DAMAGE, FETCH, MAX_PIXELS, check_size, from_array, plain, upright

if TYPE_CHECKING:
    from PIL import Image, ImageFile

ImageSource: TypeAlias = "str | os.PathLike[str] | bytes | Image.Image | NDArray[np.generic]"

MAX_FILE_BYTES = 256 * 2**20
_HEAD_BYTES = 64

_SUFFIXES = frozenset(
    f".{suffix}"
    for suffix in re.findall(r"\w+", "jpg jpeg jpe jfif png apng bmp dib gif tif tiff webp ppm pgm pbm pnm")
)

# Told apart by content: opening only these seven keeps Pillow's other readers away from strangers' files.
_FORMATS = (
    ("JPEG", re.compile(rb"\xff\xd8\xff")),
    ("PNG", re.compile(rb"\x89PNG\r\n\x1a\n")),
    ("BMP", re.compile(rb"BM")),
    ("GIF", re.compile(rb"GIF8[79]a")),
    ("TIFF", re.compile(rb"II\*\0|MM\0\*|II\+\0|MM\0\+")),
    ("WEBP", re.compile(rb"RIFF....WEBP", re.DOTALL)),
    ("PPM", re.compile(rb"P[1-6fF]\s")),
)
# How and where the header gives width and height.
_SIZE_AT = {"PNG": (">II", 16), "GIF": ("<HH", 6), "BMP": ("<ii", 18)}
_OTHERS = (
    ("an EPS or PostScript file", re.compile(rb"%!PS|\xc5\xd0\xd3\xc6")),
    ("a PDF document", re.compile(rb"%PDF")),
    ("an SVG or XML file", re.compile(rb"\s*<(\?xml|svg)")),
    ("an AVIF or HEIC picture or an MP4 film", re.compile(rb"....ftyp", re.DOTALL)),
    ("a Windows icon", re.compile(rb"\0\0[\1\2]\0")),
    ("a Photoshop document", re.compile(rb"8BPS")),
    ("a JPEG 2000 picture", re.compile(rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51")),
    ("a NumPy array", re.compile(rb"\x93NUMPY")),
    ("a ZIP archive", re.compile(rb"PK\x03\x04")),
)
_READABLE = "JPEG, PNG, BMP, GIF, TIFF, WebP or PPM"
_SMALLER = "Shrink the picture before."
_SAVE_AS = "Save it as PNG or JPEG, or fetch it again."


@dataclass(frozen=True)
class Decoded:
    """A decoded picture.

    Attributes:
        image: Mode "L" or "RGB", upright.
        name: The file's path, or what stands for it.
        warnings: What a person may want to know, one sentence each.
    """

    image: Image.Image
    name: str
    warnings: tuple[str, ...] = ()


def decode(
    source: ImageSource, *, name: str = "", fast: tuple[str, tuple[int, int]] | None = None
) -> Decoded:
    """Decode one picture as a person sees it.

    The EXIF rotation is applied; whatever is transparent is laid on white; palettes, CMYK and bilevel become
    RGB or grey; 16 bits are scaled to 8. Of an animation or a multi-page file the first picture is taken.

    Args:
        source: A path, a file's bytes, a Pillow image, or an array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4):
            uint8 0..255, uint16 0..65535, bool, or floats 0..1.
        name: What to call it in messages; its path when it has one.
        fast: Mode "L" or "RGB" and size (width, height) for which a JPEG may be decoded at a reduced scale.
            Much faster, but the pixels differ a little.

    Returns:
        The picture, in mode "L" when it has no colour, otherwise "RGB".

    Raises:
        FileError: The file is missing, empty, unreadable, no regular file, or larger than 256 MiB.
        ImageError: It is not a picture that can be read, is damaged, has no pixels, or too many: more than
            50 million, 33 million in a progressive JPEG, or 25 million in a WebP.

    Example:
        >>> decode(np.zeros((4, 6, 3), np.uint8)).image.size
        (6, 4)
    """
    if isinstance(source, np.ndarray):
        return Decoded(from_array(source, name or "array"), name or "array")
    if isinstance(source, bytes):
        return _from_bytes(source, name or "picture", fast)
    if isinstance(source, (str, os.PathLike)):
        return _from_file(source, name, fast)
    name = name or str(getattr(source, "filename", "") or "image")
    check_size(source.size, name)
    return Decoded(_guarded(lambda: plain(upright(source.copy()), name), name), name)


def find_images(spec: str | os.PathLike[str]) -> list[Path]:
    """The picture files that a path, a folder or a glob stands for, in natural order (2 before 10).

    A folder gives the pictures directly in it, told by their suffix; `folder/**` those below it too. A glob
    that names a suffix gives everything that it matches but folders, any other what has a picture's suffix.
    What bears a picture's suffix and is no file that can be read is among them, so that it is not missed.

    Args:
        spec: A file, a folder, or a pattern with `*`, `?`, `[…]` or `**`.

    Raises:
        FileError: There is no such file, or the path is empty.
        ImageError: The folder or the glob holds no picture.
    """
    if not stands_for_many(spec):
        return [check_file(spec, "a picture, a folder or a glob")]
    text, path = os.fspath(spec), Path(spec)
    if not text:
        raise FileError("'': is an empty path; expected a picture, a folder or a glob", "For this folder: .")
    if _is_folder(path):
        try:
            found = [child for child in path.iterdir() if _looks_like_picture(child)]
        except OSError as error:
            raise FileError(f"{text}: the folder cannot be read: {error.strerror}", READABLE) from error
        what = f"{text}: there is no picture in this folder"
    else:
        # Path.glob takes no absolute pattern.
        matches = [Path(match) for match in glob.glob(text, recursive=True)]  # noqa: PTH207
        if path.suffix and not glob.has_magic(path.suffix):
            found = [match for match in matches if not _is_folder(match)]
        else:
            found = [match for match in matches if _looks_like_picture(match)]
        what = f"{text}: no picture matches"
    if not found:
        raise ImageError(f"{what}; expected {_READABLE} files", "For the folders below it too: FOLDER/**")
    return sorted(found, key=_natural)


def stands_for_many(spec: str | os.PathLike[str]) -> bool:
    """Whether a path is a folder, or a glob rather than the name of something that exists."""
    path = Path(spec)
    try:
        path.stat()
    except (OSError, ValueError):
        # A pattern may even be no valid name of a file.
        return glob.has_magic(os.fspath(spec))
    return _is_folder(path)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        # Before Python 3.14 a name that is too long raises.
        return False


def _looks_like_picture(path: Path) -> bool:
    return path.suffix.lower() in _SUFFIXES and not path.name.startswith(".") and not _is_folder(path)


def _natural(path: Path) -> tuple[list[tuple[int, int, str]], str]:
    parts = re.split(r"([0-9]+)", str(path).casefold())
    return [(0, int(p), "") if p.isdecimal() and p.isascii() else (1, 0, p) for p in parts if p], str(path)


def _guarded(read: Callable[[], Image.Image], name: str) -> Image.Image:
    """Call `read`, which does nothing but let Pillow decode, and name what is wrong with the file."""
    try:
        return read()
    except MemoryError as error:
        raise ImageError(f"{name}: there is not enough memory to decode the picture", _SMALLER) from error
    except DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(
            f"{name}: the picture is damaged or cut short ({reason}); expected a whole {_READABLE} file",
            FETCH,
        ) from error


def _from_file(
    source: str | os.PathLike[str], name: str, fast: tuple[str, tuple[int, int]] | None
) -> Decoded:
    if stands_for_many(source):
        # It says why there is no picture in it, if there is none.
        find_images(source)
    path = check_file(source, "a picture", cap=MAX_FILE_BYTES)
    try:
        file = path.open("rb")
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror}", READABLE) from error
    with file:
        return _from_stream(file, name or str(path), fast)


def _from_bytes(data: bytes, name: str, fast: tuple[str, tuple[int, int]] | None) -> Decoded:
    if not data:
        raise ImageError(f"{name}: is empty; expected a picture", FETCH)
    if len(data) > MAX_FILE_BYTES:
        raise ImageError(
            f"{name}: is {len(data):,} bytes, more than the {MAX_FILE_BYTES:,} accepted for a picture",
            _SMALLER,
        )
    return _from_stream(io.BytesIO(data), name, fast)


def _from_stream(file: BinaryIO, name: str, fast: tuple[str, tuple[int, int]] | None) -> Decoded:
    from PIL import Image

    head = file.read(_HEAD_BYTES)
    file.seek(0)
    kind = next((kind for kind, magic in _FORMATS if magic.match(head)), None)
    if kind is None:
        other = next((what for what, magic in _OTHERS if magic.match(head)), "not a picture")
        raise ImageError(f"{name}: is {other}; expected {_READABLE}", _SAVE_AS)
    layout, start = _SIZE_AT.get(kind, ("", 0))
    if layout and len(head) >= start + struct.calcsize(layout):
        width, height = struct.unpack_from(layout, head, start)
        if not width or not height:
            # Pillow would call it damaged.
            check_size((width, height), name)
    image = _guarded(lambda: _opener(kind)(file, None), name)
    check_size(image.size, name, _most_pixels(kind, image))
    warnings = _frames_warning(image, name)
    if fast and kind == "JPEG" and image.mode in ("L", "RGB", "YCbCr"):
        # The orientation may exchange the sides, hence the larger one for both.
        mode, size = fast
        image.draft(mode if image.mode != "L" else "L", (max(size), max(size)))
    try:
        return Decoded(_guarded(lambda: plain(upright(image), name), name), name, warnings)
    except Image.DecompressionBombError as error:
        raise ImageError(f"{name}: unpacks to far more than its size; expected a picture", FETCH) from error


def _most_pixels(kind: str, image: Image.Image) -> int:
    """How many pixels may be decoded: fewer where the decoder keeps more than the picture itself."""
    if kind == "WEBP":
        return MAX_PIXELS // 2
    return MAX_PIXELS * 2 // 3 if "progressive" in image.info else MAX_PIXELS


def _opener(kind: str) -> Callable[[BinaryIO, None], ImageFile.ImageFile]:
    """The reader of one format.

    Not `Image.open`, which warns on stderr of the large pictures that are refused anyway.
    """
    from PIL import (
        BmpImagePlugin,
        GifImagePlugin,
        JpegImagePlugin,
        PngImagePlugin,
        PpmImagePlugin,
        TiffImagePlugin,
        WebPImagePlugin,
    )

    readers: dict[str, Callable[[BinaryIO, None], ImageFile.ImageFile]] = {
        "JPEG": JpegImagePlugin.JpegImageFile,
        "PNG": PngImagePlugin.PngImageFile,
        "BMP": BmpImagePlugin.BmpImageFile,
        "GIF": GifImagePlugin.GifImageFile,
        "TIFF": TiffImagePlugin.TiffImageFile,
        "WEBP": WebPImagePlugin.WebPImageFile,
        "PPM": PpmImagePlugin.PpmImageFile,
    }
    return readers[kind]


def _frames_warning(image: Image.Image, name: str) -> tuple[str, ...]:
    try:
        frames = int(getattr(image, "n_frames", 1))
    except DAMAGE:
        # A later frame is damaged; the first may still be good.
        return ()
    return (f"{name}: holds {frames} pictures; the first one is used",) if frames > 1 else ()
