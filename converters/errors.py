"""What goes wrong because of a user's file or request: one sentence and a hint.

Anything that is not an `InspectorError` is a bug.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from converters.certificate import Certificate


class InspectorError(Exception):
    """A mistake of the user or a bad file.

    Attributes:
        message: One sentence: the file or layer, what was found, what was expected.
        hint: What helps, usually a command. May be empty.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class FileError(InspectorError):
    """A file is missing, unreadable, empty, or not what it should be."""


class OutputExistsError(InspectorError):
    """The output exists, and nobody asked to replace it."""


class SourceError(InspectorError):
    """A conversion source cannot be read, or does not hold what it should."""


class UnsupportedError(InspectorError):
    """The source holds something that cannot be converted, with the reason."""


class NotEqualError(InspectorError):
    """The converted model does not give the source's outputs.

    Attributes:
        certificate: The record of the comparison, with all figures.
    """

    def __init__(self, message: str, hint: str, certificate: Certificate) -> None:
        super().__init__(message, hint)
        self.certificate = certificate


class MissingExtraError(InspectorError):
    """An optional dependency is not installed; the hint is the install command."""
