"""Which filters and channels are meant: "0-15,40" or a sequence of numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from inspector.errors import OptionError

_PART = re.compile(r"\s*([0-9]{1,9})\s*(?:-\s*([0-9]{1,9})\s*)?")


def select(wanted: str | Sequence[int] | None, count: int, what: str, where: str) -> tuple[int, ...]:
    """Return the numbers that are meant, in the order given, each once.

    Args:
        wanted: Numbers and ranges with both ends, "0-15,40"; or numbers; or None for all.
        count: How many there are.
        what: What is numbered, "filter" or "channel".
        where: The layer, as the start of an error's sentence.

    Raises:
        OptionError: It is no such list, names nothing, or names what does not exist.

    Example:
        >>> select("0-3,7", 8, "filter", "conv_1")
        (0, 1, 2, 3, 7)
    """
    if wanted is None:
        return tuple(range(count))
    spans = _parse(wanted, what, where) if isinstance(wanted, str) else [(int(n), int(n)) for n in wanted]
    if not spans:
        raise OptionError(f"{where}: no {what} is selected", f"--{what}s 0-{count - 1}")
    # Checked before a range is spelled out: 0-999999999 is quickly typed.
    for first, last in spans:
        for number in (first, last):
            if not 0 <= number < count:
                there = f"there are {what}s 0 to {count - 1}" if count else f"it has no {what}s"
                raise OptionError(
                    f"{where}: {what} {number} does not exist; {there}",
                    f"--{what}s 0-{count - 1}" if count else "",
                )
    return tuple(dict.fromkeys(number for first, last in spans for number in range(first, last + 1)))


def _parse(wanted: str, what: str, where: str) -> list[tuple[int, int]]:
    """Return the first and last number of each part."""
    spans = []
    for part in wanted.split(","):
        found = _PART.fullmatch(part)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if first > last:
            raise OptionError(
                f"{where}: {part.strip()[:40]!r} is no {what} and no range of them; expected 0-15,40",
                f"--{what}s 0-15,40",
            )
        spans.append((first, last))
    return spans
