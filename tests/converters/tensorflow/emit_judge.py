"""One op at a time through the emitter and onnxruntime, with TensorFlow as the judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from tf_files import GraphBuilder

from converters.runtime import Runtime
from converters.tensorflow.emit import emit
from converters.tensorflow.freeze import freeze
from converters.tensorflow.graph import SourceGraph

Judge = Callable[[bytes, Mapping[str, np.ndarray], Sequence[str]], list[np.ndarray]]


class Graph(GraphBuilder):
    """A GraphDef under construction, with every kind of attribute."""

    @staticmethod
    def _set(attr: Any, key: str, value: Any) -> None:
        if isinstance(value, float):
            attr.f = value
        elif isinstance(value, bytes):
            attr.s = value
        elif isinstance(value, list):
            attr.list.SetInParent()
            attr.list.i.extend(value)
        else:
            GraphBuilder._set(attr, key, value)

    def value(self, name: str, array: np.ndarray) -> str:
        """A constant of the array's own type."""
        return self.const(name, array, dtype=array.dtype.name)

    def reshaped(self, name: str, source: str, dtype: str, *sizes: int) -> str:
        """`source` in another shape."""
        self.value(f"{name}/sizes", np.array(sizes, np.int32))
        return self.add(name, "Reshape", source, f"{name}/sizes", T=dtype, Tshape="int32")

    def convolved(self, name: str, source: str, channels: int) -> str:
        """A 1 × 1 convolution of `source`, so that what follows reads a tensor with its channels first."""
        kernel = np.random.default_rng(7).normal(size=(1, 1, channels, channels)).astype(np.float32)
        self.value(f"{name}/kernel", kernel)
        plain = {"T": "float32", "strides": [1, 1, 1, 1], "padding": b"VALID", "data_format": b"NHWC"}
        return self.add(name, "Conv2D", source, f"{name}/kernel", **plain)


@dataclass(frozen=True)
class Answer:
    """What the emitted model and TensorFlow say."""

    model: onnx.ModelProto
    got: list[np.ndarray]
    expected: list[np.ndarray]

    @property
    def ops(self) -> list[str]:
        """The operators of the model, in order."""
        return [node.op_type for node in self.model.graph.node]


def judged(
    run: Judge, graph: Graph, feeds: Mapping[str, np.ndarray], *outputs: str, opset: int = 17
) -> Answer:
    """Emit a graph, run it in onnxruntime and in TensorFlow, and hold the two against each other.

    Element type, shape and values must agree, for floating-point numbers to 1e-5 of the largest one.
    """
    names = [output if ":" in output else f"{output}:0" for output in outputs]
    model = emitted(graph, list(feeds), names, opset)
    by_name = {f"{name}:0": array for name, array in feeds.items()}
    values = Runtime(model.SerializeToString()).run(by_name)
    got = [values[name] for name in names]
    expected = run(graph.graph.SerializeToString(), by_name, names)
    for name, one, other in zip(names, got, expected, strict=True):
        agree(name, one, other)
    return Answer(model, got, expected)


def emitted(graph: Graph, inputs: Sequence[str], outputs: Sequence[str], opset: int = 17) -> onnx.ModelProto:
    """The whole model of a graph, its weights in it, after onnx's own checks."""
    source = SourceGraph("frozen graph", Path("net.pb"), (), graph.graph)
    frozen = freeze(source, inputs=[f"{name}:0" for name in inputs], outputs=outputs)
    assembled = emit(frozen, opset)
    model = onnx.ModelProto()
    model.CopyFrom(assembled.nodes)
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(np.asarray(array, order="C"), name)
        for name, array in assembled.weights.items()
    )
    onnx.checker.check_model(model, full_check=True)
    return model


@dataclass(frozen=True)
class Fixed:
    """An operand that is a constant of the graph."""

    array: np.ndarray


def fixed(value: object, dtype: str = "int32") -> Fixed:
    """A constant operand, by default a list of integers."""
    return Fixed(np.asarray(value, dtype))


def asked(
    run: Judge,
    op: str,
    *operands: np.ndarray | Fixed,
    outputs: int = 1,
    convolved: bool = False,
    batch: bool = True,
    opset: int = 17,
    **attributes: object,
) -> Answer:
    """Hold one op against TensorFlow.

    Args:
        run: TensorFlow.
        op: The op.
        operands: What it reads: arrays are inputs of the graph.
        outputs: How many outputs it has.
        convolved: Whether its operands of four axes come out of a convolution, channels first in memory.
        batch: Whether the graph leaves the inputs' first size open.
        opset: Of ONNX.
        attributes: Of the op.
    """
    graph, feeds, names = Graph(), {}, []
    for place, operand in enumerate(operands):
        name = f"in{place}"
        if isinstance(operand, Fixed):
            names.append(graph.value(name, operand.array))
            continue
        # A placeholder without sizes stands for any shape.
        fed = operand if operand.ndim else operand.reshape(1)
        graph.placeholder(name, *((None, *fed.shape[1:]) if batch else fed.shape), dtype=fed.dtype.name)
        feeds[name] = fed
        if not operand.ndim:
            name = graph.reshaped(f"{name}/single", name, fed.dtype.name)
        if convolved and operand.ndim == 4:
            name = graph.convolved(f"{name}/conv", name, operand.shape[-1])
        names.append(name)
    graph.add("op", op, *names, **attributes)
    return judged(run, graph, feeds, *(f"op:{place}" for place in range(outputs)), opset=opset)


def agree(name: str, got: np.ndarray, expected: np.ndarray, tolerance: float = 1e-5) -> None:
    """Hold a value of the model against TensorFlow's."""
    expected = np.asarray(expected)
    assert got.dtype == expected.dtype, f"{name}: {got.dtype}, expected {expected.dtype}"
    assert got.shape == expected.shape, f"{name}: {got.shape}, expected {expected.shape}"
    if got.dtype.kind != "f":
        np.testing.assert_array_equal(got, expected, name)
        return
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(np.isfinite(got), finite, name)
    np.testing.assert_array_equal(got[~finite], expected[~finite], name)
    scale = max(1.0, float(np.abs(expected[finite]).max(initial=0)))
    np.testing.assert_allclose(got[finite], expected[finite], rtol=0, atol=tolerance * scale, err_msg=name)
