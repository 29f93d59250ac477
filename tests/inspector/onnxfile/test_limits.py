"""Files that are made to take for ever: each is refused at once, in little memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from onnx import ModelProto

from inspector.onnxfile import open_onnx
from inspector.onnxfile.wire import encode_bytes, encode_number

Make = Callable[..., ModelProto]
Write = Callable[..., Path]
Refusal = Callable[[Callable[[], object]], str]

MANY = 10_000_000
NODE = encode_bytes(1, encode_bytes(4, b"A"))
TENSOR = encode_bytes(5, encode_bytes(8, b"t") + encode_number(2, 1) + encode_number(1, 0))
ITEMS = "has more than 250,000 nodes, tensors and values"
FIELDS = "its structure has more than 2,000,000 fields"
DAMAGED = "is damaged: one message has more than 1,000,000 fields at byte"

# A process of its own, so that nothing else counts: not what pytest holds, not a tool that traces the tests.
MEASURE = """
import json, time
import numpy
from inspector.errors import ModelError
from inspector.onnxfile import open_onnx
try:
    import resource
    peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
except ImportError:
    peak = lambda: 0
started, before = time.process_time(), peak()
try:
    open_onnx("m.onnx")
except ModelError as error:
    print(json.dumps([error.message, time.process_time() - started, peak() - before]))
"""


def measured() -> tuple[str, float, float]:
    """The message, seconds of work and MiB that refusing the file takes."""
    done = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True)
    message, seconds, peak = json.loads(done.stdout)
    # macOS counts bytes where Linux counts KiB; Windows has no such count.
    return message, seconds, peak / (2**20 if sys.platform == "darwin" else 2**10)


CASES = {
    "empty nodes": (b"\x0a\0" * MANY, DAMAGED),
    "fewer empty nodes": (b"\x0a\0" * 900_000, ITEMS),
    "nodes": (NODE * 900_000, ITEMS),
    "initializers": (TENSOR * 900_000, ITEMS),
    "values": (encode_bytes(13, encode_bytes(1, b"v")) * 900_000, ITEMS),
    "unknown fields": (b"\xf8\x07\x01" * MANY, DAMAGED),
    "inputs of one node": (encode_bytes(1, b"\x0a\0" * MANY), DAMAGED),
    "inputs of many nodes": (
        encode_bytes(1, encode_bytes(4, b"A") + b"\x0a\0" * 900_000) * 3,
        FIELDS,
    ),
    "dimensions": (encode_bytes(5, b"\x08\x01" * MANY), DAMAGED),
    "long names": (
        encode_bytes(1, encode_bytes(4, b"A") + encode_bytes(3, b"n" * 20_000_000)) * 5,
        "its names and texts have more than 67,108,864 bytes",
    ),
    "one long name": (
        encode_bytes(2, b"n" * 100_000_000),
        "its names and texts have more than 67,108,864 bytes",
    ),
    "a graph in every node": (
        encode_bytes(1, encode_bytes(4, b"If") + encode_bytes(5, encode_bytes(6, NODE * 10))) * 30_000,
        ITEMS,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_graph_of_absurd_size_is_refused(case: str, model: Make, write: Write) -> None:
    content, expected = CASES[case]
    write(model().SerializeToString() + encode_bytes(7, content))
    message, seconds, size = measured()
    assert message.startswith(f"m.onnx: {expected}")
    # Two seconds and 512 MB are the promise; a slow machine is given four times the time.
    assert seconds < 8
    assert size < 450


def test_ten_million_fields_around_the_graph_are_refused(model: Make, write: Write) -> None:
    write(model().SerializeToString() + b"\x72\0" * MANY)
    message, seconds, size = measured()
    assert message == "m.onnx: has more than 1,000,000 fields around its graph"
    assert seconds < 8
    assert size < 450


@pytest.mark.parametrize(
    ("limit", "content", "message"),
    [
        ("parse.MAX_ITEMS", NODE * 99, "has more than 99 nodes, tensors and values"),
        ("source.MAX_FIELDS", NODE * 99, "its structure has more than 99 fields"),
        ("source.MAX_TEXT", encode_bytes(2, b"n" * 99), "its names and texts have more than 99 bytes"),
        ("wire.MAX_FIELDS", NODE * 101, "is damaged: one message has more than 99 fields at byte PLACE"),
        ("model_file.MAX_FIELDS", b"", "has more than 99 fields around its graph"),
    ],
)
def test_every_limit_is_kept(
    limit: str,
    content: bytes,
    message: str,
    model: Make,
    write: Write,
    refusal: Refusal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(f"inspector.onnxfile.{limit}", 99)
    extra = b"\x72\0" * 99 if limit.startswith("model_file") else b""
    path = write(model().SerializeToString() + extra + encode_bytes(7, content))
    place = str(path.read_bytes().find(NODE * 3) + 99 * len(NODE))
    assert refusal(lambda: open_onnx(path)) == f"m.onnx: {message}".replace("PLACE", place)
