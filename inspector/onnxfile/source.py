"""The bytes of a model file, mapped into memory and never changed."""

from __future__ import annotations

import mmap
from dataclasses import dataclass, field
from pathlib import Path

from inspector.errors import FileError, ModelError
from inspector.onnxfile.wire import Buffer, Field, Span, fields, text

# What the structure of one file may hold: several times what the largest models in use need, and read within
# about two seconds and 300 MB.
MAX_FIELDS = 2_000_000
MAX_TEXT = 1 << 26

# What helps with a file that cannot be right: one that was cut or damaged, and one that was made wrong.
FETCH = "Fetch or export the file again."
AGAIN = "Export the model again, or report it to whoever made it."
READABLE = "Check that you may read it, and that its disk is there."
LIMITS = "Its size is beyond what any known exporter writes; report it if the model is a real one."

_SHOWN = 80


@dataclass
class Budget:
    """What may still be read of a file's structure; its tensors do not count."""

    fields: int
    text: int


@dataclass(frozen=True, eq=False)
class Source:
    """An opened model file.

    Attributes:
        path: As the user gave it.
        folder: Where its external data may be, absolute.
        data: Its bytes.
        size: How many they are.
        budget: What may still be read of its structure.
    """

    path: Path
    folder: Path
    data: Buffer
    size: int
    budget: Budget = field(repr=False)

    @classmethod
    def open(cls, path: Path) -> Source:
        """Map the file, or read it where the file system cannot map.

        Raises:
            FileError: It cannot be opened, or is empty.
        """
        folder = path.absolute().parent
        try:
            with path.open("rb") as file:
                try:
                    data: Buffer = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                except OSError:
                    data = file.read()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise FileError(f"{path}: cannot be read: {reason}", READABLE) from error
        return cls(path, folder, data, len(data), Budget(MAX_FIELDS, MAX_TEXT))

    def fields(self, span: Span, data: Buffer | None = None, base: int = 0) -> list[Field]:
        """List the fields of a message of the structure; see `wire.fields`.

        Raises:
            ModelError: The structure of the file is too large.
            WireError: It is no protobuf message.
        """
        start, end = span
        found = fields(self.data if data is None else data, start - base, end - base, base=base)
        self.budget.fields -= len(found)
        if self.budget.fields < 0:
            raise ModelError(f"{self.path}: its structure has more than {MAX_FIELDS:,} fields", LIMITS)
        return found

    def text(self, span: Span) -> str:
        """Decode a string of the structure; see `wire.text`.

        Raises:
            ModelError: The strings of the file are too long together.
        """
        self.spend_text(span[1] - span[0])
        return text(self.data, *span)

    def spend_text(self, size: int) -> None:
        """Take the bytes of strings that are about to be decoded from the budget.

        Raises:
            ModelError: The strings of the file are too long together.
        """
        self.budget.text -= size
        if self.budget.text < 0:
            raise ModelError(f"{self.path}: its names and texts have more than {MAX_TEXT:,} bytes", LIMITS)

    def entry(self, span: Span) -> tuple[str, str]:
        """Read a `StringStringEntryProto`: key and value."""
        key = value = ""
        for tag, start, end in self.fields(span):
            if tag == 0x0A:
                key = self.text((start, end))
            elif tag == 0x12:
                value = self.text((start, end))
        return key, value

    def close(self) -> None:
        """Let go of the file.

        Raises:
            FileError: An array still shows a part of it.
        """
        if isinstance(self.data, mmap.mmap):
            try:
                self.data.close()
            except BufferError as error:
                raise FileError(
                    f"{self.path}: is still in use: an array shows a part of it",
                    "Drop or copy the array before.",
                ) from error


def counted(number: int, noun: str) -> str:
    """A number of things, with the plural where it belongs: "1 byte", "2,000 bytes"."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else noun + ("es" if noun.endswith("s") else "s")
    return f"{number:,} {noun if number == 1 else plural}"


def quoted(name: str) -> str:
    """A name as a message shows it: in quotes, control characters escaped, cut when very long."""
    return repr(name if len(name) <= _SHOWN else f"{name[: _SHOWN - 1]}…")
