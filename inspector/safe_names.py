"""Names out of strangers' files, made safe for a file system and for a reader's eyes."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Iterable

# Names that Windows keeps for devices, whatever the suffix.
_RESERVED = {"con", "prn", "aux", "nul", "clock$"} | {
    device + digit for device in ("com", "lpt") for digit in "0123456789¹²³"
}
_MAX_BYTES = 120


def printable(name: str, limit: int = 80) -> str:
    r"""Return the name on one line: no control, formatting or direction marks, cut to `limit` characters.

    Example:
        >>> printable("conv\x1b[31m")
        'conv�[31m'
    """
    # Cutting first bounds the work that a name of a million characters can cause.
    shown = "".join(
        "\N{REPLACEMENT CHARACTER}"
        if unicodedata.category(sign)[0] == "C" or sign in "\u2028\u2029"
        else sign
        for sign in name[: limit + 1]
    )
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def file_names(names: Iterable[str]) -> list[str]:
    """Return one file name, without a suffix, for each name.

    The results are usable on every system and differ even where upper and lower case are the same.

    Example:
        >>> file_names(["features/conv", "Features:Conv", "../x", "con", ""])
        ['features_conv', 'Features_Conv-2', 'x', 'con_', 'layer']
    """
    taken: set[str] = set()
    numbers: dict[str, itertools.count[int]] = {}
    results = []
    for name in names:
        stem = _stem(name)
        unique, key = stem, _folded(stem)
        while _folded(unique) in taken:
            unique = f"{stem}-{next(numbers.setdefault(key, itertools.count(2)))}"
        taken.add(_folded(unique))
        results.append(unique)
    return results


def _stem(name: str) -> str:
    normal = unicodedata.normalize("NFC", name[:1000])
    kept = "".join(sign if sign.isalnum() or sign in "_-." else " " for sign in normal)
    joined = "_".join(kept.split()).strip("_-.")
    cut = joined.encode("utf-8")[:_MAX_BYTES].decode("utf-8", "ignore").rstrip("_-.")
    base, dot, rest = cut.partition(".")
    return (f"{base}_{dot}{rest}" if base.casefold() in _RESERVED else cut) or "layer"


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
