"""What a path means: the checkpoint or frozen graph behind a prefix, a file of it, or its folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from converters.errors import FileError, SourceError
from converters.files import check_file
from converters.tensorflow.snappy import varint
from converters.tensorflow.table import is_table

_PART = re.compile(r"(?P<prefix>.+?)\.(meta|index|data-\d{5}-of-\d{5})")
_V1_SHARD = re.compile(r"(?P<prefix>.+)-\d{5}-of-\d{5}")
_NEWEST = re.compile(r'^model_checkpoint_path:\s*"(?P<path>(?:[^"\\]|\\.)*)"', re.MULTILINE)
_OP = re.compile(rb"[A-Za-z_>][A-Za-z0-9_>./\\-]*")
_STATE_CAP = 1 << 20
_EXPECTED = "a TensorFlow checkpoint or graph"
_DELIMITED = 2


@dataclass(frozen=True)
class Place:
    """Where a source lies: exactly one of the two is set.

    Attributes:
        prefix: What the names of a checkpoint's files begin with.
        graph: A file that holds a graph.
    """

    prefix: Path | None = None
    graph: Path | None = None


def locate(path: Path) -> Place:
    """Return what `path` means.

    Args:
        path: The prefix of a checkpoint, one of its files, its folder, or a file that holds a graph.

    Raises:
        FileError: There is no such file, or it cannot be read.
        SourceError: It is a folder with no checkpoint in it, or with several.
    """
    try:
        place = _place(path)
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror}") from error
    if place.graph is not None:
        check_file(place.graph, _EXPECTED)
    return place


def recognise(path: Path) -> bool:
    """Say whether `path` looks like a source that `read_source` reads; only a few bytes of it are read."""
    try:
        place = _place(path)
        return place.graph is None or (place.graph.is_file() and _is_graph(place.graph))
    except SourceError:
        return bool(_prefixes(path))  # several checkpoints: ours, and `read_source` says what to do
    except OSError:
        return False


def _place(path: Path) -> Place:
    """What `path` means, if it is a folder or a checkpoint; else a file, that may not be there."""
    if path.is_dir():
        return _in_folder(path)
    prefix = _prefix(path)
    return Place(prefix=prefix) if prefix is not None else Place(graph=path)


def _prefix(path: Path) -> Path | None:
    """The prefix that `path` names, by itself or through one of its files."""
    name = path.name
    if match := _PART.fullmatch(name):
        prefix = path.with_name(match["prefix"])
        if path.is_file() or _belongs(prefix):
            return prefix
    if is_table(path):
        shard = _V1_SHARD.fullmatch(name)
        return path.with_name(shard["prefix"]) if shard else path
    return path if name and not path.exists() and _belongs(path) else None


def _belongs(prefix: Path) -> bool:
    """Whether files of a checkpoint begin with `prefix`."""
    return any(_beside(prefix, suffix).is_file() for suffix in (".index", ".meta")) or any(
        _V1_SHARD.fullmatch(other.name) and is_table(other)
        for other in (prefix.parent.iterdir() if prefix.parent.is_dir() else ())
        if other.name.startswith(prefix.name + "-")
    )


def _beside(prefix: Path, suffix: str) -> Path:
    return prefix.with_name(prefix.name + suffix)


def _in_folder(folder: Path) -> Place:
    """The newest checkpoint of a folder, or the only one, or the only graph."""
    if (folder / "saved_model.pb").is_file():
        return Place(graph=folder / "saved_model.pb")  # and so not ours
    newest = _newest(folder)
    if newest is not None:
        return Place(prefix=newest)
    prefixes = _prefixes(folder)
    if len(prefixes) > 1:
        names = ", ".join(prefix.name for prefix in prefixes[:8]) + (", …" if len(prefixes) > 8 else "")
        raise SourceError(
            f"{folder}: holds {len(prefixes)} checkpoints: {names}; expected one, or a file named checkpoint "
            "that says which is the newest",
            f"Name one: {prefixes[-1]}",
        )
    if prefixes:
        return Place(prefix=prefixes[0])
    graphs = sorted(path for path in folder.glob("*.pb") if path.is_file())
    if len(graphs) == 1:
        return Place(graph=graphs[0])
    raise SourceError(
        f"{folder}: holds no TensorFlow checkpoint: no NAME.meta, NAME.index and NAME.data-00000-of-00001",
        "Name the folder that holds these files, or one of them.",
    )


def _newest(folder: Path) -> Path | None:
    """What the folder's file `checkpoint` names as the newest, if it is there."""
    state = folder / "checkpoint"
    if not state.is_file() or state.stat().st_size > _STATE_CAP or is_table(state):
        return None
    match = _NEWEST.search(state.read_text("utf-8", "replace"))
    if match is None:
        return None
    named = match["path"].replace("\\\\", "\\")
    # The path may be one of the machine that saved it: only its last part counts, and only in this folder.
    prefix = folder / re.split(r"[/\\]", named)[-1]
    return prefix if _belongs(prefix) or is_table(prefix) else None


