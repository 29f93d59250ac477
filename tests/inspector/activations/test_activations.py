"""Feature maps of one picture, against the convolution by hand."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from inspector.errors import OptionError, OutputExistsError, UnknownLayerError
from inspector.model import load

PIXELS = np.random.default_rng(0).integers(0, 256, (8, 6), np.uint8)
KERNELS = np.random.default_rng(1).normal(size=(4, 1, 3, 3)).astype(np.float32)
DENSE = np.random.default_rng(2).normal(size=(4 * 6 * 4, 5)).astype(np.float32)


@pytest.fixture
def model(tmp_path):
    """conv (4 kernels of 3x3, no padding) → relu → dense."""
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["t", "conv.weight"], ["c"]),
        helper.make_node("Relu", ["c"], ["r"], name="act"),
        helper.make_node("Flatten", ["r"], ["f"]),
        helper.make_node("MatMul", ["f", "dense.weight"], ["y"]),
    ]
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 8, 6, 1])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 5])
    weights = [
        numpy_helper.from_array(KERNELS, "conv.weight"),
        numpy_helper.from_array(DENSE, "dense.weight"),
    ]
    graph = helper.make_graph(nodes, "net", [value], [result], weights)
    path = tmp_path / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path)
    return load(path)


def by_hand():
    x = PIXELS.astype(np.float64) / 255
    return np.array(
        [[[(x[i : i + 3, j : j + 3] * k[0]).sum() for j in range(4)] for i in range(6)] for k in KERNELS]
    )


def test_the_maps_are_those_of_a_convolution_by_hand(model):
    found = model.activations(PIXELS, "c")
    assert found.maps.dtype == np.float32
    assert np.allclose(found.maps, by_hand(), atol=1e-5)
    assert found.indices == (0, 1, 2, 3)
    assert found.title == "c · 4 maps of 6x4 for the picture"
    assert (found.seen == PIXELS).all()


def test_a_layer_is_known_by_its_name_and_a_value_by_its_own(model):
    assert np.array_equal(model.activations(PIXELS, "conv").maps, model.activations(PIXELS, "c").maps)
    assert np.allclose(model.activations(PIXELS, "r").maps, np.maximum(by_hand(), 0), atol=1e-5)
    seen = model.activations(PIXELS, "x").maps
    assert np.allclose(seen[0], PIXELS / 255, atol=1e-6)


def test_a_dense_layer_gives_one_number_a_unit(model):
    found = model.activations(PIXELS, "dense")
    expected = np.maximum(by_hand(), 0).reshape(-1) @ DENSE
    assert found.maps.shape == (5, 1, 1)
    assert np.allclose(found.maps.ravel(), expected, atol=1e-4)


def test_channels_are_selected_and_sorted_by_their_mean_magnitude(model):
    strength = np.abs(by_hand()).mean(axis=(1, 2))
    found = model.activations(PIXELS, "c", select="1-3", sort="strength")
    order = sorted((1, 2, 3), key=lambda channel: -strength[channel])
    assert found.indices == tuple(order)
    assert np.allclose(found.strength, strength[order], atol=1e-5)
    assert found.title == "c · 3 of 4 maps of 6x4 for the picture"


def test_maps_without_anything_are_named(model, tmp_path):
    black = model.activations(np.zeros((8, 6), np.uint8), "act")
    assert black.silent == (0, 1, 2, 3)
    assert black.notes == ("4 of 4 maps are zero everywhere for this picture",)
    assert model.activations(PIXELS, "c").notes == ()


def test_the_file_is_the_array_or_the_picture_as_its_suffix_says(model, tmp_path):
    found = model.activations(PIXELS, "c")
    assert np.array_equal(np.load(found.save(tmp_path / "a.npy")), found.maps)
    with Image.open(found.save(tmp_path / "a.png", captions=True)) as image:
        assert image.size[0] > 400
    assert found.save(tmp_path / "a.svg").read_text().startswith("<svg")
    with pytest.raises(OutputExistsError):
        found.save(tmp_path / "a.npy")
    with pytest.raises(OptionError) as caught:
        found.save(tmp_path / "a.gif")
    assert caught.value.message == "cannot write activations as .gif; expected .png, .svg, .npy"


def test_without_negative_numbers_zero_is_black_and_with_them_mid_grey(model):
    signed = model.activations(PIXELS, "c").picture(zoom=1, padding=0, columns=1).pixels
    assert signed.min() < 100 and signed.max() > 150
    black = model.activations(np.zeros((8, 6), np.uint8), "r").picture(zoom=1, padding=0, columns=1)
    assert black.key == "0 to 0, one scale for all tiles"
    assert (black.pixels == 0).all()


def test_over_the_picture_a_silent_map_shows_the_picture_alone_and_a_loud_one_its_colour(model):
    quiet = model.activations(np.full((8, 6), 0, np.uint8), "r").picture(overlay=True, padding=0, columns=1)
    assert (quiet.pixels == 0).all()
    loud = model.activations(PIXELS, "r").picture(overlay=True, padding=0, captions=True)
    strongest = by_hand().max()
    assert loud.key == f"0 to {strongest:.3g}, one scale for all tiles"
    assert len(np.unique(loud.canvas.reshape(-1, 3), axis=0)) > 20


def test_a_dense_layer_has_no_place_in_the_picture(model):
    with pytest.raises(OptionError) as caught:
        model.activations(PIXELS, "dense").picture(overlay=True)
    assert caught.value.message == (
        f"{model.path}: dense has one number a unit, which has no place in the picture"
    )


def test_an_unknown_layer_and_an_unknown_order_are_told(model):
    with pytest.raises(UnknownLayerError) as unknown:
        model.activations(PIXELS, "convv")
    assert "nearest: conv" in unknown.value.message
    with pytest.raises(OptionError) as caught:
        model.activations(PIXELS, "c", sort="size")
    assert caught.value.message == "there is no order 'size'; expected none or strength"


def test_a_value_whose_axes_nothing_tells_is_refused(tmp_path):
    size = helper.make_tensor("s", TensorProto.INT64, [4], [-1, 2, 4, 6])
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 8, 6, 1])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(
        [helper.make_node("Reshape", ["x", "s"], ["y"])], "n", [value], [result], [size]
    )
    onnx.save(helper.make_model(graph), tmp_path / "n.onnx")
    model = load(tmp_path / "n.onnx")
    with pytest.raises(OptionError) as caught:
        model.activations(PIXELS, "y")
    assert caught.value.message == (
        f"{tmp_path / 'n.onnx'}: 'y': its value has the shape [1, 2, 4, 6], and no operator says "
        "what its axes are; expected feature maps or one number a unit"
    )


def test_the_record_has_a_row_for_each_channel(model):
    record = model.activations(PIXELS, "c", select="2").to_dict()
    hand = by_hand()[2]
    assert record["layer"] == "c"
    assert record["shape"] == [1, 6, 4]
    (row,) = record["channels"]
    assert row["channel"] == 2
    assert row["max"] == pytest.approx(hand.max(), abs=1e-5)
    assert row["strength"] == pytest.approx(np.abs(hand).mean(), abs=1e-5)


def test_a_model_without_class_scores_has_activations_too(tmp_path):
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, 8, 6])
    boxes = helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["N", 4, 6, 4])
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "conv.weight"], ["boxes"])],
        "detector",
        [value],
        [boxes],
        [numpy_helper.from_array(KERNELS, "conv.weight")],
    )
    path = tmp_path / "d.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path)
    assert np.allclose(load(path).activations(PIXELS, "conv").maps, by_hand(), atol=1e-5)
