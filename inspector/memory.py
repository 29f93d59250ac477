"""How much memory a run may take, and how much this process has taken."""

from __future__ import annotations

import os
from pathlib import Path

_MOST = 4 * 2**30
# What a container may use, by the second and the first version of Linux's control groups.
_GROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_STATUS = "/proc/self/status"


def run_limit() -> int:
    """The bytes that a run may take unless somebody says otherwise: 4 GiB, or half of all memory if less."""
    sizes = [size for size in (_installed(), *map(_number_in, _GROUP_LIMITS)) if size]
    return min(_MOST, *(size // 2 for size in sizes)) if sizes else _MOST


def private_bytes() -> int | None:
    """The bytes that this process holds beside mapped files; None on systems that do not tell it cheaply."""
    try:
        with Path(_STATUS).open(encoding="ascii") as lines:
            found = next((line.split() for line in lines if line.startswith("RssAnon:")), None)
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


def _installed() -> int | None:
    """The memory of the machine; None on Windows."""
    ask = getattr(os, "sysconf", None)
    try:
        return int(ask("SC_PHYS_PAGES") * ask("SC_PAGE_SIZE")) if ask else None
    except (OSError, ValueError):
        # A system without these names.
        return None


def _number_in(path: str) -> int | None:
    try:
        text = Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return None
    # Without a limit there is a word.
    return int(text) if text.isdecimal() else None