def _prefixes(folder: Path) -> list[Path]:
    """The prefixes of all checkpoints in a folder, oldest first."""
    if not folder.is_dir():
        return []
    found: dict[Path, float] = {}
    for path in sorted(folder.iterdir()):
        match = _PART.fullmatch(path.name)
        if match and not path.name.endswith(".meta") and path.is_file():
            found.setdefault(path.with_name(match["prefix"]), path.stat().st_mtime)
        elif not match and is_table(path):
            shard = _V1_SHARD.fullmatch(path.name)
            found.setdefault(path.with_name(shard["prefix"]) if shard else path, path.stat().st_mtime)
    if not found:
        metas = [path for path in sorted(folder.glob("*.meta")) if path.is_file()]
        found = {path.with_name(path.name.removesuffix(".meta")): path.stat().st_mtime for path in metas}
    return sorted(found, key=lambda prefix: (found[prefix], _natural(prefix.name)))


def _natural(name: str) -> tuple[tuple[int, str], ...]:
    """A key that sorts model-9 before model-10."""
    return tuple((int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name))


def _is_graph(path: Path) -> bool:
    """Whether a file begins like a GraphDef, a MetaGraphDef, or their text form."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(1 << 16)
    return begins_with_node(head, size) or begins_with_text(head) or _begins_with_meta(head, size)


def begins_with_text(head: bytes) -> bool:
    """Say whether a file's first bytes are those of a GraphDef in protobuf's text form."""
    return re.match(rb"(\s*#[^\n]*\n)*\s*node\s*:?\s*\{", head) is not None


def begins_with_node(head: bytes, size: int) -> bool:
    """Say whether a file of `size` bytes that begins with `head` begins with a node with a name and an op."""
    try:
        field, length, at = _field(head, 0)
        if field != 1 or at + length > size:
            return False
        field, name, at = _field(head, at)
        if field != 1:
            return False
        field, length, at = _field(head, at + name)
    except ValueError:
        return False
    return field == 2 and bool(_OP.fullmatch(head[at : at + length]))


def _begins_with_meta(head: bytes, size: int) -> bool:
    """Whether the file begins with a MetaInfoDef and a GraphDef, as a MetaGraphDef does."""
    try:
        field, length, at = _field(head, 0)
        if field != 1 or at + length > size:
            return False
        field, length, at = _field(head, at + length)
    except ValueError:
        return False
    return field == 2 and at + length <= size and begins_with_node(head[at:], length)


def _field(data: bytes, at: int) -> tuple[int, int, int]:
    """The number and length of the length-delimited field at `at`, and where it begins."""
    key, at = varint(data, at)
    if key & 7 != _DELIMITED:
        raise ValueError("another wire type")
    length, at = varint(data, at)
    return key >> 3, length, at
