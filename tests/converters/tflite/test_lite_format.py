"""TensorFlow Lite networks converted end to end, against what LiteRT answered when they were made."""

import numpy as np
import onnx
import onnxruntime
import pytest
from lite_registry import stored

from converters.conversion import convert
from converters.errors import MissingExtraError, SourceError, UnsupportedError
from converters.formats import Request, recognise
from converters.tflite.format import TFLITE
from converters.tflite.naming import name_layers
from converters.tflite.reader import read_model
from converters.tflite.weights import read_weights

FLOAT = (
    *("batch-norm", "fixed-batch", "float-cnn", "float16", "recurrent", "recurrent-long", "residual"),
    *("separable", "two-inputs", "two-outputs"),
)
QUANTISED = ("quantised", "quantised-inside", "quantised-uint8")


def converted(lite_zoo, tmp_path, name, **choices):
    path = lite_zoo / f"{name}.tflite"
    done = convert(path, tmp_path / "m.onnx", request=Request(**choices))
    session = onnxruntime.InferenceSession(str(done.path), providers=["CPUExecutionProvider"])
    held = np.load(path.with_suffix(".npz"))
    feeds = {entry.name: x for entry, x in zip(session.get_inputs(), stored(held, "x"), strict=True)}
    return done, session.run(None, feeds), stored(held, "y")


def operators(path) -> list[str]:
    return [node.op_type for node in onnx.load(path).graph.node]


@pytest.mark.parametrize("name", FLOAT)
def test_a_network_of_floats_predicts_what_litert_predicted(lite_zoo, tmp_path, name):
    done, got, expected = converted(lite_zoo, tmp_path, name)
    assert done.certificate.verdict == "equal"
    assert done.certificate.unseen == ()
    for array, other in zip(got, expected, strict=True):
        assert (array.shape, array.dtype) == (other.shape, other.dtype)
        assert np.abs(array - other).max() <= 5e-6 * max(1.0, float(np.abs(other).max()))


@pytest.mark.parametrize("name", QUANTISED)
def test_a_network_of_whole_numbers_predicts_what_litert_predicted_to_a_few_steps(lite_zoo, tmp_path, name):
    done, got, expected = converted(lite_zoo, tmp_path, name)
    assert done.certificate.verdict == "equal"
    assert done.certificate.unseen == ()
    assert all(item.max_abs <= 1.01 * item.step for item in done.certificate.layers if item.step)
    for array, other in zip(got, expected, strict=True):
        assert (array.shape, array.dtype) == (other.shape, other.dtype)
        steps = 1 if other.dtype.kind in "iu" else 1 / 256
        assert np.abs(array.astype(np.float64) - other).max() <= 2 * steps
        assert np.array_equal(array.argmax(1), other.argmax(1))


def test_weights_of_few_bits_meet_data_that_is_not_rounded(lite_zoo, tmp_path):
    done, (got,), (expected,) = converted(lite_zoo, tmp_path, "dynamic-range")
    assert done.certificate.verdict == "equal"
    # LiteRT rounded the data of three layers to 8 bits when it answered.
    assert np.abs(got - expected).max() <= 0.02 * np.abs(expected).max()
    assert any("meet data of floats" in decision for decision in done.certificate.decisions)
    weights = [tensor for tensor in onnx.load(done.path).graph.initializer if tensor.name.endswith("/kernel")]
    assert {tensor.data_type for tensor in weights} == {onnx.TensorProto.INT8}


def test_a_plain_cnn_is_transposed_once_before_it_and_once_behind(lite_zoo, tmp_path):
    done, *_ = converted(lite_zoo, tmp_path, "float-cnn")
    assert operators(done.path) == [
        *("Transpose", "Conv", "Relu", "MaxPool", "Conv", "Clip", "Transpose", "Reshape"),
        *("Gemm", "Relu", "Gemm", "Softmax"),
    ]


def test_a_convolution_between_phases_of_a_grid_is_one_with_dilations(lite_zoo, tmp_path):
    done, *_ = converted(lite_zoo, tmp_path, "separable")
    model = onnx.load(done.path)
    nodes = {node.name: node for node in model.graph.node if node.op_type == "Conv"}
    wide = [
        list(attribute.ints)
        for node in nodes.values()
        for attribute in node.attribute
        if attribute.name == "dilations"
    ]
    assert wide == [[2, 2]]
    assert operators(done.path).count("Transpose") == 2


def test_nodes_belong_to_the_author_s_layers_and_weights_are_named_after_them(lite_zoo, tmp_path):
    done, *_ = converted(lite_zoo, tmp_path, "float-cnn")
    model = onnx.load(done.path)
    layers = [entry.value for node in model.graph.node for entry in node.metadata_props]
    assert list(dict.fromkeys(layers)) == ["conv_1", "pool_1", "conv_2", "flat", "dense_1", "scores"]
    named = {tensor.name for tensor in model.graph.initializer}
    assert {"conv_1/kernel", "conv_1/bias", "dense_1/kernel", "scores/bias"} <= named
    assert [item.name for item in done.certificate.layers] == list(dict.fromkeys(layers))


