"""A source that needs no framework: two dense layers, with numpy as the reference."""

from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import pytest
from onnx import TensorProto, helper

from converters.assemble import Assembled, name_layers
from converters.errors import SourceError
from converters.formats import Format, Reference, Source, Written
from converters.trials import TensorSpec

FLOAT = np.dtype("float32")


@dataclass(frozen=True)
class DenseSource:
    """Weights of a network `softmax(relu(x @ first) @ second)`, and its conversion."""

    first: np.ndarray
    second: np.ndarray

    def reference(self, feeds, names):
        hidden = np.maximum(feeds["x"].astype("f8") @ self.first, 0)
        logits = hidden @ self.second
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        values = {"h": hidden, "y": powers / powers.sum(axis=1, keepdims=True)}
        return {name: values[name] for name in names}

    def written(self) -> Written:
        nodes = [
            helper.make_node("MatMul", ["x", "first"], ["m"], name="fc_1/MatMul"),
            helper.make_node("Relu", ["m"], ["h"], name="fc_1/Relu"),
            helper.make_node("MatMul", ["h", "second"], ["l"], name="fc_2/MatMul"),
            helper.make_node("Softmax", ["l"], ["y"], name="fc_2/Softmax", axis=1),
        ]
        x, y = (
            helper.make_tensor_value_info(n, TensorProto.FLOAT, ["N", s]) for n, s in (("x", 4), ("y", 2))
        )
        graph = helper.make_graph(nodes, "dense", [x], [y])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
        name_layers(model, ["fc_1", "fc_2"])
        return Written(
            model=Assembled(model, {"first": self.first, "second": self.second}),
            engine="by hand",
            versions={"numpy": np.__version__},
        )

    def source(self, written: Written | None = None, **changes) -> Source:
        """The source, and what `write` makes of it: by default, the right conversion."""
        base = Source(
            kind="two dense layers",
            files=(),
            inputs=(TensorSpec("x", FLOAT, (None, 4)),),
            outputs=(TensorSpec("y", FLOAT, (None, 2)),),
            layers={"input": "x", "fc_1": "h", "dropout_1": "gone", "fc_2": "y"},
            decisions=("the output is y",),
            warnings=("saved in training mode",),
            reference=Reference(self.reference, lambda: "numpy"),
            write=lambda: written or self.written(),
        )
        return replace(base, **changes)


@pytest.fixture
def dense() -> DenseSource:
    random = np.random.default_rng(0)
    return DenseSource(*(random.normal(0, 0.3, shape).astype("f4") for shape in ((4, 5), (5, 2))))


@pytest.fixture
def as_format(monkeypatch):
    """Make `convert` take any path as the given source."""

    def install(source: Source) -> None:
        @contextmanager
        def opened(path, request):
            yield source

        known = Format("a network by hand", lambda path: True, opened)
        monkeypatch.setattr("converters.conversion.recognise", lambda path: known)

    return install


@pytest.fixture
def source_error():
    return SourceError("numpy failed on this model: no such index", "")
