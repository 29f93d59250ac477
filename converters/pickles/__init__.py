"""Pickles of strangers: read as data, with nothing in them run."""

from __future__ import annotations

import io
from collections.abc import Collection

from converters.pickles.allowed import ALLOWED
from converters.pickles.machine import Global, Machine, Made, Stream

__all__ = ["ALLOWED", "Global", "Machine", "Made", "check_pickle"]


def check_pickle(stream: bytes | Stream, where: str, *, allowed: Collection[str] = ALLOWED) -> None:
    """Refuse a pickle that names anything but what is allowed; it is followed, and nothing in it is run.

    Args:
        stream: The pickle, or what it can be read from; a stream is left after the pickle's end.
        where: What holds it, as the start of an error's sentence.
        allowed: Full names of globals; one that ends in ".*" stands for everything below it.

    Raises:
        SourceError: It is damaged, or larger than any real one.
        UnsupportedError: It names a global that is not allowed.

    Example:
        >>> import pickle
        >>> check_pickle(pickle.dumps({"epoch": 3}), "net.pth")
        >>> check_pickle(pickle.dumps(eval), "net.pth")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        converters.errors.UnsupportedError: net.pth: its pickle asks for `builtins.eval`, which is none of ...
    """
    Machine(where, allowed).read(io.BytesIO(stream) if isinstance(stream, bytes) else stream)