def test_inputs_keep_their_names_types_and_batch(lite_zoo, tmp_path):
    done, *_ = converted(lite_zoo, tmp_path, "quantised-uint8")
    (declared,) = onnxruntime.InferenceSession(str(done.path)).get_inputs()
    assert (declared.type, declared.shape) == ("tensor(uint8)", [1, 12, 12, 3])
    assert declared.name == read_model(lite_zoo / "quantised-uint8.tflite").inputs[0]
    done = convert(lite_zoo / "float-cnn.tflite", tmp_path / "free.onnx", request=Request(verify=False))
    (declared,) = onnxruntime.InferenceSession(str(done.path)).get_inputs()
    assert declared.shape == ["N", 12, 12, 3]


@pytest.mark.parametrize("name", QUANTISED[:1])
def test_onnxruntime_finds_its_kernels_on_whole_numbers(lite_zoo, tmp_path, name):
    done, *_ = converted(lite_zoo, tmp_path, name)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 4
    onnxruntime.InferenceSession(str(done.path), options, providers=["CPUExecutionProvider"])
    found = operators(tmp_path / "optimized.onnx")
    assert "Conv" not in found and "Gemm" not in found
    assert (found.count("QLinearConv"), found.count("QGemm")) == (4, 2)


def test_half_precision_weights_stay_as_small_in_the_file(lite_zoo, tmp_path):
    done, *_ = converted(lite_zoo, tmp_path, "float16")
    held = [tensor for tensor in onnx.load(done.path).graph.initializer if "/kernel" in tensor.name]
    assert len(held) == 4
    assert {tensor.data_type for tensor in held} == {onnx.TensorProto.FLOAT16}


def test_outputs_in_the_middle_can_be_asked_for(lite_zoo, tmp_path):
    path = lite_zoo / "float-cnn.tflite"
    model = read_model(path)
    tensor = name_layers(model).tensors["pool_1"]
    done = convert(path, tmp_path / "m.onnx", request=Request(outputs=(tensor,)))
    assert done.certificate.verdict == "equal"
    (declared,) = onnxruntime.InferenceSession(str(done.path)).get_outputs()
    assert (declared.name, declared.shape) == (tensor, ["N", 5, 5, 8])
    with pytest.raises(SourceError) as caught:
        convert(path, tmp_path / "n.onnx", request=Request(outputs=("pool_9",)))
    assert caught.value.message == (f"{path}: makes no tensor 'pool_9'; its outputs are {model.outputs[0]}")


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"engine": "tf2onnx"}, "is a TensorFlow Lite model, which tf2onnx is not used for"),
        ({"bake_preprocessing": True}, "holds no statistics of a preprocessing to bake in"),
        ({"input_shapes": ("1,2",)}, "declares its inputs itself"),
        ({"opset": 13}, "opset 13 was asked for; expected 17 or higher"),
        ({"inputs": ("x",)}, "can be fed its own inputs only: serving_default_picture:0"),
    ],
)
def test_what_was_asked_for_and_does_not_exist_here_is_refused(lite_zoo, tmp_path, choice, message):
    path = lite_zoo / "float-cnn.tflite"
    with pytest.raises(UnsupportedError) as caught:
        convert(path, tmp_path / "m.onnx", request=Request(verify=False, **choice))
    assert caught.value.message == f"{path}: {message}"
    assert not (tmp_path / "m.onnx").exists()


def test_loops_are_refused_by_name(lite_zoo, tmp_path):
    path = lite_zoo / "looped.tflite"
    with pytest.raises(UnsupportedError) as caught:
        convert(path, tmp_path / "m.onnx")
    assert caught.value.message == f"{path}: cannot be converted, for it has control flow: WHILE"


def test_without_litert_the_install_command_is_told(lite_zoo, tmp_path, monkeypatch):
    import importlib.util

    real, hidden = importlib.util.find_spec, ("ai_edge_litert", "tensorflow")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name in hidden else real(name))
    path = lite_zoo / "float-cnn.tflite"
    with pytest.raises(MissingExtraError) as caught:
        convert(path, tmp_path / "m.onnx")
    assert caught.value.message == (
        f"{path}: comparing it with its conversion needs ai-edge-litert, not installed here"
    )
    assert caught.value.hint == "pip install 'onnx-inspector[tflite]', or --no-verify"
    done = convert(path, tmp_path / "m.onnx", request=Request(verify=False))
    assert done.certificate.verdict == "not compared"


