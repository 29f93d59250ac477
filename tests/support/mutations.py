"""Conversions that go wrong in one place, of any source."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, numpy_helper

from converters.assemble import Assembled
from converters.conversion import convert
from converters.errors import NotEqualError, UnsupportedError
from converters.formats import recognise
from converters.onnx_model.wholes import with_weights
from converters.verification import verify

Mutation = Callable[[ModelProto], None]


def mutated_format(path: Path, mutate: Mutation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `convert` make its model wrong in one place."""
    known = recognise(path)

    @contextmanager
    def opened(source, request):
        with known.open(source, request) as found:

            def write():
                made = found.write()
                whole = with_weights(made.model.nodes, made.model.weights)
                mutate(whole)
                return replace(made, model=Assembled(whole, {}))

            yield replace(found, write=write)

    monkeypatch.setattr("converters.conversion.recognise", lambda path: replace(known, open=opened))


def check_both(
    source: Path, mutate: Mutation, layer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> NotEqualError | UnsupportedError:
    """`convert` refuses the mutated conversion, `verify` finds it in a file, and both name the layer."""
    convert(source, tmp_path / "good.onnx")
    model = onnx.load(tmp_path / "good.onnx")
    mutate(model)
    onnx.save(model, tmp_path / "bad.onnx")
    found = verify(source, tmp_path / "bad.onnx").certificate
    assert found.verdict == "not equal"
    assert found.first_difference.name == layer

    mutated_format(source, mutate, monkeypatch)
    with pytest.raises((NotEqualError, UnsupportedError)) as caught:
        convert(source, tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()
    return caught.value


def mirrored_kernel(number: int) -> Mutation:
    """A mutation that turns the kernels of a convolution around; the first convolution is number 0."""

    def mutate(model: ModelProto) -> None:
        nodes = [node for node in model.graph.node if node.op_type == "Conv"]
        weights = {tensor.name: tensor for tensor in model.graph.initializer}
        tensor = source_of(model, weights, nodes[number].input[1])
        turned = numpy_helper.to_array(tensor)[..., ::-1]
        tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(turned), tensor.name))

    return mutate


def source_of(model: ModelProto, weights: dict[str, onnx.TensorProto], name: str) -> onnx.TensorProto:
    """The stored numbers behind a kernel: quantised ones come through a DequantizeLinear."""
    makers = {output: node for node in model.graph.node for output in node.output}
    while name not in weights:
        name = makers[name].input[0]
    return weights[name]


def a_mirrored_kernel_is_caught(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Turn the kernels of a source's last convolution around; `convert` and `verify` must name its layer."""
    model = onnx.load(convert(source, tmp_path / "right.onnx").path)
    nodes = [node for node in model.graph.node if node.op_type == "Conv"]
    layer = next(entry.value for entry in nodes[-1].metadata_props if entry.key == "inspector.layer")
    error = check_both(source, mirrored_kernel(len(nodes) - 1), layer, tmp_path, monkeypatch)
    assert isinstance(error, NotEqualError)
    first = error.certificate.first_difference
    assert first is not None
    assert first.name == layer
