"""Which engine writes the nodes, and what the certificate is held against."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from tf_files import GraphBuilder

from converters.conversion import convert
from converters.errors import UnsupportedError
from converters.formats import Request
from converters.tensorflow import emit
from converters.tensorflow.freeze import freeze
from converters.tensorflow.graph import read_source


@pytest.fixture
def hidden(monkeypatch):
    """Takes packages away."""
    real = importlib.util.find_spec

    def hide(*names):
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name in names else real(name))

    return hide


@pytest.fixture
def no_process(monkeypatch):
    monkeypatch.setattr("converters.tensorflow.framework.Child", None)


def unusual(path, *layers):
    """A frozen graph with an op that has no emitter in each of these layers."""
    graph = GraphBuilder()
    last = graph.placeholder("x", None, 4)
    for layer in layers:
        last = graph.add(f"{layer}/Lgamma", "Lgamma", last, T="float32")
    graph.add("out/Relu", "Relu", last, T="float32")
    return graph.write(path)


def test_by_default_the_native_engine_writes_and_tensorflow_judges(zoo, tmp_path):
    certificate = convert(zoo / "notebook" / "notebook", tmp_path / "m.onnx").certificate
    assert certificate.engine == "native"
    assert certificate.reference.startswith("the source in TensorFlow 2.")
    assert certificate.versions["tensorflow"] in certificate.reference
    assert certificate.verdict == "equal"


def test_without_tensorflow_the_judge_is_the_graph_in_numpy(zoo, tmp_path, hidden, no_process):
    hidden("tensorflow", "tf2onnx")
    certificate = convert(zoo / "notebook" / "notebook", tmp_path / "m.onnx").certificate
    assert certificate.reference == "the frozen graph in float64 numpy"
    assert "tensorflow" not in certificate.versions
    assert [item.name for item in certificate.layers] == [
        "conv_1", "max_pool_1", "conv_2", "max_pool_2", "fully_connected_1", "dropout_1", "fully_connected_2"
    ]  # fmt: skip


def test_nothing_of_tensorflow_is_started_when_nothing_is_to_be_judged(zoo, tmp_path, no_process):
    request = Request(verify=False, engine="native")
    done = convert(zoo / "notebook" / "notebook", tmp_path / "m.onnx", request=request)
    assert done.certificate.verdict == "not compared"


def test_a_whole_command_imports_nothing_of_tensorflow(zoo, tmp_path):
    script = (
        "import sys; from inspector.cli.app import main\n"
        f"sys.argv = ['', 'convert', {str(zoo / 'notebook')!r}, '--no-verify', '-q', '-o', 'm.onnx']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "assert not {'tensorflow', 'tf2onnx', 'tflearn'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path)
    assert (tmp_path / "m.onnx").exists()


@pytest.mark.parametrize("engine", ["auto", "native"])
def test_every_op_without_an_emitter_is_listed_with_its_layers(tmp_path, hidden, no_process, engine):
    hidden("tensorflow", "tf2onnx")
    path = unusual(tmp_path / "net.pb", "a", "b", "c", "d")
    with pytest.raises(UnsupportedError) as caught:
        convert(path, tmp_path / "m.onnx", request=Request(engine=engine))
    assert caught.value.message == (
        f"{path}: cannot be converted without tf2onnx: no emitter for Lgamma in a, b, c, …"
    )
    assert caught.value.hint == "pip install 'onnx-inspector[tf]'"


def test_the_native_engine_alone_points_to_tf2onnx_where_that_is_installed(tmp_path):
    path = unusual(tmp_path / "net.pb", "a")
    with pytest.raises(UnsupportedError) as caught:
        convert(path, tmp_path / "m.onnx", request=Request(engine="native", verify=False))
    assert caught.value.hint == "--engine tf2onnx"


def test_many_ops_without_an_emitter_are_counted_at_the_end(tmp_path, hidden, no_process):
    hidden("tensorflow", "tf2onnx")
    graph = GraphBuilder()
    last = graph.placeholder("x", None, 4)
    for number in range(10):
        last = graph.add(f"layer/n{number}", f"Unknown{number}", last, T="float32")
    graph.add("out/Relu", "Relu", last, T="float32")
    with pytest.raises(UnsupportedError) as caught:
        convert(graph.write(tmp_path / "net.pb"), tmp_path / "m.onnx")
    assert caught.value.message.endswith("; Unknown7 in layer; and 2 more")


def test_what_the_native_engine_does_not_cover_is_tf2onnxs(zoo, tmp_path):
    certificate = convert(zoo / "branch_on_data" / "branch_on_data", tmp_path / "m.onnx").certificate
    assert certificate.engine.startswith("tf2onnx ")
    assert "Written by tf2onnx: no emitter for Switch in cond; Merge in cond." in certificate.decisions
    assert certificate.verdict == "equal"


def test_an_older_opset_is_tf2onnxs(zoo, tmp_path):
    source, request = zoo / "notebook" / "notebook", Request(opset=15, verify=False)
    certificate = convert(source, tmp_path / "m.onnx", request=request).certificate
    assert certificate.engine.startswith("tf2onnx ")
    assert "Written by tf2onnx: the native engine writes opset 17 and up." in certificate.decisions


def test_an_older_opset_is_refused_by_the_native_engine_alone(zoo, tmp_path):
    source, request = zoo / "notebook" / "notebook", Request(opset=15, verify=False, engine="native")
    with pytest.raises(UnsupportedError) as caught:
        convert(source, tmp_path / "m.onnx", request=request)
    assert caught.value.message == (
        f"{source}: cannot be converted without tf2onnx: the native engine writes opset 17 and up"
    )


@pytest.mark.parametrize("opset", [18, 20, 22])
def test_newer_opsets_are_written_too(zoo, tmp_path, opset):
    request = Request(opset=opset, verify=False)
    done = convert(zoo / "residual" / "residual", tmp_path / "m.onnx", request=request)
    assert done.certificate.model["opset"] == opset
    stored = np.load(zoo / "residual" / "residual.npz")
    session = onnxruntime.InferenceSession(str(done.path), providers=["CPUExecutionProvider"])
    (value,) = session.run(None, {"input/X:0": stored["x0"]})
    assert np.abs(value - stored["y0"]).max() <= 2e-6


def test_folding_makes_fewer_nodes_and_the_same_answers(zoo, tmp_path, hidden, no_process):
    hidden("tensorflow", "tf2onnx")
    source = zoo / "batch_normalization" / "batch_normalization"
    plain, folded = (
        convert(source, tmp_path / f"{fold}.onnx", request=Request(fold=fold)).certificate
        for fold in (False, True)
    )
    assert folded.verdict == "equal"
    # The normalization of the first convolution is gone; between the second and its own stands an Elu.
    assert plain.model["nodes"] - folded.model["nodes"] == 2
    assert "norm_1" in {item.name for item in folded.layers}
    assert "conv_1" in folded.unseen


def test_folding_is_refused_by_tf2onnx(zoo, tmp_path):
    source, request = zoo / "notebook" / "notebook", Request(fold=True, engine="tf2onnx", verify=False)
    with pytest.raises(UnsupportedError) as caught:
        convert(source, tmp_path / "m.onnx", request=request)
    assert caught.value.message == f"{source}: --fold is done by the native engine only, and this is tf2onnx"
    assert caught.value.hint == "--engine native"


def test_a_tensor_in_the_middle_has_its_shape_without_tensorflow(zoo, tmp_path, hidden, no_process):
    hidden("tensorflow", "tf2onnx")
    request = Request(inputs=("max_pool_1/MaxPool:0",))
    done = convert(zoo / "notebook" / "notebook", tmp_path / "m.onnx", request=request)
    assert done.certificate.verdict == "equal"
    (value,) = onnx.load(done.path).graph.input
    sizes = [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
    assert sizes == ["N", 13, 13, 6]


def test_weights_are_views_of_the_checkpoint_where_that_can_be(zoo):
    frozen = freeze(read_source(zoo / "notebook" / "notebook"))
    model = emit.emit(frozen)
    assert set(model.weights) == {"conv_1/W", "conv_2/W", "fully_connected_1/W"}
    for name, array in model.weights.items():
        assert np.shares_memory(array, frozen.weights[name])
    assert model.weights["conv_2/W"].shape == (8, 6, 10, 10)
    assert "conv_1/b" in {tensor.name for tensor in model.nodes.graph.initializer}


def test_an_emission_that_cannot_be_is_refused_with_the_nodes_name(tmp_path):
    frozen = freeze(read_source(unusual(tmp_path / "net.pb", "a")))
    with pytest.raises(UnsupportedError) as caught:
        emit.emit(frozen)
    assert caught.value.message == "the node 'a/Lgamma' of op Lgamma has no emitter"