def test_the_format_is_found_by_content(lite_zoo, tmp_path):
    path = tmp_path / "network.bin"
    path.write_bytes((lite_zoo / "float-cnn.tflite").read_bytes())
    assert recognise(path) is TFLITE


def test_an_int8_network_says_that_it_became_unsigned_inside(lite_zoo):
    with TFLITE.open(lite_zoo / "quantised.tflite", Request(verify=False)) as source:
        assert source.kind == "TensorFlow Lite model, quantised int8"
        assert any("signed bytes became unsigned ones" in decision for decision in source.decisions)
        assert set(source.steps) > {spec.name for spec in (*source.inputs, *source.outputs)}


@pytest.mark.parametrize("name", ["float-cnn", "float16", "quantised", "separable", "dynamic-range"])
def test_kernels_are_read_without_litert_as_litert_has_them(lite_zoo, name):
    from ai_edge_litert.interpreter import Interpreter

    path = lite_zoo / f"{name}.tflite"
    interpreter = Interpreter(model_path=str(path))
    details = {detail["name"]: detail for detail in interpreter.get_tensor_details()}
    model, found = read_model(path), {layer.name: layer for layer in read_weights(path).layers}
    layers = name_layers(model)
    seen = 0
    for operation in model.operations:
        layer = found.get(layers.of[operation.name])
        if operation.op not in ("CONV_2D", "DEPTHWISE_CONV_2D") or layer is None or layer.kernel is None:
            continue
        source = operation.inputs[1]
        source = model.producers[source].inputs[0] if source in model.producers else source
        detail = details[source]
        array = interpreter.get_tensor(detail["index"]).astype(np.float32)
        if operation.op == "DEPTHWISE_CONV_2D":
            scale_axis, expected = 3, array.transpose(3, 0, 1, 2)
        else:
            scale_axis, expected = 0, array.transpose(0, 3, 1, 2)
        scales = detail["quantization_parameters"]["scales"]
        if scales.size:
            assert scales.size == 1 or detail["quantization_parameters"]["quantized_dimension"] == scale_axis
            expected = expected * scales.reshape(-1, 1, 1, 1)
        if layer.kernels().shape == expected.shape:
            assert np.array_equal(layer.kernels(), expected)
            seen += 1
    assert seen >= 2


def test_weights_have_kinds_names_and_shapes(lite_zoo):
    weights = read_weights(lite_zoo / "quantised-uint8.tflite")
    assert [(layer.name, layer.kind, layer.order) for layer in weights.layers] == [
        ("conv_1", "Conv", "OHWI"),
        ("conv_2", "Conv", "OHWI"),
        ("dense_1", "Gemm", ""),
        ("scores", "Gemm", ""),
    ]
    kernel, bias = weights.layers[0].variables
    assert (kernel.name, kernel.shape, kernel.dtype) == ("conv_1/kernel", (8, 3, 3, 3), np.float32)
    assert (bias.name, bias.shape) == ("conv_1/bias", (8,))
    assert weights.kind == "TensorFlow Lite model"
    floats = {layer.name: layer for layer in read_weights(lite_zoo / "fixed-batch.tflite").layers}
    for layer in weights.layers:
        # The same seed does not make the same weights: only the scale of things is compared.
        assert [v.shape for v in layer.variables] == [v.shape for v in floats[layer.name].variables]
        assert all(np.isfinite(variable.read()).all() for variable in layer.variables)


def test_weights_tell_in_how_many_groups_the_channels_are(lite_zoo):
    layers = {layer.name: layer for layer in read_weights(lite_zoo / "separable.tflite").layers}
    groups = {
        name: (layer.groups, layer.kernels().shape[:2]) for name, layer in layers.items() if layer.order
    }
    assert groups["depthwise_1"] == (8, (16, 1))
    assert groups["separable_1"] == (3, (3, 1))
    assert groups["dilated"] == (1, (5, 16))
    (grouped,) = read_weights(lite_zoo / "CONV_2D.grouped.tflite").layers
    assert (grouped.groups, grouped.kernels().shape[:2]) == (2, (6, 2))


def test_a_wrong_kernel_is_found_in_the_first_layer_that_has_it(lite_zoo, tmp_path, monkeypatch):
    from converters.errors import NotEqualError
    from converters.tflite.emit import convolution

    real = convolution.kernel

    def mirrored(to, operation, index, order, data):
        made = real(to, operation, index, order, data)
        if to.layer != "conv_2":
            return made
        return to.weight(np.ascontiguousarray(made.constant[..., ::-1]), "conv_2/mirrored")

    monkeypatch.setattr(convolution, "kernel", mirrored)
    with pytest.raises(NotEqualError) as caught:
        convert(lite_zoo / "float-cnn.tflite", tmp_path / "m.onnx")
    assert caught.value.certificate.first_difference.name == "conv_2"
