"""Numbers and names in the sentences of a repair."""

from __future__ import annotations

from collections.abc import Sequence

_MOST_NAMES = 3


def counted(names: Sequence[str], noun: str) -> str:
    """How many there are: "2 weights"."""
    return f"{len(names)} {noun}{'' if len(names) == 1 else 's'}"


def some(names: Sequence[str]) -> str:
    """The first few by name."""
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
