"""`inspector export`, and `inspector explain --export`."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest


def outputs(path, **feeds):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def test_a_model_is_written_with_its_gradient(inspector, net):
    said = inspector("export", net, "--gradient", "logits", "-o", "out.onnx")
    assert (said.code, said.out, said.err) == (0, "", "wrote out.onnx\n")
    x = np.random.default_rng(0).random((2, 8, 8, 1), dtype=np.float32)
    found = outputs("out.onnx", x=x, seed=np.eye(2, 3, dtype=np.float32))
    assert found["l"].shape == (2, 3)
    assert found["gradient/x"].shape == x.shape


def test_the_file_is_named_after_the_model(inspector, net):
    said = inspector("export", net, "--gradient", "conv_1:2", "--wrt", "t", "--outputs", "scores", "-q")
    assert (said.code, said.out, said.err) == (0, "", "")
    found = onnx.load("net+grad.onnx").graph.output
    assert [each.name for each in found] == ["r", "y", "gradient/t"]


def test_axes_that_are_free_take_their_size_from_an_option(inspector, net):
    model = onnx.load(net)
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "height"
    onnx.save(model, "free.onnx")
    said = inspector("export", "free.onnx", "--gradient", "logits")
    assert said.code == 1
    assert "of which only the first axis may stay free" in said.err.replace("\n", " ")
    assert said.err.splitlines()[-1] == (
        "  Give them: --input-shape x=N,SIZE,8,1 (in Python input_shape={'x': (1, ...)})"
    )
    said = inspector("export", "free.onnx", "--gradient", "logits", "--input-shape", "1,8,8,1", "-q")
    assert (said.code, said.err) == (0, "")


def test_a_layer_that_is_not_there_is_an_error(inspector, net):
    said = inspector("export", net, "--gradient", "conv_9")
    assert said.code == 1
    assert said.err.splitlines()[0] == f"error: {net} has no layer 'conv_9'; nearest: conv_1"
    assert not net.with_name("net+grad.onnx").exists()


def test_a_model_is_written_with_its_heatmap_and_without_pictures(inspector, net):
    said = inspector("explain", net, "--export", "cam.onnx", "--channels", "gray", "--range", "0..1")
    written = "wrote cam.onnx: layercam at conv_1, for the class that each picture gets\n"
    assert (said.code, said.out, said.err) == (0, "", written)
    x = np.random.default_rng(0).random((2, 8, 8, 1), dtype=np.float32)
    found = outputs("cam.onnx", x=x)
    assert {name: array.shape for name, array in found.items()} == {"y": (2, 3), "heatmap": (2, 8, 8)}
    stored = {entry.key: json.loads(entry.value) for entry in onnx.load("cam.onnx").metadata_props}
    assert stored["inspector.preprocess"]["range"] == "0..1"
    assert stored["inspector.heatmap"] == {"methods": ["layercam"], "layer": "conv_1"}


def test_pictures_are_explained_too(inspector, net, pictures):
    said = inspector(
        *("explain", net, pictures / "1.png", "-m", "layercam", "--export", "cam.onnx", "-o", "why.npy"),
        *("--channels", "gray", "--range", "0..1", "--no-trust"),
    )
    assert said.code == 0
    assert "wrote cam.onnx: layercam at conv_1, for the class that each picture gets\n" in said.err
    assert "wrote why.npy\n" in said.err
    from PIL import Image

    x = np.asarray(Image.open(pictures / "1.png"), np.float32)[None, :, :, None] / 255
    shown = np.load("why.npy")
    np.testing.assert_allclose(
        outputs("cam.onnx", x=x)["heatmap"].ravel(), shown.ravel(), rtol=0, atol=1e-5 * np.abs(shown).max()
    )


def test_a_method_that_is_no_graph_is_an_error(inspector, net):
    said = inspector(
        *("explain", net, "-m", "rise", "--export", "cam.onnx", "--channels", "gray", "--range", "0..1")
    )
    assert said.code == 1
    assert said.err.splitlines()[0] == (
        f"error: {net}: the method 'rise' cannot be written as a graph; "
        "expected grad-cam, hirescam, layercam, gradient"
    )


@pytest.mark.parametrize("options", [(), ("-o", "why.png")])
def test_without_pictures_and_export_there_is_nothing_to_do(inspector, net, options):
    said = inspector("explain", net, *options)
    assert said.code == 2
    assert "name pictures, or a file with --export" in said.err
