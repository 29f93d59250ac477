"""What is said where a model does not declare how pixels become its input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from inspector.caution import Caution

if TYPE_CHECKING:
    from inspector.onnxfile.graph import Value
    from inspector.preprocess import Preprocess


def assumption(way: Preprocess, value: Value, where: str) -> Caution:
    """Say which way is taken, and the command that stores one.

    Args:
        way: The way that is taken.
        value: The input.
        where: The model's path.
    """
    flags: list[tuple[str, str]] = [("channels", way.channels), ("range", way.range)]
    flags += [("mean", _numbers(way.mean)), ("std", _numbers(way.std))]
    flags += [] if way.resize == "stretch" else [("resize", way.resize)]
    told = "".join(f" --{name} {text}" for name, text in flags if text)
    return Caution(
        f"{where} does not declare how pixels become its input; assumed: {way.sentence(value)}",
        f"If that is how it was trained: inspector annotate {where}{told}\n"
        "If not, name the right way there, or here with the same options.",
    )


def _numbers(numbers: Sequence[float]) -> str:
    return ",".join(f"{number:g}" for number in numbers)
