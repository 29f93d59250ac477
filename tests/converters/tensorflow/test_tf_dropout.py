from __future__ import annotations

from pathlib import Path

import pytest
from tf_files import GraphBuilder

from converters.tensorflow.freeze import freeze
from converters.tensorflow.graph import SourceGraph

FORMS = ["floor", "greater_equal", "select"]


def dropout(form: str, *, mask: str = "random", scaled: str = "RealDiv", swap: bool = False) -> GraphBuilder:
    """A dropout of `h` as one of TensorFlow's versions builds it; what `mask` names is compared."""
    graph = GraphBuilder()
    graph.placeholder("x", None, 3)
    graph.add("h", "Relu", "x", T="float32")
    graph.const("keep", 0.5)
    graph.add("shape", "Shape", "h", T="float32")
    graph.add("uniform", "RandomUniform", "shape", dtype="float32", T="int32")
    graph.const("one", 1.0)
    graph.add("spread", "Mul", "uniform", "one", T="float32")
    graph.add("random", "AddV2", "spread", "keep", T="float32")
    graph.add("scaled", scaled, "h", "keep", T="float32")
    if form == "floor":
        graph.add("kept", "Floor", mask, T="float32")
    else:
        graph.add("above", "GreaterEqual", mask, "keep", T="float32")
        graph.add("kept", "Cast", "above", SrcT="bool", DstT="float32")
    if form == "select":
        graph.const("zero", 0.0)
        graph.add("out", "SelectV2", "above", "scaled", "zero", T="float32")
    else:
        graph.add("out", "Mul", *(("kept", "scaled") if swap else ("scaled", "kept")), T="float32")
    graph.add("y", "Neg", "out", T="float32")
    return graph


def frozen(graph: GraphBuilder):
    return freeze(SourceGraph("frozen graph", Path("net.pb"), (), graph.graph), outputs=["y"])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("scaled", ["RealDiv", "Mul", "Div"])
@pytest.mark.parametrize("swap", [False, True])
def test_every_form_of_dropout_is_taken_out(form, scaled, swap):
    result = frozen(dropout(form, scaled=scaled, swap=swap))
    assert [node.name for node in result.graph_def.node] == ["x", "h", "y"]
    assert result.bypassed == {"out:0": "h:0"}
    assert result.decisions[-1] == "Dropout without a switch is taken out in out."


@pytest.mark.parametrize("form", FORMS)
def test_a_mask_that_depends_on_the_data_stays(form):
    result = frozen(dropout(form, mask="h"))
    assert "out" in [node.name for node in result.graph_def.node]
    assert result.bypassed == {}
