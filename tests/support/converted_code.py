"""Networks of somebody's own code, converted, refused and run."""

from __future__ import annotations

import onnx
import onnxruntime
import pytest

from converters.conversion import convert
from converters.errors import SourceError, UnsupportedError
from converters.formats import Request


def converted(target, *shapes, **choices):
    done = convert(target, "net.onnx", request=Request(input_shapes=shapes, **choices), force=True)
    return done.certificate, onnx.load("net.onnx")


def refusal(target, *shapes):
    with pytest.raises((SourceError, UnsupportedError)) as caught:
        converted(target, *shapes)
    return caught.value


def answers(*inputs):
    session = onnxruntime.InferenceSession("net.onnx", providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_inputs()]
    return session.run(None, dict(zip(names, inputs, strict=True)))
